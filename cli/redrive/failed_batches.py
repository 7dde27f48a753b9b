"""The on-failure bucket: the batches of the stream that Lambda gave up on.

Lambda writes each of them as one object: a JSON document that identifies the batch, says why it was given up, and has
the whole invocation, with its records, in ``payload``. Source: AWS Lambda Developer Guide, "Retain discarded batch
records for a Kinesis Data Streams event source".
"""

import base64
import binascii
import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from cli.errors import CommandError
from cli.redrive import publisher
from cli.redrive.publisher import OutgoingRecord, RecordDestination
from cli.redrive.redrive import BacklogEntry
from cli.redrive.selection import Selection
from cli.stack.stack import Stack
from handlers.items.timestamps import parse_datetime


@dataclass(frozen=True, kw_only=True)
class FailedBatch(BacklogEntry):
    """A batch that Lambda gave up on. ``id`` is the key of its object.

    ``condition`` is Lambda's reason, such as ``RetryAttemptsExhausted``; ``arrived_at`` is when its first record
    entered the stream, where the object says so.
    """

    condition: str = ""
    shard: str = ""
    arrived_at: datetime | None = None


class FailureBucket:
    """The on-failure bucket of a stack. Raises ``CommandError`` where there is none."""

    name = "the on-failure bucket"

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._s3 = stack.client("s3")
        self._bucket = stack.resource("FailureBucket", "on-failure bucket: it has no stream")

    def keys(self, prefixes: Sequence[str] = ()) -> list[str]:
        """Return the keys of the objects, or of those that start with a prefix; oldest first within each shard.

        Raises ``CommandError`` when there are prefixes and no object has one.
        """
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        if not prefixes:
            return keys
        if not (matching := [key for key in keys if key.startswith(tuple(prefixes))]):
            raise CommandError(f"the on-failure bucket has no object {' or '.join(prefixes)}.")
        return matching

    def batches(self, selection: Selection) -> Generator[Sequence[FailedBatch], None, None]:
        """Read the selected batches, one at a time; leave out those that another redrive has deleted meanwhile."""
        for key in islice(self.keys(selection.ids), selection.limit):
            batch = self._read(key)
            if batch and selection.includes(batch.arrived_at):
                yield [batch]

    def destination(self, entry: FailedBatch) -> RecordDestination:  # noqa: ARG002  # the protocol's signature
        """Return the stream."""
        return self._stream

    def delete(self, entries: Sequence[FailedBatch]) -> None:
        """Delete the objects of batches."""
        for batch in entries:
            self._s3.delete_object(Bucket=self._bucket, Key=batch.id)

    @cached_property
    def _stream(self) -> RecordDestination:
        return publisher.stream(self._stack)

    def _read(self, key: str) -> FailedBatch | None:
        try:
            body: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in ("NoSuchKey", "404"):
                raise
            return None
        return parse(key, body)


def parse(key: str, body: bytes) -> FailedBatch:
    """Return the batch in an object; with an error when the object is not what Lambda writes."""
    try:
        document = json.loads(body)
        info = document.get("KinesisBatchInfo", {})
        payload = document["payload"]
        # Lambda writes the invocation as JSON text within the JSON document.
        invocation = json.loads(payload) if isinstance(payload, str) else payload
        return FailedBatch(
            id=key,
            condition=str(document.get("requestContext", {}).get("condition", "")),
            shard=str(info.get("shardId", "")),
            arrived_at=_time(info.get("approximateArrivalOfFirstRecord")),
            records=tuple(_record(record["kinesis"]) for record in invocation["Records"]),
        )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, binascii.Error):
        return FailedBatch(id=key, error="not an invocation record of Lambda with its payload")


def _record(record: dict[str, Any]) -> OutgoingRecord:
    return OutgoingRecord(base64.b64decode(record["data"], validate=True), partition_key=record["partitionKey"])


def _time(text: object) -> datetime | None:
    try:
        return parse_datetime(str(text))
    except ValueError:
        return None
