"""The snapshot of an entity that a row of Canvas gives, and the item that the functions would store for it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cli.reconcile import convert
from cli.reconcile.maps import EntityMap
from cli.reconcile.row import Row
from handlers.archive.line import to_json
from handlers.intake.decode import LiveEvent
from handlers.intake.validate import validate
from handlers.items.build import build_items
from handlers.items.event_types import EventType
from handlers.items.item import Item
from handlers.items.route import route
from handlers.items.snapshot import SUFFIX, base_version, whole_second
from handlers.items.timestamps import format_utc, normalize_ruby_datetime

# Without a time of its own a row may be older than the answer that has it: replicas lag.
_LAG = timedelta(minutes=10)

Metadata = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """The root account that the rows are of: its UUID, and its global id where that is known."""

    uuid: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A row as an event: ``body`` as an event would have it, and the item that it gives where there is none yet."""

    entity_map: EntityMap
    event_type: EventType
    metadata: Metadata
    body: dict[str, Any]
    item: Item
    as_of: datetime
    is_deleted: bool
    has_fields: bool

    @property
    def compared_fields(self) -> list[str]:
        """The fields that an item must have as the row does; none of a row that is gone for good."""
        return [field.name for field in self.entity_map.fields if field.is_compared] if self.has_fields else []

    def line(self) -> str:
        """Return the line of an object that stores it where the item is missing."""
        return _line(self.metadata, self.body, self.item)

    def repair(self, stored: Mapping[str, Any]) -> str:
        """Return the line that corrects an item: ``stored`` is its ``version`` and its ``body`` as plain values.

        The body is the stored one with the compared fields of the row.
        """
        metadata = self.metadata | {"repairs": base_version(stored["version"]), "event_time": format_utc(self.as_of)}
        body = dict(stored["body"])
        for name in self.compared_fields:
            body.pop(name, None)
            if name in self.body:
                body[name] = self.body[name]
        return _line(metadata, body, self.item)


def make_snapshot(row: Row, entity_map: EntityMap, event_type: EventType, account: Account) -> Snapshot:
    """Make a snapshot of a row, with the functions' own validation, normalization and keys.

    Raises ``Rejection`` for a row that gives no valid event.
    """
    body = _body(row, entity_map, event_type)
    is_deleted = row.action == "D" or _has(row.values, entity_map.deleted)
    metadata: Metadata = {
        "event_name": f"{entity_map.entity}{SUFFIX}",
        "event_time": _missing_time(row),
        "root_account_uuid": account.uuid,
    }
    if account.id:
        metadata["root_account_id"] = account.id
    if is_deleted:
        metadata["is_deleted"] = True
    event = LiveEvent(metadata["event_name"], metadata, body)
    validate(event, event_type)
    routed = route(event, event_type)
    (item,) = build_items(routed)
    return Snapshot(entity_map, event_type, metadata, dict(routed.body), item, row.as_of, is_deleted, row.action == "U")


def is_excluded(row: Row, entity_map: EntityMap) -> bool:
    """Whether a row is left out on purpose, such as an unsubmitted submission."""
    return row.action == "U" and _has(row.values, entity_map.excluded)


def describes(row: Row, entity_map: EntityMap) -> bool:
    """Whether a row is one of this entity."""
    if row.action == "D":
        return True
    if entity_map.required is not None and row.values.get(entity_map.required) is None:
        return False
    return all(row.values.get(column) in values for column, values in entity_map.only.items())


def _has(values: Mapping[str, Any], wanted: Mapping[str, list[Any]]) -> bool:
    return any(values.get(column) in accepted for column, accepted in wanted.items())


def _body(row: Row, entity_map: EntityMap, event_type: EventType) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for field in entity_map.fields:
        if field.column is None:
            body[field.name] = field.constant
            continue
        value = row.values.get(field.column)
        if field.conversion:
            value = convert.CONVERSIONS[field.conversion](value, row.values)
        if value is not None:
            body[field.name] = convert.of_kind(value, event_type.field_kinds[field.name])
    return body


def _missing_time(row: Row) -> str:
    """Return the event time of the item of a row where none is stored yet, in whole seconds."""
    updated_at = row.values.get("updated_at")
    if isinstance(updated_at, str):
        try:
            return whole_second(normalize_ruby_datetime(updated_at))
        except ValueError:
            pass
    return whole_second(format_utc(row.as_of - _LAG))


def _line(metadata: Metadata, body: Mapping[str, Any], item: Item) -> str:
    record_id = json.dumps("#".join(value for _, value in item.key))
    time = metadata["event_time"]
    return (
        f'{{"id":{record_id},"source":"snapshot","enqueued_at":"{time}",'
        f'"metadata":{to_json(metadata)},"body":{to_json(body)}}}\n'
    )
