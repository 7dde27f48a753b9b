"""What comes in: one record of a batch, whatever it came through."""

from datetime import datetime
from typing import NamedTuple


class Record(NamedTuple):
    """A message of the queue or a record of the stream, as it came.

    ``id`` is what a batch item failure names: the message id or the sequence number. ``entered`` is when it
    entered the queue or stream, ``source`` the ARN of that.
    """

    id: str
    data: bytes
    entered: datetime
    source: str
