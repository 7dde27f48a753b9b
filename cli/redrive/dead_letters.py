"""The dead-letter queues, of events and of objects: the messages that failed on every attempt.

To read messages, SQS has to hand them out: each is hidden from other readers for a while, and its receive count grows
by one. SQS's own redrive task (``StartMessageMoveTask``) can neither choose among messages nor evaluate them first.
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from cli.redrive import publisher
from cli.redrive.publisher import OutgoingRecord, RecordDestination
from cli.redrive.redrive import BacklogEntry
from cli.redrive.selection import Selection
from cli.stack.stack import Stack
from handlers.intake.decode import decode
from handlers.items.timestamps import from_epoch_ms
from handlers.outcome import Rejection

VISIBILITY_TIMEOUT_SECONDS = 120
MAX_MESSAGES = 10  # Amazon SQS API reference: in one request
MAX_EMPTY_RESPONSES = 2  # in a row, each from all of SQS's servers: then the queue has no other message


@dataclass(frozen=True, kw_only=True)
class DeadLetter(BacklogEntry):
    """A message of the dead-letter queue. ``id`` is its message id, ``enqueued_at`` when Canvas sent it."""

    receipt_handle: str
    enqueued_at: datetime


class DeadLetterQueue:
    """The dead-letter queue of a stack."""

    name = "the dead-letter queue"
    malformed_remedy = ""  # any text can be read as a record, and SQS delivers nothing else

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._sqs = stack.client("sqs")
        self._url = self._dead_letter_queue_url()
        self._hidden: dict[str, str] = {}  # receipt handles by message id

    def count(self) -> int:
        """Return about how many messages there are, including hidden ones."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)["Attributes"]
        return sum(int(count) for count in counts.values())

    def batches(self, selection: Selection) -> Generator[Sequence[DeadLetter], None, None]:
        """Receive messages, each once, and yield the selected ones.

        They stay hidden from other readers until they are deleted, this generator is closed, or their visibility
        timeout has passed.
        """
        seen: set[str] = set()
        empty_responses = 0
        try:
            while empty_responses < MAX_EMPTY_RESPONSES and (wanted := _wanted(selection.limit, len(seen))):
                messages = [message for message in self._receive(wanted) if message["MessageId"] not in seen]
                empty_responses = 0 if messages else empty_responses + 1
                seen.update(message["MessageId"] for message in messages)
                letters = [letter for letter in map(_dead_letter, messages) if _is_selected(letter, selection)]
                if letters:
                    yield letters
        finally:
            self._release()

    def destination(self, entry: DeadLetter) -> RecordDestination:  # noqa: ARG002  # the protocol's signature
        """Return the queue that Canvas sends to."""
        return self._queue

    def delete(self, entries: Sequence[DeadLetter]) -> None:
        """Delete messages. One that SQS fails to delete stays, and may be sent a second time."""
        for batch in _in_batches({letter.id: letter.receipt_handle for letter in entries}):
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=batch)
        for letter in entries:
            self._hidden.pop(letter.id, None)

    @cached_property
    def _queue(self) -> RecordDestination:
        return publisher.queue(self._stack)

    def _dead_letter_queue_url(self) -> str:
        return self._stack.dead_letter_queue_url

    def _receive(self, wanted: int) -> list[Any]:
        response = self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=wanted, VisibilityTimeout=VISIBILITY_TIMEOUT_SECONDS,
            WaitTimeSeconds=1, MessageSystemAttributeNames=["SentTimestamp"], MessageAttributeNames=["All"],
        )  # fmt: skip
        messages: list[Any] = response.get("Messages", [])
        self._hidden.update((message["MessageId"], message["ReceiptHandle"]) for message in messages)
        return messages

    def _release(self) -> None:
        """Make the hidden messages visible to other readers at once."""
        for batch in _in_batches(self._hidden):
            entries = [entry | {"VisibilityTimeout": 0} for entry in batch]
            self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
        self._hidden.clear()


class ObjectsDeadLetterQueue(DeadLetterQueue):
    """The dead-letter queue of the messages that name objects.

    Raises ``CommandError`` if the stack has no such queue.
    """

    name = "the dead-letter queue of objects"

    def _dead_letter_queue_url(self) -> str:
        return self._stack.resource("ObjectsDeadLetterQueue", "queue of objects: its ReplayConcurrency is 0")

    @cached_property
    def _queue(self) -> RecordDestination:
        return publisher.Queue(self._stack.client("sqs"), self._stack.resource("ObjectsQueue", "queue of objects"))


def _wanted(limit: int | None, received: int) -> int:
    return MAX_MESSAGES if limit is None else min(MAX_MESSAGES, limit - received)


def _in_batches(handles: dict[str, str]) -> Iterable[list[dict[str, Any]]]:
    entries: list[dict[str, Any]] = [
        {"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate(handles.values())
    ]
    return (entries[start : start + MAX_MESSAGES] for start in range(0, len(entries), MAX_MESSAGES))


def _dead_letter(message: Any) -> DeadLetter:
    # A message may hold half a surrogate pair, which is not valid UTF-8: the evaluation rejects the bytes.
    data = message["Body"].encode("utf-8", "surrogatepass")
    attributes = {name: _sendable(value) for name, value in message.get("MessageAttributes", {}).items()}
    return DeadLetter(
        id=message["MessageId"],
        records=(OutgoingRecord(data, attributes=attributes),),
        receipt_handle=message["ReceiptHandle"],
        enqueued_at=from_epoch_ms(int(message["Attributes"]["SentTimestamp"])),
    )


def _sendable(attribute: Any) -> Any:
    """Drop the empty lists that SQS adds to a message attribute and does not accept."""
    return {name: value for name, value in attribute.items() if name in ("DataType", "StringValue", "BinaryValue")}


def _is_selected(letter: DeadLetter, selection: Selection) -> bool:
    if not selection.includes(letter.enqueued_at):
        return False
    return selection.event_type is None or selection.event_type == _event_name(letter.records[0].data)


def _event_name(data: bytes) -> str | None:
    try:
        return decode(data).name
    except Rejection:
        return None
