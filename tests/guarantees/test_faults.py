"""Faults of DynamoDB, on a real engine behind a bad connection: nothing is lost, wrong, or rejected by mistake."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from handlers.outcome import Fate
from handlers.storage.flow_control import MAX_ATTEMPTS
from tests.guarantees.events import colliding_events
from tests.guarantees.model import differences, versions
from tests.guarantees.proxy import FaultRule, Proxy, StatementFaultClient, client_at, with_probability
from tests.guarantees.worker import BAD, Queue, Worker, history, table_contents
from tests.support.engines import TABLES, Tables

# Replaces the read timeout of the functions, handlers.deadline.READ_TIMEOUT_SECONDS.
READ_TIMEOUT_SECONDS = 0.1

# BEFORE: the write is not executed. AFTER: its response is lost.
BEFORE: dict[str, FaultRule] = {
    "throttled": {"error": {"code": "ThrottlingException"}},
    "over its capacity": {"error": {"code": "ProvisionedThroughputExceededException"}},
    "over the account's limit": {"error": {"code": "RequestLimitExceeded"}},
    "internal error": {"error": {"code": "InternalServerError", "status": 500}},
    "unavailable": {"error": {"code": "ServiceUnavailable", "status": 503}},
    "held": {"timeout_ms": 2 * READ_TIMEOUT_SECONDS * 1000},
    "reset": {"reset": True},
    "denied": {"error": {"code": "AccessDeniedException"}},
    "credentials expired": {"error": {"code": "ExpiredTokenException"}},
}
AFTER: dict[str, FaultRule] = {
    "answer cut off": {"response": {"abort_frac": 0.5}},
    "answer cut off at once": {"response": {"abort_bytes": 0}},
    "answer held": {"response": {"bandwidth_kbps": 0.01}},
    "answer truncated": {"response": {"truncate_frac": 0.5}},
    "answer empty": {"response": {"truncate_bytes": 0}},
    "answer garbled": {"response": {"corrupt_bytes": 16}},
}
WHOLE = BEFORE | AFTER

STATEMENT_ERROR_CODES = [
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
    "RequestLimitExceeded",
    "InternalServerError",
    "TransactionConflict",
    "AccessDenied",
    "ResourceNotFound",
    "SomethingNew",
]


@pytest.mark.parametrize("fault", WHOLE)
def test_outage_loses_nothing(engine: Tables, proxy: Proxy, fault: str) -> None:
    """While every request fails nothing is acknowledged; during and after a partial outage nothing is lost."""
    queue = Queue(engine, history(entities=3), seed=3)
    worker = Worker(client_at(proxy.endpoint, READ_TIMEOUT_SECONDS))
    proxy.inject(WHOLE[fault])
    queue.deliver(worker, max_size=200)
    assert queue.acknowledged == []
    assert any(table_contents(engine).values()) == (fault in AFTER)
    proxy.inject(WHOLE[fault] | {"sequence": {"fail": 2, "pass": 1}})
    queue.deliver(worker, max_size=100)
    proxy.clear()
    queue.deliver_until_empty(worker)


@given(
    texts=colliding_events(1, 15),
    bad=st.lists(st.sampled_from(sorted(BAD)), max_size=3),
    script=st.lists(
        st.tuples(st.sampled_from([*sorted(WHOLE), "slow"]), st.integers(1, MAX_ATTEMPTS)), min_size=1, max_size=5
    ),
    seed=st.integers(0, 2**32),
)
def test_any_sequence_of_faults_loses_nothing(
    engine: Tables, proxy: Proxy, texts: list[str], bad: list[str], script: list[tuple[str, int]], seed: int
) -> None:
    """Whatever faults the requests meet one after another, redelivery brings the tables to the newest versions."""
    engine.empty()
    rules = WHOLE | {"slow": {"response": {"bandwidth_kbps": 20}}}
    proxy.inject(*(rules[fault] | {"times": times} for fault, times in script))
    queue = Queue(engine, texts + bad, seed)
    queue.deliver_until_empty(Worker(client_at(proxy.endpoint, READ_TIMEOUT_SECONDS)))
    assert len(queue.acknowledged) == len(texts + bad)
    proxy.settle()  # no request may arrive after the tables are emptied for the next example


@given(
    texts=colliding_events(1, 25),
    bad=st.lists(st.sampled_from(sorted(BAD)), max_size=3),
    probability=st.sampled_from([0.1, 0.5, 0.9]),
    seed=st.integers(0, 2**32),
)
def test_failed_statements_lose_nothing(
    engine: Tables, texts: list[str], bad: list[str], probability: float, seed: int
) -> None:
    """Statements that fail alone, or succeed but report an error, are retried alone, and none is lost."""
    engine.empty()
    chance = random.Random(seed)  # noqa: S311  # faults that can be repeated
    codes = STATEMENT_ERROR_CODES + [f"lost {code}" for code in STATEMENT_ERROR_CODES]
    faults = with_probability(chance, probability, codes)
    broken = with_probability(chance, probability / 4, ["before", "after"])
    queue = Queue(engine, texts + bad, seed)
    faulty = Worker(StatementFaultClient(engine.client, faults, broken))
    for _ in range(3):
        queue.deliver(faulty)
    queue.deliver_until_empty(Worker(engine.client))
    assert len(queue.acknowledged) == len(texts + bad)


class DelayedClient:
    """A client whose requests reach the engine long after the response timed out."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._requests: list[Sequence[Any]] = []

    def batch_execute_statement(self, Statements: Sequence[Any]) -> Any:  # noqa: N803  # boto3's name
        """Time out."""
        self._requests.append(Statements)
        raise ReadTimeoutError(endpoint_url="https://dynamodb")

    def arrive(self) -> None:
        """Let the engine execute all requests."""
        for statements in self._requests:
            self._client.batch_execute_statement(Statements=statements)


def test_delayed_write_does_not_overwrite_a_newer_version(engine: Tables) -> None:
    """A request that arrives after its worker gave up does not replace a newer version by an old one."""
    first, old, new = ([text for text in history(entities=2, hours=[hour]) if text not in BAD] for hour in (7, 8, 9))
    new = [text for text in new if table_of(text) != "modules"]
    Worker(engine.client)(first)
    late = DelayedClient(engine.client)
    assert set(Worker(late)(old)) == {Fate.RETRIED}
    assert differences(first, table_contents(engine)) == []
    Worker(engine.client)(new)
    assert differences(first + new, table_contents(engine)) == []
    late.arrive()  # modules have no newer version, so they show that the delayed writes arrive
    assert differences(first + old + new, table_contents(engine)) == []


@pytest.mark.parametrize("table", TABLES.values())
def test_missing_table_delays_only_its_own_records(engine: Tables, table: str) -> None:
    """Records of other tables are acknowledged; those of the missing table are stored once it exists."""
    queue = Queue(engine, history(entities=1), seed=5)
    worker = Worker(engine.client)
    engine.client.delete_table(TableName=table)
    for _ in range(2):
        queue.deliver(worker)
    assert {table_of(text) for _, text in queue.waiting} == {table}
    assert table not in {table_of(text) for text in queue.acknowledged}
    engine.create(table)
    queue.deliver_until_empty(worker)


@pytest.mark.parametrize("table", TABLES.values())
@pytest.mark.parametrize("whole", [True, False], ids=["the request", "the statement"])
def test_denied_permission_delays_only_records_of_its_table(
    engine: Tables, proxy: Proxy, table: str, whole: bool
) -> None:
    """A table without write permission delays its own records only, even if DynamoDB denies whole requests."""
    queue = Queue(engine, history(entities=1), seed=7)
    denied = f'"{table}"'
    proxy.inject({"error": {"code": "AccessDeniedException"}, "body": f"Statements[?contains(Statement, '{denied}')]"})
    through_proxy = client_at(proxy.endpoint, 2)
    of_statements = StatementFaultClient(
        engine.client, lambda statement: "AccessDenied" if denied in statement else None
    )
    for _ in range(2):
        queue.deliver(Worker(through_proxy if whole else of_statements))
    assert {table_of(text) for _, text in queue.waiting} == {table}
    assert table not in {table_of(text) for text in queue.acknowledged}
    proxy.clear()
    queue.deliver_until_empty(Worker(through_proxy))


def table_of(text: str) -> str:
    """Return the table that a record goes to."""
    return TABLES["REJECTED_TABLE"] if text in BAD else next(iter(versions(text)))[0]
