"""A drafted entry of the catalogue: what the event types speak of, its key, its fields; and its TOML."""

import json
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cli.catalogue import Entity
from cli.drafting import kinds
from cli.drafting.kinds import Judgement
from cli.drafting.observed import Field, Form, Observed, is_id, is_type, merged
from cli.output import visible

LONGEST_LINE = 120
LONGEST_STATES = 90  # as characters of one line
UNKNOWN_MEANING = "…"

# What happened, at the end of an event type's name; those of an entity's own life surely speak of it.
_VERB = re.compile(r"_(?:[a-z]+ed|change)$")
_LIFE = re.compile(r"_(?:created|updated|deleted)$")

# What contains an entity, the nearest first.
_CONTAINERS = (
    "assignment_id", "discussion_topic_id", "quiz_id", "submission_id", "conversation_id", "learning_outcome_id",
    "group_id", "enrollment_id", "course_id", "user_id",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A field of an entry, as its line says it; ``remark`` is for whoever reviews it."""

    judgement: Judgement
    about: str


@dataclass(frozen=True)
class Entry:
    """A drafted entry, with remarks on what is not sure of it.

    ``table`` is that of the family that it seems to belong to, or empty.
    """

    name: str
    table: str
    about: str
    events: tuple[str, ...]
    id: str
    context: str
    lines: Mapping[str, Line]
    definitions: Mapping[str, str]
    id_remark: str = ""
    context_remark: str = ""
    remarks: tuple[str, ...] = ()


def entity_of(event_type: Observed) -> str:
    """The name of what an event type seems to speak of: ``module`` of ``module_created``."""
    name = event_type.name.rpartition(".")[2]
    entity = _VERB.sub("", name)
    return entity if is_of_a_life(event_type) or f"{entity}_id" in event_type.fields else name


def is_of_a_life(event_type: Observed) -> bool:
    """Whether it tells of the life of an entity itself, by its name."""
    return bool(_LIFE.search(event_type.name))


def drafted(name: str, observed: list[Observed], meanings: Mapping[str, str], table: str) -> Entry:
    """The entry ``name`` for event types that speak of the same entity, in the family of ``table``.

    ``meanings`` are used where the source tells none: what other entries say of fields of the same name and kind, by
    the name and the kind.
    """
    fields = merged(observed)
    id_field, id_remark = _id(name, fields, observed)
    context, context_remark = _context(name, id_field, fields)
    return Entry(
        name=name,
        table=table,
        about=_about(name, observed),
        events=tuple(dict.fromkeys(each.name for each in observed)),
        id=id_field,
        context=context,
        lines={each: line(each, fields[each], meanings) for each in _in_order(fields, id_field, context)},
        definitions={each.name: each.definition for each in observed if each.definition},
        id_remark=id_remark,
        context_remark=context_remark,
        remarks=tuple(_remarks(observed)),
    )


def line(name: str, known: Field, meanings: Mapping[str, str]) -> Line:
    """The line of a field: its kind, and its meaning as the source tells it, or another entry."""
    judgement = kinds.judge(name, known)
    about = known.meaning or meanings.get(f"{name} {judgement.kind}", "")
    types = kinds.types(known) if is_type(name) and not known.meaning else ()
    return Line(judgement, about or (f"Seen: {', '.join(types)}." if types else UNKNOWN_MEANING))


def meanings_of(entities: Iterable[Entity]) -> dict[str, str]:
    """What the catalogue says of its fields, by name and kind, where several entities say the same and none other."""
    said: dict[str, list[str]] = {}
    for entity in entities:
        for name, field in entity.fields.items():
            said.setdefault(f"{name} {field.kind}", []).append(field.about)
    return {key: told[0] for key, told in said.items() if len(told) > 1 and len(set(told)) == 1}


def class_name(name: str) -> str:
    """The class of an entity, as keys name it: ``discussion_topic``, ``DiscussionTopic``."""
    return "".join(word.capitalize() for word in name.split("_"))


def toml(entry: Entry) -> str:
    """The entry as a family's file has it, with its remarks as comments."""
    comments = [
        _where(entry.table),
        *(f"{event}: {definition}" for event, definition in entry.definitions.items()),
        *entry.remarks,
    ]
    head = {
        "about": (f'"{entry.about}"', ""),
        "events": (f"[{', '.join(map(quoted, entry.events))}]", ""),
        "id": (quoted(entry.id), entry.id_remark),
        "context": (quoted(entry.context), entry.context_remark),
    }
    return "\n".join([
        *(f"# {visible(comment)}" for comment in comments),
        f"[{entry.name}]",
        *(_reviewed(f"{name:<7} = {text}", remark) for name, (text, remark) in head.items()),
        "",
        f"[{entry.name}.fields]",
        *field_lines(entry.lines),
    ])  # fmt: skip


def family_file(table: str) -> str:
    """The file of the family that a table's environment variable names."""
    return f"schemas/catalogue/{table.removesuffix('_TABLE').lower()}.toml"


def _where(table: str) -> str:
    if table:
        return f"For {family_file(table)}, to judge by the names there."
    return 'Which family? A file of schemas/catalogue, or a new one, which begins with: table = "…_TABLE"'


def field_lines(lines: Mapping[str, Line]) -> list[str]:
    """The lines of fields, in columns, with their remarks as comments."""
    width = max(map(len, lines), default=0)
    return [_reviewed(f"{name:<{width}} = {_value(each)}", each.judgement.remark) for name, each in lines.items()]


def quoted(text: str) -> str:
    """A string of TOML, which nothing in it ends, and which does nothing to a terminal."""
    return json.dumps(visible(text), ensure_ascii=False)


def _value(each: Line) -> str:
    kind = each.judgement.kind
    if kind != "state":
        return quoted(f"{kind:<5} {each.about}")
    states = f"state {', '.join(each.judgement.states)}"
    return quoted(states) if len(states) < LONGEST_STATES else '"""' + _wrapped(states) + '"""'


def _wrapped(states: str) -> str:
    return " \\\n    ".join(textwrap.wrap(states, LONGEST_STATES, break_on_hyphens=False))


def _reviewed(written: str, remark: str) -> str:
    """A line with its remark: behind it, or where that would be too long, above it."""
    if not remark:
        return written
    review = f"# review: {visible(remark)}"
    beside = f"{written}  {review}"
    return beside if max(map(len, beside.splitlines())) <= LONGEST_LINE else f"{review}\n{written}"


def _about(entity: str, observed: list[Observed]) -> str:
    words = entity.replace("_", " ")
    if entity in (each.name for each in observed):
        return f"What {entity} tells."
    return f"{'An' if words[0] in 'aeiou' else 'A'} {words}."


def _id(entity: str, fields: Mapping[str, Field], observed: list[Observed]) -> tuple[str, str]:
    """The field with the entity's id, and what is unsure of it."""
    own = f"{entity}_id"
    if own in fields:
        if all(map(is_of_a_life, observed)):
            return own, ""
        return own, f"do these events speak of the {entity.replace('_', ' ')} itself, or of something else with an id?"
    # conversation_message: message_id; lti_resource_link: resource_link_id
    words = entity.split("_")
    shorter = ["_".join([*words[start:], "id"]) for start in range(1, len(words))]
    ids = [name for name in fields if is_id(name) and kinds.judge(name, fields[name]).kind in ("gid", "lid")]
    guesses = [guess for guess in dict.fromkeys([*shorter, "id", *ids]) if guess in ids]
    if not guesses:
        return "", "no field is an id: what does this speak of?"
    return guesses[0], f"there is no {own}. Whose id is it that this speaks of? Of {', '.join(guesses)}"


def _context(entity: str, id_field: str, fields: Mapping[str, Field]) -> tuple[str, str]:
    """What contains the entity, and what is unsure of it."""
    own = f"{class_name(entity)}#{{{id_field}}}"
    if {"context_type", "context_id"} <= fields.keys():
        some_have_none = Form.NULL in fields["context_id"].forms
        return "{context_type}#{context_id}", f"some events have none; else: {own}" if some_have_none else ""
    for container in _CONTAINERS:
        if container in fields and container != id_field:
            asked = f"does every event say its {container}, and always the same? If not: {own}"
            return f"{class_name(container.removesuffix('_id'))}#{{{container}}}", asked
    return own, ""


def _in_order(fields: Mapping[str, Field], id_field: str, context: str) -> list[str]:
    """The names of the fields: those of the key first, then as the source has them."""
    of_key = [name for name in fields if name == id_field or f"{{{name}}}" in context]
    return sorted(of_key, key=lambda name: name != id_field) + [name for name in fields if name not in of_key]


def _remarks(observed: list[Observed]) -> Iterable[str]:
    for each in observed:
        for remark in dict.fromkeys(each.remarks):
            yield f"review: {each.name}: {remark}"
        if each.unnamed:
            yield f"review: {each.name}: fields are left out whose names are no plain names, or that are too many"
        if each.anonymous and each.anonymous == each.events:
            yield f"review: {each.name}: no event says its root_account_uuid, without which it cannot be keyed"
