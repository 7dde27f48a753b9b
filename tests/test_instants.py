"""Date-times as instants."""

import time
from datetime import UTC, datetime

import pytest

from handlers.instants import instant, since_epoch, utc_text


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
    assert utc_text(instant(text)) == "2019-11-01T19:11:11.323000Z"


def test_whole_seconds_sort_among_milliseconds() -> None:
    """Whole seconds of an older Canvas sort as instants among those with milliseconds."""
    texts = ["2019-11-01T19:11:11.001Z", "2019-11-01T19:11:11Z", "2019-11-01T19:11:10.999Z"]
    assert sorted(map(utc_text, map(instant, texts))) == [utc_text(instant(text)) for text in reversed(texts)]


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
    with pytest.raises(ValueError, match=f"^({ours}|day is out of range for month)$"):
        instant(text)


def test_stamps_of_records_are_milliseconds() -> None:
    """The milliseconds by which SQS and Kinesis stamp records become the same form of text."""
    assert utc_text(since_epoch(1_788_249_600_123)) == "2026-09-01T08:00:00.123000Z"


def test_the_machines_own_time_zone_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the clock of the machine stands, instants are UTC and their texts the same."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        moment = instant("2019-11-02T01:11:11+06:00")
        assert moment.isoformat() == "2019-11-01T19:11:11+00:00"
        assert utc_text(moment) == "2019-11-01T19:11:11.000000Z"
        assert since_epoch(0) == datetime(1970, 1, 1, tzinfo=UTC)
    time.tzset()
