"""Redrive a backlog: evaluate each record in a dry run, send it, then delete it.

A record is deleted only after the queue or stream acknowledged it. So a redrive loses nothing when it is interrupted,
and may run again, or twice at once: at worst a record is sent twice, which versions make harmless. What the functions
reject again becomes a new rejected record, under a key of its own.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, TypeVar

from cli.redrive import publisher
from cli.redrive.dry_run import Evaluator
from cli.redrive.publisher import OutgoingRecord, RecordDestination
from cli.redrive.selection import Selection
from handlers.outcome import Fate


@dataclass(frozen=True, kw_only=True)
class BacklogEntry:
    """What a backlog keeps, and deletes, as one: ``records`` of it, or the ``error`` why it is malformed."""

    id: str
    records: tuple[OutgoingRecord, ...] = ()
    error: str | None = None


EntryT = TypeVar("EntryT", bound=BacklogEntry)


class Backlog(Protocol[EntryT]):
    """Where records wait to be redriven: the rejected table, the dead-letter queue, the on-failure bucket."""

    name: str
    malformed_remedy: str  # what to do about an entry with an error

    def batches(self, selection: Selection) -> Generator[Sequence[EntryT], None, None]:
        """Read the selected entries, a bounded number at a time."""

    def destination(self, entry: EntryT) -> RecordDestination:
        """Return where the records of an entry belong."""

    def delete(self, entries: Sequence[EntryT]) -> None:
        """Delete entries of which every record was sent."""


class RedriveStatus(StrEnum):
    """What a redrive does with a record."""

    SENT = "sent"
    WOULD_BE_SENT = "would be sent"
    HELD_BACK = "held back"
    FAILED = "failed"


@dataclass(frozen=True)
class RedriveResult:
    """What became of a record of the entry ``id``.

    ``reason`` says why it was not sent, or what the dry run says against a record that was sent all the same.
    ``is_malformed`` means that the entry fails every time, since its records cannot be read.
    """

    id: str
    status: RedriveStatus
    event_name: str | None = None
    reason: str | None = None
    is_malformed: bool = False


def redrive(
    backlog: Backlog[EntryT], selection: Selection, dry_run: Evaluator, *, force: bool = False, preview: bool = False
) -> Generator[RedriveResult, None, None]:
    """Redrive the selected records of a backlog; yield the result of each once it is final.

    A record that would not be stored is held back. With ``force`` it is sent all the same, unless it would be ignored:
    the functions acknowledge such a record without keeping it. With ``preview`` nothing is sent or deleted.
    """
    with closing(backlog.batches(selection)) as batches:
        for entries in batches:
            results = [_evaluate(entry, dry_run, force=force) for entry in entries]
            if not preview:
                _send(backlog, entries, results)
                backlog.delete([entry for entry, its in zip(entries, results, strict=True) if _is_sent(its)])
            for its in results:
                yield from its


def _evaluate(entry: BacklogEntry, dry_run: Evaluator, *, force: bool) -> list[RedriveResult]:
    if entry.error:
        return [RedriveResult(entry.id, RedriveStatus.FAILED, reason=entry.error, is_malformed=True)]
    results = []
    for record in entry.records:
        evaluation = dry_run.evaluate(record.data)
        fate = evaluation.outcome.fate
        is_sendable = fate is Fate.STORED or (force and fate is not Fate.IGNORED)
        status = RedriveStatus.WOULD_BE_SENT if is_sendable else RedriveStatus.HELD_BACK
        reason = None if evaluation.is_storable else f"would be {evaluation.explanation}"
        results.append(RedriveResult(entry.id, status, evaluation.outcome.event_name, reason))
    return results


def _send(backlog: Backlog[EntryT], entries: Sequence[EntryT], results: Sequence[list[RedriveResult]]) -> None:
    """Send the records whose result is WOULD_BE_SENT, and replace these results."""
    outgoing: dict[RecordDestination, list[tuple[int, int]]] = {}
    for entry_number, entry in enumerate(entries):
        for record_number, result in enumerate(results[entry_number]):
            if result.status is RedriveStatus.WOULD_BE_SENT:
                outgoing.setdefault(backlog.destination(entry), []).append((entry_number, record_number))
    for destination, positions in outgoing.items():
        send_results = publisher.send(destination, [entries[entry].records[record] for entry, record in positions])
        for (entry_number, record_number), sent in zip(positions, send_results, strict=True):
            result = results[entry_number][record_number]
            results[entry_number][record_number] = (
                replace(result, status=RedriveStatus.FAILED, reason=sent.error)
                if sent.error
                else replace(result, status=RedriveStatus.SENT)
            )


def _is_sent(results: Sequence[RedriveResult]) -> bool:
    return all(result.status is RedriveStatus.SENT for result in results)
