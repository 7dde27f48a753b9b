"""A batch of records to their fates: the stages in their order.

record → decode → Live Event → validate → route → items → fold → write → outcome
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from handlers.deadline import Deadline
from handlers.intake.decode import LiveEvent, decode
from handlers.intake.record import Record
from handlers.intake.validate import validate
from handlers.items.build import Item, items
from handlers.items.compact import Key, key_of, newest
from handlers.items.event_types import EventType
from handlers.items.rejection import rejected_item
from handlers.items.timestamps import in_utc
from handlers.outcome import Fate, Outcome, Reason, Rejected, Violation
from handlers.settings import Settings, account_name
from handlers.storage.writer import OUT_OF_TIME, Result, Writer, Written
from handlers.telemetry.batch_stats import Effort
from handlers.telemetry.drift import drift
from handlers.telemetry.errors import name_and_place

_LOOKS_LIKE_A_TYPE = re.compile("[a-z][a-z0-9_.]{0,63}")

Unwrap = Callable[[], Record]


class Judged(NamedTuple):
    """What becomes of a record once its items are written."""

    outcome: Outcome
    items: tuple[Item, ...] = ()


class Pipeline:
    """Takes batches of records. Made once for a function; nothing of one batch is left to the next."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Mapping[str, EventType],
        writer: Writer,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._writer = writer
        self._clock = clock

    def process(
        self, batch: Iterable[tuple[str, Unwrap]], deadline: Deadline, effort: Effort | None = None
    ) -> list[Outcome]:
        """The fates of a batch's records, in their order; of each comes its id and a call that unwraps it.

        A caller who wants to know what the batch took gives ``effort``.
        """
        effort = effort or Effort()
        with effort.stage("process"):
            judged = [self._judge(record_id, unwrap, deadline) for record_id, unwrap in batch]
        kept = newest(item for each in judged for item in each.items)
        with effort.stage("write"):
            results = self._write(kept, deadline, effort)
        return [_outcome(each, kept, results) for each in judged]

    def _write(self, kept: Mapping[Key, Item], deadline: Deadline, effort: Effort) -> Mapping[Key, Result]:
        try:
            return self._writer.write(kept, deadline, effort)
        except Exception as bug:  # noqa: BLE001  # one of ours: what was written already is superseded next time
            return dict.fromkeys(kept, Result(Written.FAILED, name_and_place(bug)))

    def _judge(self, record_id: str, unwrap: Unwrap, deadline: Deadline) -> Judged:
        if deadline.judging_is_over():
            return Judged(Outcome(record_id, Fate.RETRY, cause=OUT_OF_TIME))
        try:
            return self._judge_record(unwrap())
        except Exception as bug:  # noqa: BLE001  # one of ours: the record waits until it is mended, the others go on
            return Judged(Outcome(record_id, Fate.RETRY, cause=name_and_place(bug)))

    def _judge_record(self, record: Record) -> Judged:
        event: LiveEvent | None = None
        try:
            event = decode(record.data)
            event_type = self._type_of(event)
            if event_type.table not in self._settings.tables:
                return Judged(Outcome(record.id, Fate.IGNORED, event.name))
            validate(event, event_type)
            made = items(event, event_type, self._settings.activity_retention)
            outcome = Outcome(
                record.id,
                Fate.STORED,
                event.name,
                event_time=in_utc(event.metadata["event_time"]),
                entered=record.entered,
                drift=drift(event, event_type),
            )
            return Judged(outcome, made)
        except Rejected as rejection:
            return self._reject(record, rejection, event.name if event else None)

    def _type_of(self, event: LiveEvent) -> EventType:
        """Its type; raises ``Rejected`` for an event of a stranger, or of a type that is not in the catalogue."""
        event_type = self._catalogue.get(event.name)
        if not self._is_allowed(event, event_type):
            expected = "one of ALLOWED_ROOT_ACCOUNTS"
            raise Rejected(Reason.FOREIGN_ACCOUNT, Violation("metadata.root_account_uuid", "account", expected))
        if event_type is None:
            expected = "an event type of schemas/catalogue"
            raise Rejected(Reason.UNKNOWN_EVENT_TYPE, Violation("metadata.event_name", "enum", expected))
        return event_type

    def _is_allowed(self, event: LiveEvent, event_type: EventType | None) -> bool:
        allowed = self._settings.allowed_root_accounts
        if allowed is None:
            return True
        named = [event.metadata.get(name) for name in ("root_account_uuid", "root_account_id")]
        if event_type is not None and not event_type.needs_account and named == [None, None]:
            return True
        return not allowed.isdisjoint(account_name(each) for each in named)

    def _reject(self, record: Record, rejection: Rejected, event_name: str | None) -> Judged:
        outcome = Outcome(
            record.id,
            Fate.REJECTED,
            self._name_to_tell(event_name, rejection),
            rejection.reason,
            rejection.violations,
        )
        try:
            retention = self._settings.rejected_retention
            return Judged(outcome, (rejected_item(record, rejection, event_name, self._clock(), retention),))
        except Rejected as too_large:
            # Delivered again until it ends whole in the dead-letter queue or the on-failure bucket.
            return Judged(outcome._replace(fate=Fate.RETRY, cause=too_large.reason))

    def _name_to_tell(self, event_name: str | None, rejection: Rejected) -> str | None:
        """The event type for the log: one of the catalogue, or else what at least looks like one."""
        if event_name is None or event_name in self._catalogue:
            return event_name
        is_told = rejection.reason is Reason.UNKNOWN_EVENT_TYPE and _LOOKS_LIKE_A_TYPE.fullmatch(event_name)
        return event_name if is_told else None


def _outcome(judged: Judged, kept: Mapping[Key, Item], results: Mapping[Key, Result]) -> Outcome:
    is_stored = False
    for item in judged.items:
        key = key_of(item)
        result = results[key]
        if result.written is Written.FAILED:
            # Also of one that a newer item was written in place of: it is not superseded before that is there.
            return judged.outcome._replace(fate=Fate.RETRY, cause=result.fault)
        is_stored |= result.written is Written.STORED and kept[key] is item
    if is_stored or judged.outcome.fate is not Fate.STORED:
        return judged.outcome
    return judged.outcome._replace(fate=Fate.SUPERSEDED)
