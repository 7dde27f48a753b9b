"""Date-times as Canvas sends them and as the tables keep them."""

import re
from datetime import UTC, datetime, timedelta

_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)",
    re.ASCII,
)


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
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def since_epoch(milliseconds: int) -> datetime:
    """The instant so many milliseconds after the beginning of 1970, as SQS and Kinesis stamp records."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
