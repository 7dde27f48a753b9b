"""Drafting a catalogue entry: the entity that event types are about, its key, its fields, and the entry as TOML."""

import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cli.catalogue.model import KEY_KINDS, EntityDefinition
from cli.draft.kinds import KindInference, infer_kind, type_names
from cli.draft.observed import (
    MAX_FIELDS,
    ObservedEventType,
    ObservedField,
    ValueType,
    is_id,
    is_type,
    merge_fields,
)
from cli.stack.hierarchy import class_name
from cli.ui.output import visible

MAX_LINE_LENGTH = 120
MAX_STATES_LENGTH = 90  # in characters of one line
UNKNOWN_MEANING = "…"

# What happened, at the end of an event type's name. Lifecycle events are certainly about the entity they name.
_VERB = re.compile(r"_(?:[a-z]+ed|change)$")
_LIFECYCLE = re.compile(r"_(?:created|updated|deleted)$")

_ID_KINDS = ("gid", "lid")

# Entities that may contain another one, the nearest first.
_CONTAINERS = (
    "discussion_topic", "assignment", "quiz", "submission", "conversation", "learning_outcome", "master_template",
    "group", "enrollment", "course", "user",
)  # fmt: skip


@dataclass(frozen=True)
class FieldLine:
    """The line of a field in an entry: its kind and its meaning."""

    inference: KindInference
    about: str


@dataclass(frozen=True)
class EntryKey:
    """The key of an entity: the path of its id, or None for an append-only entity, and the template of its context."""

    id: str | None
    context: str
    id_remark: str = ""
    context_remark: str = ""


@dataclass(frozen=True)
class DraftEntry:
    """A drafted entry, with remarks about what is uncertain.

    ``family`` is the family that the entity seems to belong to, or empty.
    """

    name: str
    family: str
    about: str
    events: tuple[str, ...]
    key: EntryKey
    lines: Mapping[str, FieldLine]
    remarks: tuple[str, ...] = ()
    without_account: bool = False


def entity_name(event_type: ObservedEventType) -> str:
    """Return the name of the entity that an event type seems to be about: ``module`` for ``module_created``."""
    name = event_type.name.rpartition(".")[2]
    entity = _VERB.sub("", name)
    return entity if is_lifecycle_event(event_type) or f"{entity}_id" in event_type.fields else name


def is_lifecycle_event(event_type: ObservedEventType) -> bool:
    """Whether, by its name, the event reports that an entity was created, updated or deleted."""
    return bool(_LIFECYCLE.search(event_type.name))


def draft_entry(
    name: str, event_types: list[ObservedEventType], meanings: Mapping[str, str], family: str
) -> DraftEntry:
    """Draft the entry ``name`` of a family for event types that are about the same entity.

    ``meanings`` are those that the catalogue gives to fields, as ``common_meanings`` returns them.
    """
    fields = merge_fields(event_types)
    key = _key(name, event_types, fields)
    return DraftEntry(
        name=name,
        family=family,
        about=_about(name, event_types),
        events=tuple(dict.fromkeys(event_type.name for event_type in event_types)),
        key=key,
        lines=_lines(key, fields, meanings),
        remarks=tuple(source_remarks(event_types)),
        without_account=all(each.event_count == each.without_account_count for each in event_types),
    )


def field_line(name: str, field: ObservedField, meanings: Mapping[str, str]) -> FieldLine:
    """Return the line of a field: the inferred kind, and the meaning that other entries give to such a field."""
    inference = infer_kind(name, field)
    observed = f"Seen: {', '.join(type_names(field))}." if is_type(name) and type_names(field) else UNKNOWN_MEANING
    return FieldLine(inference, meanings.get(f"{name} {inference.kind}", observed))


def source_remarks(event_types: list[ObservedEventType]) -> Iterator[str]:
    """Yield what the reviewer should know about the observed events."""
    for event_type in event_types:
        if event_type.omitted_count:
            yield (
                f"review: {event_type.name}: fields are omitted whose names are not plain identifiers, or that are more"
                f" than {MAX_FIELDS}"
            )


def common_meanings(entities: Iterable[EntityDefinition]) -> dict[str, str]:
    """Return the meaning that most entities give to a field they share, by the field's name and kind.

    The meaning of an id depends on the entity, so ids are left out.
    """
    counts: dict[str, Counter[str]] = {}
    for entity in entities:
        for name, field in entity.fields.items():
            if not is_id(name):
                counts.setdefault(f"{name} {field.kind}", Counter())[field.about] += 1
    commonest = {key: (*abouts.most_common(1)[0], abouts.total()) for key, abouts in counts.items()}
    return {key: about for key, (about, count, total) in commonest.items() if 1 < count > total / 2}


def to_toml(entry: DraftEntry) -> str:
    """Return the entry as TOML, with its remarks as comments."""
    return "\n".join([
        *(f"# {visible(comment)}" for comment in (_family_comment(entry.family), *entry.remarks)),
        f"[{entry.name}]",
        f"about   = {toml_string(entry.about)}",
        f"events  = [{', '.join(map(toml_string, entry.events))}]",
        *_key_lines(entry.key),
        *([_with_remark("without_account = true", _NO_ACCOUNT)] if entry.without_account else []),
        "",
        f"[{entry.name}.fields]",
        *field_lines(entry.lines),
    ])  # fmt: skip


def field_lines(lines: Mapping[str, FieldLine]) -> list[str]:
    """Return the lines of fields as TOML, aligned, with their remarks as comments."""
    width = max(map(len, lines), default=0)
    return [_with_remark(f"{name:<{width}} = {_value(line)}", line.inference.remark) for name, line in lines.items()]


def toml_string(text: str) -> str:
    """Return a TOML string, with quotes escaped and control characters made visible."""
    return json.dumps(visible(text), ensure_ascii=False)


def family_file(family: str) -> str:
    """Return the path of a family's file."""
    return f"schemas/catalogue/{family}.toml"


_NO_ACCOUNT = "no observed event has a root_account_uuid. Is that always so?"


def _family_comment(family: str) -> str:
    if family:
        return f"For {family_file(family)}, the family whose entities have similar names."
    return 'Choose a family: a file of schemas/catalogue, or a new one that begins with about = "…", table = "…_TABLE".'


def _key_lines(key: EntryKey) -> Iterator[str]:
    if key.id is None:
        yield _with_remark('append_only = "activity"', key.id_remark)
        yield _with_remark(f"context = [{toml_string(key.context)}]", key.context_remark)
    else:
        yield _with_remark(f"id      = {toml_string(key.id)}", key.id_remark)
        yield _with_remark(f"context = {toml_string(key.context)}", key.context_remark)


def _value(line: FieldLine) -> str:
    kind = line.inference.kind
    if kind != "state":
        return toml_string(f"{kind:<5} {line.about}")
    states = f"state {', '.join(line.inference.states)}"
    return toml_string(states) if len(states) < MAX_STATES_LENGTH else '"""' + _wrapped(states) + '"""'


def _wrapped(states: str) -> str:
    return " \\\n    ".join(textwrap.wrap(states, MAX_STATES_LENGTH, break_on_hyphens=False))


def _with_remark(line: str, remark: str) -> str:
    """Return the line with its remark as a comment after it, or before it where that would be too long."""
    if not remark:
        return line
    comment = f"# review: {visible(remark)}"
    one_line = f"{line}  {comment}"
    return one_line if max(map(len, one_line.splitlines())) <= MAX_LINE_LENGTH else f"{comment}\n{line}"


def _about(entity: str, event_types: list[ObservedEventType]) -> str:
    words = entity.replace("_", " ")
    if entity in (event_type.name.rpartition(".")[2] for event_type in event_types):
        return f"What {entity} reports."
    return f"{'An' if words[0] in 'aeio' else 'A'} {words}."


def _key(entity: str, event_types: list[ObservedEventType], fields: Mapping[str, ObservedField]) -> EntryKey:
    ids = dict(_ids(fields))
    own_id = f"{entity}_id"
    if own_id in ids:
        question = f"are these events about the {entity.replace('_', ' ')} itself, or about something else?"
        context, remark = _context(own_id, ids, fields)
        id_remark = "" if all(map(is_lifecycle_event, event_types)) else question
        return _fallback_context(entity, EntryKey(own_id, context, id_remark, remark))
    # The id is uncertain, so choose the context first: a submission of a quiz has the ids of both.
    context, remark = _context("", ids, fields)
    # message_id for conversation_message, resource_link_id for lti_resource_link
    words = entity.split("_")
    shorter = ["_".join([*words[start:], "id"]) for start in range(1, len(words))]
    # Ids of possible containers last.
    unused = sorted((path for path in ids if f"{{{path}}}" not in context), key=_is_of_a_container)
    candidates = [path for path in dict.fromkeys([*shorter, "id", *unused]) if path in unused]
    if candidates:
        question = f"there is no {own_id}. Which field is the id of the entity? Candidates: {', '.join(candidates)}"
        return _fallback_context(entity, EntryKey(candidates[0], context, question, remark))
    if ids:
        question = f"there is no {own_id}. Is this the id of the entity, or is the entity append-only?"
        return _fallback_context(entity, EntryKey(next(iter(ids)), "", question))
    return EntryKey(None, "User#{metadata.user_id}", "no field is an id. Is the entity append-only?")


def _ids(fields: Mapping[str, ObservedField]) -> Iterator[tuple[str, ObservedField]]:
    """Yield the fields that hold a Canvas id, and members of objects by their paths."""
    for name, field in fields.items():
        if is_id(name) and infer_kind(name, field).kind in _ID_KINDS:
            yield name, field
        if field.id and field.non_null_types == {ValueType.OBJECT} and infer_kind("id", field.id).kind in _ID_KINDS:
            yield f"{name}.id", field.id


def _is_of_a_container(path: str) -> bool:
    return path.removesuffix("_id").removesuffix(".id") in _CONTAINERS


def _context(id_path: str, ids: Mapping[str, ObservedField], fields: Mapping[str, ObservedField]) -> tuple[str, str]:
    """Return the template of the context, empty if nothing seems to contain the entity, and a remark about it."""
    types = [name for name, field in fields.items() if is_type(name) and infer_kind(name, field).kind in KEY_KINDS]
    if "context_id" in ids and "context_type" in types:
        is_nullable = ValueType.NULL in fields["context_id"].types
        return "{context_type}#{context_id}", "it is null in some events." if is_nullable else ""
    for container in _CONTAINERS:
        for path in (f"{container}_id", f"{container}.id"):
            if path in ids and path != id_path:
                return f"{class_name(container)}#{{{path}}}", _stable(path)
    for name in types:
        path = name.removesuffix("_type") + "_id"
        if path in ids and path != id_path:
            return f"{{{name}}}#{{{path}}}", _stable(path)
    return "", ""


def _stable(path: str) -> str:
    return f"does every event have {path}, and does it never change?"


def _fallback_context(entity: str, key: EntryKey) -> EntryKey:
    """Return the key with the entity as its own context, or, where a context is uncertain, with that as a remark."""
    path = key.id or ""
    own = f"{class_name(path.removesuffix('_id') if path.endswith('_id') else entity)}#{{{path}}}"
    if not key.context:
        return EntryKey(key.id, own, key.id_remark)
    remark = f"{key.context_remark} Otherwise use {own}" if key.context_remark else ""
    return EntryKey(key.id, key.context, key.id_remark, remark)


def _lines(key: EntryKey, fields: Mapping[str, ObservedField], meanings: Mapping[str, str]) -> dict[str, FieldLine]:
    """Return the lines of the fields: those of the key, the others as observed, then the members of objects in keys."""
    in_key = {key.id, *re.findall(r"\{([^{}]*)\}", key.context)}
    in_order = sorted(fields, key=lambda name: (name != key.id, name not in in_key))
    lines = {name: field_line(name, fields[name], meanings) for name in in_order}
    for name, field in fields.items():
        if field.id and f"{name}.id" in in_key:
            lines[f'"{name}.id"'] = FieldLine(infer_kind("id", field.id), "The id in it.")
    return lines
