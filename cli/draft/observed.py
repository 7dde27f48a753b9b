"""What captured events show of an event type: its fields, and the types of their values.

Events hold personal data. The only values that are kept are states and type names, which are the same for everyone.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from handlers.items.canvas_ids import ID_PATTERN, IDS_PER_SHARD, MAX_ID, parse_id
from handlers.items.timestamps import is_date, is_date_time, is_ruby_time

# The field names that are shown. Any other name may be text that somebody wrote.
FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
MAX_FIELDS = 500

# A field with more values than this is not an enumeration.
MAX_ENUM_VALUES = 20
_STATE = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_TYPE_NAME = re.compile(r"[A-Z][A-Za-z0-9]{0,39}(?:::[A-Z][A-Za-z0-9]{0,39})*", re.ASCII)

MAX_STRING_LENGTH = 255  # of an ordinary database column; a longer string is a text

_ID = re.compile(ID_PATTERN, re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


class ValueType(StrEnum):
    """The type of a value, as remarks describe it."""

    NULL = "null"
    BOOL = "a boolean"
    INTEGER = "an integer"
    DECIMAL = "a number with decimals"
    LOCAL_ID = "a local id"
    GLOBAL_ID = "a global id"
    TIME = "a date-time"
    RUBY_TIME = "a date-time in Ruby's format"
    DATE = "a date"
    UUID = "a UUID"
    STRING = "a string"
    TEXT = "a long text"
    OBJECT = "an object"
    LIST = "a list"


# Only the name of a field tells an id from any other number or string of digits.
IDS = frozenset({ValueType.LOCAL_ID, ValueType.GLOBAL_ID})


def type_of(name: str, value: Any) -> ValueType:
    """Return the type of a JSON value in a field of this name."""
    match value:
        case None:
            return ValueType.NULL
        case "" if is_id(name):
            return ValueType.NULL
        case bool():
            return ValueType.BOOL
        case int():
            return _id_type(value) if is_id(name) and 0 < value <= MAX_ID else ValueType.INTEGER
        case float() | Decimal():
            return ValueType.DECIMAL
        case dict():
            return ValueType.OBJECT
        case list():
            return ValueType.LIST
    return _string_type(name, str(value))


def is_id(name: str) -> bool:
    """Whether a field of this name may hold a Canvas id. Ids of other systems have such names too."""
    return name == "id" or f"{name}_".find("_id_") > 0


def is_state(name: str) -> bool:
    """Whether a field of this name holds a state."""
    return name == "state" or name.endswith("_state")


def is_type(name: str) -> bool:
    """Whether a field of this name holds the name of a type."""
    return name == "type" or name.endswith("_type")


def _string_type(name: str, text: str) -> ValueType:
    if is_id(name) and _ID.fullmatch(text):
        return _id_type(text)
    if is_date_time(text):
        return ValueType.TIME
    if is_date(text):
        return ValueType.DATE
    if is_ruby_time(text):
        return ValueType.RUBY_TIME
    if _UUID.fullmatch(text):
        return ValueType.UUID
    return ValueType.TEXT if len(text) > MAX_STRING_LENGTH else ValueType.STRING


def _id_type(value: str | int) -> ValueType:
    return ValueType.GLOBAL_ID if parse_id(value) >= IDS_PER_SHARD else ValueType.LOCAL_ID


@dataclass
class ObservedField:
    """How often a field had a value of each type, and the states or type names among its values.

    ``id`` is the member ``id`` of the objects in the field, where they have one.
    """

    types: Counter[ValueType] = field(default_factory=Counter)
    enum_values: set[str] = field(default_factory=set)
    id: "ObservedField | None" = None

    def observe(self, name: str, value: Any) -> None:
        """Record the type of a value."""
        self.types[type_of(name, value)] += 1
        pattern = _STATE if is_state(name) else _TYPE_NAME if is_type(name) else None
        # One more than the maximum, so that it can be seen that there are too many.
        if pattern and isinstance(value, str) and pattern.fullmatch(value) and len(self.enum_values) <= MAX_ENUM_VALUES:
            self.enum_values.add(value)
        if isinstance(value, dict) and "id" in value:
            self.id = self.id or ObservedField()
            self.id.observe("id", value["id"])

    @property
    def non_null_types(self) -> frozenset[ValueType]:
        """The types that were observed, without null."""
        return frozenset(self.types) - {ValueType.NULL}


@dataclass
class ObservedEventType:
    """What captured events show of an event type.

    ``event_count`` events were observed, ``without_account_count`` of them without ``root_account_uuid``. Fields that
    are omitted, ``omitted_count`` in all events together, have odd names or exceed ``MAX_FIELDS``.
    """

    name: str
    event_count: int = 0
    without_account_count: int = 0
    omitted_count: int = 0
    fields: dict[str, ObservedField] = field(default_factory=dict)

    def observe(self, metadata: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        """Record an event of the type."""
        self.event_count += 1
        self.without_account_count += metadata.get("root_account_uuid") is None
        for name, value in body.items():
            if FIELD_NAME.fullmatch(name) and (name in self.fields or len(self.fields) < MAX_FIELDS):
                self.fields.setdefault(name, ObservedField()).observe(name, value)
            else:
                self.omitted_count += 1


def merge_fields(event_types: list[ObservedEventType]) -> dict[str, ObservedField]:
    """Return the fields of several event types as if they were those of one."""
    fields: dict[str, ObservedField] = {}
    for event_type in event_types:
        for name, observed in event_type.fields.items():
            _merge(fields.setdefault(name, ObservedField()), observed)
    return fields


def _merge(target: ObservedField, source: ObservedField) -> None:
    target.types += source.types
    target.enum_values |= source.enum_values
    if source.id:
        target.id = target.id or ObservedField()
        _merge(target.id, source.id)
