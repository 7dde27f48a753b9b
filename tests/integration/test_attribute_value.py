"""DynamoDB JSON, and its limits as DynamoDB's own engine applies them."""

import json
import tracemalloc
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from handlers.storage.attribute_value import MAX_ITEM_BYTES, UnsupportedValue, fits_in_item, item_size, serialize
from tests.support.engines import TABLES, Tables, as_boto3
from tests.support.hypothesis_profiles import examples


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (Decimal("-0.0"), "0"),
        (Decimal("100.00"), "100"),
        (Decimal("1E+2"), "100"),
        (Decimal("33.333333333333336"), "33.333333333333336"),
        (Decimal("9.9E+125"), "99" + "0" * 124),
        (Decimal("1E-130"), "0." + "0" * 129 + "1"),
        (Decimal("0E-500"), "0"),
        (10**37, "1" + "0" * 37),
        (Decimal("1" * 38), "1" * 38),
        (Decimal("1." + "0" * 60), "1"),
    ],
)
def test_equal_numbers_serialize_to_equal_text(number: int | Decimal, text: str) -> None:
    """Equal numbers serialize to the same text, without an exponent."""
    assert serialize(number) == f'{{"N":"{text}"}}'


def test_values_of_different_types_serialize_differently() -> None:
    """Every JSON type has its own DynamoDB type: true differs from 1, and a null inside a value is preserved."""
    assert json.loads(serialize({"a": [True, False, 1, "1", None, {}], "b": b"\0"})) == {
        "M": {
            "a": {"L": [{"BOOL": True}, {"BOOL": False}, {"N": "1"}, {"S": "1"}, {"NULL": True}, {"M": {}}]},
            "b": {"B": "AA=="},
        }
    }


def test_value_outside_json_raises_type_error() -> None:
    """A value that no event can contain is reported as a bug, not as an unsupported value."""
    with pytest.raises(TypeError, match="float"):
        serialize(1.5)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("ü1", 3),
        (b"\xff" * 9, 9),
        (12_345, 5),
        (True, 1),
        (None, 1),
        ({}, 3),
        ({"ü": "1", "b": [None, ""]}, 15),
        ([True, None, "12"], 10),
    ],
)
def test_item_size_counts_names_values_and_overhead(value: object, size: int) -> None:
    """Names and strings count their UTF-8 bytes; a map or list counts three bytes plus one for each element."""
    assert item_size({"name": serialize(value)}) == len("name") + size


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**37), 10**37), st.just(""), TEXTS, st.binary()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(TEXTS, inner)),
    max_leaves=10,
)


@examples(300)
@given(VALUES)
def test_serialized_length_is_an_upper_bound_of_the_size(value: object) -> None:
    """No value counts more bytes than its serialized form has characters, so short items need not be measured."""
    assert item_size({"": serialize(value)}) <= len(serialize(value))


@examples(300)
@given(VALUES)
def test_equal_values_serialize_to_equal_text(value: object) -> None:
    """The text is ASCII JSON with sorted members and without spaces, in whatever order the members came."""
    text = serialize(value)
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    assert text.isascii()
    if isinstance(value, dict):
        assert serialize(dict(reversed(value.items()))) == text


@pytest.mark.parametrize(("letter", "letter_bytes"), [("x", 1), ("ü", 2), ("\U0001f600", 4)])
def test_item_fits_up_to_the_last_byte(letter: str, letter_bytes: int) -> None:
    """An item of exactly 400 KB fits and one of a byte more does not, however long its serialized form is."""
    longest = (MAX_ITEM_BYTES - len("body")) // letter_bytes
    assert item_size({"body": serialize(letter * longest)}) == MAX_ITEM_BYTES
    assert fits_in_item({"body": serialize(letter * longest)})
    assert not fits_in_item({"body": serialize(letter * longest + "x")})
    assert not fits_in_item({"body": serialize(letter * longest), "x": serialize("")})


def nested(depth: int) -> object:
    """Return a value with this many nested maps."""
    value: object = "v"
    for _ in range(depth):
        value = {"k": value}
    return value


AT_THE_LIMIT = {
    "nested maps": nested(31),
    "nested lists": json.loads("[" * 31 + "]" * 31),
    "largest number": Decimal("9.99E+125"),
    "smallest number": Decimal("1E-130"),
    "most digits": Decimal("1" * 38),
    "longest name": {"n" * 65_535: 1},
    "empty string": "",
    "nul": "\0",
    "unusual names": {"__proto__": 1, "a.b": 2, "?": 3, "'\"": 4},
}
BEYOND_THE_LIMIT = {
    "nested maps": nested(32),
    "larger number": Decimal("1E+126"),
    "smaller number": Decimal("9E-131"),
    "more digits": Decimal("1" * 39),
    "longer name": {"n" * 65_536: 1},
    "empty name": {"": 1},
    "lone surrogate": "\ud800",
}


@pytest.mark.parametrize("value", AT_THE_LIMIT.values(), ids=AT_THE_LIMIT)
def test_dynamodb_stores_a_value_at_the_limit(engine: Tables, value: object) -> None:
    """DynamoDB accepts a value at the limit and returns it unchanged."""
    item = as_boto3({"context": serialize("c"), "entity": serialize("e"), "body": serialize(value)})
    engine.client.put_item(TableName=TABLES["MODULES_TABLE"], Item=item)
    assert engine.items("modules") == [item]


@pytest.mark.parametrize("value", BEYOND_THE_LIMIT.values(), ids=BEYOND_THE_LIMIT)
def test_value_beyond_the_limit_is_unsupported(value: object) -> None:
    """A value beyond one of DynamoDB's limits is found before it is sent."""
    with pytest.raises(UnsupportedValue):
        serialize(value)


@pytest.mark.parametrize(
    "value",
    [
        {"t": "ü" * 1000},
        {"t": [1, Decimal("2.5"), -3, Decimal("1E+99")]},
        {str(n): [n, {"x": None, "y": True}] for n in range(200)},
        {"b": b"x" * 99},
    ],
)
def test_item_size_is_never_less_than_dynamodbs(engine: Tables, value: dict[str, Any]) -> None:
    """DynamoDB accepts an item that is filled up to 400 KB by our count."""
    values = {"context": "c", "entity": "e", "body": value, "fill": ""}
    item = {name: serialize(attribute) for name, attribute in values.items()}
    longest = MAX_ITEM_BYTES - item_size(item)
    item["fill"] = serialize("f" * longest)
    assert item_size(item) == MAX_ITEM_BYTES
    assert fits_in_item(item)
    engine.client.put_item(TableName="modules", Item=as_boto3(item))
    item["fill"] = serialize("f" * (longest + 1))
    assert not fits_in_item(item)
    item["fill"] = serialize("f" * (MAX_ITEM_BYTES + 3_000))
    with pytest.raises(ClientError, match="Item size"):
        engine.client.put_item(TableName="modules", Item=as_boto3(item))


def test_names_that_are_not_canvas_s_do_not_fill_the_memory() -> None:
    """Ten thousand maps of ever new names leave at most ten megabytes behind."""
    tracemalloc.start()
    try:
        for number in range(10_000):
            serialize({f"{number}-{'n' * 500}": "", str(number): ""})
        assert tracemalloc.get_traced_memory()[0] < 10_000_000
    finally:
        tracemalloc.stop()
