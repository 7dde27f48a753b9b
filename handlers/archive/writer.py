"""Write the archive's object of a batch, while the batch's items are written.

A record counts as processed only if its line is in the bucket, so a batch whose object cannot be written is retried.
"""

import threading
import zlib
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from uuid import uuid4

from handlers.archive.bucket import BucketError, ObjectStore
from handlers.archive.line import format_line
from handlers.deadline import Deadline
from handlers.intake.decode import LiveEvent
from handlers.intake.record import Record
from handlers.telemetry.errors import describe_error

PREFIX = "events/"
NO_RESPONSE = "ArchiveNoResponse"  # the object was not written in the time that the invocation has

_LEVEL = 1  # higher levels take two to five times as long and save a tenth of the bytes
_GZIP = 31  # zlib's wbits for a gzip member, whose header has no time then


class BatchArchive:
    """The object of one batch: ``add`` its records, ``start`` to write it, and ``finish`` before responding."""

    def __init__(self, bucket: ObjectStore, source: str, request_id: str | None, now: datetime) -> None:
        self._bucket = bucket
        self._source = source
        self._key = object_key(source, request_id, now)
        self._compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self._parts: list[bytes] = []
        self._lines: list[str] = []
        self._errors: SimpleQueue[str | None] = SimpleQueue()

    def add(self, record: Record, event: LiveEvent | None, *, is_rejected: bool) -> None:
        """Add a record; ``event`` is None if it could not be decoded."""
        self._lines.append(format_line(record, self._source, event, is_rejected=is_rejected))

    def end_chunk(self) -> None:
        """Compress the lines that were added, so that they are never all in memory."""
        if self._lines:
            self._parts.append(self._compressor.compress("".join(self._lines).encode()))
            self._lines.clear()

    def start(self) -> None:
        """Begin to write the object; does not wait. An empty batch has none."""
        if not self._parts:
            self._errors.put(None)
            return
        self._parts.append(self._compressor.flush())
        # A thread of its own, which is abandoned where S3 does not respond in time.
        threading.Thread(target=self._write, name="archive", daemon=True).start()

    def finish(self, deadline: Deadline) -> str | None:
        """Wait for the object; return None once it is written, otherwise the error."""
        try:
            return self._errors.get(timeout=deadline.request_seconds())
        except Empty:
            return NO_RESPONSE

    def _write(self) -> None:
        try:
            self._bucket.write(self._key, b"".join(self._parts))
            self._errors.put(None)
        except BucketError as error:
            self._errors.put(f"Archive{error}")
        except Exception as error:  # noqa: BLE001  # a bug: the batch is retried until it is fixed
            self._errors.put(describe_error(error))


class Archive:
    """The archive in a bucket: makes the object of each batch."""

    def __init__(self, bucket: ObjectStore) -> None:
        self._bucket = bucket

    def begin(self, source: str, request_id: str | None) -> BatchArchive:
        """Begin the object of a batch that arrives now."""
        return BatchArchive(self._bucket, source, request_id, datetime.now(UTC))


def object_key(source: str, request_id: str | None, now: datetime) -> str:
    """Return ``events/dt=2026-11-21/hour=14/sqs-<request id>.ndjson.gz``; outside Lambda the id is a random one."""
    return f"{PREFIX}dt={now:%Y-%m-%d}/hour={now:%H}/{source}-{request_id or uuid4()}.ndjson.gz"
