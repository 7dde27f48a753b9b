"""Conditional writes in batches: on real engines where they behave as DynamoDB, with scripted answers for faults."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from handlers.deadline import Deadline
from handlers.effort import Effort
from handlers.fold import key_of, newest
from handlers.route import Item
from handlers.write import MOST_ATTEMPTS, OUT_OF_TIME, Result, Writer, Written
from tests.conftest import TABLES, Tables, client_of


def item(
    entity: str = "module#1",
    version: str = "2",
    *,
    probably_new: bool = False,
    table: str = "MODULES_TABLE",
    attributes: dict[str, str] | None = None,
) -> Item:
    """An item with attributes that are texts."""
    values = {name: {"S": text} for name, text in (attributes or {}).items()}
    return Item(table, (("context", "c"), ("entity", entity)), version, values, probably_new)


def enough_time() -> Deadline:
    """A deadline that does not come."""
    return Deadline(lambda: 60_000)


def write(client: Any, *items: Item, sleep: Callable[[float], None] = lambda _: None) -> list[Result]:
    """Write items; what became of each."""
    results = Writer(client, TABLES, sleep).write(newest(items), enough_time(), Effort())
    return [results[key_of(each)] for each in items]


STORED, SUPERSEDED = Result(Written.STORED), Result(Written.SUPERSEDED)


@pytest.mark.parametrize("probably_new", [True, False])
def test_only_a_newer_version_is_written(tables: Tables, probably_new: bool) -> None:
    """Whichever statement comes first, an item is stored when it is new or newer, and superseded otherwise."""
    client = client_of(tables)
    for version, result in [("2", STORED), ("1", SUPERSEDED), ("2", SUPERSEDED), ("3", STORED), ("2", SUPERSEDED)]:
        assert write(client, item(version=version, probably_new=probably_new, attributes={"title": version})) == [
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
    write(client, item(version="1", probably_new=True, attributes=old))
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
    old = [item(f"e#{n}", "5", probably_new=True, table=variables[n % 4]) for n in range(60)]
    assert write(client, *old) == [STORED] * 60
    mixed = [item(f"e#{n}", str(4 + n % 3), probably_new=bool(n % 2), table=variables[n % 4]) for n in range(120)]
    assert write(client, *mixed) == [STORED if n >= 60 or n % 3 == 2 else SUPERSEDED for n in range(120)]
    assert sum(len(items) for items in tables.entities().values()) == 120


def test_a_rejected_record_is_written_once(tables: Tables) -> None:
    """An item without versions is inserted; the second time it is there already, as it was."""
    client = client_of(tables)
    first = Item(
        "REJECTED_TABLE", (("reason", "r"), ("record", "1")), None, {"payload": {"B": b"x"}}, probably_new=True
    )
    again = Item(
        "REJECTED_TABLE", (("reason", "r"), ("record", "1")), None, {"payload": {"B": b"y"}}, probably_new=True
    )
    assert write(client, first) == [STORED]
    assert write(client, again) == [SUPERSEDED]
    assert tables.items("rejected") == [{"reason": {"S": "r"}, "record": {"S": "1"}, "payload": {"B": b"x"}}]


def test_a_missing_table_fails_its_own_items(tables: Tables) -> None:
    """The items of a table that is not there wait; those of the others are stored."""
    client = client_of(tables)
    tables.client.delete_table(TableName="courses")
    results = write(client, item("a"), item("b", table="COURSES_TABLE"), item("d"))
    assert results == [STORED, Result(Written.FAILED, "ResourceNotFound"), STORED]


def test_one_poisoned_statement_takes_no_other_with_it(tables: Tables) -> None:
    """An item that DynamoDB refuses to read fails alone, wherever in the batch it is."""
    client = client_of(tables)
    items = [item(f"e#{n}", probably_new=True) for n in range(40)]
    items[17] = item("e" * 2_000, probably_new=True)  # a key of over 1024 bytes
    items[18] = Item(
        "MODULES_TABLE", (("context", "c"), ("entity", "e#18")), "2", {"t": {"N": "1" * 50}}, probably_new=True
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
    ("probably_new", "script", "requests", "result"),
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
def test_the_ladder_of_statements(probably_new: bool, script: list[str], requests: list[str], result: Result) -> None:
    """A refused statement leads to the next, and only after the last one the item is superseded."""
    client = Scripted(*script)
    assert write(client, item(probably_new=probably_new)) == [result]
    assert client.requests == [[each] for each in requests]


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
        write(Scripted(*["ThrottlingError"] * (MOST_ATTEMPTS - 1)), item(), sleep=pauses.append)
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
        newest([item()]), Deadline(lambda: next(remaining, 6_001)), Effort()
    )
    assert set(pauses) == {0.001}


def test_retries_of_one_statement_are_bounded() -> None:
    """A statement that is throttled for ever fails, and what is beside it is stored."""
    client = Scripted(*[["ThrottlingError", None]], *[["ThrottlingError"]] * 20)
    assert write(client, item("hot"), item("cold")) == [Result(Written.FAILED, "ThrottlingError"), STORED]
    assert len(client.requests) == MOST_ATTEMPTS


def test_each_statement_has_attempts_of_its_own() -> None:
    """What one statement of the ladder went through does not count against the next."""
    throttled = ["ThrottlingError"] * (MOST_ATTEMPTS - 1)
    client = Scripted(*throttled, "ConditionalCheckFailed", *throttled)
    assert write(client, item()) == [STORED]
    assert client.requests == [["UPDATE"]] * MOST_ATTEMPTS + [["INSERT"]] * MOST_ATTEMPTS


def test_an_outage_is_not_hammered() -> None:
    """When request after request gets no answer the rest of the batch is not tried, and the cause is told."""
    client = Scripted(*[ReadTimeoutError(endpoint_url="https://dynamodb")] * 100)
    pauses: list[float] = []
    results = write(client, *[item(f"e#{n}") for n in range(1_000)], sleep=pauses.append)
    assert {result.written for result in results} == {Written.FAILED}
    assert results[0] == Result(Written.FAILED, "NoAnswer")
    assert len(client.requests) == MOST_ATTEMPTS
    assert len(pauses) == MOST_ATTEMPTS - 1


def test_a_throttled_table_holds_up_no_other() -> None:
    """The items of a table that only throttles are given up after some requests; those of another are stored."""
    client = ThrottlesTable("modules")
    hot = [item(f"e#{n}") for n in range(400)]
    cold = [item(f"e#{n}", table="COURSES_TABLE") for n in range(60)]
    pauses: list[float] = []
    results = write(client, *hot, *cold, sleep=pauses.append)
    assert {result.written for result in results[:400]} == {Written.FAILED}
    assert results[0] == Result(Written.FAILED, "ThrottlingError")
    assert results[400:] == [STORED] * 60
    assert len(pauses) == MOST_ATTEMPTS


def test_halving_stops_when_time_is_up() -> None:
    """A request that is being halved asks for the time before each half."""
    remaining = iter([60_000] * 3)  # at the start, and twice for the first request
    client = Scripted(*[client_error("ValidationException")] * 9)
    results = Writer(client, TABLES, lambda _: None).write(  # type: ignore[arg-type]  # all of a client that it uses
        newest(item(f"e#{n}") for n in range(8)), Deadline(lambda: next(remaining, 6_000)), Effort()
    )
    assert set(results.values()) == {Result(Written.FAILED, OUT_OF_TIME)}
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
    assert results == [STORED, STORED, Result(Written.FAILED, fault), STORED]
    assert list(map(len, client.requests)) == [4, 2, 2, 1, 1]


@pytest.mark.parametrize("code", ["ResourceNotFound", "AccessDenied", "ValidationError", "SomethingNew"])
def test_a_lasting_fault_of_one_statement_fails_at_once(code: str) -> None:
    """A missing table or permission does not mend itself within a second: the item waits for its next delivery."""
    client = Scripted([code, None])
    assert write(client, item("a"), item("b")) == [Result(Written.FAILED, code), STORED]
    assert len(client.requests) == 1


def test_nothing_is_begun_when_time_is_up() -> None:
    """What the time does not suffice for is handed back untried, in the order of the batch."""
    remaining = iter([60_000] * 5)  # once at the start, and twice for each of two requests
    client = Scripted()
    results = Writer(client, TABLES, lambda _: None).write(  # type: ignore[arg-type]  # all of a client that it uses
        newest(item(f"e#{n}") for n in range(100)), Deadline(lambda: next(remaining, 6_000)), Effort()
    )
    assert list(results.values()) == [STORED] * 50 + [Result(Written.FAILED, OUT_OF_TIME)] * 50
    assert list(map(len, client.requests)) == [25, 25]


def test_what_a_write_takes_is_counted() -> None:
    """Every request counts, those of halves too, and every fault that passes; throttling by itself besides."""
    effort = Effort()
    client = Scripted(
        ["ThrottlingError", "InternalServerError", "ResourceNotFound"], client_error("ValidationException"), None, None
    )
    Writer(client, TABLES, lambda _: None).write(  # type: ignore[arg-type]  # all of a client that it uses
        newest([item("a"), item("b"), item("c")]), enough_time(), effort
    )
    assert (effort.requests, effort.retries, effort.throttles) == (4, 2, 1)


def test_a_throttled_statement_waits_behind_the_others() -> None:
    """What is throttled is sent again after all that was not sent yet."""
    client = Scripted(["ThrottlingError"] + [None] * 24)
    items = [item("hot"), *[item(f"e#{n}", probably_new=True) for n in range(29)]]
    assert write(client, *items) == [STORED] * 30
    assert client.requests == [["UPDATE", *["INSERT"] * 24], [*["INSERT"] * 5, "UPDATE"]]


def test_a_refused_statement_goes_on_before_new_ones_begin() -> None:
    """The next request is filled up with new items behind those that are half-way."""
    client = Scripted(["DuplicateItem"] + [None] * 24)
    assert write(client, *[item(f"e#{n}", probably_new=True) for n in range(30)]) == [STORED] * 30
    assert client.requests == [["INSERT"] * 25, ["UPDATE", *["INSERT"] * 5]]
