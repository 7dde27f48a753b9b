"""Values in DynamoDB's JSON; that the limits are DynamoDB's own is tried on its engine."""

import json
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from handlers.storage.attribute_value import MAX_ITEM_BYTES, UnsupportedValue, fits_in_item, item_size, serialize
from tests.conftest import TABLES, Tables, as_boto3
from tests.hypothesis_profiles import examples


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
def test_a_number_has_one_form(number: int | Decimal, text: str) -> None:
    """Numbers that are equal are the same text, without an exponent."""
    assert serialize(number) == f'{{"N":"{text}"}}'


def test_values_keep_their_types() -> None:
    """Every JSON value has a form of its own: true is not 1, and null inside a value stays."""
    assert json.loads(serialize({"a": [True, False, 1, "1", None, {}], "b": b"\0"})) == {
        "M": {
            "a": {"L": [{"BOOL": True}, {"BOOL": False}, {"N": "1"}, {"S": "1"}, {"NULL": True}, {"M": {}}]},
            "b": {"B": "AA=="},
        }
    }


def test_what_is_no_json_value_is_a_bug() -> None:
    """Something else than a JSON value is an error of ours, not of the event."""
    with pytest.raises(TypeError, match="float"):
        serialize(1.5)


@pytest.mark.parametrize(
    ("value", "count"),
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
def test_what_counts_towards_the_size_of_an_item(value: object, count: int) -> None:
    """Names and texts count their UTF-8; a map or list three, and one for each element."""
    assert item_size({"name": serialize(value)}) == len("name") + count


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**37), 10**37), st.just(""), TEXTS, st.binary()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(TEXTS, inner)),
    max_leaves=10,
)


@examples(300)
@given(VALUES)
def test_no_value_counts_more_than_its_text_is_long(value: object) -> None:
    """So an item whose texts are short enough fits, and only of the others the size need be counted."""
    assert item_size({"": serialize(value)}) <= len(serialize(value))


@examples(300)
@given(VALUES)
def test_a_value_has_one_text(value: object) -> None:
    """The text is that of Python's own JSON of the value: members sorted, no spaces, ASCII alone."""
    text = serialize(value)
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    assert text.isascii()
    if isinstance(value, dict):
        assert serialize(dict(reversed(value.items()))) == text


@pytest.mark.parametrize(("letter", "bytes_each"), [("x", 1), ("ü", 2), ("\U0001f600", 4)])
def test_an_item_fits_up_to_the_last_byte(letter: str, bytes_each: int) -> None:
    """However much longer the text of an item is than what it counts, 400 KB fit and a byte more does not."""
    most = (MAX_ITEM_BYTES - len("body")) // bytes_each
    assert item_size({"body": serialize(letter * most)}) == MAX_ITEM_BYTES
    assert fits_in_item({"body": serialize(letter * most)})
    assert not fits_in_item({"body": serialize(letter * most + "x")})
    assert not fits_in_item({"body": serialize(letter * most), "x": serialize("")})


def nested(levels: int) -> object:
    """A value of so many levels."""
    value: object = "v"
    for _ in range(levels):
        value = {"k": value}
    return value


AT_THE_LIMIT = {
    "levels": nested(31),
    "levels of lists": json.loads("[" * 31 + "]" * 31),
    "largest": Decimal("9.99E+125"),
    "smallest": Decimal("1E-130"),
    "digits": Decimal("1" * 38),
    "name": {"n" * 65_535: 1},
    "empty string": "",
    "nul": "\0",
    "odd names": {"__proto__": 1, "a.b": 2, "?": 3, "'\"": 4},
}
BEYOND_THE_LIMIT = {
    "levels": nested(32),
    "largest": Decimal("1E+126"),
    "smallest": Decimal("9E-131"),
    "digits": Decimal("1" * 39),
    "name": {"n" * 65_536: 1},
    "empty name": {"": 1},
    "surrogate": "\ud800",
}


@pytest.mark.parametrize("value", AT_THE_LIMIT.values(), ids=AT_THE_LIMIT)
def test_dynamodb_takes_what_we_take(engine: Tables, value: object) -> None:
    """A value at the limit is one that DynamoDB takes and gives back."""
    item = as_boto3({"context": serialize("c"), "entity": serialize("e"), "body": serialize(value)})
    engine.client.put_item(TableName=TABLES["MODULES_TABLE"], Item=item)
    assert engine.items("modules") == [item]


@pytest.mark.parametrize("value", BEYOND_THE_LIMIT.values(), ids=BEYOND_THE_LIMIT)
def test_we_refuse_what_dynamodb_refuses(value: object) -> None:
    """A value beyond the limit does not get as far as DynamoDB."""
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
def test_the_size_is_never_less_than_dynamodbs(engine: Tables, value: dict[str, Any]) -> None:
    """An item filled up to our figure of 400 KB is one that DynamoDB takes."""
    item = {name: serialize(each) for name, each in {"context": "c", "entity": "e", "body": value, "fill": ""}.items()}
    most = MAX_ITEM_BYTES - item_size(item)
    item["fill"] = serialize("f" * most)
    assert item_size(item) == MAX_ITEM_BYTES
    assert fits_in_item(item)
    engine.client.put_item(TableName="modules", Item=as_boto3(item))
    item["fill"] = serialize("f" * (most + 1))
    assert not fits_in_item(item)
    item["fill"] = serialize("f" * (MAX_ITEM_BYTES + 3_000))
    with pytest.raises(ClientError, match="Item size"):
        engine.client.put_item(TableName="modules", Item=as_boto3(item))
