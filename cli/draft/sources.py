"""The events that are drafted from: files, or rejected events of a stack."""

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from cli.draft.observed import ObservedEventType
from cli.errors import CommandError
from cli.redrive import event_files, rejected_item
from cli.redrive.rejected_item import RejectedRecord
from cli.redrive.rejected_records import RejectedTable
from cli.redrive.report import print_malformed
from cli.redrive.selection import Selection
from cli.stack.stack import Stack
from cli.ui.output import info, plural, progress
from handlers.intake.decode import decode
from handlers.outcome import Rejection, RejectionReason

# Any other name may be text that somebody wrote.
_EVENT_NAME = re.compile(r"[a-z][a-z0-9]*(?:[._][a-z0-9]+)*")


def from_file(path: str) -> list[ObservedEventType]:
    """Return the event types in a file of captured events, or in standard input for ``-``.

    Raises ``CommandError`` for a file that cannot be read, is too large, or contains no Canvas event.
    """
    name = event_files.display_name(path)
    event_types = from_events((record.data for record in event_files.read([path])), name)
    if not event_types:
        raise CommandError(f"{name} contains no Canvas events.")
    return event_types


def from_rejected(stack: Stack, patterns: Sequence[str]) -> list[ObservedEventType]:
    """Return the event types that a stack has rejected as unknown: all, or those that match a pattern.

    A pattern is an event type, or has wildcards, such as ``module_note_*``. Raises ``CommandError`` for a pattern
    without events.
    """
    selection = Selection(reason=RejectionReason.UNKNOWN_EVENT_TYPE)
    table = RejectedTable(stack)
    malformed: list[RejectedRecord] = []
    with progress() as shown:
        records = shown.track(table.read(selection, payloads=True), description="reading rejected events")
        event_types = from_events(_data(records, patterns, malformed), table.name)
    print_malformed(malformed, table.malformed_remedy)
    missing = [pattern for pattern in patterns if not any(fnmatchcase(each.name, pattern) for each in event_types)]
    if missing or not event_types:
        which = f"of the type {', '.join(missing)}" if missing else "of an unknown type"
        raise CommandError(f"the stack {stack.name} has no rejected events {which}.")
    return event_types


def _data(
    records: Iterable[RejectedRecord], patterns: Sequence[str], malformed: list[RejectedRecord]
) -> Iterator[bytes]:
    """Yield the data of the records that match; add those that are malformed to a list."""
    for record in records:
        if not record.error and not _matches(record.event_name or "", patterns):
            continue
        whole = rejected_item.with_data(record)
        if whole.error:
            malformed.append(whole)
        yield from (outgoing.data for outgoing in whole.records)


def _matches(event_name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(event_name, pattern) for pattern in patterns)


def from_events(events: Iterable[bytes], source: str) -> list[ObservedEventType]:
    """Return the event types of captured events, sorted by name.

    Records that are not Canvas events are skipped, and counted on standard error.
    """
    event_types: dict[str, ObservedEventType] = {}
    skipped = 0
    for data in events:
        try:
            event = decode(data)
        except Rejection:
            skipped += 1
            continue
        if not _EVENT_NAME.fullmatch(event.name):
            skipped += 1
            continue
        event_types.setdefault(event.name, ObservedEventType(event.name)).observe(event.metadata, event.body)
    if skipped:
        info(
            f"Skipped {plural(skipped, 'record')} of {source}: not a Canvas event. `canvas-events check` explains why."
        )
    return [event_types[name] for name in sorted(event_types)]
