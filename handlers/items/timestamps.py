"""Date-times: the forms in which Canvas sends them, and the one in which the tables hold them."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)",
    re.ASCII,
)

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_datetime(text: str) -> datetime:
    """Parse an ISO 8601 date-time with an offset, to the microsecond, in UTC.

    Instructure's documentation allows any offset, so ``+0530`` and ``+05`` are accepted besides RFC 3339's
    ``+05:30``. Raises ``ValueError`` for anything else, and for a time outside the years 1 to 9999 of UTC.
    """
    upper = text.upper()
    if not _DATE_TIME.fullmatch(upper):
        raise ValueError("not an ISO 8601 date-time with an offset")
    try:
        return datetime.fromisoformat(upper).astimezone(UTC)
    except OverflowError:
        raise ValueError("not within the years 1 to 9999 of UTC") from None


def format_utc(dt: datetime) -> str:
    """Format as ``2019-11-01T19:11:11.323000Z``: always 27 characters, so text sorts as time does."""
    return dt.astimezone(UTC).isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def is_date_time(text: str) -> bool:
    """Whether ``parse_datetime`` can read it."""
    try:
        normalize_datetime(text)
    except ValueError:
        return False
    return True


def is_date(text: str) -> bool:
    """Whether it is a calendar date of the years 1 to 9999, such as ``2019-08-10``."""
    try:
        return bool(_DATE.fullmatch(text)) and bool(date.fromisoformat(text))
    except ValueError:
        return False


def normalize_datetime(text: str) -> str:
    """Bring what ``parse_datetime`` reads into the form of ``format_utc``; raises ``ValueError`` as it does."""
    return _normalize_cached(text) if len(text) < 50 else _normalize(text)


def _normalize(text: str) -> str:
    dt = parse_datetime(text)
    if text.endswith("Z"):  # the usual form: the digits are there already
        return f"{text[:10]}T{text[11:19]}.{text[20:-1][:6]:0<6}Z"
    return format_utc(dt)


# Every date-time of an event is read twice, to validate it and to store it.
_normalize_cached = lru_cache(maxsize=1024)(_normalize)


# Time#to_s of Ruby, the form of a few fields; to_json would have given ISO 8601.
_RUBY = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) (UTC|[+-]\d{4})", re.ASCII)


def normalize_ruby_datetime(text: str) -> str:
    """``normalize_datetime``, also for a date-time as Ruby prints it: ``2019-10-05 05:38:00 -0800``."""
    ruby = _RUBY.fullmatch(text)
    return normalize_datetime(f"{ruby[1]}T{ruby[2]}{ruby[3].replace('UTC', 'Z')}" if ruby else text)


def is_ruby_time(text: str) -> bool:
    """Whether ``normalize_ruby_datetime`` can read it."""
    try:
        normalize_ruby_datetime(text)
    except ValueError:
        return False
    return True


def from_epoch_ms(milliseconds: int) -> datetime:
    """Convert milliseconds since 1970, as SQS and Kinesis stamp records, to a UTC datetime."""
    return EPOCH + timedelta(milliseconds=milliseconds)
