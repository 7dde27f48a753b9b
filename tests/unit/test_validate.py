"""Two validators read one schema: both agree on every event."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.intake import violations
from handlers.intake.decode import LiveEvent, decode
from handlers.intake.validate import validate
from handlers.items.canvas_ids import ID_PATTERN, MAX_ID, NULLABLE_ID_PATTERN
from handlers.items.event_types import EventType, load
from handlers.outcome import Rejection, RejectionReason, Violation
from tests.support.engines import SAMPLES, EventFactory
from tests.support.hypothesis_profiles import examples

CATALOGUE = load()
Json = dict[str, Any]

# What stands right beside a rule: on it, over it, or looks as if it were on it.
NUMBERS: list[int | Decimal] = [
    *[0, 1, -1, 7, MAX_ID, MAX_ID + 1, 2**64 - 1, 2**64, -(2**63), -(2**64), 10**40, 10**4_000],
    *map(Decimal, ["1.0", "-0.0", "0.5", "1E+2", "33.333333333333336", "0.99999999999999999999"]),
    *map(Decimal, ["1.00000000000000000001", "9223372036854775807.0", "9223372036854775807.5", "9.3E+18"]),
    *map(Decimal, ["1E+18", "1E+400", "-1E+400", "1E-400", "1E+5000", "-1E-5000", "7E+999999"]),
]
IDS = ["0", "1", "01", "565", "21070000000000565", "2107~565", "2107~0", "~1", "1~", "9" * 19, str(MAX_ID + 1)]
TIMES = [
    *["2019-11-01T19:11:11Z", "2019-11-01t19:11:11.123z", "2019-11-01T19:11:11.123456789+05:30"],
    *["2019-11-01T19:11:11-0800", "2019-11-01T19:11:11+05", "2019-11-01T24:00:00Z", "2019-11-01T19:11:60Z"],
    *["2019-11-01 19:11:11Z", "2019-11-01T19:11:11", "2019-02-30T00:00:00Z", "0000-01-01T00:00:00Z"],
    "0001-01-01T00:00:00+14:00",
]
DATES = [
    *["2019-08-10", "2020-02-29", "2019-02-29", "1900-02-29", "0000-01-01", "0001-01-01", "9999-12-31", "10000-01-01"],
    *["20190810", "2019-W32-6", "2019-222", "2019-8-10", "+2019-08-10", "2019-13-01", "2019-00-10", "2019-08-32"],
]
WORDS = ["", "Course", "Course#1", "9lives", "C" * 64, "C" * 65, "~" * 255, "~" * 256, "a b", "a#b", '"', "é", "\x7f"]
# A line feed that a pattern's end may overlook, digits that are not ASCII, half a character.
ADDED = ["", "\n", "\r", "\x00", "\x85", "\u2028", " ", "0", "\u0661", "\uff11", "\u00b2", "\ud800", "\U0001f600"]

TEXTS = st.one_of(
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["", "", "", *ADDED]),
        st.one_of(st.sampled_from([*IDS, *TIMES, *DATES, *WORDS]), st.from_regex(ID_PATTERN)),
        st.sampled_from(["", "", "", *ADDED]),
    ),
    st.text(st.characters(), max_size=20),
    st.dates().map(str),
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NUMBERS),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False),
    TEXTS,
)
VALUES = st.one_of(
    SCALARS,
    st.recursive(
        SCALARS,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
        max_leaves=5,
    ),
)


def sample(event_name: str) -> Json:
    """Return the decoded sample of an event type."""
    event = decode(SAMPLES[event_name].encode())
    return {"metadata": dict(event.metadata), "body": dict(event.body)}


def fields_of(event_type: EventType) -> list[tuple[str, str]]:
    """Return every field in the schema of an event type, and one that is not in it, each with its part."""
    parts = event_type.schema["properties"]
    return [(part, name) for part in ("metadata", "body") for name in [*parts[part]["properties"], "of_tomorrow"]]


@st.composite
def mutants(draw: st.DrawFn) -> tuple[EventType, Json]:
    """Draw a sample of some event type with fields removed or replaced."""
    event_type = draw(st.sampled_from(list(CATALOGUE.values())))
    document = sample(event_type.name)
    for part, name in draw(st.lists(st.sampled_from(fields_of(event_type)), min_size=1, max_size=3)):
        if draw(st.integers(0, 9)) == 0:
            document[part].pop(name, None)
        else:
            document[part][name] = draw(VALUES)
    return event_type, document


def is_accepted(event_type: EventType, document: Json) -> bool:
    """Return whether the functions accept the event."""
    try:
        validate(LiveEvent(event_type.name, document["metadata"], document["body"]), event_type)
    except Rejection:
        return False
    return True


@examples(600)
@given(mutants())
def test_fast_validator_agrees_with_jsonschema(mutant: tuple[EventType, Json]) -> None:
    """Whatever the fields of an event contain, it is accepted if and only if jsonschema accepts it."""
    event_type, document = mutant
    assert is_accepted(event_type, document) == violations.validator(event_type).is_valid(document)


def rules() -> Iterator[tuple[EventType, str, str]]:
    """Return a field, with its event type and part, for each set of rules that a schema has for a field."""
    seen = set()
    for event_type in CATALOGUE.values():
        for part, field in fields_of(event_type):
            described = event_type.schema["properties"][part]["properties"].get(field, {})
            text = json.dumps(
                {rule: value for rule, value in described.items() if rule not in ("description", "const")}
            )
            if text not in seen:
                seen.add(text)
                yield event_type, part, field


@pytest.mark.parametrize(
    ("event_type", "part", "field"), list(rules()), ids=lambda value: getattr(value, "name", value)
)
def test_validators_agree_on_the_boundary_values_of_each_rule(event_type: EventType, part: str, field: str) -> None:
    """Both validators agree on each value at the boundary of some rule, under every rule of the schemas."""
    texts = [text + end for text in [*IDS, *TIMES, *DATES, *WORDS] for end in ADDED]
    values = [*NUMBERS, *texts, True, False, None, {}, {"a": None}, [], [1], [Decimal("1E+5000")], {"\ud800": 1}]
    judges = violations.validator(event_type)
    disputed = []
    for value in values:
        document = sample(event_type.name)
        document[part][field] = value
        if is_accepted(event_type, document) != judges.is_valid(document):
            disputed.append(value)
    assert disputed == []


def fail_if_called(*_: object) -> None:
    """Fail in place of the second validator where it must not be called."""
    raise AssertionError("the second engine was asked")


@pytest.mark.parametrize("name", CATALOGUE)
def test_valid_event_does_not_need_the_slow_validator(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No valid form of an id, a time or a number needs the slower validator, and no null or unknown field does."""
    monkeypatch.setattr(violations, "raise_violations", fail_if_called)
    event_type = CATALOGUE[name]
    forms: dict[str, list[Any]] = {
        "gid": [
            "565",
            565,
            Decimal("565.0"),
            "21070000000000565",
            21070000000000565,
            "2107~565",
            str(MAX_ID),
            MAX_ID,
        ],
        "time": ["2019-11-01T19:11:11Z", "2019-11-01t19:11:11.123456789z", "2019-11-01T19:11:11+0530"],
        "date": ["2019-08-10", "2019-08-10T00:00:00+05"],
        "num": [0, -1, Decimal("33.333333333333336"), Decimal("1E+99")],
        "int": [0, 7, Decimal("7.0")],
        "str": ["", "ü", "\U0001f600"],
    }
    for field, kind in event_type.field_kinds.items():
        is_of_key = field in {path.partition(".")[0] for entity in event_type.entities for path in entity.key_paths}
        values = forms["gid"] if kind in ("gid", "lid") else [] if is_of_key else forms.get(kind, [])
        for value in [*values, *([] if is_of_key else [None])]:
            document = sample(name)
            document["body"] |= {field: value, "of_tomorrow": [{"deep": [1, None]}]}
            assert is_accepted(event_type, document), (field, value)


def test_value_that_the_fast_validator_cannot_read_goes_to_jsonschema(event: EventFactory) -> None:
    """Half a surrogate pair, which only the fast validator rejects, is allowed by the schema."""
    for text in (event("module_created", name="\ud800"), event("module_created", of_tomorrow={"\udfff": 1})):
        assert is_accepted(CATALOGUE["module_created"], json.loads(text))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda event: event["body"].pop("module_id"), Violation("body.module_id", "required", "")),
        (lambda event: event["body"].update(position="1"), Violation("body.position", "type", "integer or null")),
        (lambda event: event["body"].update(module_id=0), Violation("body.module_id", "minimum", "1")),
        (
            lambda event: event["body"].update(module_id="1\n"),
            Violation("body.module_id", "pattern", NULLABLE_ID_PATTERN),
        ),
        (lambda event: event["body"].update(module_id=""), Violation("body.module_id", "minLength", "1")),
        (
            lambda event: event["metadata"].update(user_id=" "),
            Violation("metadata.user_id", "pattern", NULLABLE_ID_PATTERN),
        ),
        (
            lambda event: event["metadata"].update(event_time="1\n"),
            Violation("metadata.event_time", "format", "date-time"),
        ),
    ],
)
def test_violation_has_path_and_rule(change: Callable[[Json], object], expected: Violation) -> None:
    """An invalid event is reported with the path, the rule and the expectation, without the value."""
    document = sample("module_created")
    change(document)
    with pytest.raises(Rejection) as caught:
        validate(LiveEvent("module_created", document["metadata"], document["body"]), CATALOGUE["module_created"])
    assert caught.value == Rejection(RejectionReason.SCHEMA_VIOLATION, expected)


def test_number_of_violations_is_limited() -> None:
    """An event that violates every rule is rejected with twenty violations."""
    everything_wrong = dict.fromkeys(CATALOGUE["assignment_created"].field_kinds, Decimal("0.5"))
    with pytest.raises(Rejection) as caught:
        validate(LiveEvent("assignment_created", {}, everything_wrong), CATALOGUE["assignment_created"])
    assert len(caught.value.violations) == violations.MAX_VIOLATIONS == 20
    assert len(set(caught.value.violations)) == 20


def test_schema_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The validator compiled for one event serves all later ones of its type."""
    events = [decode(text.encode()) for text in SAMPLES.values()]
    event_types = load()  # objects of their own, which nothing was compiled for
    for event in events:
        validate(event, event_types[event.name])
    compile_again = Mock(side_effect=AssertionError)
    monkeypatch.setattr("jsonschema_rs.Draft202012Validator", compile_again)
    for event in events:
        validate(event, event_types[event.name])
    assert not compile_again.called
