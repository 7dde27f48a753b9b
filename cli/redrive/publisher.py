"""Send records to the queue or the stream in batches, and report the result of each."""

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from botocore.exceptions import ClientError

from cli.errors import CommandError
from cli.stack.stack import Stack
from cli.ui import aws_errors

MAX_ATTEMPTS = 5
BASE_DELAY_SECONDS = 0.2

# Amazon SQS Developer Guide, "Amazon SQS message quotas"; API reference, "SendMessage": which characters it allows.
MAX_MESSAGES, MAX_MESSAGES_BYTES = 10, 1024 * 1024
_SQS_TEXT = re.compile("[\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")

# Amazon Kinesis API reference, "PutRecords": 5 MiB in every region, 10 MiB where the quota was raised.
MAX_RECORDS, MAX_RECORDS_BYTES = 500, 5 * 1024 * 1024

# With these codes a service rejects a whole request, for the sake of one record: a data size, a message attribute.
# Amazon Kinesis API reference, "PutRecords" and "Common Errors"; Amazon SQS API reference, "SendMessageBatch".
_RECORD_ERRORS = frozenset(
    {
        *("InvalidArgumentException", "ValidationException", "SerializationException"),
        *("AWS.SimpleQueueService.BatchRequestTooLong", "BatchRequestTooLong"),
        *("InvalidMessageContents", "InvalidParameterValue"),
    }
)


@dataclass(frozen=True)
class OutgoingRecord:
    """A record to send. ``partition_key`` is used by a stream, ``attributes`` are the attributes of an SQS message."""

    data: bytes
    partition_key: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SendResult:
    """The message id or sequence number that the service acknowledged a record with, or the error."""

    id: str | None = None
    error: str | None = None


class RecordDestination(Protocol):
    """Where records can be sent, and how much one request may hold."""

    name: str
    max_records: int
    max_bytes: int

    def validate(self, record: OutgoingRecord) -> str | None:
        """Return why the service can never accept the record, or None."""

    def put(self, records: Sequence[OutgoingRecord]) -> list[tuple[SendResult, bool]]:
        """Send one request; return for each record its result, and whether a failure may be retried."""


class Queue:
    """An SQS queue."""

    max_records, max_bytes = MAX_MESSAGES, MAX_MESSAGES_BYTES

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self._url = url
        self.name = f"the queue {url.rpartition('/')[2]}"

    def validate(self, record: OutgoingRecord) -> str | None:
        """Return why SQS does not accept the record, or None."""
        if len(record.data) > MAX_MESSAGES_BYTES:
            return f"SQS accepts at most {MAX_MESSAGES_BYTES:,} bytes, and the record has {len(record.data):,}"
        try:
            text = _SQS_TEXT.fullmatch(record.data.decode())
        except UnicodeDecodeError:
            text = None
        return None if text and record.data else "SQS accepts only non-empty text without control characters"

    def put(self, records: Sequence[OutgoingRecord]) -> list[tuple[SendResult, bool]]:
        """Send a batch of messages."""
        entries = [
            {"Id": str(number), "MessageBody": record.data.decode(), **_message_attributes(record)}
            for number, record in enumerate(records)
        ]
        response = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
        results = {entry["Id"]: (SendResult(id=entry["MessageId"]), False) for entry in response.get("Successful", ())}
        for failure in response.get("Failed", ()):
            results[failure["Id"]] = SendResult(error=failure["Code"]), not failure.get("SenderFault")
        return [results.get(entry["Id"], (SendResult(error="NoResponse"), True)) for entry in entries]


class Stream:
    """A Kinesis stream."""

    max_records, max_bytes = MAX_RECORDS, MAX_RECORDS_BYTES

    def __init__(self, kinesis: Any, arn: str) -> None:
        self._kinesis = kinesis
        self._arn = arn
        self.name = f"the stream {arn.rpartition('/')[2]}"

    def validate(self, record: OutgoingRecord) -> str | None:
        """Return why Kinesis does not accept the record, or None; how large it may be is a setting of the stream."""
        return None if record.data else "Kinesis does not accept an empty record"

    def put(self, records: Sequence[OutgoingRecord]) -> list[tuple[SendResult, bool]]:
        """Put a batch of records."""
        # The order of events does not matter, so any key that spreads them over the shards will do.
        entries = [
            {"Data": record.data, "PartitionKey": record.partition_key or hashlib.sha256(record.data).hexdigest()[:32]}
            for record in records
        ]
        response = self._kinesis.put_records(StreamARN=self._arn, Records=entries)
        return [
            (SendResult(error=entry["ErrorCode"]), True)
            if entry.get("ErrorCode")
            else (SendResult(id=entry["SequenceNumber"]), False)
            for entry in response["Records"]
        ]


def queue(stack: Stack) -> Queue:
    """Return the queue that Canvas sends to."""
    return Queue(stack.client("sqs"), stack.queue_url)


def stream(stack: Stack) -> Stream:
    """Return the stream that the stack reads. Raises ``CommandError`` where there is none."""
    if stack.stream_arn is None:
        raise CommandError(f"the stack {stack.name} has no stream: its parameter KinesisStream is none.")
    return Stream(stack.client("kinesis"), stack.stream_arn)


def send(
    destination: RecordDestination,
    records: Sequence[OutgoingRecord],
    on_progress: Callable[[int], object] | None = None,
) -> list[SendResult]:
    """Send records and return the result of each, in their order.

    What the service fails to accept is retried with exponential backoff, for about 6 seconds in all. ``on_progress``
    gets the number of records that each request has settled.
    """
    results = [SendResult(error=destination.validate(record)) for record in records]
    pending = [number for number, result in enumerate(results) if result.error is None]
    for attempt in range(MAX_ATTEMPTS):
        if attempt and pending:
            time.sleep(BASE_DELAY_SECONDS * 2**attempt)
        retryable: list[int] = []
        for batch in _batches(destination, records, pending):
            failed = _send_batch(destination, records, batch, results)
            retryable += failed
            if on_progress:
                on_progress(len(batch) - len(failed))
        pending = retryable
    return results


def _send_batch(
    destination: RecordDestination, records: Sequence[OutgoingRecord], batch: Sequence[int], results: list[SendResult]
) -> list[int]:
    """Send the records with these numbers, set their results, and return the numbers that may be retried.

    A request that the service rejects for one of its records is sent in halves, so that the others are sent.
    """
    try:
        responses = destination.put([records[number] for number in batch])
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _RECORD_ERRORS:
            raise
        if len(batch) > 1:
            middle = len(batch) // 2
            halves = (batch[:middle], batch[middle:])
            return [number for half in halves for number in _send_batch(destination, records, half, results)]
        responses = [(SendResult(error=aws_errors.describe(error)), False)]
    for number, (result, _) in zip(batch, responses, strict=True):
        results[number] = result
    return [number for number, (_, may_retry) in zip(batch, responses, strict=True) if may_retry]


def _batches(
    destination: RecordDestination, records: Sequence[OutgoingRecord], numbers: Sequence[int]
) -> Iterator[list[int]]:
    """Group record numbers into requests that stay within the destination's limits."""
    batch: list[int] = []
    batch_bytes = 0
    for number in numbers:
        size = _size(records[number])
        if batch and (len(batch) == destination.max_records or batch_bytes + size > destination.max_bytes):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(number)
        batch_bytes += size
    if batch:
        yield batch


def _size(record: OutgoingRecord) -> int:
    attributes = sum(
        len(name) + sum(len(str(part)) for part in value.values()) for name, value in record.attributes.items()
    )
    return len(record.data) + len(record.partition_key or "") + attributes


def _message_attributes(record: OutgoingRecord) -> dict[str, Any]:
    return {"MessageAttributes": dict(record.attributes)} if record.attributes else {}
