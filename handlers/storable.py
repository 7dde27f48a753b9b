"""Values as DynamoDB keeps them, within its limits.

boto3's own serializer knows neither the limits nor one form for a number. An item beyond a limit would be
refused by DynamoDB together with the whole batch that it is in, so it must not get that far.
Limits: Amazon DynamoDB Developer Guide, "Quotas in Amazon DynamoDB" and "Item sizes and formats".
"""

from collections.abc import Mapping
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Subnormal
from typing import Any

MOST_BYTES = 400 * 1024
MOST_LEVELS = 31  # documented as 32; whether the attribute itself counts differs between implementations
MOST_NAME_BYTES = 65_535

_NUMBERS = Context(prec=38, Emin=-130, Emax=125, traps=[Inexact, InvalidOperation, Subnormal])

AttributeValue = dict[str, Any]


class NotStorable(Exception):
    """DynamoDB cannot hold the value; ``rule`` says in a word or two why."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


def attribute_value(value: object, level: int = 1) -> AttributeValue:
    """The DynamoDB form of a JSON value, or of bytes, with numbers in one form whatever they were written as.

    Raises ``NotStorable`` for what is beyond DynamoDB's limits, but for the size of the item.
    """
    match value:
        case str():
            return {"S": _text(value)}
        case bool():
            return {"BOOL": value}
        case int() | Decimal():
            return {"N": _number(value)}
        case None:
            return {"NULL": True}
        case bytes():
            return {"B": value}
        case dict() | list() if level > MOST_LEVELS:
            raise NotStorable("nesting")
        case dict():
            return {"M": {_name(name): attribute_value(each, level + 1) for name, each in value.items()}}
        case list():
            return {"L": [attribute_value(each, level + 1) for each in value]}
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def size(attributes: Mapping[str, AttributeValue]) -> int:
    """The bytes that an item of these attributes counts, never less than DynamoDB's own figure."""
    return sum(len(name.encode()) + _value_size(value) for name, value in attributes.items())


def _value_size(value: AttributeValue) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content) if content.isascii() else len(content.encode())
        case "B":
            return len(content)
        case "N":
            return len(content) // 2 + 3
        case "M":
            return 3 + len(content) + size(content)
        case "L":
            return 3 + len(content) + sum(map(_value_size, content))
    return 1


def _text(text: str) -> str:
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        raise NotStorable("lone surrogate") from None
    return text


def _name(name: str) -> str:
    if not name:
        raise NotStorable("empty name")
    if len(_text(name).encode()) > MOST_NAME_BYTES:
        raise NotStorable("name too long")
    return name


def _number(number: int | Decimal) -> str:
    try:
        # Plus makes minus zero zero.
        exact = _NUMBERS.plus(_NUMBERS.create_decimal(number)).normalize(_NUMBERS)
    except DecimalException:
        raise NotStorable("number beyond 38 digits or DynamoDB's range") from None
    return format(exact, "f")  # without an exponent, as DynamoDB gives it back
