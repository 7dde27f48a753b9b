"""A record, whichever source it came through."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple


class Record(NamedTuple):
    """A message of the queue or a record of the stream, unchanged.

    ``id`` is what a batch item failure names: the message id or the sequence number. ``enqueued_at`` is when the
    record entered the queue or stream, in UTC to the millisecond; 1970-01-01 where the source does not say it.
    ``source_arn`` is the ARN of the queue or stream, empty where the source does not say it. ``digest`` is that of the
    record as it first came, in hexadecimal, where ``data`` no longer is.
    """

    id: str
    data: bytes
    enqueued_at: datetime
    source_arn: str
    digest: str | None = None


# A source gives the records of a batch as such functions, so that a malformed one raises by itself.
ReadRecord = Callable[[], Record]
