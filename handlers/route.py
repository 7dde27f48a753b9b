"""A valid Live Event to its items: for each entity that it speaks of the table, the key, the version, the body."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from handlers.catalogue import Entity, EventType
from handlers.decode import LiveEvent
from handlers.fates import Reason, Rejected, Violation
from handlers.ids import is_ambiguous, localised, shard_of
from handlers.instants import instant, utc_text
from handlers.storable import MOST_BYTES, AttributeValue, NotStorable, attribute_value, size

# Attributes that an item has or has not: an update takes away those that the newer event does not give.
OPTIONAL_ATTRIBUTES = ("deleted", "user_id")

DIGEST_LENGTH = 32  # hexadecimal digits of SHA-256: 128 bits, so no two events will ever share one


@dataclass(frozen=True, slots=True)
class Item:
    """An item of the table that the environment variable ``table`` names, in DynamoDB's form.

    ``key`` are the names and values of partition and sort key, ``version`` sorts as the versions of the item
    do (None where it has but one), ``attributes`` are all the others. ``probably_new`` guesses that the table
    does not have the key yet.
    """

    table: str
    key: tuple[tuple[str, str], tuple[str, str]]
    version: str | None
    attributes: Mapping[str, AttributeValue]
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
    sent = _present_fields(event, event_type)
    for field in event_type.key_fields:
        if event_type.fields[field].kind in ("gid", "lid") and is_ambiguous(sent[field], shard):
            raise Rejected(
                Reason.UNROUTABLE, Violation("metadata.root_account_id", "required", f"to localise body.{field}")
            )
    try:
        body = {name: _kept(event_type, name, value, shard) for name, value in sent.items()}
        return tuple(
            _item(event, entity, account, _share(body, entity, event_type), shard) for entity in event_type.entities
        )
    except NotStorable as error:
        raise Rejected(Reason.UNSTORABLE, Violation("body", error.rule, "")) from None


def _present_fields(event: LiveEvent, event_type: EventType) -> dict[str, Any]:
    """The body under the catalogue's names and without its nulls: a field that is missing means null."""
    renamed = event_type.renamed
    others = {renamed[name]: value for name, value in event.body.items() if name in renamed and value is not None}
    return others | {name: value for name, value in event.body.items() if name not in renamed and value is not None}


def _kept(event_type: EventType, name: str, value: Any, shard: int | None) -> Any:
    field = event_type.fields.get(name)
    return value if field is None else FORMS[field.kind](value, shard)


def _share(body: Mapping[str, Any], entity: Entity, event_type: EventType) -> dict[str, Any]:
    """The fields of the body that the entity keeps; the first one also those that nobody knows."""
    keeps_unknown = entity is event_type.entities[0]
    return {
        name: value
        for name, value in body.items()
        if name in entity.fields or (keeps_unknown and name not in event_type.fields)
    }


def _item(event: LiveEvent, entity: Entity, account: str, body: Mapping[str, Any], shard: int | None) -> Item:
    deleted = body.get("workflow_state") == "deleted" or event.name.endswith("_deleted")
    acting = event.metadata.get("user_id")
    event_time = utc_text(instant(event.metadata["event_time"]))
    key = (
        ("context", f"{account}#{entity.context.format_map(body)}"),
        ("entity", f"{entity.name}#{body[entity.id]}"),
    )
    plain = {
        "event_name": event.name,
        "event_time": event_time,
        **({"deleted": True} if deleted else {}),
        **({} if acting is None else {"user_id": localised(acting, shard)}),
        "body": dict(body),
    }
    attributes = {name: attribute_value(value) for name, value in plain.items()}
    updated_at = body.get("updated_at", "") if "updated_at" in entity.fields else ""
    version = "#".join((event_time, updated_at, _rank(event.name, deleted), _digest(key, attributes)))
    item = Item(entity.table, key, version, attributes, probably_new=_stage(event.name) == _CREATED)
    if size(attributes) + size({name: {"S": value} for name, value in (*key, ("version", version))}) > MOST_BYTES:
        raise Rejected(Reason.TOO_LARGE, Violation("body", "size", f"an item of at most {MOST_BYTES} bytes"))
    return item


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


def _digest(key: object, attributes: Mapping[str, AttributeValue]) -> str:
    """The same for two events if and only if they give the same item."""
    text = json.dumps([key, attributes], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def _time(value: str, _: int | None) -> str:
    return utc_text(instant(value))


def _date(value: str, _: int | None) -> str:
    return value if len(value) == len("2019-08-10") else utc_text(instant(value))


def _string(value: str | int, _: int | None) -> str:
    return str(int(value)) if not isinstance(value, str) else value


def _as_it_came(value: Any, _: int | None) -> Any:
    return value


# The form in which a value of each kind is kept.
FORMS: Mapping[str, Callable[[Any, int | None], Any]] = {
    "gid": localised,
    "lid": localised,
    "time": _time,
    "date": _date,
    "str": _string,
    "state": _string,
    "uuid": _string,
    "text": _as_it_came,
    "num": _as_it_came,
    "int": _as_it_came,
    "bool": _as_it_came,
    "obj": _as_it_came,
    "list": _as_it_came,
}
