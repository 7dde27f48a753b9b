"""Write items to DynamoDB in batches, each only where it is newer than what the table holds.

Up to 25 statements share a request, and up to 4 requests are in flight. Each statement succeeds or fails by itself.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
    MAX_CONCURRENT_REQUESTS,
    MAX_STATEMENTS_PER_REQUEST,
    NO_RESPONSE,
    THROTTLED,
    TRANSIENT,
    FlowControl,
)
from handlers.storage.statements import StatementBuilder, confirm_newer, write_plan
from handlers.storage.transport import NEWER_VERSION_EXISTS, ErrorCode, Statement, transport_for
from handlers.telemetry.batch_stats import BatchStats
from handlers.telemetry.errors import describe_error

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DEADLINE_EXCEEDED = "DeadlineExceeded"
_CONDITION_FAILED = frozenset({"DuplicateItem", "ConditionalCheckFailed"})
# Errors of whole requests that no statement can cause: credentials, signature, clock, account or endpoint are wrong.
# Sources: API Reference, "Common Error Types"; Developer Guide, "Error handling with DynamoDB".
_CALLER_ERRORS = frozenset(
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
# Errors of whole requests that one table can cause. BatchExecuteStatement documents neither: it reports a denied or
# missing table for each statement, as AccessDenied or ResourceNotFound. But IAM names a table in its denials, and
# should one of them reject the whole request, it must not hold up the other tables.
_TABLE_ERRORS = frozenset({"AccessDeniedException", "ResourceNotFoundException"})


class WriteStatus(StrEnum):
    """What became of an item that was to be written."""

    STORED = "stored"
    SUPERSEDED = "superseded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of an item; ``error_code`` is None unless it failed, and then the last error that it met.

    The codes are, and docs/runbook.md tells what to do about them:

    - ``DeadlineExceeded``: no statement was sent, for lack of time or because its table had been given up.
    - ``NoResponse``: a timeout, a broken connection, an unreadable response, a status of 500 or more, or no
      credentials.
    - ``ConditionalCheckFailed``: the item was deleted and written again between the statements of its plan.
    - The code of a statement: ``AccessDenied``, ``InternalServerError``, ``ItemCollectionSizeLimitExceeded``,
      ``ProvisionedThroughputExceeded``, ``RequestLimitExceeded``, ``ResourceNotFound``, ``ThrottlingError``,
      ``TransactionConflict`` or ``ValidationError``. Source: API Reference, ``BatchStatementError``; ``DuplicateItem``
      is no failure here.
    - The code of a whole request: those of ``flow_control.THROTTLED``, ``_CALLER_ERRORS`` and ``_TABLE_ERRORS``,
      ``TransactionConflictException``, ``ValidationException``, ``SerializationException`` or another one of the API
      Reference's "Common Error Types"; the HTTP status, such as ``413``, where the response contains no code.
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
            self.result = _SUPERSEDED if self.plan[self.step] is confirm_newer else _STORED
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


class Writer:
    """Writes items to tables; ``tables`` maps the environment variable of a table to the table's name.

    ``client`` is a boto3 client, whose settings the transport takes over, or a test double with its method
    ``batch_execute_statement``. ``sleep`` takes seconds.
    """

    def __init__(
        self, client: "DynamoDBClient", tables: Mapping[str, str], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._transport = transport_for(client)
        self._tables = tables
        self._sleep = sleep
        self._threads = ThreadPoolExecutor(MAX_CONCURRENT_REQUESTS)

    def write(self, items: Mapping[ItemKey, Item], deadline: Deadline, stats: BatchStats) -> dict[ItemKey, WriteResult]:
        """Write items and return what became of each, under the same keys and in the same order.

        Never raises because of DynamoDB, the network or a single item: such errors are results. Without errors ``n``
        items take ``ceil(n / 25)`` requests for each step of their plans, of which there are one to three, or up to
        five where items are deleted meanwhile. Each statement has up to 8 attempts. Only the statements in flight, up
        to 100, are in memory at once.

        Items are sent in their order, so that those for which the time does not suffice are the last: Kinesis delivers
        a batch again from its first failure. A statement that met a transient error waits behind the others. ``stats``
        counts requests, transient errors and throttled statements.
        """
        writes = {key: self._pending_write(item) for key, item in items.items()}
        waiting = deque(write for write in writes.values() if write.result is None)
        flow_control = FlowControl()
        while waiting and not deadline.expired():
            sent = [waiting.popleft() for _ in range(min(flow_control.window, len(waiting)))]
            codes = self._send_all(sent, deadline, stats)
            stats.retries += sum(code in TRANSIENT for code in codes)
            stats.throttles += sum(code in THROTTLED for code in codes)
            next_steps: list[_PendingWrite] = []
            for write, code in zip(sent, codes, strict=True):
                write.record_response(code)
                if write.result is None:
                    # The next statement of a plan is sent at once, the same statement again after all others.
                    (next_steps if code in _CONDITION_FAILED else waiting).append(write)
            waiting.extendleft(reversed(next_steps))
            if delay := flow_control.record_round(sent, codes):
                waiting = deque(write for write in waiting if not flow_control.circuit_is_open(write.table))
                if waiting:
                    self._sleep(min(delay, deadline.remaining_seconds()))
        return {key: write.result or WriteResult(WriteStatus.FAILED, write.error_code) for key, write in writes.items()}

    def _pending_write(self, item: Item) -> _PendingWrite:
        write = _PendingWrite(item)
        try:
            write.table = self._tables[item.table_variable]
            write.plan = write_plan(item)
        except Exception as bug:  # noqa: BLE001  # a bug must not fail the other items
            write.result = WriteResult(WriteStatus.FAILED, describe_error(bug))
        return write

    def _send_all(self, writes: list[_PendingWrite], deadline: Deadline, stats: BatchStats) -> list[ErrorCode]:
        """Send the current statement of each write in concurrent requests; return the error codes in the same order."""
        starts = range(0, len(writes), MAX_STATEMENTS_PER_REQUEST)
        requests = [writes[start : start + MAX_STATEMENTS_PER_REQUEST] for start in starts]
        send = partial(self._send, deadline=deadline, stats=stats)
        responses = map(send, requests) if len(requests) == 1 else self._threads.map(send, requests)
        return [code for codes in responses for code in codes]

    def _send(self, writes: list[_PendingWrite], deadline: Deadline, stats: BatchStats) -> list[ErrorCode]:
        """Send one request; return the error codes in the same order.

        A request that fails as a whole because of some of its statements is split, until the others succeed without
        them.
        """
        if deadline.expired():
            return [DEADLINE_EXCEEDED] * len(writes)
        stats.count_request()
        try:
            codes = self._transport.send([write.statement() for write in writes])
            return [code for _, code in zip(writes, codes, strict=True)]
        except ClientError as error:
            code = _error_code(error)
        except ParamValidationError as error:
            code = type(error).__name__
        except (BotoCoreError, ResponseParserError):
            code = NO_RESPONSE
        except Exception as bug:  # noqa: BLE001  # a bug in one statement must not fail the others of its request
            code = type(bug).__name__
        parts = _split(writes, code)
        if len(parts) == 1:
            return [code] * len(writes)
        codes_by_write: dict[_PendingWrite, ErrorCode] = {}
        for part in parts:
            codes_by_write.update(zip(part, self._send(part, deadline, stats), strict=True))
        return [codes_by_write[write] for write in writes]


def _error_code(error: ClientError) -> str:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return NO_RESPONSE if status >= 500 else error.response.get("Error", {}).get("Code", "")


def _split(writes: list[_PendingWrite], code: str) -> list[list[_PendingWrite]]:
    """Split a failed request into the parts to send separately; a single part is not sent again.

    Transient errors and errors of the caller concern all statements alike, errors of a table its own statements.
    Anything else, such as a statement that DynamoDB cannot parse or a request that is too large, may be the fault of
    one statement.
    """
    if code in TRANSIENT or code in _CALLER_ERRORS:
        return [writes]
    if code in _TABLE_ERRORS:
        tables: dict[str, list[_PendingWrite]] = {}
        for write in writes:
            tables.setdefault(write.table, []).append(write)
        return list(tables.values())
    half = len(writes) // 2
    return [writes[:half], writes[half:]] if half else [writes]
