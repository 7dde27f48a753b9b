"""The stream: whatever Lambda does after a failure, no record is skipped or lost."""

import hashlib
import importlib
import json
import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

import handlers.kinesis
from cli.catalogue.samples import rejected_samples
from cli.stack.plain_values import plain_values
from tests.guarantees.events import colliding_events, instants
from tests.guarantees.model import differences, key_of, lifecycle_rank, versions
from tests.guarantees.shard import Mapping, Shard, StreamRecord, acknowledged, data_of, stream
from tests.guarantees.test_order import all_items
from tests.support.engines import SAMPLES, Tables, client_of

CONTEXT: Any = SimpleNamespace(aws_request_id="request-1", get_remaining_time_in_millis=lambda: 60_000)
BAD = sorted(rejected_samples().values())
REFUSED = {text.encode() for text in BAD}

# What DynamoDB says of a single statement: some pass by, others stay.
CODES = ["ThrottlingError", "InternalServerError", "TransactionConflict", "AccessDenied", "ResourceNotFound", ""]


def error_response(code: str, status: int = 400) -> ClientError:
    """Return DynamoDB's response to a whole request that it rejects."""
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]  # no more of it is read
        "BatchExecuteStatement",
    )


ERRORS = [
    error_response("ThrottlingException"),
    error_response("AccessDeniedException"),
    error_response("ValidationException"),
    error_response("", 503),
    ConnectionClosedError(endpoint_url="there"),
    ReadTimeoutError(endpoint_url="there"),
]


@dataclass(frozen=True)
class Fault:
    """What goes wrong in one invocation.

    In each request the statements at ``places`` fail with ``code``; ``error`` fails whole requests, before or after
    the write is executed; ``is_killed`` ends the function before it responds.
    """

    places: frozenset[int] = frozenset()
    code: str = ""
    error: Exception | None = None
    is_late: bool = False
    is_killed: bool = False


FAULTS = st.one_of(
    st.builds(Fault, st.frozensets(st.integers(0, 9), min_size=1, max_size=5), st.sampled_from(CODES)),
    st.builds(Fault, error=st.sampled_from(ERRORS), is_late=st.booleans()),
    st.just(Fault(is_killed=True)),
    st.just(Fault()),
)

MAPPINGS = st.builds(
    Mapping,
    batch_size=st.integers(1, 12),
    bisect=st.booleans(),
    max_retries=st.sampled_from([0, 1, 3, 100]),
    max_age=st.sampled_from([3.0, 30.0, math.inf, math.inf]),
)


class FaultyClient:
    """A client whose requests fail as ``fault`` says, and whose statements on the ``poisoned`` entities always fail."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.fault = Fault()
        self.poisoned: tuple[str, ...] = ()

    def batch_execute_statement(self, Statements: list[Any]) -> dict[str, Any]:  # noqa: N803  # DynamoDB's own name
        """Send the statements that do not fail."""
        if self.fault.error and not self.fault.is_late:
            raise self.fault.error
        fails = [
            place in self.fault.places or self._is_poisoned(statement) for place, statement in enumerate(Statements)
        ]
        sent = [statement for statement, is_failing in zip(Statements, fails, strict=True) if not is_failing]
        responses = iter(self._client.batch_execute_statement(Statements=sent)["Responses"] if sent else ())
        if self.fault.error:
            raise self.fault.error
        return {
            "Responses": [
                {"Error": {"Code": self.fault.code}} if is_failing else next(responses) for is_failing in fails
            ]
        }

    def _is_poisoned(self, statement: Any) -> bool:
        return any({"S": entity} in statement["Parameters"] for entity in self.poisoned)


class Worker:
    """The entry point as Lambda invokes it, with one fault for each invocation until none is left."""

    def __init__(self, client: FaultyClient) -> None:
        self.client = client
        self.faults: Iterator[Fault] = iter(())
        self.killers: tuple[bytes, ...] = ()
        self.unknown_identifiers: list[Any] = []  # failures that name no record of the batch

    def __call__(self, event: dict[str, Any]) -> Any:
        """Invoke the entry point."""
        self.client.fault = next(self.faults, Fault())
        response = handlers.kinesis.handler(event, CONTEXT)
        numbers = [record["kinesis"]["sequenceNumber"] for record in event["Records"]]
        self.unknown_identifiers += [
            failure for failure in response["batchItemFailures"] if failure["itemIdentifier"] not in numbers
        ]
        if self.client.fault.is_killed or any(data_of(record) in self.killers for record in event["Records"]):
            raise MemoryError
        return response


@pytest.fixture
def worker(engine: Tables, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """The entry point of a new execution environment over empty tables, without delays."""
    client = FaultyClient(client_of(engine))
    monkeypatch.setattr("boto3.client", lambda *_, **__: client)
    monkeypatch.setattr("handlers.storage.flow_control._backoff", lambda _: 0.0)
    importlib.reload(handlers.kinesis)
    return Worker(client)


@st.composite
def records_data(draw: st.DrawFn) -> list[bytes]:
    """Draw the data of records: versions of a few entities, some duplicates, and some invalid records."""
    texts = draw(colliding_events(1, 6))
    texts += draw(st.lists(st.builds(at, st.sampled_from(texts), instants()), max_size=6))
    texts += draw(st.lists(st.sampled_from(texts), max_size=3)) + draw(st.lists(st.sampled_from(BAD), max_size=3))
    return [text.encode() for text in draw(st.permutations(texts))]


def at(text: str, event_time: str) -> str:
    """Return the same event at another time."""
    event = json.loads(text)
    event["metadata" if "metadata" in event else "attributes"]["event_time"] = event_time
    return json.dumps(event)


def skipped_records(records: Iterable[StreamRecord], engine: Tables) -> list[bytes]:
    """Return the acknowledged records that are neither stored nor superseded nor rejected."""
    data = {data_of(record) for record in records}
    rejected = digests(engine) if data & REFUSED else set()
    versions_by_data = {record_data: versions(record_data.decode()) for record_data in data - REFUSED}
    tables = {table for keys in versions_by_data.values() for table, _, _ in keys}
    ages = {key_of(table, item): age(item) for table in tables for item in map(plain_values, engine.items(table))}
    lost = [record_data for record_data in data & REFUSED if digest(record_data) not in rejected]
    for record_data, versions_by_key in versions_by_data.items():
        if not all(key in ages and ages[key] >= version.age for key, version in versions_by_key.items()):
            lost.append(record_data)
    return lost


def age(item: dict[str, Any]) -> tuple[datetime, str, int, bool]:
    """Return how new an item is, as the model does for a version."""
    if "version" not in item:
        return datetime.fromisoformat(item["event_time"]), "", 0, False
    _, updated_at, *_ = item["version"].split("#")  # of the event, which may have one that the item does not keep
    return (
        datetime.fromisoformat(item["event_time"]),
        updated_at,
        lifecycle_rank(item["event_name"]),
        item.get("deleted", False),
    )


def digests(engine: Tables) -> set[str]:
    """Return the digests of the records in the rejected table."""
    return {item["record"]["S"].rpartition("#")[2] for item in engine.items("rejected")}


def digest(data: bytes) -> str:
    """Return the digest that identifies a rejected record."""
    return hashlib.sha256(data).hexdigest()


def read(shards: list[Shard], engine: Tables, chance: random.Random) -> list[StreamRecord]:
    """Let the pollers read their shards to the end, in random turns; return the acknowledged records.

    Whenever a checkpoint moves, the records that it passed must already be stored.
    """
    acknowledged_so_far = []
    while waiting := [shard for shard in shards if not shard.is_read]:
        records = chance.choice(waiting).step()
        assert not records or skipped_records(records, engine) == []
        acknowledged_so_far += records
    return acknowledged_so_far


def check_nothing_is_lost(
    worker: Worker, engine: Tables, shards: list[Shard], done: list[StreamRecord], sent: list[StreamRecord]
) -> None:
    """Check that each record was acknowledged or is in a bucket, and that redelivery completes the tables."""
    discarded = [batch for shard in shards for batch in shard.bucket]
    ends = [record["eventID"] for record in done] + [record["eventID"] for batch in discarded for record in batch]
    assert sorted(ends) == sorted(record["eventID"] for record in sent)
    assert worker.unknown_identifiers == []
    worker.faults = iter(())
    for batch in discarded:
        assert worker({"Records": batch}) == {"batchItemFailures": []}
    data = {data_of(record) for record in sent}
    assert differences([record_data.decode() for record_data in data - REFUSED], all_items(engine)) == []
    assert digests(engine) == set(map(digest, data & REFUSED))


@given(data=records_data(), faults=st.lists(FAULTS, max_size=15), mapping=MAPPINGS)
def test_failures_of_any_kind_lose_no_stream_record(
    worker: Worker, engine: Tables, data: list[bytes], faults: list[Fault], mapping: Mapping
) -> None:
    """Whatever fails, for however long, each record is stored, superseded, rejected, or in the bucket."""
    engine.empty()
    worker.faults = iter(faults)
    records = stream(data)
    shard = Shard(records, mapping, worker)
    done = read([shard], engine, random.Random(0))  # noqa: S311  # no choice among one
    check_nothing_is_lost(worker, engine, [shard], done, records)


@given(data=records_data(), faults=st.lists(FAULTS, max_size=15), mapping=MAPPINGS, seed=st.integers(0, 2**32))
def test_two_shards_with_the_same_entities_lose_no_record(
    worker: Worker, engine: Tables, data: list[bytes], faults: list[Fault], mapping: Mapping, seed: int
) -> None:
    """The same holds if the events of an entity are spread over two shards, read at different speeds."""
    engine.empty()
    worker.faults = iter(faults)
    chance = random.Random(seed)  # noqa: S311  # choices that can be repeated
    sides = [chance.random() < 0.5 for _ in data]
    parts = [
        stream([record_data for record_data, at in zip(data, sides, strict=True) if at == side], side)
        for side in (0, 1)
    ]
    shards = [Shard(part, mapping, worker) for part in parts]
    done = read(shards, engine, chance)
    check_nothing_is_lost(worker, engine, shards, done, parts[0] + parts[1])


@given(
    data=records_data(),
    places=st.lists(st.integers(0, 25), min_size=1, max_size=2),
    code=st.sampled_from(CODES),
    kills_function=st.booleans(),
    mapping=st.builds(Mapping, batch_size=st.integers(1, 12), max_retries=st.integers(0, 3)),
)
def test_poison_record_is_discarded_alone_and_its_shard_continues(
    worker: Worker,
    engine: Tables,
    data: list[bytes],
    places: list[int],
    code: str,
    kills_function: bool,
    mapping: Mapping,
) -> None:
    """A record that always fails or kills the function ends in the bucket by itself, and all others pass."""
    engine.empty()
    poison = [poisoned(number) for number in range(len(places))]
    mixed = list(data)
    for place, record_data in zip(places, poison, strict=True):
        mixed.insert(place, record_data)
    worker.client.poisoned = (
        () if kills_function else tuple(f"module#{9_000 + number}" for number in range(len(places)))
    )
    worker.killers = tuple(poison) if kills_function else ()
    worker.faults = iter(lambda: Fault(code=code), None)
    shard = Shard(stream(mixed), mapping, worker)
    done = read([shard], engine, random.Random(0))  # noqa: S311  # no choice among one
    assert [[data_of(record) for record in batch] for batch in shard.bucket] == [[e] for e in mixed if e in poison]
    assert [data_of(record) for record in done] == [record_data for record_data in mixed if record_data not in poison]


def poisoned(number: int) -> bytes:
    """Return an event of a module that no other event describes."""
    event = json.loads(SAMPLES["module_created"])
    return json.dumps(event | {"body": event["body"] | {"module_id": str(9_000 + number)}}).encode()


def test_record_too_large_for_any_table_goes_to_the_bucket(worker: Worker, engine: Tables) -> None:
    """A record too large even for the rejected table is retried as configured, and then goes whole to the bucket."""
    noise = random.Random(1).randbytes(450_000)  # noqa: S311  # data that does not compress
    good = [text.encode() for text in SAMPLES.values()]
    shard = Shard(stream([*good[:5], noise, *good[5:]]), Mapping(batch_size=100), worker)
    done = read([shard], engine, random.Random(0))  # noqa: S311  # no choice among one
    assert [[data_of(record) for record in batch] for batch in shard.bucket] == [[noise]]
    assert [data_of(record) for record in done] == good
    assert digests(engine) == set()


def test_empty_batch_succeeds_and_empty_record_is_malformed(worker: Worker, engine: Tables) -> None:
    """An empty batch returns no failures, and a record without data is rejected as malformed."""
    assert worker({"Records": []}) == {"batchItemFailures": []}
    assert worker({"Records": stream([b""])}) == {"batchItemFailures": []}
    assert digests(engine) == {digest(b"")}


THREE = stream([b"1", b"2", b"3"])
FIRST, SECOND, THIRD = (record["kinesis"]["sequenceNumber"] for record in THREE)


@pytest.mark.parametrize(
    ("response", "count"),
    [
        (None, 3),
        ({}, 3),
        ({"batchItemFailures": None}, 3),
        ({"batchItemFailures": []}, 3),
        ({"batchItemFailures": [{"itemIdentifier": THIRD}, {"itemIdentifier": SECOND}]}, 1),
        ({"batchItemFailures": [{"itemIdentifier": FIRST}]}, 0),
        ({"batchItemFailures": [{"itemIdentifier": THIRD}, {"itemIdentifier": ""}]}, 0),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, 0),
        ({"batchItemFailures": [{"itemIdentifer": THIRD}]}, 0),
        ({"batchItemFailures": [{"itemIdentifier": "of another batch"}]}, 0),
    ],
)
def test_shard_model_interprets_responses_like_lambda(response: Any, count: int) -> None:
    """An empty list is success, the lowest failure is the checkpoint, and an unknown identifier fails the batch."""
    assert acknowledged(THREE, response) == count


@pytest.mark.parametrize(
    ("mapping", "deliveries", "bucket"),
    [
        (Mapping(max_retries=1), ["1234", "34", "3", "3", "4"], ["3"]),
        (Mapping(max_retries=1, bisect=False), ["1234", "34"], ["34"]),
        (Mapping(max_retries=2, bisect=False), ["1234", "34", "34"], ["34"]),
        (Mapping(max_retries=0, bisect=False, batch_size=3), ["123", "4"], ["3"]),
        (Mapping(max_age=1.5), ["1234", "34"], ["3", "4"]),
    ],
)
def test_shard_model_retries_splits_and_discards(mapping: Mapping, deliveries: list[str], bucket: list[str]) -> None:
    """A record that always fails is delivered and discarded as the mapping's settings say."""
    seen = []

    def fail_third(event: dict[str, Any]) -> dict[str, Any]:
        seen.append(b"".join(map(data_of, event["Records"])).decode())
        failed = [record["kinesis"]["sequenceNumber"] for record in event["Records"] if data_of(record) == b"3"]
        return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}

    shard = Shard(stream([b"1", b"2", b"3", b"4"]), mapping, fail_third)
    while not shard.is_read:
        shard.step()
    assert seen == deliveries
    assert [b"".join(map(data_of, batch)).decode() for batch in shard.bucket] == bucket
