"""The promise over all sources with the archive on: it lacks nothing that was acknowledged, and can be replayed.

S3 is in memory here, so that it can fail at every request; ``tests/integration/test_objects.py`` uses a real one.
"""

import gzip
import io
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import EndpointConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.stack.plain_values import plain_values
from handlers.archive.bucket import BucketError, ObjectStream
from handlers.archive.line import format_line, parse_line
from handlers.archive.processor import ObjectProcessor
from handlers.archive.writer import Archive
from handlers.deadline import Deadline
from handlers.intake.decode import decode
from handlers.intake.record import Record
from handlers.items.event_types import EventType
from handlers.outcome import Fate
from handlers.pipeline import Pipeline
from handlers.settings import Settings
from handlers.sources import SOURCES
from handlers.storage.writer import Writer
from tests.guarantees.events import colliding_events
from tests.guarantees.model import differences
from tests.support.engines import EVENT_TYPES, NOW, TABLES, Tables, client_of

EXAMPLES = settings(max_examples=max(5, settings().max_examples // 5))  # each has dozens of batches
CONTEXT: Any = SimpleNamespace(aws_request_id=None, get_remaining_time_in_millis=lambda: 60_000)


class Faults:
    """Faults of S3 and DynamoDB: a request fails before or after it has its effect, and a kill ends all of them."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.rate = 0.0
        self.requests_until_kill: int | None = None

    def call(self, request: Callable[[], Any], error: Exception) -> Any:
        """Make a request, or raise the error before or after it."""
        if self.requests_until_kill is not None:
            self.requests_until_kill -= 1
            if self.requests_until_kill < 0:
                raise error
        if self.chance.random() < self.rate:
            if self.chance.random() < 0.5:
                request()
            raise error
        return request()


class MemoryBucket:
    """A bucket in memory."""

    name = "ours"

    def __init__(self, faults: Faults) -> None:
        self.objects: dict[str, bytes] = {}
        self._faults = faults

    def write(self, key: str, data: bytes) -> None:
        """Write an object."""
        self._faults.call(partial(self.objects.__setitem__, key, data), BucketError("SlowDown"))

    def open(self, key: str) -> ObjectStream:
        """Read an object."""
        if key not in self.objects:
            raise BucketError("NoSuchKey")
        stream: ObjectStream = self._faults.call(lambda: io.BytesIO(self.objects[key]), BucketError("SlowDown"))
        return stream

    def keys(self, prefix: str) -> list[str]:
        """Return the keys under a prefix."""
        return [key for key in self.objects if key.startswith(prefix)]

    def records(self) -> dict[str, Record]:
        """Return the archived records, by their ids."""
        objects = [gzip.decompress(self.objects[key]).decode() for key in self.keys("events/")]
        records = [parse_line(line, "").record for text in objects for line in text.splitlines()]
        return {record.id: record for record in records}


class DynamoDB:
    """DynamoDB with faults."""

    def __init__(self, tables: Tables, faults: Faults) -> None:
        self._client = client_of(tables)
        self._faults = faults

    def batch_execute_statement(self, **request: Any) -> Any:
        """Execute statements."""
        error = EndpointConnectionError(endpoint_url="a fault")
        return self._faults.call(lambda: self._client.batch_execute_statement(**request), error)


class System:
    """All functions of a stack, over an empty bucket."""

    def __init__(
        self,
        tables: Tables,
        seed: int = 0,
        event_types: dict[str, EventType] = EVENT_TYPES,
        deployed: dict[str, str] = TABLES,
        bucket: MemoryBucket | None = None,
    ) -> None:
        self.faults = Faults(random.Random(seed))  # noqa: S311  # faults that can be repeated
        self.bucket = bucket or MemoryBucket(self.faults)
        client: Any = DynamoDB(tables, self.faults)
        configuration = Settings(deployed, None, timedelta(days=90))

        def pipeline(rewrite: bool) -> Pipeline:
            writer = Writer(client, deployed, sleep=lambda _: None, rewrite=rewrite)
            return Pipeline(configuration, event_types, writer, lambda: NOW)

        self._pipelines = {rewrite: pipeline(rewrite) for rewrite in (False, True)}
        self._objects = ObjectProcessor(SOURCES["objects"], self.bucket, event_types, self._pipelines)

    def deliver(self, source: str, records: Sequence[Record]) -> list[Fate]:
        """Deliver a batch through the queue or the stream."""
        archive = Archive(self.bucket).begin(source, None)
        batch = [(record.id, partial(_identity, record)) for record in records]
        outcomes = self._pipelines[False].process(batch, Deadline(lambda: 60_000), archive=archive)
        return [outcome.fate for outcome in outcomes]

    def process(self, key: str, **members: Any) -> bool:
        """Let the objects function process an object; return whether it is acknowledged."""
        message = {"bucket": "ours", "key": key, "run": "a-run"} | members
        event = {"Records": [{"messageId": "1", "body": json.dumps(message)}]}
        return not self._objects.handle(event, CONTEXT)["batchItemFailures"]

    def replay(self, **members: Any) -> None:
        """Process all archived objects, in random order, some of them twice."""
        keys = self.bucket.keys("events/")
        keys += self.faults.chance.choices(keys, k=len(keys) // 2)
        self.faults.chance.shuffle(keys)
        assert all(self.process(key, **members) for key in keys)


def _identity(record: Record) -> Record:
    return record


def records_of(texts: Sequence[str]) -> list[Record]:
    """Return records with these texts, whose ids are their numbers."""
    return [Record(str(number), text.encode(), NOW, "") for number, text in enumerate(texts)]


def all_items(engine: Tables) -> dict[str, list[dict[str, Any]]]:
    """Return the items of the entity tables as plain values."""
    return {table: [plain_values(item) for item in items] for table, items in engine.entities().items()}


def deliver_all(system: System, records: Sequence[Record], *, faulty_rounds: int) -> set[str]:
    """Deliver records in random batches through all sources, with faults and kills, until all are acknowledged.

    Returns the ids of those that came through the queue or the stream when they were acknowledged.
    """
    chance, acknowledged = system.faults.chance, set()
    waiting = list(records)
    rounds = 0
    while waiting:
        rounds += 1
        assert rounds < 100
        is_faulty = rounds <= faulty_rounds
        system.faults.rate = 0.3 if is_faulty else 0.0
        chance.shuffle(waiting)
        batch = waiting[: chance.randint(1, len(waiting))]
        is_killed = is_faulty and chance.random() < 0.5
        system.faults.requests_until_kill = chance.randint(0, 6) if is_killed else None
        source = chance.choice(["sqs", "kinesis", "objects"])
        if source == "objects":
            lines = "".join(format_line(record, "snapshot", decode(record.data)) for record in batch)
            system.bucket.objects["snapshots/a-run/1"] = gzip.compress(lines.encode())
            done = set(batch) if system.process("snapshots/a-run/1") and not is_killed else set()
        else:
            fates = system.deliver(source, batch)
            retried = [is_killed or fate is Fate.RETRIED for fate in fates]
            done = {record for record, again in zip(batch, retried, strict=True) if not again}
            acknowledged |= {record.id for record in done}
        waiting = [record for record in waiting if record not in done]
    system.faults.rate, system.faults.requests_until_kill = 0.0, None
    return acknowledged


@EXAMPLES
@given(texts=colliding_events(1, 25), seed=st.integers(0, 2**32))
def test_no_fault_costs_an_event_its_item_or_its_line(engine: Tables, texts: list[str], seed: int) -> None:
    """Whatever fails or is killed, through any source, the tables are right, and what is acknowledged is archived."""
    engine.empty()
    system = System(engine, seed)
    acknowledged = deliver_all(system, records_of(texts), faulty_rounds=8)
    assert differences(texts, all_items(engine)) == []
    archived = system.bucket.records()
    assert acknowledged <= archived.keys()
    for record_id, record in archived.items():
        expected, event = decode(texts[int(record_id)].encode()), decode(record.data)
        assert (event.name, event.body.keys()) == (expected.name, expected.body.keys())


@EXAMPLES
@given(texts=colliding_events(1, 25), seed=st.integers(0, 2**32))
def test_a_replay_of_everything_gives_the_same_tables(engine: Tables, texts: list[str], seed: int) -> None:
    """From the archive empty tables fill again, byte for byte, in any order, and a second replay changes nothing."""
    engine.empty()
    system = System(engine, seed)
    batches = [records_of(texts)[start : start + 7] for start in range(0, len(texts), 7)]
    for batch in batches:
        assert Fate.RETRIED not in system.deliver("sqs", batch)
    before = engine.entities()
    engine.empty()
    for _ in range(2):
        system.replay()
        assert engine.entities() == before
    assert differences(texts, all_items(engine)) == []


@EXAMPLES
@given(texts=colliding_events(1, 25), seed=st.integers(0, 2**32), data=st.data())
def test_a_family_that_was_left_out_comes_from_the_archive(
    engine: Tables, texts: list[str], seed: int, data: st.DataObject
) -> None:
    """A family deployed later gets its past by a replay of that family alone."""
    engine.empty()
    family = data.draw(st.sampled_from(sorted({EVENT_TYPES[decode(text.encode()).name].family for text in texts})))
    without = {variable: table for variable, table in TABLES.items() if table != family}
    system = System(engine, seed, deployed=without)
    assert Fate.IGNORED in system.deliver("sqs", records_of(texts))
    assert engine.items(family) == []
    System(engine, seed, bucket=system.bucket).replay(families=[family])
    assert differences(texts, all_items(engine)) == []


def _wrong(event_type: EventType) -> EventType:
    """Return an event type that takes dates for text, as a wrong catalogue would; append-only ones stay right."""
    if all(entity.append_only for entity in event_type.entities):
        return event_type
    times = {name for name, kind in event_type.field_kinds.items() if kind in ("time", "ruby_time")} - {"updated_at"}
    return replace(event_type, field_kinds=dict(event_type.field_kinds) | dict.fromkeys(times, "text"))


WRONG = {name: _wrong(event_type) for name, event_type in EVENT_TYPES.items()}


@EXAMPLES
@given(texts=colliding_events(2, 25), seed=st.integers(0, 2**32))
def test_a_corrected_mapping_is_applied_while_newer_events_arrive(engine: Tables, texts: list[str], seed: int) -> None:
    """After a rewrite every item has the new form, and newer events, which came meanwhile, have won.

    Of two events that differ in nothing but what the version's digest tells apart, the last one rewritten stays until
    a replay without the rewrite settles it.
    """
    engine.empty()
    records = records_of(texts)
    old, new = records[: len(records) // 2], records[len(records) // 2 :]
    wrong = System(engine, seed, WRONG)
    wrong.deliver("sqs", old)
    system = System(engine, seed, bucket=wrong.bucket)
    (key,) = system.bucket.keys("events/")
    system.deliver("sqs", new[: len(new) // 2])
    assert system.process(key, rewrite=True)
    system.deliver("kinesis", new[len(new) // 2 :])
    system.replay(rewrite=True)
    system.replay()
    assert differences(texts, all_items(engine)) == []
