"""Build the items of a routed event: key, version, attributes and body."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from handlers.items.attributes import APPEND_ONLY, ENTITY
from handlers.items.canvas_ids import to_local_id
from handlers.items.event_types import EntityMapping
from handlers.items.item import Item, PrimaryKey, make_item
from handlers.items.redact import may_hold_secrets, redact_value
from handlers.items.route import Destination, RoutedEvent
from handlers.items.snapshot import snapshot_version
from handlers.items.timestamps import EPOCH, normalize_datetime, normalize_ruby_datetime
from handlers.outcome import Rejection, RejectionReason, Violation
from handlers.storage.attribute_value import UnsupportedValue, serialize

DEFAULT_ACTIVITY_RETENTION = timedelta(days=365)

DIGEST_LENGTH = 32  # hexadecimal digits of SHA-256: 128 bits, so no two events will ever share one


def build_items(routed: RoutedEvent, activity_retention: timedelta = DEFAULT_ACTIVITY_RETENTION) -> tuple[Item, ...]:
    """Build an item for each destination of an event.

    The newest of all events of an entity decides its item; this one may be it or not. An append-only item expires
    ``activity_retention`` after its event happened.

    Raises ``Rejection`` for an event that DynamoDB could not hold.
    """
    try:
        return tuple(
            [
                _append_only_item(routed, destination, activity_retention)
                if destination.entity.append_only
                else _entity_item(routed, destination)
                for destination in routed.destinations
            ]
        )
    except UnsupportedValue as error:
        raise Rejection(RejectionReason.UNSTORABLE, Violation("body", error.limit, "")) from None


def _entity_item(routed: RoutedEvent, destination: Destination) -> Item:
    """Build the item of an entity in the state that this event describes."""
    event, entity = routed.event, destination.entity
    body = _select_fields(routed, entity)
    deleted = body.get("workflow_state") == "deleted" or event.name.endswith("_deleted") or _is_gone(routed)
    event_time = normalize_datetime(event.metadata["event_time"])
    key = PrimaryKey(
        ("context", f"{routed.root_account}#{destination.context}"),
        ("entity", f"{entity.name}#{destination.id}"),
    )
    attributes = {"body": _body_attribute(body)}
    if deleted:
        attributes["deleted"] = serialize(deleted)
    _add_event_attributes(attributes, routed, event_time)
    _add_index_keys(attributes, routed, destination)
    if routed.event_type.is_snapshot:
        version = snapshot_version(event.metadata, event_time, _digest(attributes))
        insert_first = "repairs" not in event.metadata
    else:
        version = "#".join((event_time, _updated_at(routed), _rank(event.name, deleted), _digest(attributes)))
        insert_first = _lifecycle_rank(event.name) == _CREATED
    attributes["version"] = serialize(version)
    return make_item(ENTITY, entity.table_variable, key, attributes, version=version, insert_first=insert_first)


def _is_gone(routed: RoutedEvent) -> bool:
    return routed.event_type.is_snapshot and routed.event.metadata.get("is_deleted") is True


def _append_only_item(routed: RoutedEvent, destination: Destination, retention: timedelta) -> Item:
    """Build the item of an event that changes no state: its key contains its time, and it is written once.

    Two events of the same time are two items if they differ in what the item holds, or come from two requests.
    """
    metadata, entity = routed.event.metadata, destination.entity
    event_time = normalize_datetime(metadata["event_time"])
    attributes = {"body": _body_attribute(routed.body)}
    _add_event_attributes(attributes, routed, event_time)
    _add_index_keys(attributes, routed, destination)
    if metadata.get("context_type") and metadata.get("context_id"):
        request_context = f"{metadata['context_type']}#{to_local_id(metadata['context_id'], routed.shard)}"
        attributes["request_context"] = serialize(request_context)
    digest = _digest(attributes | {"request_id": serialize(metadata.get("request_id"))})
    context = destination.context or f"{entity.name.title()}#{digest}"
    key = PrimaryKey(
        ("context", f"{routed.root_account}#{context}"), ("entity", f"{entity.name}#{event_time}#{digest}")
    )
    expires_at = (datetime.fromisoformat(event_time) - EPOCH + retention) // timedelta(seconds=1)
    attributes["expires_at"] = serialize(expires_at)
    return make_item(APPEND_ONLY, entity.table_variable, key, attributes, insert_first=True)


def _select_fields(routed: RoutedEvent, entity: EntityMapping) -> Mapping[str, Any]:
    """Return the body fields of an entity; the first entity also has those that the schema does not know."""
    event_type = routed.event_type
    if len(event_type.entities) == 1:
        return routed.body
    keeps_unknown = entity is event_type.entities[0]
    return {
        name: value
        for name, value in routed.body.items()
        if name in entity.fields or (keeps_unknown and name not in event_type.field_kinds)
    }


def _body_attribute(body: Mapping[str, Any]) -> str:
    """Serialize a body, with the secrets in URLs redacted wherever they are in it."""
    text = serialize(body)
    return serialize(redact_value(body)) if may_hold_secrets(text) else text


def _add_event_attributes(attributes: dict[str, str], routed: RoutedEvent, event_time: str) -> None:
    """Add everything that an item keeps of the metadata."""
    actor_id = routed.event.metadata.get("user_id")
    attributes["event_name"] = serialize(routed.event.name)
    attributes["event_time"] = serialize(event_time)
    if actor_id:
        attributes["user_id"] = serialize(to_local_id(actor_id, routed.shard))


def _add_index_keys(attributes: dict[str, str], routed: RoutedEvent, destination: Destination) -> None:
    """Add the course and the person that the item is found by in the indexes ``by_course`` and ``by_user``."""
    if destination.course:
        attributes["course"] = serialize(f"{routed.root_account}#{destination.course}")
    if destination.user:
        attributes["user"] = serialize(f"{routed.root_account}#{destination.user}")


def _updated_at(routed: RoutedEvent) -> str:
    """Return the body's ``updated_at`` as versions have it, empty where there is none.

    One that the catalogue does not list may be of any form; only a date-time counts.
    """
    updated_at = routed.body.get("updated_at")
    if not isinstance(updated_at, str):
        return ""
    if routed.event_type.field_kinds.get("updated_at") in ("time", "ruby_time"):
        return updated_at  # normalized already
    try:
        return normalize_ruby_datetime(updated_at)
    except ValueError:
        return ""


# The third part of a version is two digits: "00" a creation or a start, "10" an update, "11" an update to the state
# "deleted", "21" a deletion.
_CREATED, _UPDATED, _DELETED = "0", "1", "2"


def _lifecycle_rank(event_name: str) -> str:
    if event_name.endswith(("_created", "_submitted", "_started")):
        return _CREATED
    return _DELETED if event_name.endswith("_deleted") else _UPDATED


def _rank(event_name: str, deleted: bool) -> str:
    """Created sorts before updated before deleted; of two updates at the same time, the one that deletes is newer."""
    return _lifecycle_rank(event_name) + ("1" if deleted else "0")


def _digest(attributes: Mapping[str, str]) -> str:
    """Digest the attributes of an item: the same for two events of one key if and only if they give the same item."""
    # Neither a name nor JSON contains the separator.
    text = "\0".join([part for attribute in sorted(attributes.items()) for part in attribute])
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]
