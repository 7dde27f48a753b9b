"""DynamoDB attribute values: JSON values in DynamoDB JSON, such as ``{"S": "text"}``, within DynamoDB's limits.

boto3's serializer checks no limit and keeps several spellings of one number. DynamoDB rejects a whole request when one
of its items exceeds a limit, so such an item must be found before it is sent.
A value has exactly one serialized form: map members are sorted, and everything outside ASCII is escaped.
Source: Amazon DynamoDB Developer Guide, "Quotas in Amazon DynamoDB" and "DynamoDB item sizes and formats".
"""

import base64
import json
from collections.abc import Mapping
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Subnormal
from json.encoder import encode_basestring_ascii
from typing import Any

MAX_ITEM_BYTES = 400 * 1024
MAX_DEPTH = 31  # documented as 32, but implementations differ on whether the attribute itself counts
MAX_NAME_BYTES = 65_535

json_string = encode_basestring_ascii

_NUMBERS = Context(prec=38, Emin=-130, Emax=125, traps=[Inexact, InvalidOperation, Subnormal])


class UnsupportedValue(Exception):
    """DynamoDB cannot hold the value.

    ``limit`` names the limit that it exceeds: ``nesting``, ``lone surrogate``, ``empty name``, ``name too long`` or
    ``number beyond 38 digits or DynamoDB's range``. It never contains the value.
    """

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


def serialize(value: object, depth: int = 1) -> str:
    """Serialize a JSON value, or bytes, to DynamoDB JSON; equal numbers have equal text, however they were written.

    ``depth`` is the number of maps and lists around the value, plus one. Raises ``UnsupportedValue`` for a value beyond
    DynamoDB's limits other than the item size, and ``TypeError`` for anything that is neither a JSON value with
    integers and ``Decimal`` as its numbers nor bytes.
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
    if depth > MAX_DEPTH:
        raise UnsupportedValue("nesting")
    if isinstance(value, dict):
        # Most members are ASCII strings, which are worth the call that they save.
        members = [
            f'{prefix}{{"S":{json_string(member)}}}'
            if type(member := value[name]) is str and member.isascii()
            else f"{prefix}{serialize(member, depth + 1)}"
            for name, prefix in _MEMBERS[tuple(value)]
        ]
        return f'{{"M":{{{",".join(members)}}}}}'
    if isinstance(value, list):
        return f'{{"L":[{",".join([serialize(element, depth + 1) for element in value])}]}}'
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def fits_in_item(attributes: Mapping[str, str]) -> bool:
    """Whether an item of these attributes (ASCII name to DynamoDB JSON) is within DynamoDB's item size limit."""
    # No value counts more bytes than its JSON has characters, and few items come near the limit.
    upper_bound = sum(map(len, attributes)) + sum(map(len, attributes.values()))
    return upper_bound <= MAX_ITEM_BYTES or item_size(attributes) <= MAX_ITEM_BYTES


def item_size(attributes: Mapping[str, str]) -> int:
    """The size in bytes that an item of these attributes counts; never less than what DynamoDB counts."""
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


class _Members(dict[tuple[str, ...], tuple[tuple[str, str], ...]]):
    """For the names of a map: each with its JSON and a colon, sorted. Canvas sends the same names again and again."""

    def __missing__(self, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        members = tuple([(name, f"{_member_name(name)}:") for name in sorted(names)])
        if len(self) < MAX_CACHED_MAPS and sum(map(len, names)) <= MAX_CACHED_NAMES_LENGTH:
            self[names] = members
        return members


# What is not Canvas's must not fill the memory, so these bound it to a few megabytes. Canvas's own names come first: a
# function builds an item of every example at cold start.
MAX_CACHED_MAPS = 1024
MAX_CACHED_NAMES_LENGTH = 2048
_MEMBERS = _Members()


def _member_name(name: str) -> str:
    if not name:
        raise UnsupportedValue("empty name")
    if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise UnsupportedValue("name too long")
    return _text(name)


def _number(number: int | Decimal) -> str:
    try:
        # Unary plus turns minus zero into zero.
        exact = _NUMBERS.plus(_NUMBERS.create_decimal(number)).normalize(_NUMBERS)
    except DecimalException:
        raise UnsupportedValue("number beyond 38 digits or DynamoDB's range") from None
    return format(exact, "f")  # without an exponent, as DynamoDB returns it
