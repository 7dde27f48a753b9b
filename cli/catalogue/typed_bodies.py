"""``canvas_tables/entities.py``: the kinds of entities and the types of their bodies, from the catalogue."""

import textwrap
from collections.abc import Iterator, Sequence

from cli.catalogue.model import CATALOGUE, EntityDefinition, Family, families
from handlers.items.event_types import SCHEMAS_DIR

FILE = SCHEMAS_DIR.parent / "canvas_tables" / "entities.py"

_HEAD = '''\
"""The kinds of entities, and the types of their bodies.

Generated from ``schemas/catalogue/`` by ``make generate``; do not edit it here. Each field of a body may be missing,
which means null. Ids are text, times are text in UTC such as ``2026-09-03T09:15:27.004000Z``, numbers are ``Decimal``.
"""

from decimal import Decimal
from typing import Any, NamedTuple, TypedDict


class Kind(NamedTuple):
    """Where the items of an entity are.

    ``table`` is the environment variable with the table's name. ``contexts`` are the classes that contain the entity,
    such as ``Course``; an empty one stands for any class. ``by_course`` and ``by_user`` say whether an index finds its
    items. Of an append-only entity each event is an item, in the order of time.
    """

    table: str
    contexts: frozenset[str]
    by_course: bool
    by_user: bool
    is_append_only: bool


'''

_TYPES = {
    **dict.fromkeys(("gid", "lid", "uuid", "str", "state", "text", "time", "ruby_time", "date"), "str"),
    **dict.fromkeys(("num", "int"), "Decimal"),
    "bool": "bool",
    "obj": "dict[str, Any]",
    "list": "list[Any]",
    "ids": "list[str]",
}
_WIDTH = 120


def text() -> str:
    """The whole file."""
    known = families(CATALOGUE)
    bodies = "\n\n".join(_body(entity) for family in known for entity in family.entities)
    return f"{_HEAD}{_kinds(known)}\n\n{bodies}"


def _kinds(known: Sequence[Family]) -> str:
    by_kind: dict[str, list[EntityDefinition]] = {}
    for family in known:
        for entity in family.entities:
            by_kind.setdefault(entity.kind, []).append(entity)
    lines = "".join(f"    {line}\n" for kind, entities in by_kind.items() for line in _kind(kind, entities))
    return f"KINDS = {{\n{lines}}}\n"


def _kind(kind: str, entities: Sequence[EntityDefinition]) -> Iterator[str]:
    """The lines of a kind; several append-only entities may share one."""
    templates = [template for entity in entities for template in entity.context_templates]
    classes = sorted({"" if template.startswith("{") else template.partition("#")[0] for template in templates})
    contexts = ", ".join(f'"{name}"' for name in classes)
    by_course, by_user = any(e.course_templates for e in entities), any(e.user_templates for e in entities)
    flags = f"{by_course}, {by_user}, {not entities[0].id_templates}"
    line = f'"{kind}": Kind("{entities[0].table_variable}", frozenset({{{contexts}}}), {flags}),'
    if len(line) + 4 <= _WIDTH:
        yield line
        return
    yield f'"{kind}": Kind('
    yield f'    "{entities[0].table_variable}", frozenset({{{contexts}}}), {flags}'
    yield "),"


def body_name(entity: str) -> str:
    """The name of the type of an entity's body: ``SubmissionGradeBody``."""
    return "".join(word.capitalize() for word in entity.split("_")) + "Body"


def _body(entity: EntityDefinition) -> str:
    about = " ".join(entity.about.replace("`", "``").split())
    first, _, others = about.partition(". ")
    summary = f"{first.rstrip('.')}."
    doc = textwrap.fill(f'"""{summary}', 116) if others else textwrap.fill(f'"""{summary}"""', 116)
    if others:
        doc += f'\n\n{textwrap.fill(others, 116)}\n"""'
    lines = [f"{name}: {_TYPES[field.kind]}" for name, field in entity.fields.items() if "." not in name]
    fields = textwrap.indent("\n".join(lines), "    ")
    head = f"class {body_name(entity.name)}(TypedDict, total=False):\n{textwrap.indent(doc, '    ')}\n"
    return f"{head}\n{fields}\n" if lines else head
