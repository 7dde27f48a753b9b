"""Differences between observed event types and the catalogue's entries for them."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cli.catalogue.model import EntityDefinition
from cli.draft.entry import (
    MAX_LINE_LENGTH,
    FieldLine,
    family_file,
    field_line,
    field_lines,
    source_remarks,
    toml_string,
)
from cli.draft.kinds import KindInference, describe_types, states
from cli.draft.observed import IDS, ObservedEventType, ObservedField, ValueType, merge_fields
from cli.ui.output import visible

_STRINGS = IDS | {
    *(ValueType.STRING, ValueType.TEXT, ValueType.UUID),
    *(ValueType.TIME, ValueType.RUBY_TIME, ValueType.DATE),
}

# The value types that the schema of each kind accepts. In a field named like an id, digits are an id.
ACCEPTED_TYPES: Mapping[str, frozenset[ValueType]] = {
    **dict.fromkeys(("gid", "lid"), IDS | {ValueType.INTEGER}),
    **dict.fromkeys(("str", "text", "uuid", "state"), _STRINGS),
    "time": frozenset({ValueType.TIME}),
    "ruby_time": frozenset({ValueType.TIME, ValueType.RUBY_TIME}),
    "date": frozenset({ValueType.DATE, ValueType.TIME}),
    "num": frozenset({ValueType.INTEGER, ValueType.DECIMAL}),
    "int": frozenset({ValueType.INTEGER}),
    "bool": frozenset({ValueType.BOOL}),
    "obj": frozenset({ValueType.OBJECT}),
    **dict.fromkeys(("list", "ids"), frozenset({ValueType.LIST})),
}

# Kinds whose values are stored in the same way, so that one instead of the other is no difference.
EQUIVALENT_KINDS = (
    frozenset({"gid", "lid"}),
    frozenset({"str", "text", "uuid", "state"}),
    frozenset({"time", "ruby_time", "date"}),
    frozenset({"num", "int"}),
)


@dataclass(frozen=True)
class Comparison:
    """The differences between the observed event types ``events`` and the entries ``entities`` of a family.

    ``new_events`` are event types that the entries do not list. ``missing`` has the lines of fields that no entry has;
    ``conflicting`` and ``new_states`` have those of fields with another kind or more states, with the difference as
    their remark. ``unobserved`` are fields of the entries that were not observed.
    """

    family: str
    entities: tuple[EntityDefinition, ...]
    events: tuple[str, ...]
    new_events: tuple[str, ...] = ()
    missing: Mapping[str, FieldLine] = field(default_factory=dict)
    conflicting: Mapping[str, FieldLine] = field(default_factory=dict)
    new_states: Mapping[str, FieldLine] = field(default_factory=dict)
    unobserved: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is a difference that may need a change of the catalogue."""
        return bool(self.new_events or self.missing or self.conflicting or self.new_states)


def compare_with_catalogue(
    family: str,
    entities: tuple[EntityDefinition, ...],
    event_types: list[ObservedEventType],
    meanings: Mapping[str, str],
) -> Comparison:
    """Compare event types with the entries, in a family's file, of the entities that they are about.

    ``meanings`` are as for ``entry.draft_entry``.
    """
    renamed = {other: name for entity in entities for other, name in entity.field_aliases.items()}
    # Members of objects are in the catalogue where keys need them, and are not observed.
    known = {name: each for entity in entities for name, each in entity.fields.items() if "." not in name}
    observed = {renamed.get(name, name): each for name, each in merge_fields(event_types).items()}
    known_events = {event for entity in entities for event in entity.events}
    lines = {name: field_line(name, each, meanings) for name, each in observed.items()}
    shared = [name for name in observed if name in known]
    return Comparison(
        family,
        entities,
        tuple(dict.fromkeys(each.name for each in event_types)),
        new_events=tuple(dict.fromkeys(each.name for each in event_types if each.name not in known_events)),
        missing={name: line for name, line in lines.items() if name not in known},
        conflicting={
            name: FieldLine(replace(lines[name].inference, remark=conflict), known[name].about)
            for name in shared
            if (conflict := _conflict(known[name].kind, lines[name].inference, observed[name]))
        },
        new_states={
            name: FieldLine(KindInference("state", (*known[name].states, *new), remark=f"new: {', '.join(new)}"), "")
            for name in shared
            if known[name].kind == "state" and (new := _new_states(known[name].states, observed[name]))
        },
        unobserved=tuple(name for name in known if name not in observed),
        remarks=tuple(source_remarks(event_types)),
    )


def to_text(comparison: Comparison) -> str:
    """Return the differences as lines to merge into the entry, with comments."""
    entities = ", ".join(f"[{entity.name}]" for entity in comparison.entities)
    parts = [[f"# {', '.join(comparison.events)}, against {entities} of {family_file(comparison.family)}"]]
    parts[0] += [f"# {visible(remark)}" for remark in comparison.remarks]
    if comparison.new_events:
        events = dict.fromkeys([*comparison.entities[0].events, *comparison.new_events])
        parts.append([
            "# New events. Does each have all fields of the entity? A field that is not in an event counts as null.",
            "# If not, write an entry of their own for them.",
            f"events  = [{', '.join(map(toml_string, events))}]",
        ])  # fmt: skip
    for comment, lines in (
        ("# Missing fields:", comparison.missing),
        ("# Fields of another kind:", comparison.conflicting),
        ("# New states:", comparison.new_states),
    ):
        if lines:
            parts.append([comment, *field_lines(lines)])
    if not comparison:
        parts.append(["# No differences."])
    if comparison.unobserved:
        names = textwrap.wrap(", ".join(comparison.unobserved), MAX_LINE_LENGTH - 2, break_on_hyphens=False)
        comment = "# Only in the catalogue, which is not an error: events leave out what is null."
        parts.append([comment, *(f"# {line}" for line in names)])
    return "\n\n".join("\n".join(part) for part in parts)


def _conflict(kind: str, inference: KindInference, observed: ObservedField) -> str:
    """Describe how the values differ from the kind in the catalogue; empty where they do not."""
    rejected = observed.non_null_types - ACCEPTED_TYPES[kind]
    if rejected:
        return f"the catalogue has {kind}, which rejects {describe_types(observed, rejected)}"
    is_equivalent = inference.kind == kind or any({inference.kind, kind} <= kinds for kinds in EQUIVALENT_KINDS)
    if inference.is_certain and not is_equivalent:
        return f"the catalogue has {kind}, which stores values unchanged; observed: {describe_types(observed)}"
    return ""


def _new_states(known: tuple[str, ...], observed: ObservedField) -> list[str]:
    return [state for state in states(observed) if state not in known]
