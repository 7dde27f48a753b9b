"""Parsing and formatting date-times."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handlers.items.timestamps import format_utc, from_epoch_ms, is_date_time, normalize_datetime, parse_datetime
from tests.support.hypothesis_profiles import examples


@pytest.mark.parametrize(
    "text",
    [
        "2019-11-01T19:11:11.323Z",
        "2019-11-01T19:11:11.323000999Z",
        "2019-11-01t19:11:11.323z",
        "2019-11-01T20:11:11.323+01:00",
        "2019-11-01T11:11:11.323-0800",
        "2019-11-02T01:11:11.323+06",
        "2019-11-02T19:10:11.323+23:59",
    ],
)
def test_one_instant_has_one_representation(text: str) -> None:
    """However an instant is written, it is stored as the same UTC text of fixed width."""
    assert format_utc(parse_datetime(text)) == normalize_datetime(text) == "2019-11-01T19:11:11.323000Z"


def test_whole_seconds_sort_among_milliseconds() -> None:
    """Whole seconds of an older Canvas sort correctly among times with milliseconds."""
    texts = ["2019-11-01T19:11:11.001Z", "2019-11-01T19:11:11Z", "2019-11-01T19:11:10.999Z"]
    assert sorted(map(format_utc, map(parse_datetime, texts))) == [
        format_utc(parse_datetime(text)) for text in reversed(texts)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "019-11-01T19:11:11Z",
        "2019-11-01",
        "2019-11-01T19:11:11",
        "2019-11-05 07:38:00 -0800",
        "2019-11-01 19:11:11Z",
        "2019-1101T19:11:11Z",
        "2019-11-01T19:11:11.Z",
        "2019-11-01T19:61:11Z",
        "2019-11-05T07:38Z",
        "2019-02-30T00:00:00Z",
        "2019-11-01T24:00:00Z",
        "2019-11-01T19:11:60Z",
        "2019-11-01T19:11:11Z\n",
        "2019-11-01T19:11:11+24:00",
        "2019-11-01T19:11:11+05:60",
        "20191101T191111Z",
        "２０１９-11-01T19:11:11Z",  # digits that are not ASCII
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "next Friday",
    ],
)
def test_invalid_date_time_is_a_value_error(text: str) -> None:
    """A text that is not a date-time with an offset, or is outside the years 1 to 9999 in UTC, is a ValueError."""
    ours = "not an ISO 8601 date-time with an offset|not within the years 1 to 9999 of UTC"
    for read in (parse_datetime, normalize_datetime):
        with pytest.raises(ValueError, match=f"^({ours}|day is out of range for month)$"):
            read(text)
    assert not is_date_time(text)


def test_record_timestamps_are_milliseconds() -> None:
    """The millisecond timestamps of SQS and Kinesis are converted to the same representation."""
    assert format_utc(from_epoch_ms(1_788_249_600_123)) == "2026-09-01T08:00:00.123000Z"


def test_local_time_zone_has_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the time zone of the machine, instants are in UTC and their texts the same."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        moment = parse_datetime("2019-11-02T01:11:11+06:00")
        assert moment.isoformat() == "2019-11-01T19:11:11+00:00"
        assert format_utc(moment) == "2019-11-01T19:11:11.000000Z"
        assert from_epoch_ms(0) == datetime(1970, 1, 1, tzinfo=UTC)
    time.tzset()


def digits(minimum: int, maximum: int, width: int = 2) -> st.SearchStrategy[str]:
    """Draw a number with this many digits."""
    return st.integers(minimum, maximum).map(lambda number: f"{number:0{width}}")


FRACTIONS = st.one_of(st.just(""), st.text("0123456789", min_size=1, max_size=9).map(".{}".format))
OFFSETS = st.one_of(
    st.sampled_from(["Z", "z", "+00:00", "-00:00", "+00", "+0000"]),
    st.builds("{}{}{}{}".format, st.sampled_from("+-"), digits(0, 25), st.sampled_from(["", ":"]), digits(0, 61)),
    st.builds("{}{}".format, st.sampled_from("+-"), digits(0, 25)),
)
# Most of them are date-times; some have a 30th of February, a 24th hour or a 60th second.
DATE_TIMES = st.builds(
    "{}-{}-{}{}{}:{}:{}{}{}".format,
    st.one_of(digits(1, 9999, 4), st.sampled_from(["0001", "9999", "0000"])),
    digits(1, 13), digits(1, 31), st.sampled_from("Tt"),
    digits(0, 24), digits(0, 60), digits(0, 60), FRACTIONS, OFFSETS,
)  # fmt: skip


def outcome(read: Callable[[str], str], text: str) -> str:
    """Return the result of reading a text: another text, or the error."""
    try:
        return read(text)
    except ValueError as error:
        return f"ValueError: {error}"


@examples(1_000)
@given(DATE_TIMES)
@example("2019-11-01T19:11:11Z")
@example("2019-11-01t19:11:11z")
@example("2019-11-01t19:11:11.9Z")
@example("2019-11-01T19:11:11.999999999Z")
@example("2019-11-01T19:11:11.000000000z")
@example(f"2019-11-01T19:11:11.{'9' * 90}Z")
@example(f"2019-11-01T19:11:11.{'9' * 90}+05:30")
@example(f"2019-11-01T19:11:11.{'9' * 90}")
@example("0001-01-01T00:00:00Z")
@example("9999-12-31T23:59:59.999999999Z")
@example("2019-02-29T00:00:00Z")
@example("2019-11-01T19:11:11Z\n")
@example("2019-11-01T19:11:11\u0661Z")
@example("2019-11-01T19:11:11.1\u0661Z")
def test_fast_normalization_equals_the_general_one(text: str) -> None:
    """A date-time becomes the text of its instant however it is written, and invalid ones raise the same error."""
    expected = outcome(lambda value: format_utc(parse_datetime(value)), text)
    assert (
        outcome(normalize_datetime, text) == outcome(normalize_datetime, text) == expected
    )  # once more, since the last ones are remembered
    assert is_date_time(text) is not expected.startswith("ValueError")
