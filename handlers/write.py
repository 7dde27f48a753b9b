"""Items into DynamoDB, 25 a request, each only where it is newer than what is there.

PartiQL has no upsert: INSERT fails on a key that is there (``DuplicateItem``), UPDATE on one that is not, and
UPDATE on an item that is newer fails in the same way (``ConditionalCheckFailed``). So an item has a ladder of
statements; one that its condition refuses leads to the next, and after the last one the table is known to
hold a version at least as new. No read comes first: between it and the write another function could write.
Source: Amazon DynamoDB Developer Guide, "PartiQL insert/update statements"; API reference,
``BatchExecuteStatement`` and ``BatchStatementError``.
"""

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from handlers.bugs import name_and_place
from handlers.deadline import Deadline
from handlers.effort import Effort
from handlers.fold import Key
from handlers.route import OPTIONAL_ATTRIBUTES, Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import BatchStatementRequestTypeDef, BatchStatementResponseTypeDef

MOST_STATEMENTS = 25
MOST_ATTEMPTS = 8  # some seconds against throttling and outages; after that SQS and Kinesis try again, for hours
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0

_REFUSED = frozenset({"DuplicateItem", "ConditionalCheckFailed"})
_NO_ANSWER = "NoAnswer"
OUT_OF_TIME = "OutOfTime"
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


class Written(StrEnum):
    """What became of an item that was to be written."""

    STORED = "stored"
    SUPERSEDED = "superseded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an item; ``fault`` is the error code, or the type of error, that made it fail."""

    written: Written
    fault: str | None = None


class _Climb:
    """An item on its way up its ladder of statements."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.ladder: Sequence[BatchStatementRequestTypeDef] = ()
        self.rung = 0
        self.attempts = 0
        self.fault = OUT_OF_TIME
        self.result: Result | None = None

    @property
    def statement(self) -> "BatchStatementRequestTypeDef":
        return self.ladder[self.rung]

    def take(self, code: str | None) -> None:
        """Take DynamoDB's answer to the statement: None for done, otherwise its error code."""
        if code is None:
            self.result = Result(Written.STORED)
        elif code in _REFUSED:
            self.rung, self.attempts = self.rung + 1, 0
            if self.rung == len(self.ladder):
                self.result = Result(Written.SUPERSEDED)
        else:
            self.attempts, self.fault = self.attempts + 1, code
            if code not in _PASSING or self.attempts == MOST_ATTEMPTS:
                self.result = Result(Written.FAILED, code)


class Writer:
    """Writes items to the tables, by the names that ``tables`` gives their environment variables."""

    def __init__(
        self, client: "DynamoDBClient", tables: Mapping[str, str], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._tables = tables
        self._sleep = sleep

    def write(self, items: Mapping[Key, Item], deadline: Deadline, effort: Effort) -> dict[Key, Result]:
        """Write items; what became of each.

        In the order in which they come, so that what the time did not suffice for is at the end: a Kinesis
        batch is delivered again from its first failure. What is throttled waits behind the others.
        """
        climbs = {key: self._climb(item) for key, item in items.items()}
        waiting = deque(climb for climb in climbs.values() if climb.result is None)
        strikes: Counter[str] = Counter()
        while waiting and not deadline.is_over():
            sent = [waiting.popleft() for _ in range(min(MOST_STATEMENTS, len(waiting)))]
            codes = self._send([climb.statement for climb in sent], deadline, effort)
            effort.retries += sum(code in _PASSING for code in codes)
            effort.throttles += sum(code in _THROTTLED for code in codes)
            for climb, code in zip(sent, codes, strict=True):
                climb.take(code)
                if climb.result is None:
                    # The next statement at once; the same one again after the others.
                    (waiting.appendleft if code in _REFUSED else waiting.append)(climb)
            troubles = _count(strikes, sent, codes)
            if troubles == MOST_ATTEMPTS:
                # Such a table is left alone for this invocation, and holds up no other.
                waiting = deque(climb for climb in waiting if strikes[climb.item.table] < MOST_ATTEMPTS)
            if troubles and waiting:
                self._sleep(min(_pause(troubles), deadline.seconds_left()))
        return {key: climb.result or Result(Written.FAILED, climb.fault) for key, climb in climbs.items()}

    def _climb(self, item: Item) -> _Climb:
        climb = _Climb(item)
        try:
            climb.ladder = _ladder(item, self._tables[item.table])
        except Exception as bug:  # noqa: BLE001  # one of ours must not take the other items with it
            climb.result = Result(Written.FAILED, name_and_place(bug))
        return climb

    def _send(
        self, statements: "list[BatchStatementRequestTypeDef]", deadline: Deadline, effort: Effort
    ) -> list[str | None]:
        """DynamoDB's answer to each statement: None, or an error code.

        A statement that cannot be sent, or that DynamoDB refuses to read, takes its whole request with it, so
        such a request is halved until the others have their own answers.
        """
        if deadline.is_over():
            return [OUT_OF_TIME] * len(statements)
        effort.request()
        try:
            answers = self._client.batch_execute_statement(Statements=statements)["Responses"]
            return [_code_in(answer) for _, answer in zip(statements, answers, strict=True)]
        except ClientError as error:
            code = _code_of(error)
        except ParamValidationError as error:
            code = type(error).__name__
        except (BotoCoreError, ResponseParserError):
            code = _NO_ANSWER
        except Exception as error:  # noqa: BLE001  # a bug in one statement must not take its neighbours with it
            code = type(error).__name__
        if code in _PASSING or len(statements) == 1:
            return [code] * len(statements)
        half = len(statements) // 2
        return self._send(statements[:half], deadline, effort) + self._send(statements[half:], deadline, effort)


def _code_in(answer: "BatchStatementResponseTypeDef") -> str | None:
    return answer["Error"]["Code"] if "Error" in answer else None


def _count(strikes: Counter[str], sent: list[_Climb], codes: list[str | None]) -> int:
    """Count for each table the requests in a row that brought it nothing but passing faults; the most of those sent."""
    answered = {climb.item.table for climb, code in zip(sent, codes, strict=True) if code not in _PASSING}
    tables = {climb.item.table for climb in sent}
    for table in tables:
        strikes[table] = 0 if table in answered else strikes[table] + 1
    return max(strikes[table] for table in tables)


def _code_of(error: ClientError) -> str:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return _NO_ANSWER if status >= 500 else error.response.get("Error", {}).get("Code", "")


def _pause(troubles: int) -> float:
    """Seconds to wait after so many throttled requests in a row: exponential, with full jitter."""
    longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**troubles)
    return random.uniform(0, longest)  # noqa: S311  # jitter, no secret


def _ladder(item: Item, table: str) -> "Sequence[BatchStatementRequestTypeDef]":
    insert = _insert(item, table)
    if item.version is None:
        return (insert,)
    update = _update(item, table)
    # An UPDATE that fails may have met no item, and an INSERT that then fails one that came meanwhile, older
    # than this: hence the second UPDATE.
    return (insert, update) if item.probably_new else (update, insert, update)


def _insert(item: Item, table: str) -> "BatchStatementRequestTypeDef":
    values = {name: {"S": value} for name, value in item.key} | _versioned(item)
    members = ", ".join(f"'{name}': ?" for name in values)
    return {"Statement": f'INSERT INTO "{table}" VALUE {{{members}}}', "Parameters": list(values.values())}


def _update(item: Item, table: str) -> "BatchStatementRequestTypeDef":
    values = _versioned(item)
    sets = " ".join(f'SET "{name}" = ?' for name in values)
    # A newer event replaces the item: what it does not have goes.
    removes = "".join(f' REMOVE "{name}"' for name in OPTIONAL_ATTRIBUTES if name not in values)
    where = " AND ".join(f'"{name}" = ?' for name, _ in item.key)
    newer: list[Any] = [{"S": value} for _, value in item.key] + [values["version"]]
    return {
        "Statement": f'UPDATE "{table}" {sets}{removes} WHERE {where} AND "version" < ?',
        "Parameters": [*values.values(), *newer],
    }


def _versioned(item: Item) -> dict[str, Any]:
    return dict(item.attributes) | ({} if item.version is None else {"version": {"S": item.version}})
