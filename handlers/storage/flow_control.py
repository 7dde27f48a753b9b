"""How fast to write: which errors pass, and how the writer slows down and gives up when DynamoDB returns them."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from handlers.storage.transport import ErrorCode

MAX_STATEMENTS_PER_REQUEST = 25  # DynamoDB's limit; source: API Reference, BatchExecuteStatement
MAX_CONCURRENT_REQUESTS = 4  # hides DynamoDB's milliseconds behind our own; more would gain little on one processor
MAX_IN_FLIGHT = MAX_CONCURRENT_REQUESTS * MAX_STATEMENTS_PER_REQUEST
# Several seconds of throttling or outage. After that SQS and Kinesis deliver again, for hours.
MAX_ATTEMPTS = 8
_BASE_DELAY_SECONDS = 0.05
_MAX_DELAY_SECONDS = 2.0

NO_RESPONSE = "NoResponse"
# Both spellings occur: with "Exception" for a whole request, mostly without it for one statement.
THROTTLED = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingError",
        "ThrottlingException",
    }
)
TRANSIENT = THROTTLED | {NO_RESPONSE, "InternalServerError", "TransactionConflict", "TransactionConflictException"}


class Attempted(Protocol):
    """A write of which a statement was sent.

    ``table`` is the name of its table, ``attempts`` how often the statement in question has met a transient error.
    """

    table: str
    attempts: int


class FlowControl:
    """Decides for one batch how many statements to send at once, how long to wait, and which tables to give up.

    The writer works in rounds: it sends up to ``window`` statements concurrently and records all error codes.

    - **Window.** It starts at 100 statements (4 requests of 25). A round without transient errors doubles it, up to
      100. A round in which some statements met a transient error and others did not halves it, down to 1: DynamoDB
      throttles single partitions, and one partition may hold a whole course. A round of nothing but transient errors is
      an outage, not a rate that is too high, and leaves the window as it is.
    - **Backoff.** After a round with transient errors the writer waits: exponential backoff with full jitter, a random
      time up to 0.1 s after the first attempt, doubled with each further one up to 2 s.
    - **Circuit breaker.** A table whose statements met nothing but transient errors in 8 consecutive rounds is given up
      for the rest of the batch, so that it does not delay the other tables.
    """

    def __init__(self) -> None:
        self.window = MAX_IN_FLIGHT
        self._consecutive_failures: Counter[str] = Counter()

    def record_round(self, sent: Sequence[Attempted], codes: Sequence[ErrorCode]) -> float:
        """Record the error codes of a round, one for each write; return the seconds to wait before the next round."""
        self._count_failures(sent, codes)
        attempts = max(
            (write.attempts for write, code in zip(sent, codes, strict=True) if code in TRANSIENT), default=0
        )
        if not attempts:
            self.window = min(MAX_IN_FLIGHT, self.window * 2)
            return 0.0
        if not TRANSIENT.issuperset(codes):
            self.window = max(1, self.window // 2)
        return _backoff(max(attempts, *(self._consecutive_failures[write.table] for write in sent)))

    def circuit_is_open(self, table: str) -> bool:
        """Whether to give up a table for the rest of the batch."""
        return self._consecutive_failures[table] >= MAX_ATTEMPTS

    def _count_failures(self, sent: Sequence[Attempted], codes: Sequence[ErrorCode]) -> None:
        """Count for each table the consecutive rounds in which all of its statements met transient errors."""
        responsive = {write.table for write, code in zip(sent, codes, strict=True) if code not in TRANSIENT}
        for table in {write.table for write in sent}:
            self._consecutive_failures[table] = 0 if table in responsive else self._consecutive_failures[table] + 1


def _backoff(attempt: int) -> float:
    """Seconds to wait after so many attempts."""
    longest = min(_MAX_DELAY_SECONDS, _BASE_DELAY_SECONDS * 2**attempt)
    return random.uniform(0, longest)  # noqa: S311  # jitter, not a secret
