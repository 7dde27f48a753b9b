"""The JSON Schema of each event type, from the catalogue."""

import json
from typing import Any

from cli.catalogue.model import EventType, Field
from handlers.items.canvas_ids import LARGEST, PATTERN

Schema = dict[str, Any]

_READING = (
    "A field that is missing means null; fields that are not listed are taken too. Date-times are ISO 8601:"
    " beside the offsets of RFC 3339, as +05:30, those written +0530 and +05 are taken."
)

# A Canvas id is a positive bigint: as a number, as its digits, or as shard~local.
_ID = {"type": ["string", "integer"], "pattern": PATTERN, "minimum": 1, "maximum": LARGEST}

# These stand in keys, where "#" divides the parts. How long they may be is no part of the patterns: a repetition that
# is counted takes many times as long to compile, at every cold start.
_TYPE_NAME = {"type": ["string"], "maxLength": 64, "pattern": "^[A-Za-z][A-Za-z0-9_:]*$"}
_OPAQUE = {"type": ["string"], "maxLength": 255, "pattern": '^[!-"$-~]+$'}

# As Ruby prints a time, which JSON Schema has no format for: ours reads what the pattern lets through.
_RUBY_TIME = {"pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} (?:UTC|[+-][0-9]{4})$"}

KINDS: dict[str, Schema] = {
    "gid": _ID,
    "lid": _ID,
    "str": {"type": ["string"]},
    "url": {"type": ["string"]},
    "state": {"type": ["string"]},
    "text": {"type": ["string"]},
    "uuid": {"type": ["string"]},
    "time": {"type": ["string"], "format": "date-time"},
    "ruby_time": {"type": ["string"], "anyOf": [{"format": "date-time"}, _RUBY_TIME | {"format": "ruby-time"}]},
    "date": {"type": ["string"], "anyOf": [{"format": "date"}, {"format": "date-time"}]},
    "num": {"type": ["number"]},
    "int": {"type": ["integer"]},
    "bool": {"type": ["boolean"]},
    "obj": {"type": ["object"]},
    "list": {"type": ["array"]},
}

_REMARKS = {
    "gid": " A Canvas id, as a rule global.",
    "lid": " A Canvas id, as a rule local.",
    "text": " Canvas cuts it at 8192 characters.",
}


def schema(event_type: EventType, example: object) -> Schema:
    """The schema of a whole event, ``{"metadata", "body"}``, with an example that it accepts."""
    about = " ".join(entity.about for entity in event_type.entities)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:canvas-live-events:{event_type.name}",
        "title": event_type.name,
        "description": f"{about} {_READING}",
        "type": "object",
        "required": ["metadata", "body"],
        "properties": {"metadata": _metadata(event_type), "body": _body(event_type)},
        "examples": [example],
        **_routing(event_type),
    }


def _routing(event_type: EventType) -> Schema:
    """What becomes of the event, for ``handlers.items.event_types``: JSON Schema takes such keywords as annotations."""
    return {
        "x-entities": [
            {
                "name": entity.kind,
                "table": entity.table,
                "id": list(entity.ids),
                "context": list(entity.contexts),
                "fields": [name for name in entity.fields if "." not in name],
            }
            for entity in event_type.entities
        ],
        "x-kinds": {name: field.kind for name, field in event_type.fields.items() if "." not in name},
        "x-members": {name: field.kind for name, field in event_type.fields.items() if "." in name},
        "x-renamed": event_type.renamed,
        "x-states": {name: list(field.states) for name, field in event_type.fields.items() if field.states},
        "x-needs-account": not any(entity.without_account for entity in event_type.entities),
    }


def text(document: object) -> str:
    """A generated JSON file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _metadata(event_type: EventType) -> Schema:
    properties = {
        "event_name": {"description": "The event type.", "const": event_type.name},
        "event_time": {"description": "When it happened.", "type": "string", "format": "date-time"},
        "root_account_id": _nullable(_ID) | {"description": "The root account; its shard is that of local ids."},
        "root_account_uuid": _nullable(_OPAQUE)
        | {"description": "The root account; without it an event cannot be keyed."},
        "user_id": _nullable(_ID) | {"description": "The acting user; none where a job acted."},
    }
    if any(not entity.ids for entity in event_type.entities):
        properties["context_type"] = _nullable(_TYPE_NAME) | {"description": "The type of where it happened: Course."}
        properties["context_id"] = _nullable(_ID) | {"description": "Where it happened."}
    return {
        "description": "Where, when and by whom. Canvas sends more, of which nothing is kept.",
        "type": "object",
        "required": ["event_name", "event_time"],
        "properties": properties,
    }


def _body(event_type: EventType) -> Schema:
    members = {name: field for name, field in event_type.fields.items() if "." in name}
    properties = {
        name: _property(name, field, event_type) for name, field in event_type.fields.items() if name not in members
    }
    for name, field in members.items():
        holder, _, member = name.partition(".")
        _add_member(properties[holder], member, _property(name, field, event_type), name in event_type.key_fields)
    for other, name in event_type.renamed.items():
        properties[other] = properties[name] | {"description": f"Another name of {name}."}
    return {
        "description": "The state after the event." if event_type.entities[0].ids else "What the event says.",
        "type": "object",
        "required": list(dict.fromkeys(name.partition(".")[0] for name in event_type.key_fields)),
        "properties": properties,
    }


def _add_member(holder: Schema, member: str, rules: Schema, is_needed: bool) -> None:
    holder.setdefault("properties", {})[member] = rules
    if is_needed:
        holder["type"] = ["object"]
        holder.setdefault("required", []).append(member)


def _property(name: str, field: Field, event_type: EventType) -> Schema:
    described = {"description": field.about + _REMARKS.get(field.kind, "")}
    rules = KINDS[field.kind]
    if name in event_type.paths and rules is not _ID:
        rules = _TYPE_NAME if name.endswith("_type") else _OPAQUE
    if name.endswith("_id") and "string" in rules["type"] and rules not in (_ID, _TYPE_NAME):
        # Canvas turns every integer under such a name into a string; its documentation shows both.
        rules = rules | {"type": ["string", "integer"], "minimum": 0, "maximum": LARGEST}
    return described | (rules if name in event_type.key_fields else _nullable(rules))


def _nullable(rules: Schema) -> Schema:
    return rules | {"type": [*rules["type"], "null"]}
