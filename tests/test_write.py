"""Conditional writes in batches: on real engines where they behave as DynamoDB, with scripted answers for faults."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError, ParamValidationError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from cli.local.ministack import LocalAws
from handlers.deadline import Deadline
from handlers.items.compact import compact, item_key
from handlers.items.item import Item, PrimaryKey
from handlers.items.rejection import TABLE_VARIABLE as REJECTED_TABLE
from handlers.storage.attribute_value import serialize
from handlers.storage.writer import (
    DEADLINE_EXCEEDED,
    MAX_ATTEMPTS,
    MAX_CONCURRENT_REQUESTS,
    MAX_STATEMENTS_PER_REQUEST,
    Writer,
    WriteResult,
    WriteStatus,
)
from handlers.telemetry.batch_stats import BatchStats
from tests.conftest import TABLES, Tables, client_of, empty_tables

ROUND = MAX_CONCURRENT_REQUESTS * MAX_STATEMENTS_PER_REQUEST


def item(
    entity: str = "module#1",
    version: str = "2",
    *,
    insert_first: bool = False,
    table: str = "MODULES_TABLE",
    attributes: dict[str, str] | None = None,
) -> Item:
    """An item with attributes that are texts."""
    key = PrimaryKey(("context", "c"), ("entity", entity))
    texts = {**(attributes or {}), **dict(key), "version": version}
    return Item(table, key, version, {name: serialize(text) for name, text in texts.items()}, insert_first)


def rejected(payload: bytes) -> Item:
    """An item that has but one version."""
    key = PrimaryKey(("reason", "r"), ("record", "1"))
    attributes = {name: serialize(value) for name, value in [("payload", payload), *key]}
    return Item(REJECTED_TABLE, key, None, attributes, insert_first=True)


def enough_time() -> Deadline:
    """A deadline that does not come."""
    return Deadline(lambda: 60_000)


def write(client: Any, *items: Item, sleep: Callable[[float], None] = lambda _: None) -> list[WriteResult]:
    """Write items; what became of each."""
    results = Writer(client, TABLES, sleep).write(compact(items), enough_time(), BatchStats())
    return [results[item_key(each)] for each in items]


STORED, SUPERSEDED = WriteResult(WriteStatus.STORED), WriteResult(WriteStatus.SUPERSEDED)


@pytest.mark.parametrize("insert_first", [True, False])
def test_only_a_newer_version_is_written(tables: Tables, insert_first: bool) -> None:
    """Whichever statement comes first, an item is stored when it is new or newer, and superseded otherwise."""
    client = client_of(tables)
    for version, result in [("2", STORED), ("1", SUPERSEDED), ("2", SUPERSEDED), ("3", STORED), ("2", SUPERSEDED)]:
        assert write(client, item(version=version, insert_first=insert_first, attributes={"title": version})) == [
            result
        ]
    assert tables.items("modules") == [
        {"context": {"S": "c"}, "entity": {"S": "module#1"}, "version": {"S": "3"}, "title": {"S": "3"}}
    ]


def test_a_newer_version_replaces_all_of_the_item(tables: Tables) -> None:
    """What the newer event does not say is gone: nothing of the older one stays."""
    client = client_of(tables)
    old = {"event_name": "old", "event_time": "old", "body": "old", "user_id": "1", "deleted": "old"}
    new = {"event_name": "new", "event_time": "new", "body": "new"}
    write(client, item(version="1", insert_first=True, attributes=old))
    assert write(client, item(version="2", attributes=new)) == [STORED]
    (kept,) = tables.items("modules")
    assert kept == {
        "context": {"S": "c"},
        "entity": {"S": "module#1"},
        "version": {"S": "2"},
        **{name: {"S": text} for name, text in new.items()},
    }


def test_hundreds_of_items_of_all_tables_go_in_one_call(tables: Tables) -> None:
    """Items of several tables, new, newer and older, are each written by their own condition."""
    client = client_of(tables)
    variables = [name for name in TABLES if name != "REJECTED_TABLE"]
    old = [item(f"e#{n}", "5", insert_first=True, table=variables[n % 4]) for n in range(60)]
    assert write(client, *old) == [STORED] * 60
    mixed = [item(f"e#{n}", str(4 + n % 3), insert_first=bool(n % 2), table=variables[n % 4]) for n in range(120)]
    assert write(client, *mixed) == [STORED if n >= 60 or n % 3 == 2 else SUPERSEDED for n in range(120)]
    assert sum(len(items) for items in tables.entities().values()) == 120


def test_a_rejected_record_is_written_once(tables: Tables) -> None:
    """An item without versions is inserted; the second time it is there already, as it was."""
    client = client_of(tables)
    assert write(client, rejected(b"x")) == [STORED]
    assert write(client, rejected(b"y")) == [SUPERSEDED]
    assert tables.items("rejected") == [{"reason": {"S": "r"}, "record": {"S": "1"}, "payload": {"B": b"x"}}]


def test_a_missing_table_fails_its_own_items(tables: Tables) -> None:
    """The items of a table that is not there wait; those of the others are stored."""
    client = client_of(tables)
    tables.client.delete_table(TableName="courses")
    results = write(client, item("a"), item("b", table="COURSES_TABLE"), item("d"))
    assert results == [STORED, WriteResult(WriteStatus.FAILED, "ResourceNotFound"), STORED]


def test_one_poisoned_statement_takes_no_other_with_it(tables: Tables) -> None:
    """An item that DynamoDB refuses to read fails alone, wherever in the batch it is."""
    client = client_of(tables)
    items = [item(f"e#{n}", insert_first=True) for n in range(40)]
    items[17] = item("e" * 2_000, insert_first=True)  # a key of over 1024 bytes
    good = items[18]
    items[18] = Item(
        good.table_variable, good.key, "2", {**good.attributes, "t": '{"N":"' + "1" * 50 + '"}'}, insert_first=True
    )
    results = write(client, *items)
    # MiniStack takes both.
    assert [result for n, result in enumerate(results) if n not in (17, 18)] == [STORED] * 38


class Scripted:
    """A client that answers requests by a script: an exception to raise, or the error code of each statement."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.requests: list[list[str]] = []

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Answer the next request; when the script is at its end everything succeeds."""
        self.requests.append([statement["Statement"].split()[0] for statement in Statements])
        answer = self.script.pop(0) if self.script else None
        if isinstance(answer, Exception):
            raise answer
        codes = answer if isinstance(answer, list) else [answer] * len(Statements)
        return {"Responses": [{"Error": {"Code": code}} if code else {} for code in codes]}


def entity_of(statement: Any) -> str:
    """The entity that a statement is about."""
    entity: str = next(each["S"] for each in statement["Parameters"] if each["S"].startswith(("e#", "hot")))
    return entity


class AnswersOnce:
    """A client that answers the first statement about one entity with an error code; all else succeeds."""

    def __init__(self, entity: str, code: str) -> None:
        self.waiting = {entity: code}
        self.requests: list[list[str]] = []

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Answer each statement by its entity."""
        self.requests.append([statement["Statement"].split()[0] for statement in Statements])
        codes = [self.waiting.pop(entity_of(statement), None) for statement in Statements]
        return {"Responses": [{"Error": {"Code": code}} if code else {} for code in codes]}


class AnswersTogether:
    """A client that answers no request before a whole round of them is there."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(MAX_CONCURRENT_REQUESTS, timeout=20)
        self.answered: list[int] = []

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Wait for the others, then succeed; a round that does not come breaks the barrier, and with it the writes."""
        self.barrier.wait()
        self.answered.append(len(Statements))
        return {"Responses": [{}] * len(Statements)}


class RefusesWith:
    """A client that raises an exception for every request with one entity in it; all others succeed."""

    def __init__(self, entity: str, fault: Exception) -> None:
        self.entity = entity
        self.fault = fault

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Answer the request by its entities."""
        if self.entity in map(entity_of, Statements):
            raise self.fault
        return {"Responses": [{}] * len(Statements)}


class ThrottlesTable:
    """A client for which one table is throttled and all others are well."""

    def __init__(self, table: str) -> None:
        self.table = f'"{table}"'

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Answer each statement by its table."""
        throttled = {"Error": {"Code": "ThrottlingError"}}
        return {"Responses": [throttled if self.table in each["Statement"] else {} for each in Statements]}


def client_error(code: str, status: int = 400) -> ClientError:
    """An error of a whole request."""
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "BatchExecuteStatement")


@pytest.mark.parametrize(
    ("insert_first", "script", "requests", "result"),
    [
        (True, [], ["INSERT"], STORED),
        (True, ["DuplicateItem"], ["INSERT", "UPDATE"], STORED),
        (True, ["DuplicateItem", "ConditionalCheckFailed"], ["INSERT", "UPDATE"], SUPERSEDED),
        (False, [], ["UPDATE"], STORED),
        (False, ["ConditionalCheckFailed"], ["UPDATE", "INSERT"], STORED),
        # Between the two another function has put an older version there.
        (False, ["ConditionalCheckFailed", "DuplicateItem"], ["UPDATE", "INSERT", "UPDATE"], STORED),
        (
            False,
            ["ConditionalCheckFailed", "DuplicateItem", "ConditionalCheckFailed"],
            ["UPDATE", "INSERT", "UPDATE"],
            SUPERSEDED,
        ),
    ],
)
def test_the_ladder_of_statements(
    insert_first: bool, script: list[str], requests: list[str], result: WriteResult
) -> None:
    """A refused statement leads to the next, and only after the last one the item is superseded."""
    client = Scripted(*script)
    assert write(client, item(insert_first=insert_first)) == [result]
    assert client.requests == [[each] for each in requests]


class Counts:
    """A client of an engine that remembers what was sent through it."""

    def __init__(self, aws: LocalAws) -> None:
        self.client = aws.client("dynamodb")
        self.requests: list[list[str]] = []

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Pass the request on."""
        self.requests.append([statement["Statement"].split()[0] for statement in Statements])
        return self.client.batch_execute_statement(Statements=Statements)


@pytest.fixture
def shows_items(local_aws: LocalAws) -> Counts:
    """An engine that shows the item by which it refuses an update, as DynamoDB does."""
    return _counting(local_aws)


@pytest.fixture
def shows_none(dynamodb_local: LocalAws) -> Counts:
    """An engine that does not show it."""
    return _counting(dynamodb_local)


def _counting(aws: LocalAws) -> Counts:
    empty_tables(aws)
    return Counts(aws)


def test_what_is_superseded_costs_one_update_where_the_newer_item_is_shown(shows_items: Counts) -> None:
    """An update that is shown a version as new or newer ends the ladder: one request, one statement."""
    assert write(shows_items, item(version="2", insert_first=True)) == [STORED]
    for version in ("1", "2"):
        shows_items.requests.clear()
        assert write(shows_items, item(version=version)) == [SUPERSEDED]
        assert shows_items.requests == [["UPDATE"]]
    shows_items.requests.clear()
    assert write(shows_items, item("e#2")) == [STORED]  # nothing is there, so nothing is shown
    assert shows_items.requests == [["UPDATE"], ["INSERT"]]


def test_the_ladder_ends_where_no_item_is_shown(shows_none: Counts) -> None:
    """An engine that shows nothing gets every statement of the ladder, and the end is the same."""
    assert write(shows_none, item(version="2", insert_first=True)) == [STORED]
    shows_none.requests.clear()
    assert write(shows_none, item(version="1")) == [SUPERSEDED]
    assert shows_none.requests == [["UPDATE"], ["INSERT"], ["UPDATE"]]


def test_only_updates_ask_for_the_item_that_refuses_them() -> None:
    """An insert that finds an item must go on to the update, whatever version it found."""
    asked: dict[str, object] = {}

    class Asked(Scripted):
        def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
            for each in Statements:
                asked[each["Statement"].split()[0]] = each.get("ReturnValuesOnConditionCheckFailure")
            return super().batch_execute_statement(Statements)

    write(Asked("DuplicateItem"), item(insert_first=True))
    assert asked == {"INSERT": None, "UPDATE": "ALL_OLD"}


@pytest.mark.parametrize(
    "fault",
    [
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "InternalServerError",
        "TransactionConflict",
        client_error("ThrottlingException"),
        client_error("ProvisionedThroughputExceededException"),
        client_error("TransactionConflictException"),
        client_error("LimitExceededException"),
        client_error("InternalServerError", 500),
        client_error("SomethingNew", 500),
        client_error("ServiceUnavailable", 503),
        ReadTimeoutError(endpoint_url="https://dynamodb"),
        ResponseParserError("not JSON"),
    ],
    ids=str,
)
def test_a_passing_fault_is_tried_again(fault: Any) -> None:
    """Throttling, time-outs and errors of the server pass: the same statement is sent again, after a pause."""
    pauses: list[float] = []
    client = Scripted(fault, fault)
    assert write(client, item(), sleep=pauses.append) == [STORED]
    assert client.requests == [["UPDATE"]] * 3
    assert len(pauses) == 2
    assert all(0 <= pause <= 0.2 for pause in pauses)


def test_pauses_grow_and_end() -> None:
    """The longest possible pause doubles with each fault up to two seconds, and each pause is any part of it."""
    random.seed(1)
    invocations = []
    for _ in range(200):
        pauses: list[float] = []
        write(Scripted(*["ThrottlingError"] * (MAX_ATTEMPTS - 1)), item(), sleep=pauses.append)
        invocations.append(pauses)
    longest = [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    for limit, drawn in zip(longest, zip(*invocations, strict=True), strict=True):
        assert 0 <= min(drawn) < limit / 10
        assert limit * 9 / 10 < max(drawn) <= limit


def test_no_pause_outlasts_the_time() -> None:
    """A pause ends with the time that is left for writing."""
    remaining = iter([60_000] * 3)  # at the start, and until the first answer is there
    pauses: list[float] = []
    client = Scripted(*["ThrottlingError"] * 100)
    random.seed(1)
    Writer(client, TABLES, pauses.append).write(  # type: ignore[arg-type]  # all of a client that it uses
        compact([item()]), Deadline(lambda: next(remaining, 6_001)), BatchStats()
    )
    assert set(pauses) == {0.001}


def test_retries_of_one_statement_are_bounded() -> None:
    """A statement that is throttled for ever fails, and what is beside it is stored."""
    client = Scripted(*[["ThrottlingError", None]], *[["ThrottlingError"]] * 20)
    assert write(client, item("hot"), item("cold")) == [WriteResult(WriteStatus.FAILED, "ThrottlingError"), STORED]
    assert len(client.requests) == MAX_ATTEMPTS


def test_each_statement_has_attempts_of_its_own() -> None:
    """What one statement of the ladder went through does not count against the next."""
    throttled = ["ThrottlingError"] * (MAX_ATTEMPTS - 1)
    client = Scripted(*throttled, "ConditionalCheckFailed", *throttled)
    assert write(client, item()) == [STORED]
    assert client.requests == [["UPDATE"]] * MAX_ATTEMPTS + [["INSERT"]] * MAX_ATTEMPTS


def test_an_outage_is_not_hammered() -> None:
    """When round after round of requests gets no answer the rest of the batch is not tried, and the cause is told."""
    client = Scripted(*[ReadTimeoutError(endpoint_url="https://dynamodb")] * 100)
    pauses: list[float] = []
    results = write(client, *[item(f"e#{n}") for n in range(1_000)], sleep=pauses.append)
    assert {result.status for result in results} == {WriteStatus.FAILED}
    assert results[0] == WriteResult(WriteStatus.FAILED, "NoAnswer")
    assert results[MAX_ATTEMPTS * ROUND :] == [WriteResult(WriteStatus.FAILED, DEADLINE_EXCEEDED)] * (
        1_000 - MAX_ATTEMPTS * ROUND
    )
    assert list(map(len, client.requests)) == [MAX_STATEMENTS_PER_REQUEST] * MAX_CONCURRENT_REQUESTS * MAX_ATTEMPTS
    assert len(pauses) == MAX_ATTEMPTS - 1


def test_a_throttled_table_holds_up_no_other() -> None:
    """The items of a table that only throttles are given up after some rounds; those of another are stored."""
    client = ThrottlesTable("modules")
    many = MAX_ATTEMPTS * ROUND + 100
    hot = [item(f"e#{n}") for n in range(many)]
    cold = [item(f"e#{n}", table="COURSES_TABLE") for n in range(60)]
    pauses: list[float] = []
    results = write(client, *hot, *cold, sleep=pauses.append)
    assert {result.status for result in results[:many]} == {WriteStatus.FAILED}
    assert results[0] == WriteResult(WriteStatus.FAILED, "ThrottlingError")
    assert results[many:] == [STORED] * 60
    assert len(pauses) == MAX_ATTEMPTS


def test_halving_stops_when_time_is_up() -> None:
    """A request that is being halved asks for the time before each half."""
    remaining = iter([60_000] * 3)  # at the start, and twice for the first request
    client = Scripted(*[client_error("ValidationException")] * 9)
    results = Writer(client, TABLES, lambda _: None).write(  # type: ignore[arg-type]  # all of a client that it uses
        compact(item(f"e#{n}") for n in range(8)), Deadline(lambda: next(remaining, 6_000)), BatchStats()
    )
    assert set(results.values()) == {WriteResult(WriteStatus.FAILED, DEADLINE_EXCEEDED)}
    assert len(client.requests) == 1


def test_an_answer_of_the_wrong_length_is_none() -> None:
    """A response that does not answer every statement is not taken for one that does."""
    client = Scripted([None], None, None)
    assert write(client, item("a"), item("b")) == [STORED, STORED]
    assert list(map(len, client.requests)) == [2, 1, 1]


@pytest.mark.parametrize(
    ("poison", "fault"),
    [
        (client_error("ValidationException"), "ValidationException"),
        (ClientError({}, "BatchExecuteStatement"), ""),
        (ParamValidationError(report="no"), "ParamValidationError"),
        (UnicodeEncodeError("utf-8", "", 0, 1, ""), "UnicodeEncodeError"),
    ],
)
def test_a_request_that_cannot_be_read_is_halved(poison: Exception, fault: str) -> None:
    """A request that is refused as a whole is halved until the bad statement stands alone."""
    client = Scripted(poison, None, poison, poison, None)
    results = write(client, *[item(f"e#{n}") for n in range(4)])
    assert results == [STORED, STORED, WriteResult(WriteStatus.FAILED, fault), STORED]
    assert list(map(len, client.requests)) == [4, 2, 2, 1, 1]


def test_a_statement_that_cannot_be_made_fails_alone() -> None:
    """A bug in the item of one statement is told by its type, and the other items are stored."""
    good = item("e#1")
    no_text: Any = {**good.attributes, "body": {"S": "a secret"}}
    client = Scripted()
    results = write(
        client, item("e#0"), Item(good.table_variable, good.key, "2", no_text, insert_first=False), item("e#2")
    )
    assert results == [STORED, WriteResult(WriteStatus.FAILED, "TypeError"), STORED]
    assert sum(map(len, client.requests)) == 2


@pytest.mark.parametrize("code", ["ResourceNotFound", "AccessDenied", "ValidationError", "SomethingNew"])
def test_a_lasting_fault_of_one_statement_fails_at_once(code: str) -> None:
    """A missing table or permission does not mend itself within a second: the item waits for its next delivery."""
    client = Scripted([code, None])
    assert write(client, item("a"), item("b")) == [WriteResult(WriteStatus.FAILED, code), STORED]
    assert len(client.requests) == 1


def test_nothing_is_begun_when_time_is_up() -> None:
    """What the time does not suffice for is handed back untried, in the order of the batch."""
    looks = 1 + 2 * (
        1 + MAX_CONCURRENT_REQUESTS
    )  # at the start, and in two rounds before the round and before each request
    remaining = iter([60_000] * looks)
    client = Scripted()
    results = Writer(client, TABLES, lambda _: None).write(  # type: ignore[arg-type]  # all of a client that it uses
        compact(item(f"e#{n}") for n in range(4 * ROUND)), Deadline(lambda: next(remaining, 6_000)), BatchStats()
    )
    assert (
        list(results.values())
        == [STORED] * 2 * ROUND + [WriteResult(WriteStatus.FAILED, DEADLINE_EXCEEDED)] * 2 * ROUND
    )
    assert list(map(len, client.requests)) == [MAX_STATEMENTS_PER_REQUEST] * 2 * MAX_CONCURRENT_REQUESTS


def test_no_request_of_a_round_is_begun_when_time_is_up() -> None:
    """Each request of a round asks for the time before it is sent; what it does not send is handed back."""
    remaining = iter([60_000] * 3)  # at the start, before the round, and before one of its requests
    client = Scripted()
    results = Writer(client, TABLES, lambda _: None).write(  # type: ignore[arg-type]  # all of a client that it uses
        compact(item(f"e#{n}") for n in range(ROUND)), Deadline(lambda: next(remaining, 6_000)), BatchStats()
    )
    unsent = WriteResult(WriteStatus.FAILED, DEADLINE_EXCEEDED)
    assert Counter(results.values()) == {STORED: MAX_STATEMENTS_PER_REQUEST, unsent: ROUND - MAX_STATEMENTS_PER_REQUEST}
    assert list(map(len, client.requests)) == [MAX_STATEMENTS_PER_REQUEST]


def test_what_a_write_takes_is_counted() -> None:
    """Every request counts, those of halves too, and every fault that passes; throttling by itself besides."""
    stats = BatchStats()
    client = Scripted(
        ["ThrottlingError", "InternalServerError", "ResourceNotFound"], client_error("ValidationException"), None, None
    )
    Writer(client, TABLES, lambda _: None).write(  # type: ignore[arg-type]  # all of a client that it uses
        compact([item("a"), item("b"), item("c")]), enough_time(), stats
    )
    assert (stats.dynamodb_requests, stats.retries, stats.throttles) == (4, 2, 1)


def test_a_throttled_statement_waits_behind_the_others() -> None:
    """What is throttled is sent again after all that was not sent yet."""
    client = AnswersOnce("hot", "ThrottlingError")
    items = [item("hot"), *[item(f"e#{n}", insert_first=True) for n in range(ROUND + 4)]]
    assert write(client, *items) == [STORED] * (ROUND + 5)
    first, (second,) = client.requests[:MAX_CONCURRENT_REQUESTS], client.requests[MAX_CONCURRENT_REQUESTS:]
    full = ["INSERT"] * MAX_STATEMENTS_PER_REQUEST
    assert sorted(first) == [*[full] * (MAX_CONCURRENT_REQUESTS - 1), ["UPDATE", *full[1:]]]
    assert second == [*["INSERT"] * 5, "UPDATE"]


def test_a_refused_statement_goes_on_before_new_ones_begin() -> None:
    """The next round is filled up with new items behind those that are half-way."""
    client = AnswersOnce("e#30", "DuplicateItem")
    assert write(client, *[item(f"e#{n}", insert_first=True) for n in range(ROUND + 5)]) == [STORED] * (ROUND + 5)
    assert (
        client.requests[:MAX_CONCURRENT_REQUESTS] == [["INSERT"] * MAX_STATEMENTS_PER_REQUEST] * MAX_CONCURRENT_REQUESTS
    )
    assert client.requests[MAX_CONCURRENT_REQUESTS:] == [["UPDATE", *["INSERT"] * 5]]


def test_the_requests_of_a_round_are_under_way_at_the_same_time() -> None:
    """No request waits for another's answer: they are all sent before the first one is answered."""
    client = AnswersTogether()
    assert write(client, *[item(f"e#{n}") for n in range(2 * ROUND)]) == [STORED] * 2 * ROUND
    assert client.answered == [MAX_STATEMENTS_PER_REQUEST] * 2 * MAX_CONCURRENT_REQUESTS


@pytest.mark.parametrize(
    ("fault", "failed"),
    [
        (client_error("ValidationException"), 1),
        (KeyError("a bug"), 1),
        (client_error("ThrottlingException"), MAX_STATEMENTS_PER_REQUEST),
        (ReadTimeoutError(endpoint_url="https://dynamodb"), MAX_STATEMENTS_PER_REQUEST),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_request_that_fails_takes_none_of_its_round_with_it(fault: Exception, failed: int) -> None:
    """What one request comes to, the others of its round do not: their items are stored at once."""
    client = RefusesWith("e#30", fault)
    results = write(client, *[item(f"e#{n}") for n in range(ROUND)])
    assert results[30].status is WriteStatus.FAILED
    assert [result.status for result in results].count(WriteStatus.STORED) == ROUND - failed
    assert all(result == STORED for n, result in enumerate(results) if n // MAX_STATEMENTS_PER_REQUEST != 1)


class Bucket:
    """A client for one partition of DynamoDB: so many statements a second are done, the others throttled.

    Its clock goes on while the writer sleeps, and a little with each request.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst, self.tokens = rate, burst, burst

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.tokens = min(self.burst, self.tokens + seconds * self.rate)

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Do as many as the partition can."""
        self.sleep(0.005)
        answers: list[Any] = []
        for _ in Statements:
            is_done = self.tokens >= 1
            self.tokens -= is_done
            answers.append({} if is_done else {"Error": {"Code": "ProvisionedThroughputExceeded"}})
        return {"Responses": answers}


@pytest.mark.parametrize(("items", "rate", "burst"), [(1_000, 500, 500), (1_000, 200, 200), (300, 500, 10)])
def test_a_throttled_partition_gets_what_it_can_take(items: int, rate: float, burst: float) -> None:
    """A course that is copied is one partition, with a limit of its own: its items wait for it, and all are stored."""
    client = Bucket(rate, burst)
    random.seed(1)
    assert write(client, *[item(f"e#{n}") for n in range(items)], sleep=client.sleep) == [STORED] * items


@pytest.mark.parametrize(
    ("error", "result"),
    [
        ({"Code": "ConditionalCheckFailed", "Item": {"version": {"S": "2"}}}, SUPERSEDED),
        ({"Code": "ConditionalCheckFailed", "Item": {}}, STORED),
        ({"Code": "ConditionalCheckFailed", "Item": None}, STORED),
        ({"Code": "ThrottlingError", "Item": {"version": {"S": "2"}}}, STORED),
        ({"Code": "AccessDenied", "Item": {"version": {"S": "2"}}}, WriteResult(WriteStatus.FAILED, "AccessDenied")),
    ],
)
def test_only_a_refused_condition_that_shows_an_item_ends_the_ladder(
    error: dict[str, Any], result: WriteResult
) -> None:
    """No other answer is taken for a newer version, so that no event is acknowledged that was not written."""

    class Answers:
        answers: ClassVar = [{"Error": error}]

        def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
            return {"Responses": [self.answers.pop() if self.answers else {} for _ in Statements]}

    Answers.answers = [{"Error": error}]
    assert write(Answers(), item()) == [result]
