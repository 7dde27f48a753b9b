"""Faults of DynamoDB, on a real engine behind a bad connection: nothing lost, nothing wrong, nothing good rejected."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from handlers.outcome import Fate
from handlers.storage.flow_control import MAX_ATTEMPTS
from tests.guarantees.events import crowds
from tests.guarantees.model import differences, versions
from tests.guarantees.proxy import Faulty, Proxy, Rule, client_at, now_and_then
from tests.guarantees.worker import BAD, Queue, Worker, held, history
from tests.support.engines import TABLES, Tables

# How long these tests wait for an answer, where a function waits for handlers.deadline.READ_SECONDS.
PATIENCE = 0.1

# The write does not take place, or the answer to it is lost.
BEFORE: dict[str, Rule] = {
    "throttled": {"error": {"code": "ThrottlingException"}},
    "over its capacity": {"error": {"code": "ProvisionedThroughputExceededException"}},
    "over the account's limit": {"error": {"code": "RequestLimitExceeded"}},
    "internal error": {"error": {"code": "InternalServerError", "status": 500}},
    "unavailable": {"error": {"code": "ServiceUnavailable", "status": 503}},
    "held": {"timeout_ms": 2 * PATIENCE * 1000},
    "reset": {"reset": True},
    "denied": {"error": {"code": "AccessDeniedException"}},
    "credentials expired": {"error": {"code": "ExpiredTokenException"}},
}
AFTER: dict[str, Rule] = {
    "answer cut off": {"response": {"abort_frac": 0.5}},
    "answer cut off at once": {"response": {"abort_bytes": 0}},
    "answer held": {"response": {"bandwidth_kbps": 0.01}},
    "answer truncated": {"response": {"truncate_frac": 0.5}},
    "answer empty": {"response": {"truncate_bytes": 0}},
    "answer garbled": {"response": {"corrupt_bytes": 16}},
}
WHOLE = BEFORE | AFTER

OF_A_STATEMENT = [
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
def test_an_outage_loses_nothing(engine: Tables, proxy: Proxy, fault: str) -> None:
    """While every request meets the fault nothing is acknowledged; while some do, and after it, nothing is lost."""
    queue = Queue(engine, history(entities=3), seed=3)
    worker = Worker(client_at(proxy.endpoint, PATIENCE))
    proxy.break_by(WHOLE[fault])
    queue.deliver(worker, most=200)
    assert queue.acknowledged == []
    assert any(held(engine).values()) == (fault in AFTER)
    proxy.break_by(WHOLE[fault] | {"sequence": {"fail": 2, "pass": 1}})
    queue.deliver(worker, most=100)
    proxy.mend()
    queue.deliver_until_empty(worker)


@given(
    texts=crowds(1, 15),
    bad=st.lists(st.sampled_from(sorted(BAD)), max_size=3),
    script=st.lists(
        st.tuples(st.sampled_from([*sorted(WHOLE), "slow"]), st.integers(1, MAX_ATTEMPTS)), min_size=1, max_size=5
    ),
    seed=st.integers(0, 2**32),
)
def test_any_run_of_faults_loses_nothing(
    engine: Tables, proxy: Proxy, texts: list[str], bad: list[str], script: list[tuple[str, int]], seed: int
) -> None:
    """Whichever faults the requests meet one after another, redelivery brings the tables to the newest versions."""
    engine.empty()
    rules = WHOLE | {"slow": {"response": {"bandwidth_kbps": 20}}}
    proxy.break_by(*(rules[fault] | {"times": times} for fault, times in script))
    queue = Queue(engine, texts + bad, seed)
    queue.deliver_until_empty(Worker(client_at(proxy.endpoint, PATIENCE)))
    assert len(queue.acknowledged) == len(texts + bad)
    proxy.settle()  # nothing of this may come in after the tables were emptied for the next


@given(
    texts=crowds(1, 25),
    bad=st.lists(st.sampled_from(sorted(BAD)), max_size=3),
    probability=st.sampled_from([0.1, 0.5, 0.9]),
    seed=st.integers(0, 2**32),
)
def test_faults_of_single_statements_lose_nothing(
    engine: Tables, texts: list[str], bad: list[str], probability: float, seed: int
) -> None:
    """Statements that fail alone, or took place though they seem to have failed, are retried alone and none is lost."""
    engine.empty()
    chance = random.Random(seed)  # noqa: S311  # faults that can be repeated
    codes = OF_A_STATEMENT + [f"lost {code}" for code in OF_A_STATEMENT]
    faults = now_and_then(chance, probability, codes)
    broken = now_and_then(chance, probability / 4, ["before", "after"])
    queue = Queue(engine, texts + bad, seed)
    faulty = Worker(Faulty(engine.client, faults, broken))
    for _ in range(3):
        queue.deliver(faulty)
    queue.deliver_until_empty(Worker(engine.client))
    assert len(queue.acknowledged) == len(texts + bad)


class Late:
    """A client whose requests arrive at the engine long after it stopped to wait for their answers."""

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


def test_a_write_that_comes_late_changes_nothing(engine: Tables) -> None:
    """A request that arrives after its worker gave it up does not put an old version in place of a newer one."""
    first, old, new = ([text for text in history(entities=2, hours=[hour]) if text not in BAD] for hour in (7, 8, 9))
    new = [text for text in new if table_of(text) != "modules"]
    Worker(engine.client)(first)
    late = Late(engine.client)
    assert set(Worker(late)(old)) == {Fate.RETRIED}
    assert differences(first, held(engine)) == []
    Worker(engine.client)(new)
    assert differences(first + new, held(engine)) == []
    late.arrive()  # the modules, which have nothing newer, show that the old writes do come
    assert differences(first + old + new, held(engine)) == []


@pytest.mark.parametrize("table", TABLES.values())
def test_a_missing_table_holds_up_its_own_records_until_it_is_there(engine: Tables, table: str) -> None:
    """Without a table the records of the others are acknowledged, and its own wait and come in when it is made."""
    queue = Queue(engine, history(entities=1), seed=5)
    worker = Worker(engine.client)
    shape = engine.client.describe_table(TableName=table)["Table"]
    engine.client.delete_table(TableName=table)
    for _ in range(2):
        queue.deliver(worker)
    assert {table_of(text) for _, text in queue.waiting} == {table}
    assert table not in {table_of(text) for text in queue.acknowledged}
    made = {name: shape[name] for name in ("TableName", "KeySchema", "AttributeDefinitions")}
    engine.client.create_table(**made, BillingMode="PAY_PER_REQUEST")
    queue.deliver_until_empty(worker)


@pytest.mark.parametrize("table", TABLES.values())
@pytest.mark.parametrize("whole", [True, False], ids=["the request", "the statement"])
def test_a_denied_permission_holds_up_its_own_records(engine: Tables, proxy: Proxy, table: str, whole: bool) -> None:
    """A table that may not be written to holds up its records alone, though the denial is one of whole requests."""
    queue = Queue(engine, history(entities=1), seed=7)
    denied = f'"{table}"'
    proxy.break_by(
        {"error": {"code": "AccessDeniedException"}, "body": f"Statements[?contains(Statement, '{denied}')]"}
    )
    through_proxy = client_at(proxy.endpoint, 2)
    of_statements = Faulty(engine.client, lambda statement: "AccessDenied" if denied in statement else None)
    for _ in range(2):
        queue.deliver(Worker(through_proxy if whole else of_statements))
    assert {table_of(text) for _, text in queue.waiting} == {table}
    assert table not in {table_of(text) for text in queue.acknowledged}
    proxy.mend()
    queue.deliver_until_empty(Worker(through_proxy))


def table_of(text: str) -> str:
    """The table that a record goes to."""
    return TABLES["REJECTED_TABLE"] if text in BAD else next(iter(versions(text)))[0]
