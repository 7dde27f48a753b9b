"""Snapshots: events that ``canvas-events reconcile`` makes of what Canvas says of an entity.

Their types are known to the source of objects alone, and only in objects of snapshots. A snapshot has the body of an
event of the entity, and in its metadata besides the usual members:

- ``event_time``: a time at which the row was right; of a missing item the row's ``updated_at``.
- ``repairs``: the version of the item that it corrects, without an earlier correction; left out for a missing item.
- ``is_deleted``: true where Canvas says that the entity is gone.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from handlers.items.event_types import EventType

SUFFIX = "_snapshot"

# After every character of a version: a correction is newer than the event that it corrects, and older than later ones.
_CORRECTS = "~"
# Before every rank, so that any event of the same second is newer.
_RANK = "--"

_PROPERTIES: dict[str, Any] = {
    "repairs": {"type": "string", "pattern": "^[0-9]{4}-[^~]+$", "maxLength": 256},
    "is_deleted": {"type": "boolean"},
}


def snapshot_types(event_types: Iterable[EventType]) -> dict[str, EventType]:
    """Return the type of the snapshots of each entity, by name, such as ``assignment_snapshot``."""
    # Of the types of an entity, the one that describes nothing else besides, where there is one.
    ordered = sorted(event_types, key=lambda event_type: (len(event_type.entities), event_type.name))
    types: dict[str, EventType] = {}
    for event_type in ordered:
        name = f"{event_type.entities[0].name}{SUFFIX}"
        if not event_type.entities[0].append_only and name not in types:
            types[name] = _snapshot_type(name, event_type)
    return types


def base_version(version: str) -> str:
    """Return the version of an item's last event, or of the snapshot that made it, without a correction."""
    return version.partition(_CORRECTS)[0]


def snapshot_version(metadata: Mapping[str, Any], event_time: str, digest: str) -> str:
    """Return the version of the item of a snapshot; ``event_time`` is normalized."""
    if repairs := metadata.get("repairs"):
        return f"{repairs}{_CORRECTS}{event_time}#{digest}"
    return f"{whole_second(event_time)}##{_RANK}#{digest}"


def whole_second(time: str) -> str:
    """Cut a normalized date-time to the whole second: events of whole seconds must not be older than their row."""
    return f"{time[:19]}.000000Z"


def _snapshot_type(name: str, event_type: EventType) -> EventType:
    properties = event_type.schema["properties"]
    metadata = properties["metadata"]
    changed = metadata["properties"] | _PROPERTIES | {"event_name": {"const": name}}
    schema = dict(event_type.schema) | {"properties": properties | {"metadata": metadata | {"properties": changed}}}
    return EventType(
        name,
        schema,
        event_type.entities[:1],
        event_type.field_kinds,
        event_type.member_kinds,
        event_type.field_aliases,
        event_type.known_states,
        event_type.requires_root_account,
        is_snapshot=True,
    )
