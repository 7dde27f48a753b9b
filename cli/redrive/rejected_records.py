"""The table of rejected events: read its records, redrive them, delete them."""

from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import Any

from cli.redrive import publisher, rejected_item
from cli.redrive.publisher import RecordDestination
from cli.redrive.rejected_item import RejectedRecord
from cli.redrive.selection import Selection
from cli.stack.plain_values import plain_values
from cli.stack.stack import Stack
from cli.stack.table_scan import delete_items
from handlers.items.timestamps import format_utc
from handlers.outcome import RejectionReason

BATCH_SIZE, BATCH_BYTES = 200, 64 * 1024 * 1024  # of records in memory at once, and of their data


class RejectedTable:
    """The table of rejected events of a stack."""

    name = "the table of rejected events"
    malformed_remedy = (
        "The functions do not write such items: look at it in the DynamoDB console, then delete it with"
        " `canvas-events rejected purge RECORD`."
    )

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def read(self, selection: Selection, *, payloads: bool) -> Iterator[RejectedRecord]:
        """Read the selected records, by reason and then oldest first, with their compressed payloads or without.

        A malformed item gives a record with an ``error``. Expired items that DynamoDB has not deleted yet are left
        out. ``selection.ids`` are sort keys, digests, or beginnings of digests.
        """
        items = map(rejected_item.parse, self._query(selection, payloads=payloads))
        return islice((record for record in items if _matches(record.id, selection.ids)), selection.limit)

    def batches(self, selection: Selection) -> Generator[Sequence[RejectedRecord], None, None]:
        """Read the selected records with their data.

        Only those that were enqueued before now: otherwise a redrive would send again and again what is rejected again
        in the meantime.
        """
        now = datetime.now(UTC)
        batch: list[RejectedRecord] = []
        batch_bytes = 0
        for record in map(rejected_item.with_data, self.read(selection, payloads=True)):
            if record.enqueued_at and record.enqueued_at > now:
                continue
            batch.append(record)
            batch_bytes += sum(len(outgoing.data) for outgoing in record.records)
            if len(batch) == BATCH_SIZE or batch_bytes >= BATCH_BYTES:
                yield batch
                batch, batch_bytes = [], 0
        if batch:
            yield batch

    def destination(self, entry: RejectedRecord) -> RecordDestination:
        """Return the stream for a record that came through it, and the queue for any other."""
        return self._stream if entry.source_arn == self._stack.stream_arn else self._queue

    def delete(self, entries: Sequence[RejectedRecord]) -> None:
        """Delete records.

        The condition of a delete could guard nothing more than the key. It holds the time at which the record was
        enqueued and its digest, and its item is only ever inserted. So no other record can have the key, and a record
        that was sent and rejected again has another one.
        """
        keys = ({"reason": record.reason, "record": record.id} for record in entries)
        delete_items(self._stack, self._stack.rejected_table, keys)

    @cached_property
    def _queue(self) -> RecordDestination:
        return publisher.queue(self._stack)

    @cached_property
    def _stream(self) -> RecordDestination:
        return publisher.stream(self._stack)

    def _query(self, selection: Selection, *, payloads: bool) -> Iterator[dict[str, Any]]:
        names = {"#reason": "reason", "#record": "record", "#source": "source", "#errors": "errors"}
        names |= {"#at": "rejected_at", "#event": "event_name", "#expires": "expires_at"}
        names |= {"#payload": "payload"} if payloads else {}
        # NOT: so that an item without such a number, which nothing deletes, is not left out.
        conditions = ["NOT #expires <= :now", *(["#event = :event"] if selection.event_type else [])]
        values: dict[str, Any] = {
            ":now": {"N": str(int(datetime.now(UTC).timestamp()))},
            **({":event": {"S": selection.event_type}} if selection.event_type else {}),
        }
        key_condition, bounds = _key_condition(selection)
        for reason in [selection.reason] if selection.reason else [reason.value for reason in RejectionReason]:
            pages = self._stack.client("dynamodb").get_paginator("query").paginate(
                TableName=self._stack.rejected_table,
                KeyConditionExpression=key_condition,
                FilterExpression=" AND ".join(conditions),
                ProjectionExpression=", ".join(names),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values | bounds | {":reason": {"S": reason}},
            )  # fmt: skip
            for page in pages:
                yield from map(plain_values, page["Items"])


def _key_condition(selection: Selection) -> tuple[str, dict[str, Any]]:
    """The condition for the keys of a reason, and its values; without bounds of time, it includes malformed keys."""
    since = {"S": format_utc(selection.since) if selection.since else "0"}
    # "~" sorts after every character of a key.
    until = {"S": f"{format_utc(selection.until) if selection.until else ''}~"}
    if selection.since or selection.until:
        return "#reason = :reason AND #record BETWEEN :since AND :until", {":since": since, ":until": until}
    return "#reason = :reason", {}


def _matches(record: str, ids: Sequence[str]) -> bool:
    digest = record.rpartition("#")[2]
    return not ids or any(record == wanted or digest.startswith(wanted) for wanted in ids)
