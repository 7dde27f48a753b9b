"""Write items to DynamoDB in batches, each only where it is newer than what the table holds.

Up to 25 statements share a request, and up to 4 requests are in flight. Each statement succeeds or fails by itself.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from handlers.deadline import Deadline
from handlers.items.compact import ItemKey
from handlers.items.item import Item
from handlers.storage.flow_control import (
    MAX_ATTEMPTS,
    MAX_IN_FLIGHT,
    MAX_STATEMENTS_PER_REQUEST,
    NO_RESPONSE,
    TABLE_ERRORS,
    THROTTLED,
    TRANSIENT,
    FlowControl,
)
from handlers.storage.request_threads import RequestThreads
from handlers.storage.statements import CONFIRMATIONS, StatementBuilder, rewrite_plan, write_plan
from handlers.storage.transport import NEWER_VERSION_EXISTS, ErrorCode, Statement, transport_for
from handlers.telemetry.batch_stats import BatchStats
from handlers.telemetry.errors import describe_error

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DEADLINE_EXCEEDED = "DeadlineExceeded"
_CONDITION_FAILED = frozenset({"DuplicateItem", "ConditionalCheckFailed"})
# Errors of whole requests that one statement can cause, or the size of all. Any other error is not multiplied by
# sending the request again in parts. Sources: API Reference, "Common Error Types"; Developer Guide, "Error handling
# with DynamoDB".
_STATEMENT_ERRORS = frozenset(
    {
        "413",
        "ItemCollectionSizeLimitExceededException",
        "RequestEntityTooLargeException",
        "SerializationException",
        "ValidationError",
        "ValidationException",
    }
)


class WriteStatus(StrEnum):
    """What became of an item that was to be written."""

    STORED = "stored"
    SUPERSEDED = "superseded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of an item; ``error_code`` is None unless it failed, and then the error that decided it.

    That is the last error that the item met, or the one for which its table was given up. The codes are, and
    docs/runbook.md tells what to do about them:

    - ``DeadlineExceeded``: no statement was sent for lack of time.
    - ``NoResponse``: a timeout, a broken connection, an unreadable response, a status of 500 or more, no credentials,
      or too many requests that have not returned.
    - ``ConditionalCheckFailed``: the item was deleted and written again between the statements of its plan.
    - The code of a statement: ``AccessDenied``, ``InternalServerError``, ``ItemCollectionSizeLimitExceeded``,
      ``ProvisionedThroughputExceeded``, ``RequestLimitExceeded``, ``ResourceNotFound``, ``ThrottlingError``,
      ``TransactionConflict`` or ``ValidationError``. Source: API Reference, ``BatchStatementError``; ``DuplicateItem``
      is no failure here.
    - The code of a whole request: those of ``TRANSIENT``, ``CALLER_ERRORS`` and ``TABLE_ERRORS`` in ``flow_control``,
      ``ValidationException``, ``SerializationException`` or another one of the API Reference's "Common Error Types";
      the HTTP status, such as ``413``, where the response contains no code.
    - The type of an unexpected exception, such as ``KeyError`` or ``ParamValidationError``: a bug. Where the item had
      no plan yet, its place follows: ``KeyError at statements.py:27``.
    """

    status: WriteStatus
    error_code: str | None = None


_STORED, _SUPERSEDED = WriteResult(WriteStatus.STORED), WriteResult(WriteStatus.SUPERSEDED)


class _PendingWrite:
    """An item and its progress through its plan of statements."""

    __slots__ = ("attempts", "error_code", "item", "plan", "result", "step", "table")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.table = ""
        self.plan: Sequence[StatementBuilder] = ()
        self.step = 0
        self.attempts = 0
        self.error_code = DEADLINE_EXCEEDED
        self.result: WriteResult | None = None

    def statement(self) -> Statement:
        # Built when it is sent, so that the statements of a large batch are never all in memory.
        return self.plan[self.step](self.item, self.table)

    def record_response(self, code: ErrorCode) -> None:
        """Advance by DynamoDB's response to the statement."""
        if code is None:
            self.result = _SUPERSEDED if self.plan[self.step] in CONFIRMATIONS else _STORED
        elif code == NEWER_VERSION_EXISTS:
            self.result = _SUPERSEDED
        elif code in _CONDITION_FAILED:
            self.step, self.attempts = self.step + 1, 0
            if self.step == len(self.plan):
                # An item without versions exists then. Another one may not, and is retried.
                self.result = _SUPERSEDED if self.item.version is None else WriteResult(WriteStatus.FAILED, code)
        else:
            self.attempts, self.error_code = self.attempts + 1, code
            if code not in TRANSIENT or self.attempts == MAX_ATTEMPTS:
                self.result = WriteResult(WriteStatus.FAILED, code)


class _Backlog:
    """The writes that wait, those to slow tables behind all others."""

    def __init__(self, writes: Iterable[_PendingWrite], flow_control: FlowControl) -> None:
        self._flow_control = flow_control
        self._normal = deque(writes)
        self._slow: deque[_PendingWrite] = deque()

    def __bool__(self) -> bool:
        return bool(self._normal or self._slow)

    def is_slow(self) -> bool:
        """Whether only writes to slow tables are left."""
        return bool(self._slow and not self._normal)

    def take_round(self) -> list[_PendingWrite]:
        """Remove and return the writes to send next."""
        queue, size = (self._normal, MAX_IN_FLIGHT) if self._normal else (self._slow, self._flow_control.window)
        return [queue.popleft() for _ in range(min(size, len(queue)))]

    def put_back(self, writes: Iterable[_PendingWrite]) -> None:
        """Add writes that are not done: the next statement of a plan is sent at once, a retry after the others."""
        for write in reversed([write for write in writes if not write.attempts]):
            self._queue(write).appendleft(write)
        for write in writes:
            if write.attempts:
                self._queue(write).append(write)
        if self._flow_control.tables_changed:
            self._sort()

    def _queue(self, write: _PendingWrite) -> deque[_PendingWrite]:
        return self._slow if self._flow_control.is_slow(write.table) else self._normal

    def _sort(self) -> None:
        """Move the writes of slow tables behind the others, and fail those of tables that are given up."""
        waiting = [*self._normal, *self._slow]
        self._normal.clear()
        self._slow.clear()
        for write in waiting:
            if error_code := self._flow_control.open_circuit(write.table):
                write.result = WriteResult(WriteStatus.FAILED, error_code)
            else:
                self._queue(write).append(write)


class Writer:
    """Writes items to tables; ``tables`` maps the environment variable of a table to the table's name.

    ``client`` is a boto3 client, whose settings the transport takes over, or a test double with its method
    ``batch_execute_statement``. ``sleep`` takes seconds. The writer waits ``request_timeout`` seconds in all for a
    request, and never so long that the function could not respond in time. With ``rewrite`` an item that the same event
    has written before is written anew. Not thread-safe.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        tables: Mapping[str, str],
        sleep: Callable[[float], None] = time.sleep,
        request_timeout: float = math.inf,
        *,
        rewrite: bool = False,
    ) -> None:
        self._transport = transport_for(client)
        self._tables = tables
        self._sleep = sleep
        self._request_timeout = request_timeout
        self._rewrites = rewrite
        self._threads: RequestThreads[Sequence[ErrorCode] | Exception] = RequestThreads()

    def write(self, items: Mapping[ItemKey, Item], deadline: Deadline, stats: BatchStats) -> dict[ItemKey, WriteResult]:
        """Write items and return what became of each, under the same keys and in the same order.

        Never raises because of DynamoDB, the network or a single item: such errors are results. Without errors ``n``
        items take ``ceil(n / 25)`` requests for each step of their plans, of which there are one to three, or up to
        five where items are deleted meanwhile. Each statement has up to 8 attempts. Only the statements in flight, up
        to 100, are in memory at once.

        Items are sent in their order, so that those for which the time does not suffice are the last: Kinesis delivers
        a batch again from its first failure. Those of a table that met a transient error wait behind the others.
        ``stats`` counts requests, transient errors and throttled statements.
        """
        writes = {key: self._pending_write(item) for key, item in items.items()}
        flow_control = FlowControl()
        backlog = _Backlog((write for write in writes.values() if write.result is None), flow_control)
        while backlog and not deadline.expired():
            sent = backlog.take_round()
            codes = self._send_all(sent, deadline, stats)
            stats.retries += sum(code in TRANSIENT for code in codes)
            stats.throttles += sum(code in THROTTLED for code in codes)
            for write, code in zip(sent, codes, strict=True):
                write.record_response(code)
            delay = flow_control.record_round(sent, codes)
            backlog.put_back([write for write in sent if write.result is None])
            if delay and backlog.is_slow():
                self._sleep(min(delay, deadline.remaining_seconds()))
        return {key: write.result or WriteResult(WriteStatus.FAILED, write.error_code) for key, write in writes.items()}

    def _pending_write(self, item: Item) -> _PendingWrite:
        write = _PendingWrite(item)
        try:
            write.table = self._tables[item.table_variable]
            write.plan = rewrite_plan(item) if self._rewrites else write_plan(item)
        except Exception as bug:  # noqa: BLE001  # a bug must not fail the other items
            write.result = WriteResult(WriteStatus.FAILED, describe_error(bug))
        return write

    def _send_all(self, writes: list[_PendingWrite], deadline: Deadline, stats: BatchStats) -> list[ErrorCode]:
        """Send the current statement of each write in concurrent requests; return the error codes in the same order.

        A request that fails as a whole because of some of its statements is split, until the others succeed without
        them.
        """
        starts = range(0, len(writes), MAX_STATEMENTS_PER_REQUEST)
        requests = deque(writes[start : start + MAX_STATEMENTS_PER_REQUEST] for start in starts)
        codes: dict[_PendingWrite, ErrorCode] = {}
        while requests:
            concurrent = [requests.popleft() for _ in range(min(len(requests), self._threads.capacity() or 1))]
            for request, response in zip(concurrent, self._send(concurrent, deadline, stats), strict=True):
                if not isinstance(response, Exception):
                    codes.update(zip(request, response, strict=True))
                    continue
                code = _error_code(response)
                parts = _split(request, response, code)
                if len(parts) == 1:
                    codes.update(dict.fromkeys(request, code))
                else:
                    requests.extendleft(reversed(parts))
        return [codes[write] for write in writes]

    def _send(
        self, requests: Sequence[list[_PendingWrite]], deadline: Deadline, stats: BatchStats
    ) -> list[Sequence[ErrorCode] | Exception]:
        """Send requests concurrently; return for each the error codes in the same order, or why it failed."""
        calls = []
        seconds = self._request_timeout
        for request in requests:
            remaining_seconds = deadline.request_seconds()
            if not remaining_seconds:
                break
            seconds = min(seconds, remaining_seconds)
            calls.append(partial(self._execute, request, stats))
        responses = self._threads.run(calls, seconds)
        return [
            *(
                [NO_RESPONSE] * len(request) if response is None else response
                for request, response in zip(requests, responses, strict=False)
            ),
            *([DEADLINE_EXCEEDED] * len(request) for request in requests[len(calls) :]),
        ]

    def _execute(self, request: list[_PendingWrite], stats: BatchStats) -> Sequence[ErrorCode] | Exception:
        stats.count_request()
        try:
            codes = self._transport.send([write.statement() for write in request])
            return [code for _, code in zip(request, codes, strict=True)]
        except Exception as error:  # noqa: BLE001  # also a bug: in one statement, it must not fail the others
            return error


def _error_code(error: Exception) -> str:
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return NO_RESPONSE if status >= 500 else error.response.get("Error", {}).get("Code", "")
    if isinstance(error, BotoCoreError | ResponseParserError) and not isinstance(error, ParamValidationError):
        return NO_RESPONSE
    return type(error).__name__


def _split(request: list[_PendingWrite], error: Exception, code: str) -> list[list[_PendingWrite]]:
    """Split a failed request into the parts to send separately; a single part is not sent again.

    An error of a table concerns its own statements. A bug, or an error such as a statement that DynamoDB cannot parse
    or a request that is too large, may be the fault of one statement. All other errors concern all statements alike.
    """
    if code in TABLE_ERRORS:
        tables: dict[str, list[_PendingWrite]] = {}
        for write in request:
            tables.setdefault(write.table, []).append(write)
        return list(tables.values())
    if code == NO_RESPONSE or (isinstance(error, ClientError) and code not in _STATEMENT_ERRORS):
        return [request]
    half = len(request) // 2
    return [request[:half], request[half:]] if half else [request]
