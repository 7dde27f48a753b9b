"""The generated blocks of ``template.yaml``.

A block is the lines between ``# BEGIN GENERATED <name> (make generate)`` and ``# END GENERATED <name>``. The blocks are
plain CloudFormation and stay in git; everything else in the template is written by hand.
"""

import re
import textwrap
from collections.abc import Mapping, Sequence

from cli.catalogue import template_alarms, template_families
from cli.catalogue.model import CATALOGUE, Family, families
from cli.errors import CommandError
from handlers.items.event_types import SCHEMAS_DIR

FILE = SCHEMAS_DIR.parent / "template.yaml"

_MARKER = re.compile(r"^ *# (?:BEGIN|END) GENERATED (.+?)(?: \(make generate\))?$", re.MULTILINE)


def text() -> str:
    """The whole file with every block up to date. Raises as ``update`` does."""
    return update(FILE.read_text(encoding="utf-8"), families(CATALOGUE))


def stale_blocks() -> list[str]:
    """The names of the blocks that are out of date. Raises as ``update`` does."""
    template = FILE.read_text(encoding="utf-8")
    blocks = _blocks(template, families(CATALOGUE))
    return [name for name, block in blocks.items() if _replace(template, name, block) != template]


def update(template: str, known: Sequence[Family]) -> str:
    """Return a template whose blocks are those of the families ``known``, in their order.

    Raises ``CommandError`` for a block whose markers are missing or damaged, and for a queue alarm that the stream
    cannot copy; ``CatalogueError`` for a family that the template cannot have.
    """
    blocks = _blocks(template, known)
    for name in _MARKER.findall(template):
        if name not in blocks:
            raise CommandError(f"template.yaml: nothing generates the block `{name}`. Delete its markers.")
    for name, block in blocks.items():
        template = _replace(template, name, block)
    return template


def _blocks(template: str, known: Sequence[Family]) -> Mapping[str, str]:
    """The lines of each block, without indentation, by its name."""
    template_families.check(known)
    alarms = template_alarms.stream_alarms(template)
    return {
        "family names": template_families.parameter(known),
        "conditions": template_families.conditions(known),
        "table variables": template_families.variables(known),
        "table permissions": template_families.permissions(known),
        "tables": template_families.tables(known),
        "stream alarms": "\n".join(alarms.values()),
        "dashboard variables": template_families.dashboard(known) + template_alarms.dashboard(alarms),
        "table outputs": template_families.outputs(known),
    }


def _replace(template: str, name: str, block: str) -> str:
    begin, end = f"# BEGIN GENERATED {name} (make generate)", f"# END GENERATED {name}"
    marked = re.compile(rf"^( *){re.escape(begin)}\n(?:.*\n)*?\1{re.escape(end)}\n", re.MULTILINE)
    found = marked.search(template)
    if not found or _MARKER.findall(template).count(name) != 2:
        raise CommandError(
            f"template.yaml: the block `{name}` needs one line `{begin}` and, below it and equally indented, one line"
            f" `{end}`. Restore them (`git diff template.yaml` shows what changed), then run `make generate`."
        )
    lines = textwrap.indent(f"{begin}\n{block}{end}\n", found[1])
    return template[: found.start()] + lines + template[found.end() :]
