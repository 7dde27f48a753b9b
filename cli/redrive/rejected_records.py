"""The table of rejected events: read its records, redrive them, delete them."""

import gzip
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import Any

from boto3.dynamodb.types import Binary

from cli.redrive import publisher
from cli.redrive.publisher import OutgoingRecord, RecordDestination
from cli.redrive.redrive import BacklogEntry
from cli.redrive.selection import Selection
from cli.stack.stack import Stack
from cli.stack.table_reader import plain_values
from handlers.items.timestamps import format_utc
from handlers.outcome import RejectionReason

BATCH_SIZE = 200  # records in memory at once, of at most 1 MiB each

# An item of the table, as plain values: see handlers/items/rejection.py.
RejectedItem = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class RejectedRecord(BacklogEntry):
    """A record of the table: ``id`` is its sort key, ``reason`` its partition key.

    ``source_arn`` is the ARN of the queue or stream that it came through.
    """

    reason: str
    source_arn: str


class RejectedTable:
    """The table of rejected events of a stack."""

    name = "the table of rejected events"

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def read(self, selection: Selection, *, payloads: bool) -> Iterator[RejectedItem]:
        """Read the selected items, by reason and then oldest first, with their payloads or without.

        Expired items that DynamoDB has not deleted yet are left out. ``selection.ids`` are sort keys, digests, or
        beginnings of digests.
        """
        return islice(self._query(selection, payloads=payloads), selection.limit)

    def batches(self, selection: Selection) -> Generator[Sequence[RejectedRecord], None, None]:
        """Read the selected records with their payloads.

        Only those that were enqueued before now: otherwise this would read, and a redrive send, again and again what
        is rejected again in the meantime.
        """
        now = datetime.now(UTC)
        items = self.read(replace(selection, until=min(selection.until or now, now)), payloads=True)
        while batch := [_record(item) for item in islice(items, BATCH_SIZE)]:
            yield batch

    def destination(self, entry: RejectedRecord) -> RecordDestination:
        """Return the stream for a record that came through it, and the queue for any other."""
        return self._stream if entry.source_arn == self._stack.stream_arn else self._queue

    def delete(self, entries: Sequence[RejectedRecord]) -> None:
        """Delete records."""
        self.delete_keys((record.reason, record.id) for record in entries)

    def delete_keys(self, keys: Iterable[tuple[str, str]]) -> None:
        """Delete the items with these keys: pairs of reason and sort key.

        The condition of a delete could guard nothing more. A key holds the time at which the record was enqueued and
        its digest, and its item is only ever inserted. So no other record can have the key, and a record that was sent
        and rejected again has another one.
        """
        resource = self._stack.session.resource("dynamodb", endpoint_url=self._stack.endpoint)
        with resource.Table(self._stack.rejected_table).batch_writer() as writer:
            for reason, record in keys:
                writer.delete_item(Key={"reason": reason, "record": record})

    @cached_property
    def _queue(self) -> RecordDestination:
        return publisher.queue(self._stack)

    @cached_property
    def _stream(self) -> RecordDestination:
        return publisher.stream(self._stack)

    def _query(self, selection: Selection, *, payloads: bool) -> Iterator[RejectedItem]:
        names = {"#reason": "reason", "#record": "record", "#source": "source", "#errors": "errors"}
        names |= {"#at": "rejected_at", "#event": "event_name", "#expires": "expires_at"}
        names |= {"#payload": "payload"} if payloads else {}
        conditions = ["#expires > :now", *(["#event = :event"] if selection.event_type else [])]
        values: dict[str, Any] = {
            ":from": {"S": format_utc(selection.since) if selection.since else "0"},
            # "~" sorts after every character of a key.
            ":to": {"S": (format_utc(selection.until) if selection.until else "") + "~"},
            ":now": {"N": str(int(datetime.now(UTC).timestamp()))},
            **({":event": {"S": selection.event_type}} if selection.event_type else {}),
        }
        for reason in [selection.reason] if selection.reason else [reason.value for reason in RejectionReason]:
            pages = self._stack.client("dynamodb").get_paginator("query").paginate(
                TableName=self._stack.rejected_table,
                KeyConditionExpression="#reason = :reason AND #record BETWEEN :from AND :to",
                FilterExpression=" AND ".join(conditions),
                ProjectionExpression=", ".join(names),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values | {":reason": {"S": reason}},
            )  # fmt: skip
            for page in pages:
                yield from (
                    item for item in map(plain_values, page["Items"]) if _matches(item["record"], selection.ids)
                )


def payload(item: RejectedItem) -> bytes:
    """Return the record itself, as it came except that secrets in URLs are redacted."""
    packed: Binary = item["payload"]
    return gzip.decompress(bytes(packed))  # type: ignore[call-overload]  # boto3's types claim that it returns text


def _record(item: RejectedItem) -> RejectedRecord:
    return RejectedRecord(
        id=item["record"],
        records=(OutgoingRecord(payload(item)),),
        reason=item["reason"],
        source_arn=item["source"]["arn"],
    )


def _matches(record: str, ids: Sequence[str]) -> bool:
    digest = record.rpartition("#")[2]
    return not ids or any(record == wanted or digest.startswith(wanted) for wanted in ids)
