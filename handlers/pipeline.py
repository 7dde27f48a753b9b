"""The pipeline: takes the records of a batch through the stages, to their outcomes.

record → decode → validate → route → items → compact → write → outcome
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import NamedTuple, Protocol

from handlers.deadline import Deadline
from handlers.intake.admit import admit
from handlers.intake.decode import LiveEvent, decode
from handlers.intake.record import ReadRecord, Record
from handlers.intake.validate import validate
from handlers.items.build import build_items
from handlers.items.compact import ItemKey, compact, item_key
from handlers.items.event_types import EventType
from handlers.items.item import Item
from handlers.items.rejection import rejection_item
from handlers.items.route import RoutedEvent, route
from handlers.items.timestamps import normalize_datetime
from handlers.outcome import Fate, Outcome, Rejection, RejectionReason
from handlers.settings import Settings
from handlers.storage.writer import DEADLINE_EXCEEDED, WriteResult, WriteStatus
from handlers.telemetry.batch_stats import BatchStats
from handlers.telemetry.drift import detect_drift
from handlers.telemetry.errors import describe_error

# Records that go through a stage together before the next stage begins: the code of one stage then stays in the
# processor's caches, which saves a third of a record's time. Larger chunks save no more and take more memory.
CHUNK_SIZE = 100
# A decoded record can take a hundred times its length, so a chunk of long records ends early. One may go beyond this.
MAX_CHUNK_BYTES = 512 * 1024

_EVENT_NAME = re.compile("[a-z][a-z0-9_.-]{0,63}")


class ItemWriter(Protocol):
    """Writes items: ``handlers.storage.writer.Writer``, or what stands in for it."""

    def write(
        self, items: Mapping[ItemKey, Item], deadline: Deadline, stats: BatchStats
    ) -> Mapping[ItemKey, WriteResult]:
        """Write items, each where it is newer than what is stored, and return a result for each of them."""


class BatchArchive(Protocol):
    """Keeps the records of a batch: ``handlers.archive.writer.BatchArchive``."""

    def add(self, record: Record, event: LiveEvent | None, *, is_rejected: bool) -> None:
        """Add a record; ``event`` is None if it could not be decoded."""

    def end_chunk(self) -> None:
        """Take note that a chunk of the batch ends."""

    def start(self) -> None:
        """Begin to write what was added, without waiting."""

    def finish(self, deadline: Deadline) -> str | None:
        """Wait until it is written; return None then, otherwise the error."""


class ProcessedRecord(NamedTuple):
    """A record before its items are written: the outcome that it has if the writes succeed."""

    outcome: Outcome
    items: tuple[Item, ...] = ()


class _Progress:
    """A record on its way through the stages. Each stage sets what later ones read; ``result`` ends the way.

    ``length`` is the length of the record in bytes once it is read.
    """

    __slots__ = ("event", "event_name", "event_type", "length", "read", "record", "record_id", "result", "routed")

    record: Record
    event: LiveEvent
    event_type: EventType
    routed: RoutedEvent

    def __init__(self, record_id: str, read: ReadRecord) -> None:
        self.record_id = record_id
        self.read = read
        self.length = 0
        self.event_name: str | None = None
        self.result: ProcessedRecord | None = None


class Pipeline:
    """Processes batches of records. Made once for a function; no batch leaves anything to the next."""

    def __init__(
        self,
        settings: Settings,
        event_types: Mapping[str, EventType],
        writer: ItemWriter,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._event_types = event_types
        self._writer = writer
        self._clock = clock

    def process(
        self,
        batch: Iterable[tuple[str, ReadRecord]],
        deadline: Deadline,
        stats: BatchStats | None = None,
        archive: BatchArchive | None = None,
    ) -> list[Outcome]:
        """Return the outcomes of a batch's records, in their order.

        ``batch`` yields (record id, function that decodes the record) pairs. Never raises, unless ``batch`` does, and
        then nothing is written: an error in one record retries that record. ``stats`` is filled in with timings and
        counts. With an ``archive`` a record is acknowledged only once it is archived.
        """
        stats = stats or BatchStats()
        with stats.time_stage("process"):
            chunks = self._decoded_chunks(batch, deadline)
            processed = [record for chunk in chunks for record in self._process_chunk(chunk, archive)]
        if archive:
            archive.start()
        newest_items = compact(item for record in processed for item in record.items)
        with stats.time_stage("write"):
            results = self._write(newest_items, deadline, stats)
            error = archive.finish(deadline) if archive else None
        outcomes = [_outcome(record, newest_items, results) for record in processed]
        if error:
            return [outcome._replace(fate=Fate.RETRIED, reason=None, error=error) for outcome in outcomes]
        return outcomes

    def _decoded_chunks(self, batch: Iterable[tuple[str, ReadRecord]], deadline: Deadline) -> Iterator[list[_Progress]]:
        """Decode the records, and yield them in chunks; a chunk is empty once the next one is asked for."""
        decode_stage = partial(_decode, deadline)
        chunk: list[_Progress] = []
        length = 0
        for record_id, read in batch:
            progress = _Progress(record_id, read)
            self._run(decode_stage, progress)
            chunk.append(progress)
            length += progress.length
            if len(chunk) == CHUNK_SIZE or length >= MAX_CHUNK_BYTES:
                yield chunk
                chunk.clear()  # whoever took it may still refer to it: its events must not stay in memory
                length = 0
        yield chunk

    def _process_chunk(self, chunk: Iterable[_Progress], archive: BatchArchive | None) -> list[ProcessedRecord]:
        for stage in (self._admit, _validate, _route, self._build_items):
            for progress in chunk:
                if progress.result is None:
                    self._run(stage, progress)
        if archive:
            _archive(chunk, archive)
        return [progress.result for progress in chunk if progress.result is not None]

    def _run(self, stage: Callable[[_Progress], None], progress: _Progress) -> None:
        try:
            try:
                stage(progress)
            except Rejection as rejection:
                progress.result = self._reject(progress, rejection)
        except Exception as error:  # noqa: BLE001  # a bug: this record waits for the fix, the others go on
            progress.result = _retried(progress, describe_error(error))

    def _admit(self, progress: _Progress) -> None:
        if progress.event.name not in self._settings.ignored_event_types:
            progress.event_type = admit(progress.event, self._event_types, self._settings)
            if progress.event_type.table_variable in self._settings.tables:
                return
        progress.result = ProcessedRecord(Outcome(progress.record_id, Fate.IGNORED, progress.event_name))

    def _build_items(self, progress: _Progress) -> None:
        items = build_items(progress.routed, self._settings.activity_retention)
        progress.result = ProcessedRecord(_stored(progress), items)

    def _reject(self, progress: _Progress, rejection: Rejection) -> ProcessedRecord:
        outcome = Outcome(
            progress.record_id,
            Fate.REJECTED,
            self._loggable_event_name(progress.event_name, rejection),
            rejection.reason,
            violations=rejection.violations,
        )
        retention = self._settings.rejected_retention
        try:
            item = rejection_item(progress.record, rejection, progress.event_name, self._clock(), retention)
        except Rejection as too_large:
            # Retried until it ends, whole, in the dead-letter queue or the on-failure bucket.
            return ProcessedRecord(outcome._replace(fate=Fate.RETRIED, reason=None, error=too_large.reason.value))
        return ProcessedRecord(outcome, (item,))

    def _loggable_event_name(self, event_name: str | None, rejection: Rejection) -> str | None:
        """Return the event name for the log: one of the catalogue, or one that at least looks like a name."""
        if event_name is None or event_name in self._event_types:
            return event_name
        is_loggable = rejection.reason is RejectionReason.UNKNOWN_EVENT_TYPE and _EVENT_NAME.fullmatch(event_name)
        return event_name if is_loggable else None

    def _write(
        self, items: Mapping[ItemKey, Item], deadline: Deadline, stats: BatchStats
    ) -> Mapping[ItemKey, WriteResult]:
        try:
            return self._writer.write(items, deadline, stats)
        except Exception as error:  # noqa: BLE001  # a bug: what was written already is superseded next time
            return dict.fromkeys(items, WriteResult(WriteStatus.FAILED, describe_error(error)))


def _decode(deadline: Deadline, progress: _Progress) -> None:
    if deadline.processing_expired():
        progress.result = _retried(progress, DEADLINE_EXCEEDED)
    else:
        progress.record = progress.read()
        progress.length = len(progress.record.data)
        progress.event = decode(progress.record.data)
        progress.event_name = progress.event.name


def _validate(progress: _Progress) -> None:
    validate(progress.event, progress.event_type)


def _route(progress: _Progress) -> None:
    progress.routed = route(progress.event, progress.event_type)


def _archive(chunk: Iterable[_Progress], archive: BatchArchive) -> None:
    """Archive the records of a chunk, except those that come again anyway."""
    for progress in chunk:
        fate = progress.result.outcome.fate if progress.result else Fate.RETRIED
        if fate is not Fate.RETRIED:
            try:
                event = None if progress.event_name is None else progress.event
                archive.add(progress.record, event, is_rejected=fate is Fate.REJECTED)
            except Exception as error:  # noqa: BLE001  # a bug: this record waits for the fix, the others go on
                progress.result = _retried(progress, describe_error(error))
    archive.end_chunk()


def _retried(progress: _Progress, error: str) -> ProcessedRecord:
    return ProcessedRecord(Outcome(progress.record_id, Fate.RETRIED, error=error))


def _stored(progress: _Progress) -> Outcome:
    """Return the outcome of an event whose items will be stored."""
    return Outcome(
        progress.record_id,
        Fate.STORED,
        progress.event_name,
        event_time=normalize_datetime(progress.event.metadata["event_time"]),
        enqueued_at=progress.record.enqueued_at,
        drift=detect_drift(progress.event, progress.event_type),
    )


def _outcome(
    record: ProcessedRecord, newest_items: Mapping[ItemKey, Item], results: Mapping[ItemKey, WriteResult]
) -> Outcome:
    """Return the outcome of a record once the items of its batch are written."""
    is_stored = False
    for item in record.items:
        key = item_key(item)
        result = results[key]
        if result.status is WriteStatus.FAILED:
            # Even if a newer item of the batch was to be written instead: it is not superseded before that is stored.
            return record.outcome._replace(fate=Fate.RETRIED, reason=None, error=result.error_code)
        is_stored |= result.status is WriteStatus.STORED and newest_items[key] is item
    if is_stored or record.outcome.fate is not Fate.STORED:
        return record.outcome
    return record.outcome._replace(fate=Fate.SUPERSEDED)
