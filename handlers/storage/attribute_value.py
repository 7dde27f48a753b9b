"""Values in DynamoDB's JSON, as ``{"S": "text"}``, within its limits.

boto3's own serializer knows neither the limits nor one form for a number. An item beyond a limit would be
refused by DynamoDB together with the whole batch that it is in, so it must not get that far.
A value has one text only: members are sorted, and all that is not ASCII is escaped.
Limits: Amazon DynamoDB Developer Guide, "Quotas in Amazon DynamoDB" and "Item sizes and formats".
"""

import base64
import json
from collections.abc import Mapping
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Subnormal
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any

MAX_ITEM_BYTES = 400 * 1024
MAX_DEPTH = 31  # documented as 32; whether the attribute itself counts differs between implementations
MAX_NAME_BYTES = 65_535

json_string = encode_basestring_ascii

_NUMBERS = Context(prec=38, Emin=-130, Emax=125, traps=[Inexact, InvalidOperation, Subnormal])


class UnsupportedValue(Exception):
    """DynamoDB cannot hold the value; ``limit`` says in a word or two why."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


def serialize(value: object, level: int = 1) -> str:
    """The DynamoDB JSON of a JSON value, or of bytes, with numbers in one form whatever they were written as.

    Raises ``UnsupportedValue`` for what is beyond DynamoDB's limits, but for the size of the item.
    """
    if isinstance(value, str):
        return f'{{"S":{json_string(value) if value.isascii() else _text(value)}}}'
    if isinstance(value, bool):
        return '{"BOOL":true}' if value else '{"BOOL":false}'
    if isinstance(value, int | Decimal):
        return f'{{"N":"{_number(value)}"}}'
    if value is None:
        return '{"NULL":true}'
    if isinstance(value, bytes):
        return f'{{"B":"{base64.b64encode(value).decode()}"}}'
    if level > MAX_DEPTH:
        raise UnsupportedValue("nesting")
    if isinstance(value, dict):
        members = [f"{_name(name)}:{serialize(value[name], level + 1)}" for name in sorted(value)]
        return f'{{"M":{{{",".join(members)}}}}}'
    if isinstance(value, list):
        return f'{{"L":[{",".join([serialize(each, level + 1) for each in value])}]}}'
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def fits_in_item(attributes: Mapping[str, str]) -> bool:
    """Whether DynamoDB takes an item of these attributes, whose names are ASCII, by its size."""
    # No value counts more than its JSON has characters, and few items come near.
    at_most = sum(map(len, attributes)) + sum(map(len, attributes.values()))
    return at_most <= MAX_ITEM_BYTES or item_size(attributes) <= MAX_ITEM_BYTES


def item_size(attributes: Mapping[str, str]) -> int:
    """The bytes that an item of these attributes counts, never less than DynamoDB's own figure."""
    return _members_size({name: json.loads(text) for name, text in attributes.items()})


def _members_size(members: Mapping[str, dict[str, Any]]) -> int:
    return sum(len(name.encode()) + _value_size(value) for name, value in members.items())


def _value_size(value: dict[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "B":
            return len(base64.b64decode(content))
        case "N":
            return len(content) // 2 + 3
        case "M":
            return 3 + len(content) + _members_size(content)
        case "L":
            return 3 + len(content) + sum(map(_value_size, content))
    return 1


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UnsupportedValue("lone surrogate") from None
    return json_string(text)


def _name(name: str) -> str:
    return _short_name(name) if len(name) < 100 else _any_name(name)


def _any_name(name: str) -> str:
    if not name:
        raise UnsupportedValue("empty name")
    if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise UnsupportedValue("name too long")
    return _text(name)


# The names of Canvas's fields come again and again; what is longer is none of them, and would fill the memory.
_short_name = lru_cache(maxsize=2048)(_any_name)


def _number(number: int | Decimal) -> str:
    try:
        # Plus makes minus zero zero.
        exact = _NUMBERS.plus(_NUMBERS.create_decimal(number)).normalize(_NUMBERS)
    except DecimalException:
        raise UnsupportedValue("number beyond 38 digits or DynamoDB's range") from None
    return format(exact, "f")  # without an exponent, as DynamoDB gives it back
