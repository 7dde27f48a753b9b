"""What a source says otherwise than the catalogue, of event types or entities that the catalogue has."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

from cli.catalogue.model import EntityDefinition
from cli.draft import kinds
from cli.draft.entry import LONGEST_LINE, Line, family_file, field_lines, line, quoted, remarks_on
from cli.draft.observed import IDS, Field, Form, Observed, merged
from cli.ui.output import visible

_STRINGS = frozenset({Form.STRING, Form.TEXT, Form.UUID, Form.TIME, Form.RUBY_TIME, Form.DATE}) | IDS

# The forms that each kind takes; a digit string under an id's name is one of a string too.
_TAKES: Mapping[str, frozenset[Form]] = {
    **dict.fromkeys(("gid", "lid"), IDS | {Form.WHOLE}),
    **dict.fromkeys(("str", "text", "uuid", "url", "state"), _STRINGS),
    "time": frozenset({Form.TIME}),
    "ruby_time": frozenset({Form.TIME, Form.RUBY_TIME}),
    "date": frozenset({Form.DATE, Form.TIME}),
    "num": frozenset({Form.WHOLE, Form.FRACTION}),
    "int": frozenset({Form.WHOLE}),
    "bool": frozenset({Form.BOOL}),
    "obj": frozenset({Form.OBJECT}),
    "list": frozenset({Form.LIST}),
}

# Kinds whose values are kept in the same way: between them nothing is wrong.
_ALIKE = ({"gid", "lid"}, {"str", "text", "uuid", "url", "state"}, {"time", "ruby_time", "date"}, {"num", "int"})


@dataclass(frozen=True)
class Comparison:
    """What the source says otherwise than the entries ``entities`` of a family, of the event types ``events``.

    ``new_events`` are not among those of the entry. ``lacking`` are lines of fields that no entry has, ``other`` and
    ``new_states`` such that entries have otherwise, with what is otherwise as their remarks. ``only_here`` are fields
    that the source does not show.
    """

    family: str
    entities: tuple[EntityDefinition, ...]
    events: tuple[str, ...]
    new_events: tuple[str, ...] = ()
    lacking: Mapping[str, Line] = field(default_factory=dict)
    other: Mapping[str, Line] = field(default_factory=dict)
    new_states: Mapping[str, Line] = field(default_factory=dict)
    only_here: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether something differs that the catalogue may have to follow."""
        return bool(self.new_events or self.lacking or self.other or self.new_states)


def compared(
    family: str, entities: tuple[EntityDefinition, ...], observed: list[Observed], meanings: Mapping[str, str]
) -> Comparison:
    """The event types as a source shows them, against the entries of what they speak of, in a family's file.

    ``meanings`` are as for ``entry.drafted``.
    """
    renamed = {other: name for entity in entities for other, name in entity.field_aliases.items()}
    # Members of objects are described where keys need them, and no source describes them.
    here = {name: each for entity in entities for name, each in entity.fields.items() if "." not in name}
    there = {renamed.get(name, name): each for name, each in merged(observed).items()}
    known = {event for entity in entities for event in entity.events}
    lines = {name: line(name, each, meanings) for name, each in there.items()}
    both = [name for name in there if name in here]
    return Comparison(
        family,
        entities,
        tuple(dict.fromkeys(each.name for each in observed)),
        new_events=tuple(dict.fromkeys(each.name for each in observed if each.name not in known)),
        lacking={name: lines[name] for name in there if name not in here},
        other={
            name: _remarked(lines[name], why)
            for name in both
            if (why := _otherwise(here[name].kind, lines[name].judgement, there[name]))
        },
        new_states={
            name: _with_states(here[name].states, new)
            for name in both
            if here[name].states and (new := _new_states(here[name].states, there[name]))
        },
        only_here=tuple(name for name in here if name not in there),
        remarks=tuple(remarks_on(observed)),
    )


def text(comparison: Comparison) -> str:
    """What differs, as lines to paste into the entry, with comments that say where and why."""
    named = ", ".join(f"[{entity.name}]" for entity in comparison.entities)
    parts = [[f"# {', '.join(comparison.events)}, against {named} of {family_file(comparison.family)}"]]
    parts[0] += [f"# {visible(remark)}" for remark in comparison.remarks]
    if comparison.new_events:
        events = dict.fromkeys([*comparison.entities[0].events, *comparison.new_events])
        parts.append([
            "# Events that the entry lacks. Does each tell the whole entity? A field that an event lacks means null.",
            "# If not, write an entry of their own for them.",
            f"events  = [{', '.join(map(quoted, events))}]",
        ])  # fmt: skip
    for comment, lines in (
        ("# Fields that the entry lacks:", comparison.lacking),
        ("# Fields of another kind:", comparison.other),
        ("# States that are new:", comparison.new_states),
    ):
        if lines:
            parts.append([comment, *field_lines(lines)])
    if not comparison:
        parts.append(["# Nothing differs."])
    if comparison.only_here:
        names = textwrap.wrap(", ".join(comparison.only_here), LONGEST_LINE - 2, break_on_hyphens=False)
        comment = (
            "# Only in the catalogue. That may be well: documentation is incomplete, and events leave out what is null."
        )
        parts.append([comment, *(f"# {names_of_a_line}" for names_of_a_line in names)])
    return "\n\n".join("\n".join(part) for part in parts)


def _otherwise(kind: str, judgement: kinds.Judgement, known: Field) -> str:
    """What is otherwise than the kind that the catalogue has; empty where nothing is."""
    refused = known.seen - _TAKES[kind]
    if refused:
        return f"the catalogue has {kind}, and would reject {kinds.told(known, refused)}"
    alike = judgement.kind == kind or any({judgement.kind, kind} <= group for group in _ALIKE)
    if judgement.certain and not alike:
        return f"the catalogue has {kind}, and would keep it as it comes; seen: {kinds.told(known)}"
    return ""


def _new_states(here: tuple[str, ...], there: Field) -> list[str]:
    return [state for state in kinds.states(there) if state not in here]


def _with_states(here: tuple[str, ...], new: list[str]) -> Line:
    return Line(kinds.Judgement("state", (*here, *new), remark=f"new: {', '.join(new)}"), "")


def _remarked(one: Line, remark: str) -> Line:
    judgement = one.judgement
    return Line(kinds.Judgement(judgement.kind, judgement.states, judgement.certain, remark), one.about)
