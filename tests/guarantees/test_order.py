"""Order, duplicates, batches, sources and concurrency: the tables depend on the set of events alone."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cli.stack.plain_values import plain_values
from handlers.outcome import Fate
from tests.guarantees.events import colliding_events
from tests.guarantees.model import NOT_KEPT, differences
from tests.support.engines import Consumer, Tables

SETS = colliding_events(1, 25)


def all_items(engine: Tables) -> dict[str, list[dict[str, Any]]]:
    """Return the items of the entity tables as plain values."""
    return {table: [plain_values(item) for item in items] for table, items in engine.entities().items()}


def in_batches(texts: list[str], chance: random.Random) -> list[list[str]]:
    """Return the texts and some duplicates, in random order and batches of random size."""
    deliveries = texts + chance.choices(texts, k=len(texts) // 2)
    chance.shuffle(deliveries)
    batches = []
    while deliveries:
        batches.append([deliveries.pop() for _ in range(min(len(deliveries), chance.randint(1, 12)))])
    return batches


@given(texts=SETS, seeds=st.tuples(st.integers(0, 2**32), st.integers(0, 2**32)))
def test_tables_depend_only_on_the_set_of_events(engine: Tables, texts: list[str], seeds: tuple[int, int]) -> None:
    """However the events are ordered, repeated and batched, the tables hold the newest version of each entity."""
    consumer = Consumer(engine)
    seen = []
    for seed in seeds:
        engine.empty()
        for batch in in_batches(texts, random.Random(seed)):  # noqa: S311  # a shuffle that can be repeated
            assert set(consumer.fates(*batch)) <= {Fate.STORED, Fate.SUPERSEDED}
        assert differences(texts, all_items(engine)) == []
        seen.append(engine.entities())
    assert seen[0] == seen[1]


@given(texts=SETS)
def test_one_batch_equals_single_deliveries(engine: Tables, texts: list[str]) -> None:
    """Compacting a batch before it is written gives the same tables as writing its events one by one."""
    consumer = Consumer(engine)
    engine.empty()
    consumer.deliver(*texts)
    at_once = engine.entities()
    engine.empty()
    for text in texts:
        consumer.deliver(text)
    assert engine.entities() == at_once
    assert differences(texts, all_items(engine)) == []


@given(texts=colliding_events(1, 12), seed=st.integers(0, 2**32))
def test_events_that_are_not_kept_leave_no_trace(engine: Tables, texts: list[str], seed: int) -> None:
    """Among events of Beta and of types that are not kept, in any order, the tables hold what the others say."""
    engine.empty()
    chance = random.Random(seed)  # noqa: S311
    strangers = {changed(text, hostname="x.BETA.instructure.com.:443"): Fate.REJECTED for text in texts}
    strangers |= {changed(texts[0], event_name=name): Fate.IGNORED for name in sorted(NOT_KEPT)}
    deliveries = [*texts, *strangers]
    chance.shuffle(deliveries)
    fates = Consumer(engine).fates(*deliveries)
    for text, fate in zip(deliveries, fates, strict=True):
        assert fate is strangers[text] if text in strangers else fate in (Fate.STORED, Fate.SUPERSEDED)
    assert differences(deliveries, all_items(engine)) == []
    assert differences(texts, all_items(engine)) == []


def changed(text: str, **metadata: str) -> str:
    """The event with other metadata, and newer than any of a crowd."""
    event = json.loads(text)
    ((envelope, said),) = [(name, part) for name, part in event.items() if name != "body"]
    return json.dumps(event | {envelope: said | {"event_time": "2026-09-09T08:00:00Z"} | metadata})


@given(texts=colliding_events(10, 40), seed=st.integers(0, 2**32))
def test_concurrent_workers_leave_the_same_tables(engine: Tables, texts: list[str], seed: int) -> None:
    """Four functions over overlapping batches at the same time lose none of each other's updates."""
    engine.empty()
    chance = random.Random(seed)  # noqa: S311
    consumers = [Consumer(engine) for _ in range(4)]
    work = [(consumer, batch) for consumer in consumers for batch in in_batches(texts, chance)]
    chance.shuffle(work)
    with ThreadPoolExecutor(len(consumers)) as pool:
        fates = list(pool.map(lambda task: task[0].fates(*task[1]), work))
    assert {fate for batch in fates for fate in batch} <= {Fate.STORED, Fate.SUPERSEDED}
    assert differences(texts, all_items(engine)) == []
