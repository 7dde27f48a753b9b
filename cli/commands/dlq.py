"""``dlq``: the messages that failed for good; look at them, send them back to the queue.

A message goes back by sending it first and deleting it after, so that none is lost whatever happens between: at worst
one is in the queue twice, which versions make harmless. SQS has a task of its own for this
(``StartMessageMoveTask``), which cannot choose among messages and cannot be watched message by message.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cli.redrive import publisher
from cli.redrive.dry_run import Judge
from cli.redrive.publisher import Destination, Parcel
from cli.stack.stack import Stack, open_stack
from cli.ui import arguments, output
from cli.ui.output import age, out, plural, print_json, say
from handlers.items.timestamps import from_epoch_ms
from handlers.outcome import Fate

EXAMPLES = """\
examples:
  canvas-events dlq list                              how many of which event type, and how old
  canvas-events dlq list --limit 100                  look at a hundred of them only
  canvas-events dlq redrive --dry-run                 what would go back
  canvas-events dlq redrive                           send all of them back to the queue
  canvas-events dlq redrive --type module_updated     only these

To look, the messages are received: they are hidden from others for two minutes at most, and their
receive count grows by one. Neither matters in a dead-letter queue.
"""
HIDDEN_SECONDS = 120
MOST_MESSAGES = 10  # Amazon SQS API reference: in one request
EMPTY_ANSWERS = 2  # in a row, each after asking all of SQS's servers, and there is nothing more


@dataclass(frozen=True)
class DeadLetter:
    """A message of the dead-letter queue. ``entered`` is when Canvas sent it; ``now`` is what would become of it."""

    id: str
    handle: str
    data: bytes
    attributes: dict[str, Any] = field(compare=False)
    entered: datetime
    event_name: str | None
    now: str


def add_to(commands: Any) -> None:
    """Add the commands."""
    actions = arguments.group(
        commands, "dlq", "list or redrive what is in the dead-letter queue", EXAMPLES,
        more="The messages of the queue that failed for good, as by an outage or a bug.",
    )  # fmt: skip
    listing = arguments.command(actions, "list", "count them by event type", EXAMPLES, _list)
    listing.add_argument(
        "--limit", type=arguments.natural, default=1_000, metavar="N", help="look at so many at most (default 1000)"
    )
    redriving = arguments.command(
        actions, "redrive", "send them back to the queue", EXAMPLES, _redrive,
        more="Each is deleted only after it was sent. Safe to interrupt and to repeat.",
    )  # fmt: skip
    redriving.add_argument(
        "--limit", type=arguments.natural, metavar="N", help="look at so many at most (default: all)"
    )
    redriving.add_argument("--dry-run", action="store_true", help="only say what would be sent back")
    for parser in (listing, redriving):
        parser.add_argument("--type", metavar="EVENT_TYPE", help="only those of an event type")


class DeadLetters:
    """The dead-letter queue of a stack."""

    def __init__(self, stack: Stack) -> None:
        self._sqs = stack.client("sqs")
        self._url = stack.dead_letter_queue_url
        self._judge = Judge(stack.catalogue, stack.environment)

    def count(self) -> int:
        """About how many messages there are, hidden ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)["Attributes"]
        return sum(int(count) for count in counts.values())

    def receive(self, most: int | None) -> Iterator[list[DeadLetter]]:
        """The messages, some at a time, each once; hidden until they are deleted, released, or time is up."""
        seen: set[str] = set()
        empty = 0
        while empty < EMPTY_ANSWERS and (most is None or len(seen) < most):
            wanted = MOST_MESSAGES if most is None else min(MOST_MESSAGES, most - len(seen))
            answer = self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=wanted, VisibilityTimeout=HIDDEN_SECONDS, WaitTimeSeconds=1,
                MessageSystemAttributeNames=["SentTimestamp"], MessageAttributeNames=["All"],
            )  # fmt: skip
            new = [message for message in answer.get("Messages", ()) if message["MessageId"] not in seen]
            empty = 0 if new else empty + 1
            seen |= {message["MessageId"] for message in new}
            if new:
                yield [self._dead_letter(message) for message in new]

    def delete(self, letters: Sequence[DeadLetter]) -> None:
        """Delete messages that were sent back. One that cannot be deleted stays, and may go back twice."""
        entries = [{"Id": str(number), "ReceiptHandle": letter.handle} for number, letter in enumerate(letters)]
        for start in range(0, len(entries), MOST_MESSAGES):
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries[start : start + MOST_MESSAGES])

    def release(self, letters: Sequence[DeadLetter]) -> None:
        """Let others see the messages again at once."""
        entries = [
            {"Id": str(number), "ReceiptHandle": letter.handle, "VisibilityTimeout": 0}
            for number, letter in enumerate(letters)
        ]
        for start in range(0, len(entries), MOST_MESSAGES):
            self._sqs.change_message_visibility_batch(
                QueueUrl=self._url, Entries=entries[start : start + MOST_MESSAGES]
            )

    def _dead_letter(self, message: Any) -> DeadLetter:
        data = message["Body"].encode("utf-8", "surrogatepass")
        outcome = self._judge.judge(data).outcome
        return DeadLetter(
            id=message["MessageId"],
            handle=message["ReceiptHandle"],
            data=data,
            attributes={name: _sendable(value) for name, value in message.get("MessageAttributes", {}).items()},
            entered=from_epoch_ms(int(message["Attributes"]["SentTimestamp"])),
            event_name=outcome.event_name,
            now="stored" if outcome.fate is Fate.STORED else f"{outcome.fate}: {outcome.reason}".removesuffix(": None"),
        )


def _list(called: argparse.Namespace) -> int:
    stack = open_stack(called)
    letters = DeadLetters(stack)
    parked = letters.count()
    found = _look(letters, called.limit, called.type, parked)
    if called.json:
        print_json([
            {"message_id": letter.id, "entered": letter.entered, "event_name": letter.event_name, "now": letter.now}
            for letter in found
        ])  # fmt: skip
    else:
        _show(found, parked)
    return 0


def _look(letters: DeadLetters, limit: int | None, event_type: str | None, parked: int) -> list[DeadLetter]:
    """The messages of a type, released again when all were looked at."""
    held: list[DeadLetter] = []
    try:
        with output.progress() as progress:
            task = progress.add_task("looking into the dead-letter queue", total=parked)
            for some in letters.receive(limit):
                held += some
                progress.update(task, completed=len(held))
    finally:
        letters.release(held)
    return [letter for letter in held if event_type in (None, letter.event_name)]


def _show(found: list[DeadLetter], parked: int) -> None:
    if found:
        out().print(_table(found))
    out().print(f"{plural(parked, 'message')} in the dead-letter queue, about; {len(found):,} of them shown here.")


def _table(letters: list[DeadLetter]) -> Any:
    groups: dict[tuple[str, str], list[datetime]] = {}
    for letter in letters:
        groups.setdefault((letter.event_name or "", letter.now), []).append(letter.entered)
    rows = (
        (event_name, now, f"{age(min(entered))} ago", f"{age(max(entered))} ago", len(entered))
        for (event_name, now), entered in sorted(groups.items())
    )
    return output.table(("event type", "would be now", "oldest.", "newest.", "messages#"), rows)


def _redrive(called: argparse.Namespace) -> int:
    stack = open_stack(called)
    letters = DeadLetters(stack)
    parked = letters.count()
    if called.dry_run:
        found = _look(letters, called.limit, called.type, parked)
        _report(called, dict.fromkeys((letter.id for letter in found), None))
        return 0
    faults = _send_back(letters, publisher.queue(stack), called, parked)
    _report(called, faults)
    return 1 if any(faults.values()) else 0


def _send_back(
    letters: DeadLetters, destination: Destination, called: argparse.Namespace, parked: int
) -> dict[str, str | None]:
    """Send the chosen messages back; by the id of each, why it could not be sent, or None."""
    faults: dict[str, str | None] = {}
    held: dict[str, DeadLetter] = {}
    try:
        with output.progress() as progress:
            task = progress.add_task(f"sending back to {destination.name}", total=parked)
            for some in letters.receive(called.limit):
                held |= {letter.id: letter for letter in some}
                chosen = [letter for letter in some if called.type in (None, letter.event_name)]
                receipts = publisher.send(
                    destination, [Parcel(each.data, attributes=each.attributes) for each in chosen]
                )
                faults |= {each.id: receipt.fault for each, receipt in zip(chosen, receipts, strict=True)}
                letters.delete([held.pop(each.id) for each in chosen if faults[each.id] is None])
                progress.update(task, advance=len(some))
    finally:
        letters.release(list(held.values()))
    return faults


def _report(called: argparse.Namespace, faults: dict[str, str | None]) -> None:
    failed = {message_id: fault for message_id, fault in faults.items() if fault}
    sent = [message_id for message_id in faults if message_id not in failed]
    if called.json:
        print_json({"dry_run": called.dry_run, "sent_back": sent, "not_sent": failed})
    elif called.dry_run:
        out().print(f"Dry run: {plural(len(sent), 'message')} would go back to the queue.")
    else:
        out().print(f"{plural(len(sent), 'message')} sent back to the queue.")
    for message_id, fault in failed.items():
        say(f"not sent back, and still in the dead-letter queue: {message_id}: {fault}")


def _sendable(attribute: Any) -> Any:
    """A message attribute as it is sent: without the empty lists that it is received with."""
    return {name: value for name, value in attribute.items() if name in ("DataType", "StringValue", "BinaryValue")}
