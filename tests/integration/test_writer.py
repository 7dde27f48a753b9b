"""Conditional writes in batches: on real engines where they behave as DynamoDB, with scripted responses for errors."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError, ReadTimeoutError
from botocore.parsers import ResponseParserError
from hypothesis import example, given
from hypothesis import strategies as st

from cli.local.ministack import LocalAws
from handlers.deadline import Deadline
from handlers.items.compact import compact, item_key
from handlers.items.item import Item, PrimaryKey
from handlers.items.rejection import TABLE_VARIABLE as REJECTED_TABLE
from handlers.storage.attribute_value import serialize
from handlers.storage.flow_control import (
    CALLER_ERRORS,
    MAX_ATTEMPTS,
    MAX_IN_FLIGHT,
    MAX_STATEMENTS_PER_REQUEST,
    NO_RESPONSE,
)
from handlers.storage.request_threads import MAX_CONCURRENT_REQUESTS, RequestThreads
from handlers.storage.writer import DEADLINE_EXCEEDED, Writer, WriteResult, WriteStatus
from handlers.telemetry.batch_stats import BatchStats
from tests.support.engines import TABLES, Tables, client_of, empty_tables
from tests.support.statements import http_response


def item(
    entity: str = "module#1",
    version: str = "2",
    *,
    insert_first: bool = False,
    table: str = "MODULES_TABLE",
    attributes: dict[str, str] | None = None,
) -> Item:
    """Return an item whose attributes are all strings."""
    key = PrimaryKey(("context", "c"), ("entity", entity))
    texts = {**(attributes or {}), **dict(key), "version": version}
    return Item(table, key, version, {name: serialize(text) for name, text in texts.items()}, insert_first)


def rejected(payload: bytes) -> Item:
    """Return an item without versions."""
    key = PrimaryKey(("reason", "r"), ("record", "1"))
    attributes = {name: serialize(value) for name, value in [("payload", payload), *key]}
    return Item(REJECTED_TABLE, key, None, attributes, insert_first=True)


def enough_time() -> Deadline:
    """Return a deadline that is never reached."""
    return Deadline(lambda: 60_000)


def write(client: Any, *items: Item, sleep: Callable[[float], None] = lambda _: None) -> list[WriteResult]:
    """Write items with a new writer; return what became of each."""
    results = Writer(client, TABLES, sleep).write(compact(items), enough_time(), BatchStats())
    return [results[item_key(written)] for written in items]


STORED, SUPERSEDED = WriteResult(WriteStatus.STORED), WriteResult(WriteStatus.SUPERSEDED)


@pytest.mark.parametrize("insert_first", [True, False])
def test_item_is_written_only_if_newer(tables: Tables, insert_first: bool) -> None:
    """Whichever statement is tried first, an item is stored if it is new or newer, and superseded otherwise."""
    client = client_of(tables)
    for version, result in [("2", STORED), ("1", SUPERSEDED), ("2", SUPERSEDED), ("3", STORED), ("2", SUPERSEDED)]:
        assert write(client, item(version=version, insert_first=insert_first, attributes={"title": version})) == [
            result
        ]
    assert tables.items("modules") == [
        {"context": {"S": "c"}, "entity": {"S": "module#1"}, "version": {"S": "3"}, "title": {"S": "3"}}
    ]


def test_newer_version_replaces_the_whole_item(tables: Tables) -> None:
    """Attributes that the newer version lacks are removed."""
    client = client_of(tables)
    old = {"event_name": "old", "event_time": "old", "body": "old", "user_id": "1", "deleted": "old"}
    new = {"event_name": "new", "event_time": "new", "body": "new"}
    write(client, item(version="1", insert_first=True, attributes=old))
    assert write(client, item(version="2", attributes=new)) == [STORED]
    (stored,) = tables.items("modules")
    assert stored == {
        "context": {"S": "c"},
        "entity": {"S": "module#1"},
        "version": {"S": "2"},
        **{name: {"S": text} for name, text in new.items()},
    }


def test_items_of_several_tables_are_each_written_by_their_own_condition(tables: Tables) -> None:
    """In one call, new and newer items are stored and older ones superseded, whichever tables they go to."""
    client = client_of(tables)
    variables = [name for name in TABLES if name != "REJECTED_TABLE"]
    old = [item(f"e#{n}", "5", insert_first=True, table=variables[n % 4]) for n in range(60)]
    assert write(client, *old) == [STORED] * 60
    mixed = [item(f"e#{n}", str(4 + n % 3), insert_first=bool(n % 2), table=variables[n % 4]) for n in range(120)]
    assert write(client, *mixed) == [STORED if n >= 60 or n % 3 == 2 else SUPERSEDED for n in range(120)]
    assert sum(len(items) for items in tables.entities().values()) == 120


def test_item_without_versions_is_written_once(tables: Tables) -> None:
    """An item without versions is inserted; writing it again changes nothing."""
    client = client_of(tables)
    assert write(client, rejected(b"x")) == [STORED]
    assert write(client, rejected(b"y")) == [SUPERSEDED]
    assert tables.items("rejected") == [{"reason": {"S": "r"}, "record": {"S": "1"}, "payload": {"B": b"x"}}]


def test_missing_table_fails_only_its_own_items(tables: Tables) -> None:
    """The items of a table that does not exist fail; those of other tables are stored."""
    client = client_of(tables)
    tables.client.delete_table(TableName="courses")
    results = write(client, item("a"), item("b", table="COURSES_TABLE"), item("d"))
    assert results == [STORED, WriteResult(WriteStatus.FAILED, "ResourceNotFound"), STORED]


def test_statement_that_dynamodb_cannot_parse_fails_alone(tables: Tables) -> None:
    """An item for which DynamoDB rejects the whole request fails alone, wherever in the batch it is."""
    client = client_of(tables)
    items = [item(f"e#{n}", insert_first=True) for n in range(40)]
    items[17] = item("e" * 2_000, insert_first=True)  # a key of over 1024 bytes
    good = items[18]
    items[18] = Item(
        good.table_variable, good.key, "2", {**good.attributes, "t": '{"N":"' + "1" * 50 + '"}'}, insert_first=True
    )
    results = write(client, *items)
    # MiniStack stores both.
    assert [result for n, result in enumerate(results) if n not in (17, 18)] == [STORED] * 38


def verbs(statements: list[Any]) -> list[str]:
    """Return what each statement does; CONFIRM is the update that changes nothing."""
    texts = [statement["Statement"] for statement in statements]
    return ["CONFIRM" if 'SET "version" = "version"' in text else text.split()[0] for text in texts]


class ScriptedClient:
    """A client that responds to each request with the next entry of a script: an exception, or error codes."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.requests: list[list[str]] = []

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Respond to the next request; after the end of the script everything succeeds."""
        self.requests.append(verbs(Statements))
        response = self.script.pop(0) if self.script else None
        if isinstance(response, Exception):
            raise response
        codes = response if isinstance(response, list) else [response] * len(Statements)
        return {"Responses": [{"Error": {"Code": code}} if code else {} for code in codes]}


def entity_of(statement: Any) -> str:
    """Return the entity that a statement writes."""
    values: list[str] = [parameter["S"] for parameter in statement["Parameters"]]
    return next(value for value in values if value.startswith(("e#", "hot")))


class FailsOnce:
    """A client for which the first statement for one entity fails with an error code; all others succeed."""

    def __init__(self, entity: str, code: str) -> None:
        self.failures = {entity: code}
        self.requests: list[list[str]] = []

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Respond to each statement by its entity."""
        self.requests.append(verbs(Statements))
        codes = [self.failures.pop(entity_of(statement), None) for statement in Statements]
        return {"Responses": [{"Error": {"Code": code}} if code else {} for code in codes]}


class RespondsTogether:
    """A client that responds to no request before a whole round of them has arrived."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(MAX_CONCURRENT_REQUESTS, timeout=20)
        self.request_sizes: list[int] = []

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Wait for the other requests, then succeed; if they do not come, the barrier breaks and the writes fail."""
        self.barrier.wait()
        self.request_sizes.append(len(Statements))
        return {"Responses": [{}] * len(Statements)}


class FailsWith:
    """A client that raises an exception for every request that contains one entity; all others succeed."""

    def __init__(self, entity: str, error: Exception) -> None:
        self.entity = entity
        self.error = error
        self.request_sizes: list[int] = []

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Respond by the entities of the request."""
        self.request_sizes.append(len(Statements))
        if self.entity in map(entity_of, Statements):
            raise self.error
        return {"Responses": [{}] * len(Statements)}


class FailsTable:
    """A client for which every, or every nth, statement for one table fails; all other tables are healthy."""

    def __init__(self, table: str, code: str = "ThrottlingError", every: int = 1) -> None:
        self.table = f'"{table}"'
        self.failure = code
        self.every = every
        self.stored = 0
        self.sizes_without_table: list[int] = []
        self.lock = threading.Lock()
        self.statements = 0

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Respond to each statement by its table."""
        with self.lock:
            codes = [self.code(statement["Statement"]) for statement in Statements]
            self.stored += codes.count(None)
            if not any(self.table in statement["Statement"] for statement in Statements):
                self.sizes_without_table.append(len(Statements))
        return {"Responses": [{"Error": {"Code": code}} if code else {} for code in codes]}

    def code(self, text: str) -> str | None:
        """Return the error code of a statement."""
        self.statements += self.table in text
        return self.failure if self.table in text and self.statements % self.every == 0 else None


def client_error(code: str, status: int = 400) -> ClientError:
    """Return an error of a whole request."""
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "BatchExecuteStatement")


@pytest.mark.parametrize(
    ("insert_first", "script", "requests", "result"),
    [
        (True, [], ["INSERT"], STORED),
        (True, ["DuplicateItem"], ["INSERT", "UPDATE"], STORED),
        # In between, somebody has deleted the item.
        (True, ["DuplicateItem", "ConditionalCheckFailed"], ["INSERT", "UPDATE", "INSERT"], STORED),
        (
            True,
            ["DuplicateItem", "ConditionalCheckFailed", "DuplicateItem"],
            ["INSERT", "UPDATE", "INSERT", "CONFIRM"],
            SUPERSEDED,
        ),
        (False, [], ["UPDATE"], STORED),
        (False, ["ConditionalCheckFailed"], ["UPDATE", "INSERT"], STORED),
        # In between, another function has inserted an older version.
        (False, ["ConditionalCheckFailed", "DuplicateItem"], ["UPDATE", "INSERT", "UPDATE"], STORED),
        (
            False,
            ["ConditionalCheckFailed", "DuplicateItem", "ConditionalCheckFailed"],
            ["UPDATE", "INSERT", "UPDATE", "INSERT"],
            STORED,
        ),
        (
            False,
            ["ConditionalCheckFailed", "DuplicateItem"] * 2,
            ["UPDATE", "INSERT", "UPDATE", "INSERT", "CONFIRM"],
            SUPERSEDED,
        ),
        # It was deleted and written again throughout.
        (
            True,
            ["DuplicateItem", "ConditionalCheckFailed", "DuplicateItem", "ConditionalCheckFailed"],
            ["INSERT", "UPDATE", "INSERT", "CONFIRM"],
            WriteResult(WriteStatus.FAILED, "ConditionalCheckFailed"),
        ),
    ],
)
def test_plan_continues_when_a_condition_fails(
    insert_first: bool, script: list[str], requests: list[str], result: WriteResult
) -> None:
    """When the condition of a statement fails, the next one is sent; only a newer version makes an item superseded."""
    client = ScriptedClient(*script)
    assert write(client, item(insert_first=insert_first)) == [result]
    assert client.requests == [[verb] for verb in requests]


class RecordingClient:
    """A client of an engine that records the verbs of the statements that it forwards."""

    def __init__(self, aws: LocalAws) -> None:
        self.client = aws.client("dynamodb")
        self.requests: list[list[str]] = []

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Record and forward the request."""
        self.requests.append(verbs(Statements))
        return self.client.batch_execute_statement(Statements=Statements)


@pytest.fixture
def returns_old_items(local_aws: LocalAws) -> RecordingClient:
    """An engine that returns the item on which an update failed, as DynamoDB does."""
    return _recording(local_aws)


@pytest.fixture
def returns_no_items(dynamodb_local: LocalAws) -> RecordingClient:
    """An engine that does not return it."""
    return _recording(dynamodb_local)


def _recording(aws: LocalAws) -> RecordingClient:
    empty_tables(aws)
    return RecordingClient(aws)


def test_superseded_item_takes_one_statement_if_the_old_item_is_returned(returns_old_items: RecordingClient) -> None:
    """A failed update that returns the old item ends the plan: one request with one statement."""
    assert write(returns_old_items, item(version="2", insert_first=True)) == [STORED]
    for version in ("1", "2"):
        returns_old_items.requests.clear()
        assert write(returns_old_items, item(version=version)) == [SUPERSEDED]
        assert returns_old_items.requests == [["UPDATE"]]
    returns_old_items.requests.clear()
    assert write(returns_old_items, item("e#2")) == [STORED]  # there is no old item to return
    assert returns_old_items.requests == [["UPDATE"], ["INSERT"]]


def test_plan_ends_if_no_old_item_is_returned(returns_no_items: RecordingClient) -> None:
    """An engine that returns no old item receives every statement of the plan, with the same result."""
    assert write(returns_no_items, item(version="2", insert_first=True)) == [STORED]
    returns_no_items.requests.clear()
    assert write(returns_no_items, item(version="1")) == [SUPERSEDED]
    assert returns_no_items.requests == [["UPDATE"], ["INSERT"], ["UPDATE"], ["INSERT"], ["CONFIRM"]]


class Interrupted:
    """A client of an engine on whose item others act, by a script, before each request.

    They delete it, write it with the version "1" or "3" as another function would, or do nothing ("").
    """

    def __init__(self, tables: Tables, script: list[str]) -> None:
        self.client = client_of(tables)
        self.script = list(script)

    def act(self, action: str) -> None:
        """Change the item."""
        if action == "delete":
            self.client.delete_item(TableName="modules", Key={"context": {"S": "c"}, "entity": {"S": "module#1"}})
        elif action:
            write(self.client, item(version=action))

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Act on the item, then execute the statements."""
        self.act(self.script.pop(0) if self.script else "")
        return self.client.batch_execute_statement(Statements=Statements)


@given(
    before=st.sampled_from(["", "1", "3"]),
    script=st.lists(st.sampled_from(["", "delete", "delete", "1", "3"]), max_size=6),
    insert_first=st.booleans(),
)
@example(before="1", script=["", "delete"], insert_first=True)
@example(before="", script=["", "1", "delete"], insert_first=False)
@example(before="1", script=["", "delete", "1", "delete", "1"], insert_first=True)
def test_item_deleted_in_the_middle_of_its_plan_is_not_lost(
    tables: Tables, before: str, script: list[str], insert_first: bool
) -> None:
    """Whatever happens between statements, an item is acknowledged only if it, or a newer version, is in the table."""
    tables.empty()
    client = Interrupted(tables, script)
    client.act(before)
    (result,) = write(client, item(version="2", insert_first=insert_first))
    versions = [stored["version"]["S"] for stored in tables.items("modules")]
    assert (result.status is WriteStatus.FAILED) or (versions == ["2" if result == STORED else max("3", *versions)])
    assert write(client_of(tables), item(version="2", insert_first=insert_first))[0].status is not WriteStatus.FAILED
    (stored,) = tables.items("modules")
    assert stored["version"]["S"] in ("2", "3")


@pytest.mark.parametrize(
    "error",
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
        client_error("ReplicatedWriteConflictException"),
        client_error("RequestAbortedException"),
        client_error("RequestTimeoutException", 408),
        client_error("InternalServerError", 500),
        client_error("SomethingNew", 500),
        client_error("ServiceUnavailable", 503),
        ReadTimeoutError(endpoint_url="https://dynamodb"),
        ResponseParserError("not JSON"),
    ],
    ids=str,
)
def test_transient_error_is_retried_after_a_delay(error: Any) -> None:
    """After throttling, a timeout or a server error the same statement is sent again, with a delay before it."""
    delays: list[float] = []
    client = ScriptedClient(error, error)
    assert write(client, item(), sleep=delays.append) == [STORED]
    assert client.requests == [["UPDATE"]] * 3
    assert len(delays) == 2
    assert all(0 <= delay <= 0.2 for delay in delays)


def test_delay_ends_with_the_deadline() -> None:
    """A delay is no longer than the time that remains for writing."""
    remaining = iter([60_000] * 3)  # at the start, and until the first response has arrived
    delays: list[float] = []
    client = ScriptedClient(*["ThrottlingError"] * 100)
    random.seed(1)
    Writer(client, TABLES, delays.append).write(  # type: ignore[arg-type]  # a test double
        compact([item()]), Deadline(lambda: next(remaining, 6_001)), BatchStats()
    )
    assert set(delays) == {0.001}


def test_statement_that_is_always_throttled_fails_after_its_attempts() -> None:
    """The attempts of a throttled statement are bounded, and the statement next to it is stored."""
    client = ScriptedClient(*[["ThrottlingError", None]], *[["ThrottlingError"]] * 20)
    assert write(client, item("hot"), item("cold")) == [WriteResult(WriteStatus.FAILED, "ThrottlingError"), STORED]
    assert len(client.requests) == MAX_ATTEMPTS


def test_each_statement_of_a_plan_has_its_own_attempts() -> None:
    """The attempts of one statement of a plan do not count against the next one."""
    throttled = ["ThrottlingError"] * (MAX_ATTEMPTS - 1)
    client = ScriptedClient(*throttled, "ConditionalCheckFailed", *throttled)
    assert write(client, item()) == [STORED]
    assert client.requests == [["UPDATE"]] * MAX_ATTEMPTS + [["INSERT"]] * MAX_ATTEMPTS


def test_outage_ends_the_batch_after_a_few_rounds() -> None:
    """When no request gets a response for several rounds, the rest of the batch fails without being attempted."""
    client = ScriptedClient(*[ReadTimeoutError(endpoint_url="https://dynamodb")] * 100)
    delays: list[float] = []
    results = write(client, *[item(f"e#{n}") for n in range(1_000)], sleep=delays.append)
    assert results == [WriteResult(WriteStatus.FAILED, "NoResponse")] * 1_000
    assert list(map(len, client.requests)) == [MAX_STATEMENTS_PER_REQUEST] * MAX_CONCURRENT_REQUESTS * MAX_ATTEMPTS
    assert len(delays) == MAX_ATTEMPTS - 1


def test_throttled_table_does_not_delay_other_tables() -> None:
    """The items of other tables are stored before the first delay; those of one that only throttles are given up."""
    client = FailsTable("modules")
    many = MAX_ATTEMPTS * MAX_IN_FLIGHT + 100
    hot = [item(f"e#{n}") for n in range(many)]
    cold = [item(f"e#{n}", table="COURSES_TABLE") for n in range(60)]
    stored_before_delays: list[int] = []
    results = write(client, *hot, *cold, sleep=lambda _: stored_before_delays.append(client.stored))
    assert results[:many] == [WriteResult(WriteStatus.FAILED, "ThrottlingError")] * many
    assert results[many:] == [STORED] * 60
    assert stored_before_delays == [60] * (MAX_ATTEMPTS - 1)


def test_throttled_table_does_not_slow_down_other_tables() -> None:
    """While one partition of a table is throttled, as by a flood of rejections, other tables get full requests."""
    client = FailsTable("modules", every=2)
    hot = [item(f"e#{n}") for n in range(1_000)]
    cold = [item(f"e#{n}", table="COURSES_TABLE") for n in range(1_000)]
    mixed = [write for pair in zip(hot, cold, strict=True) for write in pair]
    assert write(client, *mixed)[1::2] == [STORED] * 1_000
    full_requests = [MAX_STATEMENTS_PER_REQUEST] * ((1_000 - MAX_IN_FLIGHT // 2) // MAX_STATEMENTS_PER_REQUEST)
    assert client.sizes_without_table[: len(full_requests)] == full_requests


def test_splitting_stops_at_the_deadline() -> None:
    """While a request is being split, the deadline is checked before each part."""
    remaining = iter([60_000] * 3)  # at the start, and twice for the first request
    client = ScriptedClient(*[client_error("ValidationException")] * 9)
    results = Writer(client, TABLES, lambda _: None).write(  # type: ignore[arg-type]  # a test double
        compact(item(f"e#{n}") for n in range(8)), Deadline(lambda: next(remaining, 6_000)), BatchStats()
    )
    assert set(results.values()) == {WriteResult(WriteStatus.FAILED, DEADLINE_EXCEEDED)}
    assert len(client.requests) == 1


def test_response_of_the_wrong_length_is_not_used() -> None:
    """A response that does not cover every statement stores nothing: the request is split and sent again."""
    client = ScriptedClient([None], None, None)
    assert write(client, item("a"), item("b")) == [STORED, STORED]
    assert list(map(len, client.requests)) == [2, 1, 1]


@pytest.mark.parametrize(
    ("error", "error_code"),
    [
        (client_error("ValidationException"), "ValidationException"),
        (client_error("SerializationException"), "SerializationException"),
        (client_error("RequestEntityTooLargeException", 413), "RequestEntityTooLargeException"),
        (client_error("413", 413), "413"),
        (ParamValidationError(report="no"), "ParamValidationError"),
        (UnicodeEncodeError("utf-8", "", 0, 1, ""), "UnicodeEncodeError"),
    ],
)
def test_request_that_one_statement_can_spoil_is_halved(error: Exception, error_code: str) -> None:
    """A request that DynamoDB rejects as a whole is halved until the bad statement is alone."""
    client = FailsWith("e#2", error)
    results = write(client, *[item(f"e#{n}") for n in range(4)])
    assert results == [STORED, STORED, WriteResult(WriteStatus.FAILED, error_code), STORED]
    assert client.request_sizes == [4, 2, 2, 1, 1]


class DeniesTable:
    """A client for which a request is denied as a whole when it contains a statement for one table."""

    def __init__(self, table: str) -> None:
        self.table = f'"{table}"'
        self.request_sizes: list[int] = []

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Respond to the request by its tables."""
        self.request_sizes.append(len(Statements))
        if any(self.table in statement["Statement"] for statement in Statements):
            raise client_error("AccessDeniedException")
        return {"Responses": [{}] * len(Statements)}


def test_denied_request_is_split_by_table() -> None:
    """A denial of a whole request fails the items of the denied table only, in one more request for each table."""
    client = DeniesTable("modules")
    items = [item(f"e#{n}", table="COURSES_TABLE" if n % 2 else "MODULES_TABLE") for n in range(25)]
    results = write(client, *items)
    denied = WriteResult(WriteStatus.FAILED, "AccessDeniedException")
    assert results == [STORED if n % 2 else denied for n in range(25)]
    assert sorted(client.request_sizes) == [12, 13, 25]


def test_denied_request_for_one_table_is_not_sent_again() -> None:
    """A denial that can concern one table only fails all items of its request at once."""
    client = DeniesTable("modules")
    results = write(client, *[item(f"e#{n}") for n in range(25)])
    assert results == [WriteResult(WriteStatus.FAILED, "AccessDeniedException")] * 25
    assert client.request_sizes == [25]


@pytest.mark.parametrize(
    ("body", "error_code"),
    [
        (
            b'{"__type":"com.amazon.coral.service#ExpiredTokenException",'
            b'"message":"The security token included in the request is expired"}',
            "ExpiredTokenException",
        ),
        (
            b'{"__type":"com.amazon.coral.service#UnrecognizedClientException",'
            b'"message":"The security token included in the request is invalid."}',
            "UnrecognizedClientException",
        ),
        (b'{"__type":"com.amazon.coral.service#InvalidSignatureException"}', "InvalidSignatureException"),
        (b'{"__type":"com.amazon.coral.service#IncompleteSignatureException"}', "IncompleteSignatureException"),
        (
            b'{"__type":"com.amazon.coral.service#MissingAuthenticationTokenException"}',
            "MissingAuthenticationTokenException",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_error_of_the_caller_fails_all_items_after_one_request(body: bytes, error_code: str) -> None:
    """An expired token, an unknown client or a bad signature concerns no statement: 25 items take one request."""
    requests: list[Any] = []

    def respond(request: Any, **_: Any) -> Any:
        requests.append(request)
        return http_response(request, 400, body)

    client: Any = boto3.client("dynamodb")
    client.meta.events.register("before-send.dynamodb.BatchExecuteStatement", respond)
    delays: list[float] = []
    results = write(client, *[item(f"e#{n}") for n in range(25)], sleep=delays.append)
    assert results == [WriteResult(WriteStatus.FAILED, error_code)] * 25
    assert (len(requests), delays) == (1, [])


class Rejects:
    """A client that rejects every request as a whole, or every statement of it, with an error."""

    def __init__(self, error: ClientError | EndpointConnectionError | str) -> None:
        self.error = error
        self.requests = 0
        self.lock = threading.Lock()

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Count the request and reject it."""
        with self.lock:
            self.requests += 1
        if isinstance(self.error, str):
            return {"Responses": [{"Error": {"Code": self.error}}] * len(Statements)}
        raise self.error


ALL_REQUESTS = 10_000 // MAX_STATEMENTS_PER_REQUEST
ENTITY_TABLES = [name for name in TABLES if name != REJECTED_TABLE][:5]


@pytest.mark.parametrize(
    ("error", "requests", "error_code"),
    [
        # One round, then the batch is given up.
        *((client_error(code, 403), MAX_CONCURRENT_REQUESTS, code) for code in sorted(CALLER_ERRORS)),
        ("AccessDenied", MAX_CONCURRENT_REQUESTS, "AccessDenied"),
        ("ResourceNotFound", MAX_CONCURRENT_REQUESTS, "ResourceNotFound"),
        # The requests of one round, and each of them by table.
        *(
            (client_error(code), MAX_CONCURRENT_REQUESTS * (1 + len(ENTITY_TABLES)), code)
            for code in ("AccessDeniedException", "ResourceNotFoundException")
        ),
        # Eight rounds.
        (EndpointConnectionError(endpoint_url="https://dynamodb"), MAX_ATTEMPTS * MAX_CONCURRENT_REQUESTS, NO_RESPONSE),
        # Nobody knows what it concerns: each request once.
        *((client_error(code, 403), ALL_REQUESTS, code) for code in ("InvalidClientTokenId", "SomethingNew", "403")),
        (ClientError({}, "BatchExecuteStatement"), ALL_REQUESTS, ""),
    ],
    ids=str,
)
def test_error_that_no_statement_can_cause_is_not_multiplied(
    error: ClientError | str, requests: int, error_code: str
) -> None:
    """10,000 items for 5 tables take at most the 400 requests that they would take without the error."""
    client = Rejects(error)
    items = [item(f"e#{n}", table=ENTITY_TABLES[n % 5], insert_first=True) for n in range(10_000)]
    assert write(client, *items) == [WriteResult(WriteStatus.FAILED, error_code)] * 10_000
    assert client.requests == requests <= ALL_REQUESTS


def test_missing_table_is_given_up_and_the_others_get_full_requests() -> None:
    """After a round in which a table was missing its items are not sent any more; those of other tables are stored."""
    client = FailsTable("modules", code="ResourceNotFound")
    missing = [item(f"e#{n}") for n in range(1_000)]
    present = [item(f"e#{n}", table="COURSES_TABLE") for n in range(1_000)]
    results = write(client, *[write for pair in zip(missing, present, strict=True) for write in pair])
    assert results == [WriteResult(WriteStatus.FAILED, "ResourceNotFound"), STORED] * 1_000
    assert client.statements == MAX_IN_FLIGHT // 2


def test_statement_that_cannot_be_built_fails_alone() -> None:
    """An exception while a statement is built fails its item with the type of the exception; other items are stored."""
    good = item("e#1")
    no_text: Any = {**good.attributes, "body": {"S": "a secret"}}
    client = ScriptedClient()
    results = write(
        client, item("e#0"), Item(good.table_variable, good.key, "2", no_text, insert_first=False), item("e#2")
    )
    assert results == [STORED, WriteResult(WriteStatus.FAILED, "TypeError"), STORED]
    assert sum(map(len, client.requests)) == 2


@pytest.mark.parametrize("code", ["ResourceNotFound", "AccessDenied", "ValidationError", "SomethingNew"])
def test_permanent_error_of_a_statement_is_not_retried(code: str) -> None:
    """A missing table or permission does not return within seconds: the item fails at once."""
    client = ScriptedClient([code, None])
    assert write(client, item("a"), item("b")) == [WriteResult(WriteStatus.FAILED, code), STORED]
    assert len(client.requests) == 1


def test_no_round_starts_after_the_deadline() -> None:
    """Items for which no time is left fail without an attempt, and are the last of the batch."""
    checks = 1 + 2 * (1 + MAX_CONCURRENT_REQUESTS)  # at the start; in two rounds, before each and before its requests
    remaining = iter([60_000] * checks)
    client = ScriptedClient()
    results = Writer(client, TABLES, lambda _: None).write(  # type: ignore[arg-type]  # a test double
        compact(item(f"e#{n}") for n in range(4 * MAX_IN_FLIGHT)),
        Deadline(lambda: next(remaining, 6_000)),
        BatchStats(),
    )
    assert (
        list(results.values())
        == [STORED] * 2 * MAX_IN_FLIGHT + [WriteResult(WriteStatus.FAILED, DEADLINE_EXCEEDED)] * 2 * MAX_IN_FLIGHT
    )
    assert list(map(len, client.requests)) == [MAX_STATEMENTS_PER_REQUEST] * 2 * MAX_CONCURRENT_REQUESTS


def test_no_request_of_a_round_starts_after_the_deadline() -> None:
    """The deadline is checked before each request of a round; the items of requests that are not sent fail."""
    remaining = iter([60_000] * 3)  # at the start, before the round, and before one of its requests
    client = ScriptedClient()
    results = Writer(client, TABLES, lambda _: None).write(  # type: ignore[arg-type]  # a test double
        compact(item(f"e#{n}") for n in range(MAX_IN_FLIGHT)), Deadline(lambda: next(remaining, 6_000)), BatchStats()
    )
    unsent = WriteResult(WriteStatus.FAILED, DEADLINE_EXCEEDED)
    assert Counter(results.values()) == {
        STORED: MAX_STATEMENTS_PER_REQUEST,
        unsent: MAX_IN_FLIGHT - MAX_STATEMENTS_PER_REQUEST,
    }
    assert list(map(len, client.requests)) == [MAX_STATEMENTS_PER_REQUEST]


@pytest.mark.parametrize(("remaining_ms", "waited"), [(60_000, 5.0), (6_001, 5.0), (5_001, 0.0)])
def test_request_is_waited_for_as_long_as_its_time_and_the_deadline_allow(
    monkeypatch: pytest.MonkeyPatch, remaining_ms: int, waited: float
) -> None:
    """The writer waits for a request up to its timeout, and never into the time that the response takes."""
    seconds: list[float] = []

    def run(_: object, requests: list[object], timeout: float) -> list[None]:
        seconds.extend([timeout] * len(requests))
        return [None] * len(requests)

    monkeypatch.setattr(RequestThreads, "run", run)
    remaining = iter([60_000, 60_000])  # at the start, and before the round
    client: Any = ScriptedClient()
    results = Writer(client, TABLES, lambda _: None, request_timeout=5.0).write(
        compact([item()]), Deadline(lambda: next(remaining, remaining_ms)), BatchStats()
    )
    assert set(seconds) == ({waited} if waited else set())
    error_code = NO_RESPONSE if waited else DEADLINE_EXCEEDED
    assert list(results.values()) == [WriteResult(WriteStatus.FAILED, error_code)]


def test_request_that_hangs_fails_and_is_tried_again() -> None:
    """The items of a request that has not returned in time are sent again; those of other requests are stored."""
    released = threading.Event()
    stats = BatchStats()

    class Client(ScriptedClient):
        def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
            if entity_of(Statements[0]) == "e#25" and not released.is_set():
                released.wait(60)
            return super().batch_execute_statement(Statements)

    client: Any = Client()
    start = time.monotonic()
    results = Writer(client, TABLES, lambda _: released.set(), request_timeout=1).write(
        compact(item(f"e#{n}") for n in range(50)), enough_time(), stats
    )
    assert list(results.values()) == [STORED] * 50
    assert time.monotonic() - start < 30
    assert (stats.dynamodb_requests, stats.retries) == (3, 25)


def test_requests_retries_and_throttles_are_counted() -> None:
    """Every request is counted, also those of a split, and every transient error; throttling also by itself."""
    stats = BatchStats()
    client = ScriptedClient(
        ["ThrottlingError", "InternalServerError", "ResourceNotFound"], client_error("ValidationException"), None, None
    )
    Writer(client, TABLES, lambda _: None).write(  # type: ignore[arg-type]  # a test double
        compact([item("a"), item("b"), item("c")]), enough_time(), stats
    )
    assert (stats.dynamodb_requests, stats.retries, stats.throttles) == (4, 2, 1)


def test_throttled_statement_waits_behind_the_others() -> None:
    """A throttled statement is sent again after everything that has not been sent yet."""
    client = FailsOnce("hot", "ThrottlingError")
    items = [item("hot"), *[item(f"e#{n}", insert_first=True) for n in range(MAX_IN_FLIGHT + 4)]]
    assert write(client, *items) == [STORED] * (MAX_IN_FLIGHT + 5)
    first, (second,) = client.requests[:MAX_CONCURRENT_REQUESTS], client.requests[MAX_CONCURRENT_REQUESTS:]
    full = ["INSERT"] * MAX_STATEMENTS_PER_REQUEST
    assert sorted(first) == [*[full] * (MAX_CONCURRENT_REQUESTS - 1), ["UPDATE", *full[1:]]]
    assert second == [*["INSERT"] * 5, "UPDATE"]


def test_next_statement_of_a_plan_is_sent_before_new_items() -> None:
    """A round begins with the items in the middle of their plans, and is filled up with new ones."""
    client = FailsOnce("e#30", "DuplicateItem")
    assert write(client, *[item(f"e#{n}", insert_first=True) for n in range(MAX_IN_FLIGHT + 5)]) == [STORED] * (
        MAX_IN_FLIGHT + 5
    )
    assert (
        client.requests[:MAX_CONCURRENT_REQUESTS] == [["INSERT"] * MAX_STATEMENTS_PER_REQUEST] * MAX_CONCURRENT_REQUESTS
    )
    assert client.requests[MAX_CONCURRENT_REQUESTS:] == [["UPDATE", *["INSERT"] * 5]]


def test_requests_of_a_round_are_concurrent() -> None:
    """All requests of a round are sent before the first response arrives."""
    client = RespondsTogether()
    assert write(client, *[item(f"e#{n}") for n in range(2 * MAX_IN_FLIGHT)]) == [STORED] * 2 * MAX_IN_FLIGHT
    assert client.request_sizes == [MAX_STATEMENTS_PER_REQUEST] * 2 * MAX_CONCURRENT_REQUESTS


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (client_error("ValidationException"), 1),
        (KeyError("a bug"), 1),
        (client_error("ThrottlingException"), MAX_STATEMENTS_PER_REQUEST),
        (ReadTimeoutError(endpoint_url="https://dynamodb"), MAX_STATEMENTS_PER_REQUEST),
    ],
    ids=lambda value: type(value).__name__,
)
def test_failed_request_does_not_affect_the_others_of_its_round(error: Exception, failed: int) -> None:
    """When a request fails, the items of the other requests of its round are stored at once."""
    client = FailsWith("e#30", error)
    results = write(client, *[item(f"e#{n}") for n in range(MAX_IN_FLIGHT)])
    assert results[30].status is WriteStatus.FAILED
    assert [result.status for result in results].count(WriteStatus.STORED) == MAX_IN_FLIGHT - failed
    assert all(result == STORED for n, result in enumerate(results) if n // MAX_STATEMENTS_PER_REQUEST != 1)


class ThrottledPartition:
    """A client for one partition, with a token bucket: ``rate`` statements a second succeed, the others are throttled.

    Its clock advances while the writer sleeps, and by 5 ms for each request.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst, self.tokens = rate, burst, burst

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.tokens = min(self.burst, self.tokens + seconds * self.rate)

    def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
        """Execute as many statements as the partition has capacity for."""
        self.sleep(0.005)
        responses: list[Any] = []
        for _ in Statements:
            has_capacity = self.tokens >= 1
            self.tokens -= has_capacity
            responses.append({} if has_capacity else {"Error": {"Code": "ProvisionedThroughputExceeded"}})
        return {"Responses": responses}


@pytest.mark.parametrize(("items", "rate", "burst"), [(1_000, 500, 500), (1_000, 200, 200), (300, 500, 10)])
def test_items_of_a_throttled_partition_are_all_stored(items: int, rate: float, burst: float) -> None:
    """A copied course is one partition with its own limit: the writer slows down to it, and stores every item."""
    client = ThrottledPartition(rate, burst)
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
def test_only_a_failed_condition_with_an_old_item_ends_the_plan(error: dict[str, Any], result: WriteResult) -> None:
    """No other response counts as a newer version, so no event is acknowledged that was not written."""
    responses = [{"Error": error}]

    class Client:
        def batch_execute_statement(self, Statements: list[Any]) -> Any:  # noqa: N803  # boto3's name
            return {"Responses": [responses.pop() if responses else {} for _ in Statements]}

    assert write(Client(), item()) == [result]
