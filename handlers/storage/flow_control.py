"""How fast to write: which errors pass, and how the writer slows down and gives up when DynamoDB returns them.

Sources of the error codes: Amazon DynamoDB API Reference, ``BatchStatementError`` and "Common Error Types"; Developer
Guide, "Error handling with DynamoDB".
"""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from handlers.storage.request_threads import MAX_CONCURRENT_REQUESTS
from handlers.storage.transport import ErrorCode

MAX_STATEMENTS_PER_REQUEST = 25  # DynamoDB's limit; source: API Reference, BatchExecuteStatement
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
TRANSIENT = THROTTLED | {
    NO_RESPONSE,
    "InternalServerError",
    "ReplicatedWriteConflictException",
    "RequestAbortedException",
    "RequestTimeoutException",
    "TransactionConflict",
    "TransactionConflictException",
}
# Errors of a table: it is missing, or the function may not write to it. BatchExecuteStatement reports them for each
# statement, without "Exception". For whole requests it documents neither; but IAM names a table in its denials, and
# should one of them reject a whole request, it must not hold up the other tables.
TABLE_ERRORS = frozenset({"AccessDenied", "AccessDeniedException", "ResourceNotFound", "ResourceNotFoundException"})
# Errors of whole requests that neither a statement nor a table can cause: credentials, signature, clock, account or
# endpoint are wrong.
CALLER_ERRORS = frozenset(
    {
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "UnknownOperationException",
        "UnrecognizedClientException",
    }
)


_ALL_ERRORS = TRANSIENT | TABLE_ERRORS | CALLER_ERRORS


class Attempted(Protocol):
    """A write of which a statement was sent.

    ``table`` is the name of its table, ``attempts`` how often the statement in question has met a transient error.
    """

    table: str
    attempts: int


class FlowControl:
    """Decides for one batch which tables wait for the others, how fast to write to them, and which to give up.

    The writer works in rounds: it sends up to 100 statements (4 requests of 25) concurrently and records all error
    codes.

    - **Slow tables.** A table of which a statement met a transient error is slow for the rest of the batch: its writes
      wait until those of all other tables are done, and only they are subject to window and backoff.
    - **Window.** It starts at 100 statements. A round of slow tables without transient errors doubles it, up to 100. A
      round in which some of their statements met a transient error and others did not halves it, down to 1: DynamoDB
      throttles single partitions, and one partition may hold a whole course, or all rejections for one reason. A round
      of nothing but transient errors is an outage, not a rate that is too high, and leaves the window as it is.
    - **Backoff.** After transient errors, slow tables wait: exponential backoff with full jitter, a random time up to
      0.1 s after the first attempt, doubled with each further one up to 2 s.
    - **Circuit breaker.** A table whose statements met nothing but transient errors in 8 consecutive rounds, or nothing
      but errors of the table in one round, is given up for the rest of the batch; after an error of the caller, all
      tables are.
    """

    def __init__(self) -> None:
        self.window = MAX_IN_FLIGHT
        # Whether the last round made a table slow or opened a circuit.
        self.tables_changed = False
        self._slow_tables: set[str] = set()
        self._circuits: dict[str, str] = {}
        self._caller_error: ErrorCode = None
        self._consecutive_failures: Counter[str] = Counter()
        self._delay = 0.0

    def record_round(self, sent: Sequence[Attempted], codes: Sequence[ErrorCode]) -> float:
        """Record the error codes of a round, one for each write; return the seconds to wait before slow tables."""
        self.tables_changed = False
        if self._slow_tables or not _ALL_ERRORS.isdisjoint(codes):
            self._record_errors(sent, codes)
        return self._delay

    def is_slow(self, table: str) -> bool:
        """Whether the writes of a table wait for those of all others."""
        return table in self._slow_tables

    def open_circuit(self, table: str) -> ErrorCode:
        """Return the error for which to give up a table for the rest of the batch, or None."""
        return self._caller_error or self._circuits.get(table)

    def _record_errors(self, sent: Sequence[Attempted], codes: Sequence[ErrorCode]) -> None:
        before = len(self._slow_tables), len(self._circuits), self._caller_error
        self._caller_error = next((code for code in codes if code in CALLER_ERRORS), None)
        codes_by_table: dict[str, list[ErrorCode]] = {}
        for write, code in zip(sent, codes, strict=True):
            codes_by_table.setdefault(write.table, []).append(code)
        for table, table_codes in codes_by_table.items():
            self._record_table(table, table_codes)
        self.tables_changed = before != (len(self._slow_tables), len(self._circuits), self._caller_error)

        slow_tables = codes_by_table.keys() & self._slow_tables
        if slow_tables:
            attempts = max((w.attempts for w, code in zip(sent, codes, strict=True) if code in TRANSIENT), default=0)
            failures = max(self._consecutive_failures[table] for table in slow_tables)
            self._adjust(max(attempts, failures), [code for table in slow_tables for code in codes_by_table[table]])

    def _record_table(self, table: str, codes: Sequence[ErrorCode]) -> None:
        last_code = codes[-1]
        if not TRANSIENT.isdisjoint(codes):
            self._slow_tables.add(table)
        self._consecutive_failures[table] = self._consecutive_failures[table] + 1 if TRANSIENT.issuperset(codes) else 0
        if last_code and (TABLE_ERRORS.issuperset(codes) or self._consecutive_failures[table] >= MAX_ATTEMPTS):
            self._circuits[table] = last_code

    def _adjust(self, attempts: int, codes: Sequence[ErrorCode]) -> None:
        """Adjust window and delay after the codes of slow tables."""
        if not attempts:
            self.window, self._delay = min(MAX_IN_FLIGHT, self.window * 2), 0.0
            return
        if not TRANSIENT.issuperset(codes):
            self.window = max(1, self.window // 2)
        self._delay = _backoff(attempts)


def _backoff(attempt: int) -> float:
    """Seconds to wait after so many attempts."""
    longest = min(_MAX_DELAY_SECONDS, _BASE_DELAY_SECONDS * 2**attempt)
    return random.uniform(0, longest)  # noqa: S311  # jitter, not a secret
