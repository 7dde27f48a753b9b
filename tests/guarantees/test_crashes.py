"""Killed workers and records that trigger bugs: unacknowledged records are delivered again, and nothing is lost."""

import json
import random
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from handlers.outcome import Fate
from tests.guarantees.model import versions
from tests.guarantees.proxy import FaultRule, Proxy
from tests.guarantees.worker import Queue, Worker, history, invocation, reported_fates, start
from tests.support.engines import Tables

MAX_RECEIVES = 10  # as in template.yaml
ROUNDS = 3

# Rules that delay a request until its worker is killed: before the engine receives it, or after.
HANGING: list[FaultRule] = [{"timeout_ms": 60_000}, {"response": {"bandwidth_kbps": 0.001}}]


def test_killed_worker_loses_nothing(engine: Tables, proxy: Proxy, tmp_path: Path) -> None:
    """Wherever a worker is killed, its batch is delivered to the next one, and the tables end up correct."""
    chance = random.Random(1)  # noqa: S311  # the places of the kills
    queue = Queue(engine, history(entities=8), seed=1)
    batch = tmp_path / "batch.json"
    progress = []

    def work(texts: Sequence[str], kills: bool = True) -> list[Fate]:
        batch.write_text(json.dumps(invocation(texts)))
        began, done = proxy.requests(), chance.randint(0, 5)
        if kills:
            let_through: list[FaultRule] = [{"latency": 0, "times": done}] if done else []
            proxy.inject(*let_through, chance.choice(HANGING))
        process = start(proxy.endpoint, batch)
        if kills:
            wait_for_requests(process, proxy, began + done + 1)
            process.kill()
            proxy.clear()
        fates = reported_fates(process, texts)
        progress.append((fates is not None, proxy.requests() - began))
        return fates or [Fate.RETRIED] * len(texts)

    for _ in range(ROUNDS):
        queue.deliver(work, min_size=-(-len(queue.waiting) // 2))  # two batches, none of them too small to be killed in
    assert all(not answered and requests > 0 for answered, requests in progress)  # killed between its requests
    queue.deliver(partial(work, kills=False), min_size=len(queue.waiting))
    assert queue.waiting == []
    queue.deliver_until_empty(Worker(engine.client))


def wait_for_requests(process: "subprocess.Popen[str]", proxy: Proxy, requests: int) -> None:
    """Wait until the proxy has seen this number of requests, or the process has ended."""
    while process.poll() is None and proxy.requests() < requests:
        time.sleep(0.005)


@pytest.mark.parametrize(
    "stage",
    ["pipeline.decode", "pipeline.validate", "pipeline.route", "pipeline.build_items", "storage.writer.write_plan"],
)
def test_record_that_triggers_a_bug_becomes_a_dead_letter(engine: Tables, stage: str) -> None:
    """A record that triggers a bug goes to the dead-letter queue; records of other entities never do.

    After the bug is fixed and the dead letters are redriven, the tables are as if there had been no bug.
    """
    texts = history(entities=3)
    poisoned = [poison(texts[n]) for n in (0, 20, 40)]
    sent = [*texts, *poisoned]
    queue = Queue(engine, sent, seed=2, max_receives=MAX_RECEIVES)
    with mock.patch(f"handlers.{stage}", failing_on_poison(stage)):
        queue.deliver_until_empty(Worker(engine.client))
    assert set(poisoned) <= set(queue.dead_letters)
    # Records compacted into a poison record in every delivery share its fate: nothing newer was written.
    entities = {key for text in poisoned for key in versions(text)}
    assert all(versions(text).keys() <= entities for text in queue.dead_letters)
    again = Queue(engine, sent, seed=3)
    again.deliver_until_empty(Worker(engine.client))


def poison(text: str) -> str:
    """Return a later event of the same entity, with a field that triggers the bug."""
    event = json.loads(text)
    event["metadata"]["event_time"] = "2026-09-02T08:00:00Z"
    event["body"]["a_new_field"] = "POISON"
    return json.dumps(event)


def failing_on_poison(stage: str) -> Callable[..., Any]:
    """Return the stage with a bug."""
    module, _, name = stage.rpartition(".")
    original: Callable[..., Any] = getattr(import_module(f"handlers.{module}"), name)

    def stage_with_a_bug(*arguments: Any) -> Any:
        if "POISON" in repr(arguments):
            raise KeyError("a_new_field")
        return original(*arguments)

    return stage_with_a_bug
