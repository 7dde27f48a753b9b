"""The JSON Schema of each event type, from the catalogue."""

import json
from typing import Any

from cli.catalogue.model import EventTypeDefinition, Field
from handlers.items.canvas_ids import MAX_ID, NULLABLE_ID_PATTERN

Schema = dict[str, Any]

_READING = (
    "A missing field means null, and so does an empty id; fields that are not listed are allowed. Date-times are ISO"
    " 8601: besides the offsets of RFC 3339 such as +05:30, the forms +0530 and +05 are allowed."
)

# A Canvas id is a positive bigint: as a number, as its digits, or as shard~local. An empty one means null. The pattern
# is the same for both: a schema with two patterns takes a quarter longer to compile, at every cold start.
_NULLABLE_ID: Schema = {
    "type": ["string", "integer", "null"],
    "pattern": NULLABLE_ID_PATTERN,
    "minimum": 1,
    "maximum": MAX_ID,
}
_ID: Schema = {**_NULLABLE_ID, "type": ["string", "integer"], "minLength": 1}

# These are parts of keys, which "#" separates. Their maximum length is not in the patterns: a counted repetition takes
# many times as long to compile, at every cold start.
_TYPE_NAME = {"type": ["string"], "maxLength": 64, "pattern": "^[A-Za-z][A-Za-z0-9_:]*$"}
_OPAQUE = {"type": ["string"], "maxLength": 255, "pattern": '^[!-"$-~]+$'}

# A time as Ruby prints it. JSON Schema has no format for it; ours checks what the pattern lets through.
_RUBY_TIME = {"pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} (?:UTC|[+-][0-9]{4})$"}

KINDS: dict[str, Schema] = {
    "gid": _ID,
    "lid": _ID,
    "str": {"type": ["string"]},
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
    "ids": {"type": ["array"], "items": _NULLABLE_ID},
}

_REMARKS = {
    "gid": " A Canvas id, usually global.",
    "lid": " A Canvas id, usually local.",
    "text": " Canvas truncates it at 8192 characters.",
}


def schema(event_type: EventTypeDefinition, example: object) -> Schema:
    """Return the schema of a whole event, ``{"metadata", "body"}``, with an example that it accepts."""
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


def _routing(event_type: EventTypeDefinition) -> Schema:
    """Return the mapping to items, which ``handlers.items.event_types`` reads; to JSON Schema these are annotations."""
    return {
        "x-entities": [
            {
                "name": entity.kind,
                "table": entity.table_variable,
                "id": list(entity.id_templates),
                "context": list(entity.context_templates),
                "course": list(entity.course_templates),
                "user": list(entity.user_templates),
                "requires": entity.requires,
                "fields": [name for name in entity.fields if "." not in name],
            }
            for entity in event_type.entities
        ],
        "x-field-kinds": {name: field.kind for name, field in event_type.fields.items() if "." not in name},
        "x-member-kinds": {name: field.kind for name, field in event_type.fields.items() if "." in name},
        "x-field-aliases": event_type.field_aliases,
        "x-known-states": {name: list(field.states) for name, field in event_type.fields.items() if field.states},
        "x-requires-root-account": not any(entity.without_account for entity in event_type.entities),
    }


def text(document: object) -> str:
    """Return the text of a generated JSON file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _metadata(event_type: EventTypeDefinition) -> Schema:
    properties = {
        "event_name": {"description": "The event type.", "const": event_type.name},
        "event_time": {"description": "When it happened.", "type": "string", "format": "date-time"},
        "root_account_id": _nullable(_ID) | {"description": "The root account; local ids belong to its shard."},
        "root_account_uuid": _nullable(_OPAQUE)
        | {"description": "The root account; without it an event cannot be keyed."},
        "user_id": _nullable(_ID) | {"description": "The user who acted; none if a background job did."},
    }
    if any(not entity.id_templates for entity in event_type.entities):
        properties["context_type"] = _nullable(_TYPE_NAME) | {
            "description": "The type of the context of the request, such as Course."
        }
        properties["context_id"] = _nullable(_ID) | {"description": "The id of the context of the request."}
    return {
        "description": "Where, when and by whom. Canvas sends more, which is discarded.",
        "type": "object",
        "required": ["event_name", "event_time"],
        "properties": properties,
    }


def _body(event_type: EventTypeDefinition) -> Schema:
    members = {name: field for name, field in event_type.fields.items() if "." in name}
    properties = {
        name: _property(name, field, event_type) for name, field in event_type.fields.items() if name not in members
    }
    for name, field in members.items():
        parent, _, member = name.partition(".")
        _add_member(properties[parent], member, _property(name, field, event_type), name in event_type.key_fields)
    for alias, name in event_type.field_aliases.items():
        properties[alias] = properties[name] | {"description": f"Another name of {name}."}
    return {
        "description": "The state after the event." if event_type.entities[0].id_templates else "What happened.",
        "type": "object",
        "required": list(dict.fromkeys(name.partition(".")[0] for name in event_type.key_fields)),
        "properties": properties,
    }


def _add_member(parent: Schema, member: str, rules: Schema, is_required: bool) -> None:
    parent.setdefault("properties", {})[member] = rules
    if is_required:
        parent["type"] = ["object"]
        parent.setdefault("required", []).append(member)


def _property(name: str, field: Field, event_type: EventTypeDefinition) -> Schema:
    description = {"description": field.about + _REMARKS.get(field.kind, "")}
    rules = KINDS[field.kind]
    if name in event_type.key_paths and rules is not _ID:
        rules = _TYPE_NAME if name.endswith("_type") else _OPAQUE
    if name.endswith("_id") and "string" in rules["type"] and rules not in (_ID, _TYPE_NAME):
        # Canvas converts every integer with such a name to a string; its documentation shows both.
        rules = rules | {"type": ["string", "integer"], "minimum": 0, "maximum": MAX_ID}
    return description | (rules if name in event_type.key_fields else _nullable(rules))


def _nullable(rules: Schema) -> Schema:
    return _NULLABLE_ID if rules is _ID else rules | {"type": [*rules["type"], "null"]}
