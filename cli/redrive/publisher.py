"""Records on their way to the queue or the stream, in batches, each accounted for."""

import hashlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cli.errors import CommandError
from cli.stack.stack import Stack
from cli.ui import output

MOST_ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.2

# Amazon SQS Developer Guide, "Amazon SQS message quotas"; API reference, "SendMessage": which characters it takes.
MOST_MESSAGES, MOST_MESSAGE_BYTES = 10, 1024 * 1024
_FOR_SQS = re.compile("[\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")

# Amazon Kinesis API reference, "PutRecords"; 5 MiB is what it takes everywhere, 10 MiB where it is newer.
MOST_RECORDS, MOST_RECORDS_BYTES = 500, 5 * 1024 * 1024


@dataclass(frozen=True)
class Parcel:
    """A record to be sent. ``partition_key`` is for a stream, ``attributes`` are those of a message."""

    data: bytes
    partition_key: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Receipt:
    """What became of a parcel: the message id or sequence number that it got, or why it was not taken."""

    id: str | None = None
    fault: str | None = None


class Destination(Protocol):
    """Where records can be sent: the queue or the stream."""

    name: str
    most: int
    most_bytes: int

    def refuses(self, parcel: Parcel) -> str | None:
        """Why the parcel can never be sent there; None where it can."""

    def put(self, parcels: Sequence[Parcel]) -> list[tuple[Receipt, bool]]:
        """Send a batch: the receipt of each, and whether one that failed may be tried again."""


class Queue:
    """A queue of SQS."""

    most, most_bytes = MOST_MESSAGES, MOST_MESSAGE_BYTES

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self._url = url
        self.name = f"the queue {url.rpartition('/')[2]}"

    def refuses(self, parcel: Parcel) -> str | None:
        """Why SQS does not take the parcel."""
        try:
            taken = _FOR_SQS.fullmatch(parcel.data.decode())
        except UnicodeDecodeError:
            taken = None
        return (
            None if taken and parcel.data else "SQS takes only text, without control characters, and none that is empty"
        )

    def put(self, parcels: Sequence[Parcel]) -> list[tuple[Receipt, bool]]:
        """Send a batch of messages."""
        entries = [
            {"Id": str(number), "MessageBody": parcel.data.decode(), **_message_attributes(parcel)}
            for number, parcel in enumerate(parcels)
        ]
        answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
        receipts = {each["Id"]: (Receipt(id=each["MessageId"]), False) for each in answer.get("Successful", ())}
        for each in answer.get("Failed", ()):
            receipts[each["Id"]] = Receipt(fault=each["Code"]), not each.get("SenderFault")
        return [receipts.get(entry["Id"], (Receipt(fault="NoAnswer"), True)) for entry in entries]


class Stream:
    """A stream of Kinesis."""

    most, most_bytes = MOST_RECORDS, MOST_RECORDS_BYTES

    def __init__(self, kinesis: Any, arn: str) -> None:
        self._kinesis = kinesis
        self._arn = arn
        self.name = f"the stream {arn.rpartition('/')[2]}"

    def refuses(self, parcel: Parcel) -> str | None:
        """Why Kinesis does not take the parcel."""
        return None if parcel.data else "it is empty"

    def put(self, parcels: Sequence[Parcel]) -> list[tuple[Receipt, bool]]:
        """Put a batch of records."""
        # No order is promised among events, so any key will do that spreads them.
        records = [
            {"Data": each.data, "PartitionKey": each.partition_key or hashlib.sha256(each.data).hexdigest()[:32]}
            for each in parcels
        ]
        answers = self._kinesis.put_records(StreamARN=self._arn, Records=records)["Records"]
        return [
            (Receipt(fault=each["ErrorCode"]), True)
            if each.get("ErrorCode")
            else (Receipt(id=each["SequenceNumber"]), False)
            for each in answers
        ]


def queue(stack: Stack) -> Queue:
    """The queue that Canvas sends to."""
    return Queue(stack.client("sqs"), stack.queue_url)


def stream(stack: Stack) -> Stream:
    """The stream that is read. Raises ``CommandError`` where none is."""
    if stack.stream_arn is None:
        raise CommandError(f"the stack {stack.name} reads no stream: its parameter KinesisStream is none.")
    return Stream(stack.client("kinesis"), stack.stream_arn)


def send(destination: Destination, parcels: Sequence[Parcel]) -> list[Receipt]:
    """Send parcels; the receipt of each, in their order. What was not taken is tried again for some seconds."""
    receipts = [Receipt(fault=destination.refuses(parcel)) for parcel in parcels]
    waiting = [number for number, receipt in enumerate(receipts) if receipt.fault is None]
    for attempt in range(MOST_ATTEMPTS):
        if attempt and waiting:
            time.sleep(FIRST_PAUSE_SECONDS * 2**attempt)  # what was throttled needs longer each time
        waiting = list(_send_once(destination, parcels, waiting, receipts))
    return receipts


def _send_once(
    destination: Destination, parcels: Sequence[Parcel], numbers: Sequence[int], receipts: list[Receipt]
) -> Iterator[int]:
    """Send those of these numbers, note their receipts, and give those that may be tried again."""
    with output.progress(long=len(numbers) > destination.most) as progress:
        task = progress.add_task(f"sending to {destination.name}", total=len(numbers))
        for batch in _batches(destination, parcels, numbers):
            answers = destination.put([parcels[number] for number in batch])
            for number, (receipt, again) in zip(batch, answers, strict=True):
                receipts[number] = receipt
                if again:
                    yield number
            progress.advance(task, len(batch))


def _batches(destination: Destination, parcels: Sequence[Parcel], numbers: Sequence[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    size = 0
    for number in numbers:
        length = _size(parcels[number])
        if batch and (len(batch) == destination.most or size + length > destination.most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(number)
        size += length
    if batch:
        yield batch


def _size(parcel: Parcel) -> int:
    attributes = sum(
        len(name) + sum(len(str(part)) for part in value.values()) for name, value in parcel.attributes.items()
    )
    return len(parcel.data) + len(parcel.partition_key or "") + attributes


def _message_attributes(parcel: Parcel) -> dict[str, Any]:
    return {"MessageAttributes": dict(parcel.attributes)} if parcel.attributes else {}
