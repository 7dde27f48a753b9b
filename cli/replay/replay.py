"""Send the objects of a run to the objects queue, and wait until each has a result.

An object may be sent any number of times, since newest-wins makes it idempotent: so a replay may be interrupted,
resumed, repeated, and run twice at once.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cli.errors import CommandError
from cli.redrive import publisher
from cli.redrive.publisher import OutgoingRecord, Queue
from cli.replay.results import Results
from cli.replay.run import Run
from cli.stack.stack import Stack

POLL_SECONDS = 2
# For an empty queue without new results: SQS's counts are right a minute after the last message was sent. Source:
# Amazon SQS API Reference, "GetQueueAttributes".
SETTLE_SECONDS = 90
STALL_SECONDS = 600  # more than one visibility timeout, after which a failed object is tried again

_SEND_CHUNK = 1_000  # between two looks at the results
_IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"
_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed", _IN_FLIGHT)


@dataclass(frozen=True)
class Queues:
    """The objects queue of a stack, and its dead-letter queue."""

    sqs: Any
    url: str
    dead_letter_url: str

    def is_empty(self) -> bool:
        """Return whether the queue has no message, in flight ones included."""
        return self._count(self.url) == 0

    def dead_letters(self) -> int:
        """Return about how many messages the dead-letter queue has."""
        return self._count(self.dead_letter_url)

    def _count(self, url: str) -> int:
        counts = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_COUNTS))["Attributes"]
        return sum(int(count) for count in counts.values())


def find_queues(stack: Stack) -> Queues:
    """Return the queues of a stack. Raises ``CommandError`` where it deploys none."""
    names = ("ObjectsQueue", "ObjectsDeadLetterQueue")
    if not all(name in stack.resources for name in names):
        raise CommandError(
            f"the stack {stack.name} has no function for objects: its parameter ReplayConcurrency is 0."
            " Deploy it with the number of objects to process at once, for example"
            " `sam deploy --parameter-overrides ReplayConcurrency=10`."
        )
    return Queues(stack.client("sqs"), *(stack.resources[name].physical_id for name in names))


def replay(
    run: Run,
    bucket: str,
    keys: Sequence[str],
    queues: Queues,
    results: Results,
    *,
    on_progress: Callable[[], object],
    on_stall: Callable[[], object],
) -> list[str]:
    """Send the objects without a result, wait for the results, and return the keys of those that do not finish.

    Objects do not finish when the queue has none of them any more, in flight ones included, and no result was written
    for ``SETTLE_SECONDS``. ``on_stall`` is called once where none was written for ``STALL_SECONDS``.
    Raises ``CommandError`` when SQS does not accept a message.
    """
    results.refresh()
    on_progress()
    pending = [key for key in keys if key not in results.finished]
    for start in range(0, len(pending), _SEND_CHUNK):
        _send(run, bucket, pending[start : start + _SEND_CHUNK], queues)
        results.refresh()
        on_progress()
    _wait(pending, queues, results, on_progress, on_stall)
    return [key for key in pending if key not in results.finished]


def _send(run: Run, bucket: str, keys: Sequence[str], queues: Queues) -> None:
    messages = [OutgoingRecord(run.message(bucket, key)) for key in keys]
    failed = [result.error for result in publisher.send(Queue(queues.sqs, queues.url), messages) if result.error]
    if failed:
        raise CommandError(f"SQS did not accept {len(failed):,} of {len(keys):,} messages: {failed[0]}")


def _wait(
    keys: Sequence[str],
    queues: Queues,
    results: Results,
    on_progress: Callable[[], object],
    on_stall: Callable[[], object],
) -> None:
    last_result = time.monotonic()
    has_stalled = False
    while not results.finished.issuperset(keys):
        began = time.monotonic()
        if results.refresh():
            last_result = time.monotonic()
            on_progress()
            continue
        idle = time.monotonic() - last_result
        if idle >= SETTLE_SECONDS and queues.is_empty():
            return
        if idle >= STALL_SECONDS and not has_stalled:
            has_stalled = True
            on_stall()
        # A long list of results costs more to read, so it is read less often.
        time.sleep(max(POLL_SECONDS, 5 * (time.monotonic() - began)))
