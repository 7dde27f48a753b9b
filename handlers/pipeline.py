"""The pipeline: takes the records of a batch through the stages, to their outcomes.

record → decode → validate → route → items → compact → write → outcome
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
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
from handlers.items.route import route
from handlers.items.timestamps import normalize_datetime
from handlers.outcome import Fate, Outcome, Rejection, RejectionReason
from handlers.settings import Settings
from handlers.storage.writer import DEADLINE_EXCEEDED, WriteResult, WriteStatus
from handlers.telemetry.batch_stats import BatchStats
from handlers.telemetry.drift import detect_drift
from handlers.telemetry.errors import describe_error

_EVENT_NAME = re.compile("[a-z][a-z0-9_.-]{0,63}")


class ItemWriter(Protocol):
    """Writes items: ``handlers.storage.writer.Writer``, or what stands in for it."""

    def write(
        self, items: Mapping[ItemKey, Item], deadline: Deadline, stats: BatchStats
    ) -> Mapping[ItemKey, WriteResult]:
        """Write items, each where it is newer than what is stored, and return a result for each of them."""


class ProcessedRecord(NamedTuple):
    """A record before its items are written: the outcome that it has if the writes succeed."""

    outcome: Outcome
    items: tuple[Item, ...] = ()


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
        self, batch: Iterable[tuple[str, ReadRecord]], deadline: Deadline, stats: BatchStats | None = None
    ) -> list[Outcome]:
        """Return the outcomes of a batch's records, in their order.

        ``batch`` yields (record id, function that decodes the record) pairs. Never raises: an error in one record
        retries that record. ``stats`` is filled in with timings and counts.
        """
        stats = stats or BatchStats()
        with stats.time_stage("process"):
            processed = [self._process_safely(record_id, read, deadline) for record_id, read in batch]
        newest_items = compact(item for record in processed for item in record.items)
        with stats.time_stage("write"):
            results = self._write(newest_items, deadline, stats)
        return [_outcome(record, newest_items, results) for record in processed]

    def _process_safely(self, record_id: str, read: ReadRecord, deadline: Deadline) -> ProcessedRecord:
        if deadline.processing_expired():
            return ProcessedRecord(Outcome(record_id, Fate.RETRIED, error=DEADLINE_EXCEEDED))
        try:
            return self._process_record(read())
        except Exception as error:  # noqa: BLE001  # a bug: this record waits for the fix, the others go on
            return ProcessedRecord(Outcome(record_id, Fate.RETRIED, error=describe_error(error)))

    def _process_record(self, record: Record) -> ProcessedRecord:
        event: LiveEvent | None = None
        try:
            event = decode(record.data)
            if event.name in self._settings.ignored_event_types:
                return ProcessedRecord(Outcome(record.id, Fate.IGNORED, event.name))
            event_type = admit(event, self._event_types, self._settings)
            if event_type.table_variable not in self._settings.tables:
                return ProcessedRecord(Outcome(record.id, Fate.IGNORED, event.name))
            validate(event, event_type)
            items = build_items(route(event, event_type), self._settings.activity_retention)
            return ProcessedRecord(_stored(record, event, event_type), items)
        except Rejection as rejection:
            return self._reject(record, rejection, event.name if event else None)

    def _reject(self, record: Record, rejection: Rejection, event_name: str | None) -> ProcessedRecord:
        outcome = Outcome(
            record.id,
            Fate.REJECTED,
            self._loggable_event_name(event_name, rejection),
            rejection.reason,
            violations=rejection.violations,
        )
        try:
            retention = self._settings.rejected_retention
            return ProcessedRecord(outcome, (rejection_item(record, rejection, event_name, self._clock(), retention),))
        except Rejection as too_large:
            # Retried until it ends, whole, in the dead-letter queue or the on-failure bucket.
            return ProcessedRecord(outcome._replace(fate=Fate.RETRIED, reason=None, error=too_large.reason.value))

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


def _stored(record: Record, event: LiveEvent, event_type: EventType) -> Outcome:
    """Return the outcome of an event whose items will be stored."""
    return Outcome(
        record.id,
        Fate.STORED,
        event.name,
        event_time=normalize_datetime(event.metadata["event_time"]),
        enqueued_at=record.enqueued_at,
        drift=detect_drift(event, event_type),
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
