"""Date-times as instants."""

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
def test_one_instant_has_one_text(text: str) -> None:
    """However an instant is written, it is kept as the same UTC text of fixed width."""
    assert format_utc(parse_datetime(text)) == normalize_datetime(text) == "2019-11-01T19:11:11.323000Z"


def test_whole_seconds_sort_among_milliseconds() -> None:
    """Whole seconds of an older Canvas sort as instants among those with milliseconds."""
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
def test_what_names_no_instant_is_refused(text: str) -> None:
    """A text that is no date-time with an offset, or lies outside UTC's years 1 to 9999, is a ValueError."""
    ours = "not an ISO 8601 date-time with an offset|not within the years 1 to 9999 of UTC"
    for read in (parse_datetime, normalize_datetime):
        with pytest.raises(ValueError, match=f"^({ours}|day is out of range for month)$"):
            read(text)
    assert not is_date_time(text)


def test_stamps_of_records_are_milliseconds() -> None:
    """The milliseconds by which SQS and Kinesis stamp records become the same form of text."""
    assert format_utc(from_epoch_ms(1_788_249_600_123)) == "2026-09-01T08:00:00.123000Z"


def test_the_machines_own_time_zone_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the clock of the machine stands, instants are UTC and their texts the same."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        moment = parse_datetime("2019-11-02T01:11:11+06:00")
        assert moment.isoformat() == "2019-11-01T19:11:11+00:00"
        assert format_utc(moment) == "2019-11-01T19:11:11.000000Z"
        assert from_epoch_ms(0) == datetime(1970, 1, 1, tzinfo=UTC)
    time.tzset()


def digits(least: int, most: int, width: int = 2) -> st.SearchStrategy[str]:
    """A number in so many digits."""
    return st.integers(least, most).map(lambda number: f"{number:0{width}}")


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
    """What comes of reading a text: another text, or the complaint."""
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
def test_the_short_way_to_utc_ends_where_the_long_one_does(text: str) -> None:
    """A date-time becomes the text of its instant however it is written, and what is none is refused alike."""
    expected = outcome(lambda each: format_utc(parse_datetime(each)), text)
    assert (
        outcome(normalize_datetime, text) == outcome(normalize_datetime, text) == expected
    )  # once more, since the last ones are remembered
    assert is_date_time(text) is not expected.startswith("ValueError")
