"""``draft``: a catalogue entry for an event type, or its differences from the present entry."""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from cli.catalogue import model
from cli.catalogue.model import Family
from cli.draft import compare, entry
from cli.draft.compare import Comparison
from cli.draft.entry import DraftEntry
from cli.draft.observed import ObservedEventType
from cli.stack.stack import open_stack
from cli.ui import arguments
from cli.ui.output import info

EXAMPLES = """\
examples:
  canvas-events draft captured.jsonl                  captured events: one, an array, one per line, or an invocation
  canvas-events draft --rejected grade_change         the events of this type that a stack rejected as unknown
  canvas-events draft --rejected 'module_note_*'      those of all types that match
  canvas-events draft --rejected --local              all events that it rejected as unknown, by type

Exit status, like that of diff: 0 no differences from the catalogue, 1 differences or new event types (or an error, with
a message on standard error), 2 usage error.
"""

_MERGE = """\
Lines under "against [entity]" are differences from an existing entry: merge them into that entry.\
"""
_NEXT = """\
Next: 1. Check the lines marked "review", write down what the fields mean, and paste the entry into
         schemas/catalogue/<family>.toml. For a new family, see docs/upgrading.md.
      2. For each new type, add an event with fictional people as events/samples/<event type>.json, and the key that
         it must get, worked out by hand, to tests/keys/<family>.toml.
      3. make generate && make test
      4. sam build && sam deploy
      5. canvas-events rejected redrive --reason unknown_event_type --dry-run, then without --dry-run.\
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    about = "draft a catalogue entry from events, or show differences from the present one"
    parser = commands.add_parser(
        "draft",
        help=about,
        description="Draft a catalogue entry, or show differences from the present one: from captured events, or from"
        " rejected events of an unknown type. The entry is printed as TOML, with uncertain lines marked for review. Of"
        " the events only names, kinds, states and type names are printed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[arguments.stack_options()],
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("files", nargs="*", default=[], metavar="FILE", help="captured events; - for standard input")
    source.add_argument(
        "--rejected", nargs="*", metavar="EVENT_TYPE",
        help="rejected events of an unknown type: all, or those of these types, such as 'module_note_*'",
    )  # fmt: skip
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """The command: 0 when the events do not differ from the catalogue, 1 otherwise."""
    # Imported only here: the table of rejected events needs boto3, which no help does.
    from cli.draft import sources

    if args.rejected is None:
        event_types = [event_type for path in args.files for event_type in sources.from_file(path)]
    else:
        event_types = sources.from_rejected(open_stack(args), args.rejected)
    drafts = draft_all(event_types, model.families())
    print("\n\n".join(map(_text, drafts)))
    differences = [draft for draft in drafts if draft]
    if differences:
        sys.stdout.flush()
        if any(isinstance(draft, Comparison) for draft in differences):
            info(_MERGE)
        for line in _NEXT.splitlines():
            info(line)
    return 1 if differences else 0


def draft_all(event_types: list[ObservedEventType], families: list[Family]) -> list[DraftEntry | Comparison]:
    """Return an entry for each new entity, and a comparison for each that the catalogue has."""
    entities_by_name = {entity.name: (family.name, entity) for family in families for entity in family.entities}
    meanings = entry.common_meanings(entity for _, entity in entities_by_name.values())
    groups: dict[tuple[str, ...], list[ObservedEventType]] = {}
    # Lifecycle events first: they show which fields the entity has.
    for event_type in sorted(event_types, key=lambda each: not entry.is_lifecycle_event(each)):
        groups.setdefault(_entity_names(event_type, families, groups), []).append(event_type)
    drafts: list[DraftEntry | Comparison] = []
    for names, group in sorted(groups.items()):
        if all(name in entities_by_name for name in names):
            entities = tuple(entities_by_name[name][1] for name in names)
            family = entities_by_name[names[0]][0]
            drafts.append(compare.compare_with_catalogue(family, entities, group, meanings))
        else:
            drafts.append(entry.draft_entry(names[0], group, meanings, _family(names[0], families)))
    return drafts


def _entity_names(
    event_type: ObservedEventType,
    families: list[Family],
    groups: Mapping[tuple[str, ...], list[ObservedEventType]],
) -> tuple[str, ...]:
    """Return the entities that an event type is about: those of the catalogue, or one inferred from its name."""
    entities = [entity for family in families for entity in family.entities]
    known = tuple(entity.name for entity in entities if event_type.name in entity.events)
    if known:
        return known
    name = entry.entity_name(event_type)
    fields = {field for each in groups.get((name,), ()) for field in each.fields}
    fields |= {field for entity in entities if entity.name == name for field in entity.fields}
    has_most_fields = 2 * len(event_type.fields.keys() & fields) > len(event_type.fields)
    if entry.is_lifecycle_event(event_type) or has_most_fields or not fields:
        return (name,)
    # It only mentions the entity and has fields of its own, so it needs an entry of its own.
    return (event_type.name.rpartition(".")[2],)


def _family(name: str, families: list[Family]) -> str:
    """Return the family whose entities share the longest prefix of words with this name; empty if none or several."""
    words = name.split("_")
    for length in range(len(words), 0, -1):
        matches = {
            family.name
            for family in families
            if any(entity.name.split("_")[:length] == words[:length] for entity in family.entities)
        }
        if matches:
            return matches.pop() if len(matches) == 1 else ""
    return ""


def _text(draft: DraftEntry | Comparison) -> str:
    return compare.to_text(draft) if isinstance(draft, Comparison) else entry.to_toml(draft)
