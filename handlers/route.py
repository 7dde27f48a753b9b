"""A valid Live Event to its items: for each entity that it speaks of the table, the key, the version, the body."""

import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from handlers.catalogue import Entity, EventType
from handlers.decode import LiveEvent
from handlers.fates import Reason, Rejected, Violation
from handlers.ids import is_ambiguous, localised, shard_of
from handlers.instants import in_utc
from handlers.storable import MOST_BYTES, NotStorable, attribute, fits, quoted

# Attributes that an item has or has not: an update takes away those that the newer event does not give.
OPTIONAL_ATTRIBUTES = ("deleted", "user_id")

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

    @property
    def event_time(self) -> str:
        """When the event happened that this item is of, as it stands at the beginning of its version."""
        return (self.version or "").partition("#")[0]


def items(event: LiveEvent, event_type: EventType) -> tuple[Item, ...]:
    """The items of an event that its schema accepts, one for each entity that its type speaks of.

    The newest of all events of an entity decides what its item is; this one may be it or not.

    Raises ``Rejected`` for an event that cannot be keyed, or that DynamoDB could not hold.
    """
    account = event.metadata.get("root_account_uuid")
    if account is None:
        raise Rejected(Reason.UNROUTABLE, Violation("metadata.root_account_uuid", "required", "to key the item"))
    shard = shard_of(event.metadata.get("root_account_id"))
    sent = _renamed(event.body, event_type)
    if shard is None:
        _refuse_ambiguous_key(sent, event_type)
    forms = _forms(event_type)
    try:
        # Without its nulls: a field that is missing means null.
        body = {
            name: forms[name](value, shard) if name in forms else value
            for name, value in sent.items()
            if value is not None
        }
        return tuple(
            _item(event, entity, account, _share(body, entity, event_type), shard) for entity in event_type.entities
        )
    except NotStorable as error:
        raise Rejected(Reason.UNSTORABLE, Violation("body", error.rule, "")) from None


def _renamed(body: Mapping[str, Any], event_type: EventType) -> Mapping[str, Any]:
    """The body under the names of the catalogue."""
    renamed = event_type.renamed
    if renamed.keys().isdisjoint(body):
        return body
    others = {renamed[name]: value for name, value in body.items() if name in renamed and value is not None}
    return others | {name: value for name, value in body.items() if name not in renamed and value is not None}


def _refuse_ambiguous_key(sent: Mapping[str, Any], event_type: EventType) -> None:
    for field in event_type.key_fields:
        if event_type.kinds[field] in ("gid", "lid") and is_ambiguous(sent[field], None):
            raise Rejected(
                Reason.UNROUTABLE, Violation("metadata.root_account_id", "required", f"to localise body.{field}")
            )


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


def _item(event: LiveEvent, entity: Entity, account: str, body: Mapping[str, Any], shard: int | None) -> Item:
    deleted = body.get("workflow_state") == "deleted" or event.name.endswith("_deleted")
    acting = event.metadata.get("user_id")
    event_time = in_utc(event.metadata["event_time"])
    key = (
        ("context", f"{account}#{entity.context.format_map(body)}"),
        ("entity", f"{entity.name}#{body[entity.id]}"),
    )
    attributes = {"body": attribute(body)}
    if deleted:
        attributes["deleted"] = attribute(deleted)
    attributes["event_name"] = attribute(event.name)
    attributes["event_time"] = attribute(event_time)
    if acting is not None:
        attributes["user_id"] = attribute(localised(acting, shard))
    updated_at = body.get("updated_at", "") if "updated_at" in entity.fields else ""
    version = "#".join((event_time, updated_at, _rank(event.name, deleted), _digest(key, attributes)))
    for name, value in (*key, ("version", version)):
        attributes[name] = attribute(value)
    if not fits(attributes):
        raise Rejected(Reason.TOO_LARGE, Violation("body", "size", f"an item of at most {MOST_BYTES} bytes"))
    return Item(entity.table, key, version, attributes, probably_new=_stage(event.name) == _CREATED)


# The third part of a version is two digits: "00" a creation, "10" an update, "11" an update to the state "deleted",
# "21" a deletion.
_CREATED, _UPDATED, _DELETED = "0", "1", "2"


def _stage(event_name: str) -> str:
    if event_name.endswith(("_created", "_submitted")):
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


def _date(value: str, _: int | None) -> str:
    return value if len(value) == len("2019-08-10") else in_utc(value)


def _string(value: str | int, _: int | None) -> str:
    return str(int(value)) if not isinstance(value, str) else value


# The form in which a value of each kind is kept; those of other kinds are kept as they came.
FORMS: Mapping[str, Callable[[Any, int | None], Any]] = {
    "gid": localised,
    "lid": localised,
    "time": _time,
    "date": _date,
    "str": _string,
    "state": _string,
    "uuid": _string,
}


@cache
def _forms(event_type: EventType) -> dict[str, Callable[[Any, int | None], Any]]:
    return {name: FORMS[kind] for name, kind in event_type.kinds.items() if kind in FORMS}
