"""A valid Live Event to its items: for each entity that it speaks of the table, the key, the version, the body."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from handlers.intake.decode import LiveEvent
from handlers.items.canvas_ids import localised, shard_of
from handlers.items.event_types import Entity, EventType
from handlers.items.keys import filled, first_filled, said_by
from handlers.items.redact import masked_text
from handlers.items.timestamps import EPOCH, in_utc, ruby_in_utc
from handlers.outcome import Reason, Rejected, Violation
from handlers.storage.attribute_value import MOST_BYTES, NotStorable, attribute, fits, quoted

# Attributes that an item has or has not: an update takes away those that the newer event does not give.
OPTIONAL_ATTRIBUTES = ("deleted", "user_id")

ACTIVITY_RETENTION = timedelta(days=365)

DIGEST_LENGTH = 32  # hexadecimal digits of SHA-256: 128 bits, so no two events will ever share one

Key = tuple[tuple[str, str], tuple[str, str]]


class Item(NamedTuple):
    """An item of the table that the environment variable ``table`` names.

    ``key`` are the names and values of partition and sort key, ``version`` sorts as the versions of the item
    do (None where it has but one), ``attributes`` are all, these among them, in DynamoDB's JSON. ``probably_new``
    guesses that the table does not have the key yet.
    """

    table: str
    key: Key
    version: str | None
    attributes: Mapping[str, str]
    probably_new: bool


def items(
    event: LiveEvent, event_type: EventType, activity_retention: timedelta = ACTIVITY_RETENTION
) -> tuple[Item, ...]:
    """The items of an event that its schema accepts, one for each entity that its type speaks of.

    The newest of all events of an entity decides what its item is; this one may be it or not. An occurrence is an
    item of its own, and expires ``activity_retention`` after it happened.

    Raises ``Rejected`` for an event that cannot be keyed, or that DynamoDB could not hold.
    """
    account = event.metadata.get("root_account_uuid")
    if account is None and event_type.needs_account:
        raise Rejected(Reason.UNROUTABLE, Violation("metadata.root_account_uuid", "required", "to key the item"))
    shard = shard_of(event.metadata.get("root_account_id"))
    forms = _forms(event_type)
    # Without its nulls: a field that is missing means null.
    body = {
        name: forms[name](value, shard) if name in forms else value
        for name, value in _renamed(event.body, event_type).items()
        if value is not None
    }
    made = _Made(event, account or "", shard, said_by(event, body, event_type, shard))
    try:
        return tuple(
            _occurrence(made, entity, body, activity_retention)
            if entity.occurrence
            else _state(made, entity, _share(body, entity, event_type))
            for entity in event_type.entities
        )
    except NotStorable as error:
        raise Rejected(Reason.UNSTORABLE, Violation("body", error.rule, "")) from None


class _Made(NamedTuple):
    """What the items of one event are made of, beside their bodies."""

    event: LiveEvent
    account: str
    shard: int | None
    said: Mapping[str, Any]


def _renamed(body: Mapping[str, Any], event_type: EventType) -> Mapping[str, Any]:
    """The body under the names of the catalogue."""
    renamed = event_type.renamed
    if renamed.keys().isdisjoint(body):
        return body
    others = {renamed[name]: value for name, value in body.items() if name in renamed and value is not None}
    return others | {name: value for name, value in body.items() if name not in renamed and value is not None}


def _share(body: dict[str, Any], entity: Entity, event_type: EventType) -> dict[str, Any]:
    """The fields of the body that the entity keeps; the first one also those that nobody knows."""
    if len(event_type.entities) == 1:
        return body
    keeps_unknown = entity is event_type.entities[0]
    return {
        name: value
        for name, value in body.items()
        if name in entity.fields or (keeps_unknown and name not in event_type.kinds)
    }


def _state(made: _Made, entity: Entity, body: Mapping[str, Any]) -> Item:
    """The item of an entity, as this event says that it is."""
    event = made.event
    deleted = body.get("workflow_state") == "deleted" or event.name.endswith("_deleted")
    event_time = in_utc(event.metadata["event_time"])
    key = (
        ("context", f"{made.account}#{filled(entity.contexts, made.said)}"),
        ("entity", f"{entity.name}#{filled(entity.ids, made.said)}"),
    )
    attributes = {"body": attribute(body)}
    if deleted:
        attributes["deleted"] = attribute(deleted)
    _add_metadata(attributes, made, event_time)
    updated_at = body.get("updated_at", "") if "updated_at" in entity.fields else ""
    version = "#".join((event_time, updated_at, _rank(event.name, deleted), _digest(key, attributes)))
    attributes["version"] = attribute(version)
    return _item(entity.table, key, version, attributes, probably_new=_stage(event.name) == _CREATED)


def _occurrence(made: _Made, entity: Entity, body: Mapping[str, Any], retention: timedelta) -> Item:
    """The item of an event that changes no state: it stands where its time is, and is never written again.

    Two of one instant are two if they differ in what the item says or come from two requests.
    """
    metadata = made.event.metadata
    event_time = in_utc(metadata["event_time"])
    attributes = {"body": attribute(body)}
    _add_metadata(attributes, made, event_time)
    if metadata.get("context_type") is not None and metadata.get("context_id") is not None:
        happened_in = f"{metadata['context_type']}#{localised(metadata['context_id'], made.shard)}"
        attributes["happened_in"] = attribute(happened_in)
    context = first_filled(entity.contexts, made.said)
    digest = _digest(
        (("context", f"{made.account}#{context or ''}"), ("entity", entity.name)),
        attributes | {"request_id": attribute(metadata.get("request_id"))},
    )
    key = (
        ("context", f"{made.account}#{context or f'{entity.name.title()}#{digest}'}"),
        ("entity", f"{entity.name}#{event_time}#{digest}"),
    )
    expires_at = (datetime.fromisoformat(event_time) - EPOCH + retention) // timedelta(seconds=1)
    attributes["expires_at"] = attribute(expires_at)
    return _item(entity.table, key, None, attributes, probably_new=True)


def _add_metadata(attributes: dict[str, str], made: _Made, event_time: str) -> None:
    """All that an item keeps of the metadata."""
    acting = made.event.metadata.get("user_id")
    attributes["event_name"] = attribute(made.event.name)
    attributes["event_time"] = attribute(event_time)
    if acting is not None:
        attributes["user_id"] = attribute(localised(acting, made.shard))


def _item(table: str, key: Key, version: str | None, attributes: dict[str, str], *, probably_new: bool) -> Item:
    for name, value in key:
        attributes[name] = attribute(value)
    if not fits(attributes):
        raise Rejected(Reason.TOO_LARGE, Violation("body", "size", f"an item of at most {MOST_BYTES} bytes"))
    return Item(table, key, version, attributes, probably_new)


# The third part of a version is two digits: "00" a creation or a start, "10" an update, "11" an update to the state
# "deleted", "21" a deletion.
_CREATED, _UPDATED, _DELETED = "0", "1", "2"


def _stage(event_name: str) -> str:
    if event_name.endswith(("_created", "_submitted", "_started")):
        return _CREATED
    return _DELETED if event_name.endswith("_deleted") else _UPDATED


def _rank(event_name: str, deleted: bool) -> str:
    """Created before updated before deleted; of two updates at the same time, the one that deletes is newer."""
    return _stage(event_name) + ("1" if deleted else "0")


def _digest(key: Key, attributes: Mapping[str, str]) -> str:
    """The same for two events if and only if they give the same item."""
    names = ",".join([f'["{name}",{quoted(value)}]' for name, value in key])
    values = ",".join([f'"{name}":{text}' for name, text in sorted(attributes.items())])
    return hashlib.sha256(f"[[{names}],{{{values}}}]".encode()).hexdigest()[:DIGEST_LENGTH]


def _time(value: str, _: int | None) -> str:
    return in_utc(value)


def _ruby_time(value: str, _: int | None) -> str:
    return ruby_in_utc(value)


def _date(value: str, _: int | None) -> str:
    return value if len(value) == len("2019-08-10") else in_utc(value)


def _string(value: str | int, _: int | None) -> str:
    return str(int(value)) if not isinstance(value, str) else value


def _url(value: str, _: int | None) -> str:
    return masked_text(value)


# The form in which a value of each kind is kept; those of other kinds are kept as they came.
FORMS: Mapping[str, Callable[[Any, int | None], Any]] = {
    "gid": localised,
    "lid": localised,
    "time": _time,
    "ruby_time": _ruby_time,
    "date": _date,
    "str": _string,
    "state": _string,
    "uuid": _string,
    "url": _url,
}


@cache
def _forms(event_type: EventType) -> dict[str, Callable[[Any, int | None], Any]]:
    return {name: FORMS[kind] for name, kind in event_type.kinds.items() if kind in FORMS}
