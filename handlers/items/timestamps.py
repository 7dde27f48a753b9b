"""Date-times as Canvas sends them and as the tables keep them."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)",
    re.ASCII,
)

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(text: str) -> datetime:
    """The instant that an ISO 8601 date-time with an offset names, to the microsecond.

    Instructure's documentation allows any offset, so ``+0530`` and ``+05`` are taken beside the ``+05:30`` of
    RFC 3339. Raises ``ValueError`` for anything else, and for an instant outside the years 1 to 9999 of UTC.
    """
    upper = text.upper()
    if not _DATE_TIME.fullmatch(upper):
        raise ValueError("not an ISO 8601 date-time with an offset")
    try:
        return datetime.fromisoformat(upper).astimezone(UTC)
    except OverflowError:
        raise ValueError("not within the years 1 to 9999 of UTC") from None


def utc_text(moment: datetime) -> str:
    """``2019-11-01T19:11:11.323000Z``: UTC, always 27 characters, so that text sorts as instants do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def is_date_time(text: str) -> bool:
    """Whether ``instant`` can read it."""
    try:
        in_utc(text)
    except ValueError:
        return False
    return True


def is_date(text: str) -> bool:
    """Whether it is a calendar date, as ``2019-08-10``, of the years 1 to 9999."""
    try:
        return bool(_DATE.fullmatch(text)) and bool(date.fromisoformat(text))
    except ValueError:
        return False


def in_utc(text: str) -> str:
    """The instant that ``instant`` reads, as ``utc_text`` writes it; raises ``ValueError`` as that does."""
    return _in_utc_lately(text) if len(text) < 50 else _in_utc(text)


def _in_utc(text: str) -> str:
    moment = instant(text)
    if text.endswith("Z"):  # as Canvas sends it: the digits are there already
        return f"{text[:10]}T{text[11:19]}.{text[20:-1][:6]:0<6}Z"
    return utc_text(moment)


# An event's date-times are read twice, to validate it and to keep it.
_in_utc_lately = lru_cache(maxsize=1024)(_in_utc)


# Time#to_s of Ruby, which some fields come in: to_json would have given ISO 8601.
_RUBY = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) (UTC|[+-]\d{4})", re.ASCII)


def ruby_in_utc(text: str) -> str:
    """``in_utc``, also of a date-time as Ruby prints it: ``2019-10-05 05:38:00 -0800``."""
    ruby = _RUBY.fullmatch(text)
    return in_utc(f"{ruby[1]}T{ruby[2]}{ruby[3].replace('UTC', 'Z')}" if ruby else text)


def is_ruby_time(text: str) -> bool:
    """Whether ``ruby_in_utc`` can read it."""
    try:
        ruby_in_utc(text)
    except ValueError:
        return False
    return True


def since_epoch(milliseconds: int) -> datetime:
    """The instant so many milliseconds after the beginning of 1970, as SQS and Kinesis stamp records."""
    return EPOCH + timedelta(milliseconds=milliseconds)
