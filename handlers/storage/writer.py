"""Items into DynamoDB, 25 a request and some requests at once, each item only where it is newer than what is there.

PartiQL has no upsert: INSERT fails on a key that is there (``DuplicateItem``), UPDATE on one that is not, and
UPDATE on an item that is newer fails in the same way (``ConditionalCheckFailed``), but then DynamoDB shows the
item. So an item has a ladder of statements; one that its condition refuses leads to the next, and after the last one,
or when an UPDATE was shown an item, the table is known to hold a version at least as new. No read comes first: between
it and the write another function could write.
Source: Amazon DynamoDB Developer Guide, "PartiQL insert/update statements"; API reference,
``BatchExecuteStatement``, ``BatchStatementRequest`` and ``BatchStatementError``.
"""

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, partial
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from handlers.deadline import Deadline
from handlers.items.attributes import ENTITY
from handlers.items.compact import ItemKey
from handlers.items.item import Item
from handlers.storage.transport import NEWER_IS_THERE, Code, Statement, connection
from handlers.telemetry.batch_stats import BatchStats
from handlers.telemetry.errors import describe_error

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_STATEMENTS_PER_REQUEST = 25
MAX_CONCURRENT_REQUESTS = 4  # hides DynamoDB's milliseconds behind our own; more would gain little on one processor
_MOST_AT_ONCE = MAX_CONCURRENT_REQUESTS * MAX_STATEMENTS_PER_REQUEST
MAX_ATTEMPTS = 8  # some seconds against throttling and outages; after that SQS and Kinesis try again, for hours
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0

_REFUSED = frozenset({"DuplicateItem", "ConditionalCheckFailed"})
_NO_ANSWER = "NoAnswer"
DEADLINE_EXCEEDED = "OutOfTime"
_THROTTLED = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingError",
        "ThrottlingException",
    }
)
_PASSING = _THROTTLED | {_NO_ANSWER, "InternalServerError", "TransactionConflict", "TransactionConflictException"}


class WriteStatus(StrEnum):
    """What became of an item that was to be written."""

    STORED = "stored"
    SUPERSEDED = "superseded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of an item; ``fault`` is the error code, or the type of error, that made it fail."""

    status: WriteStatus
    error_code: str | None = None


_STORED, _SUPERSEDED = WriteResult(WriteStatus.STORED), WriteResult(WriteStatus.SUPERSEDED)


class _Climb:
    """An item on its way up its ladder of statements."""

    __slots__ = ("attempts", "fault", "item", "ladder", "result", "rung", "table")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.table = ""
        self.ladder: Sequence[Rung] = ()
        self.rung = 0
        self.attempts = 0
        self.fault = DEADLINE_EXCEEDED
        self.result: WriteResult | None = None

    def statement(self) -> Statement:
        # Made when it is sent, so that those of a large batch are not all in memory.
        return self.ladder[self.rung](self.item, self.table)

    def take(self, code: Code) -> None:
        """Take DynamoDB's answer to the statement: None for done, otherwise its error code."""
        if code is None:
            self.result = _STORED
        elif code == NEWER_IS_THERE:
            self.result = _SUPERSEDED
        elif code in _REFUSED:
            self.rung, self.attempts = self.rung + 1, 0
            if self.rung == len(self.ladder):
                self.result = _SUPERSEDED
        else:
            self.attempts, self.fault = self.attempts + 1, code
            if code not in _PASSING or self.attempts == MAX_ATTEMPTS:
                self.result = WriteResult(WriteStatus.FAILED, code)


class _Pace:
    """How much goes at once, and how long to wait between, by what DynamoDB has answered."""

    def __init__(self) -> None:
        self.width = _MOST_AT_ONCE
        self._strikes: Counter[str] = Counter()

    def take(self, sent: list[_Climb], codes: list[Code]) -> float:
        """Take the answers to a round; how many seconds to wait before the next."""
        self._count(sent, codes)
        tries = max((climb.attempts for climb, code in zip(sent, codes, strict=True) if code in _PASSING), default=0)
        if not tries:
            self.width = min(_MOST_AT_ONCE, self.width * 2)
            return 0.0
        if not _PASSING.issuperset(codes):
            # A partition is throttled by itself, and may hold a whole course: it gets less, while others are done.
            self.width = max(1, self.width // 2)
        return _pause(max(tries, *(self._strikes[climb.item.table_variable] for climb in sent)))

    def gives_up(self, table: str) -> bool:
        """Whether a table is left alone for this invocation, so that it holds up no other."""
        return self._strikes[table] >= MAX_ATTEMPTS

    def _count(self, sent: list[_Climb], codes: list[Code]) -> None:
        """Count for each table the rounds in a row that brought it nothing but passing faults."""
        answered = {climb.item.table_variable for climb, code in zip(sent, codes, strict=True) if code not in _PASSING}
        for table in {climb.item.table_variable for climb in sent}:
            self._strikes[table] = 0 if table in answered else self._strikes[table] + 1


class Writer:
    """Writes items to the tables, by the names that ``tables`` gives their environment variables."""

    def __init__(
        self, client: "DynamoDBClient", tables: Mapping[str, str], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._connection = connection(client)
        self._tables = tables
        self._sleep = sleep
        self._threads = ThreadPoolExecutor(MAX_CONCURRENT_REQUESTS)

    def write(self, items: Mapping[ItemKey, Item], deadline: Deadline, stats: BatchStats) -> dict[ItemKey, WriteResult]:
        """Write items; what became of each.

        In the order in which they come, so that what the time did not suffice for is at the end: a Kinesis
        batch is delivered again from its first failure. What is throttled waits behind the others.
        """
        climbs = {key: self._climb(item) for key, item in items.items()}
        waiting = deque(climb for climb in climbs.values() if climb.result is None)
        pace = _Pace()
        while waiting and not deadline.expired():
            sent = [waiting.popleft() for _ in range(min(pace.width, len(waiting)))]
            codes = self._send_all(sent, deadline, stats)
            stats.retries += sum(code in _PASSING for code in codes)
            stats.throttles += sum(code in _THROTTLED for code in codes)
            again: list[_Climb] = []
            for climb, code in zip(sent, codes, strict=True):
                climb.take(code)
                if climb.result is None:
                    # The next statement at once; the same one again after the others.
                    (again if code in _REFUSED else waiting).append(climb)
            waiting.extendleft(reversed(again))
            if pause := pace.take(sent, codes):
                waiting = deque(climb for climb in waiting if not pace.gives_up(climb.item.table_variable))
                if waiting:
                    self._sleep(min(pause, deadline.remaining_seconds()))
        return {key: climb.result or WriteResult(WriteStatus.FAILED, climb.fault) for key, climb in climbs.items()}

    def _climb(self, item: Item) -> _Climb:
        climb = _Climb(item)
        try:
            climb.table = self._tables[item.table_variable]
            climb.ladder = _ladder(item)
        except Exception as bug:  # noqa: BLE001  # one of ours must not take the other items with it
            climb.result = WriteResult(WriteStatus.FAILED, describe_error(bug))
        return climb

    def _send_all(self, climbs: list[_Climb], deadline: Deadline, stats: BatchStats) -> list[Code]:
        """DynamoDB's answer to the statement of each: None, or an error code."""
        requests = [
            climbs[first : first + MAX_STATEMENTS_PER_REQUEST]
            for first in range(0, len(climbs), MAX_STATEMENTS_PER_REQUEST)
        ]
        send = partial(self._send, deadline=deadline, stats=stats)
        answers = map(send, requests) if len(requests) == 1 else self._threads.map(send, requests)
        return [code for codes in answers for code in codes]

    def _send(self, climbs: list[_Climb], deadline: Deadline, stats: BatchStats) -> list[Code]:
        """DynamoDB's answers to one request.

        A statement that cannot be made, or that DynamoDB refuses to read, takes its whole request with it, so
        such a request is halved until the others have their own answers.
        """
        if deadline.expired():
            return [DEADLINE_EXCEEDED] * len(climbs)
        stats.count_request()
        try:
            codes = self._connection.send([climb.statement() for climb in climbs])
            return [code for _, code in zip(climbs, codes, strict=True)]
        except ClientError as error:
            code = _code_of(error)
        except ParamValidationError as error:
            code = type(error).__name__
        except (BotoCoreError, ResponseParserError):
            code = _NO_ANSWER
        except Exception as bug:  # noqa: BLE001  # a bug in one statement must not take its neighbours with it
            code = type(bug).__name__
        if code in _PASSING or len(climbs) == 1:
            return [code] * len(climbs)
        half = len(climbs) // 2
        return self._send(climbs[:half], deadline, stats) + self._send(climbs[half:], deadline, stats)


def _code_of(error: ClientError) -> str:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return _NO_ANSWER if status >= 500 else error.response.get("Error", {}).get("Code", "")


def _pause(troubles: int) -> float:
    """Seconds to wait after so many throttled requests in a row: exponential, with full jitter."""
    longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**troubles)
    return random.uniform(0, longest)  # noqa: S311  # jitter, no secret


def _insert(item: Item, table: str) -> Statement:
    return Statement(_insert_text(table, tuple(item.attributes)), tuple(item.attributes.values()))


def _update(item: Item, table: str) -> Statement:
    key = tuple(name for name, _ in item.key)
    others = tuple(name for name in item.attributes if name not in key)
    parameters = tuple(item.attributes[name] for name in (*others, *key, "version"))
    return Statement(_update_text(table, key, others), parameters, shows=True)


Rung = Callable[[Item, str], Statement]


def _ladder(item: Item) -> Sequence[Rung]:
    if item.version is None:
        return (_insert,)
    # An UPDATE that fails may have met no item, and an INSERT that then fails one that came meanwhile, older
    # than this: hence the second UPDATE.
    return (_insert, _update) if item.insert_first else (_update, _insert, _update)


@cache
def _insert_text(table: str, names: tuple[str, ...]) -> str:
    members = ", ".join(f"'{name}': ?" for name in names)
    return f'INSERT INTO "{table}" VALUE {{{members}}}'


@cache
def _update_text(table: str, key: tuple[str, ...], others: tuple[str, ...]) -> str:
    sets = " ".join(f'SET "{name}" = ?' for name in others)
    # A newer event replaces the item: what it does not have goes.
    removes = "".join(f' REMOVE "{name}"' for name in sorted(ENTITY.optional) if name not in others)
    where = " AND ".join(f'"{name}" = ?' for name in key)
    return f'UPDATE "{table}" {sets}{removes} WHERE {where} AND "version" < ?'
