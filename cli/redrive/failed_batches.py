"""The on-failure bucket: the batches of the stream that Lambda gave up on.

Lambda writes each of them as one object: a JSON document that identifies the batch, says why it was given up, and has
the whole invocation, with its records, in ``payload``. Source: AWS Lambda Developer Guide, "Retain discarded batch
records for a Kinesis Data Streams event source".
"""

import base64
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

# The invocation has at most 6 MB (see cli.redrive.rejected_item), and is escaped once more as text of the document.
MAX_OBJECT_BYTES = 16 * 1024 * 1024
MAX_PARTITION_KEY_LENGTH = 256  # Amazon Kinesis API reference, "PutRecordsRequestEntry"


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
        self.malformed_remedy = (
            f"Lambda does not write such objects: look at it with `aws s3 cp s3://{self._bucket}/KEY -`, then delete it"
            f" with `aws s3 rm s3://{self._bucket}/KEY`."
        )

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
            # One byte more than is allowed shows that there are more.
            body: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read(MAX_OBJECT_BYTES + 1)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in ("NoSuchKey", "404"):
                raise
            return None
        return parse(key, body)


class MalformedObjectError(Exception):
    """An object is not as Lambda writes it. The text says what is wrong."""


def parse(key: str, body: bytes) -> FailedBatch:
    """Return the batch in an object; one with an ``error`` when the object is not what Lambda writes."""
    try:
        document = _document(body)
        info = _object(document.get("KinesisBatchInfo", {}), "KinesisBatchInfo")
        context = _object(document.get("requestContext", {}), "requestContext")
        return FailedBatch(
            id=key,
            condition=_text(context.get("condition")),
            shard=_text(info.get("shardId")),
            arrived_at=_time(_text(info.get("approximateArrivalOfFirstRecord"))),
            records=_records(document),
        )
    except MalformedObjectError as error:
        return FailedBatch(id=key, error=f"malformed object: {error}")


def _document(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_OBJECT_BYTES:
        raise MalformedObjectError(f"it has more than {MAX_OBJECT_BYTES:,} bytes")
    return _object(_parse_json(body, "it"), "it")


def _records(document: dict[str, Any]) -> tuple[OutgoingRecord, ...]:
    payload = document.get("payload")
    # Lambda writes the invocation as JSON text within the JSON document.
    invocation = _object(_parse_json(payload, "payload") if isinstance(payload, str) else payload, "payload")
    records = invocation.get("Records")
    if not isinstance(records, list) or not records:
        raise MalformedObjectError("payload has no Records")
    return tuple(_record(f"payload.Records[{number}]", record) for number, record in enumerate(records))


def _record(name: str, record: object) -> OutgoingRecord:
    kinesis = _object(_object(record, name).get("kinesis"), f"{name}.kinesis")
    partition_key = kinesis.get("partitionKey")
    if not isinstance(partition_key, str) or not 0 < len(partition_key) <= MAX_PARTITION_KEY_LENGTH:
        raise MalformedObjectError(
            f"{name}.kinesis.partitionKey is not text of 1 to {MAX_PARTITION_KEY_LENGTH} characters"
        )
    try:
        data = base64.b64decode(kinesis.get("data", ""), validate=True)
        partition_key.encode()  # half a surrogate pair cannot be sent
    except (ValueError, TypeError):
        raise MalformedObjectError(f"{name}.kinesis has data or a partition key that cannot be read") from None
    return OutgoingRecord(data, partition_key)


def _parse_json(text: str | bytes, name: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedObjectError(f"{name} is not valid JSON, or is nested too deeply") from None


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedObjectError(f"{name} is not a JSON object")
    return value


def _text(value: object) -> str:
    """Text that is only shown: empty where it is missing or something else."""
    return value if isinstance(value, str) else ""


def _time(text: str) -> datetime | None:
    try:
        return parse_datetime(text)
    except ValueError:
        return None
