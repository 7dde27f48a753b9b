"""``draft``: a catalogue entry for an event type, or what differs from the present one."""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from cli.catalogue import model
from cli.catalogue.model import Family
from cli.draft import compare, entry, sources
from cli.draft.compare import Comparison
from cli.draft.entry import Entry
from cli.draft.observed import Observed
from cli.stack.stack import open_stack
from cli.ui import arguments
from cli.ui.output import say

EXAMPLES = """\
examples:
  canvas-events draft enrollment.md                   a page of Instructure's documentation, as Markdown or HTML
  canvas-events draft https://developerdocs.instructure.com/services/canvas/data-services/live-events/event-format/canvas/file.data_service_canvas_enrollment
  canvas-events draft captured.jsonl                  events: one, an array, one a line, or a Lambda invocation
  canvas-events draft --rejected grade_change         the events of that type that a stack rejected as unknown
  canvas-events draft --rejected 'module_note_*'      those of all types of that beginning
  canvas-events draft --rejected --local              all that it rejected as unknown, type by type

Exit status, as that of diff: 0 nothing differs from the catalogue, 1 something does, or is new in it (or the source
cannot be read, which standard error says), 2 the command was called wrongly.
"""

_OF_THOSE_THERE = """\
What is headed "against [an entry]" is no entry: its lines go into that entry, and not to the end of the file.\
"""
_NEXT = """\
Next: 1. Look at what is marked "review", write the meanings in your own words, and paste it into
         schemas/catalogue/<family>.toml. A new family: docs/upgrading.md.
      2. Put an event of each new type into events/samples/<event type>.json, with made-up persons, and the key that
         it must get, worked out by hand, into tests/keys/<family>.toml.
      3. make generate && make test
      4. make build && sam deploy
      5. canvas-events rejected redrive --reason unknown_event_type --dry-run, then without --dry-run.\
"""


def add_to(commands: Any) -> None:
    """Add the command."""
    about = "draft a catalogue entry, or say what differs from the present one"
    parser = commands.add_parser(
        "draft",
        help=about,
        description=f"{about[0].upper()}{about[1:]}: from a page of Instructure's documentation of Live Events, from"
        " captured events, or from those that wait among the rejected. The entry is printed as TOML, to be reviewed:"
        " what is unsure is marked. Of captured events nothing is printed but names, kinds, states and types.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[arguments.where()],
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("sources", nargs="*", default=[], metavar="SOURCE", help="a file, an https address, or -")
    source.add_argument(
        "--rejected", nargs="*", metavar="EVENT_TYPE",
        help="what a stack rejected as an unknown event type: all, or those of these types, as 'module_note_*'",
    )  # fmt: skip
    parser.set_defaults(command=run)


def run(called: argparse.Namespace) -> int:
    """The command: 0 when the catalogue has all that the source has, 1 otherwise."""
    if called.rejected is None:
        observed = [each for source in called.sources for each in sources.read(source)]
    else:
        observed = sources.of_rejected(open_stack(called), called.rejected)
    drafts = list(drafted(observed, model.families()))
    print("\n\n".join(map(_text, drafts)))
    new = [each for each in drafts if each]
    if new:
        sys.stdout.flush()
        if any(isinstance(each, Comparison) for each in new):
            say(_OF_THOSE_THERE)
        for step in _NEXT.splitlines():
            say(step)
    return 1 if new else 0


def drafted(observed: list[Observed], families: list[Family]) -> list[Entry | Comparison]:
    """What the source comes to, entity by entity: an entry, or a comparison with those that are there."""
    homes = {entity.name: (family.name, entity) for family in families for entity in family.entities}
    meanings = entry.meanings_of(entity for _, entity in homes.values())
    groups: dict[tuple[str, ...], list[Observed]] = {}
    # Those of an entity's own life first: they say what its fields are.
    for each in sorted(observed, key=lambda each: not entry.is_of_a_life(each)):
        groups.setdefault(_speaks_of(each, families, groups), []).append(each)
    drafts: list[Entry | Comparison] = []
    for names, those in sorted(groups.items()):
        if all(name in homes for name in names):
            entities = tuple(homes[name][1] for name in names)
            drafts.append(compare.compared(homes[names[0]][0], entities, those, meanings))
        else:
            drafts.append(entry.drafted(names[0], those, meanings, _family(names[0], families)))
    return drafts


def _speaks_of(
    event_type: Observed, families: list[Family], groups: Mapping[tuple[str, ...], list[Observed]]
) -> tuple[str, ...]:
    """The names of the entities that an event type speaks of: those of the catalogue, or what its name tells."""
    entities = [entity for family in families for entity in family.entities]
    speak_of_it = tuple(entity.name for entity in entities if event_type.name in entity.events)
    if speak_of_it:
        return speak_of_it
    name = entry.entity_of(event_type)
    fields = {field for each in groups.get((name,), ()) for field in each.fields}
    fields |= {field for entity in entities if entity.name == name for field in entity.fields}
    tells_it = entry.is_of_a_life(event_type) or 2 * len(event_type.fields.keys() & fields) > len(event_type.fields)
    # What only mentions an entity has fields of its own, and needs an entry of its own.
    return (name,) if tells_it or not fields else (event_type.name.rpartition(".")[2],)


def _family(name: str, families: list[Family]) -> str:
    """The one family whose entities' names begin most like this one; empty where none does, or several."""
    words = name.split("_")
    for length in range(len(words), 0, -1):
        alike = {
            family.name
            for family in families
            if any(entity.name.split("_")[:length] == words[:length] for entity in family.entities)
        }
        if alike:
            return alike.pop() if len(alike) == 1 else ""
    return ""


def _text(draft: Entry | Comparison) -> str:
    return compare.text(draft) if isinstance(draft, Comparison) else entry.toml(draft)
