"""Workers, in this process or as processes of their own, the queue that delivers to them, and the checks of both."""

import gzip
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cli.catalogue.generated import ROOT
from cli.catalogue.samples import rejected_samples
from cli.stack.plain_values import plain_values
from handlers.deadline import Deadline
from handlers.intake.record import Record
from handlers.items.event_types import load
from handlers.outcome import Fate
from handlers.pipeline import Pipeline
from handlers.settings import Settings
from handlers.storage.writer import Writer
from tests.guarantees.events import REPRESENTATIVE_EVENTS
from tests.guarantees.model import (
    APPEND_ONLY_EVENTS,
    ENTITIES,
    Key,
    Version,
    comparable,
    differences,
    entities_of,
    key_of,
    versions,
)
from tests.support.engines import NOW, SAMPLES, TABLES, Tables

CATALOGUE = load()
# Rejected records and their reasons. Secrets that the handlers redact are already redacted here.
BAD = {text.replace("1015~notarealtoken", "REDACTED"): reason for reason, text in rejected_samples().items()}
MAX_ROUNDS = 50

Work = Callable[[Sequence[str]], Sequence[Fate]]


def history(entities: int, hours: Sequence[int] = (8, 9)) -> list[str]:
    """Return the events of this number of entities of each kind, at each of these hours, and all invalid records."""
    texts = []
    for name in REPRESENTATIVE_EVENTS:
        own_id = (
            "asset_id" if name in APPEND_ONLY_EVENTS else ENTITIES[entities_of(name)[0]][1].split("}")[0].strip("{")
        )
        for number in range(1, entities + 1):
            for hour in hours:
                event = json.loads(SAMPLES[name])
                event["metadata"]["event_time"] = f"2026-09-01T0{hour}:00:00Z"
                event["body"][own_id] = str(number)
                texts.append(json.dumps(event))
    return [*texts, *BAD]


class Worker:
    """The pipeline over any client, without delays between retries."""

    def __init__(self, client: Any) -> None:
        settings = Settings(TABLES, None, timedelta(days=90))
        self._pipeline = Pipeline(settings, CATALOGUE, Writer(client, TABLES, lambda _: None), lambda: NOW)

    def __call__(self, texts: Sequence[str]) -> list[Fate]:
        """Process a batch; return the fates of its records in their order."""
        records = [Record(str(n), text.encode(), NOW, "arn:aws:sqs:eu-west-1:1:queue") for n, text in enumerate(texts)]
        outcomes = self._pipeline.process([(r.id, partial(_itself, r)) for r in records], Deadline(lambda: 60_000))
        assert [outcome.record_id for outcome in outcomes] == [record.id for record in records]
        return [outcome.fate for outcome in outcomes]


def _itself(record: Record) -> Record:
    return record


class Queue:
    """A model of SQS: a message is delivered, in any batch, until it is acknowledged or was received too often.

    ``acknowledged`` and ``dead_letters`` are the texts that were acknowledged or went to the dead-letter queue.
    """

    def __init__(self, engine: Tables, sent: Sequence[str], seed: int, max_receives: int = 1_000) -> None:
        self._engine = engine
        self._sent = sent
        self._chance = random.Random(seed)  # noqa: S311  # a shuffle that can be repeated
        self._max_receives = max_receives
        self._receives: Counter[int] = Counter()
        self.waiting = list(enumerate(sent))
        self.acknowledged: list[str] = []
        self.dead_letters: list[str] = []

    def deliver(self, work: Work, max_size: int = 25, min_size: int = 1) -> None:
        """Deliver everything that waits once, in batches of ``min_size`` to ``max_size`` messages."""
        self._chance.shuffle(self.waiting)
        batches, self.waiting = self.waiting, []
        done = []
        while batches:
            size = self._chance.randint(min_size, max(min_size, max_size))
            done += self._deliver_batch(batches[:size], work)
            batches = batches[size:]
        self.acknowledged += done
        assert lost(done, self._sent, self._engine) == []

    def deliver_until_empty(self, work: Work) -> None:
        """Deliver until nothing waits, and check the tables."""
        for _ in range(MAX_ROUNDS):
            self.deliver(work)
            if not self.waiting:
                break
        assert self.waiting == []
        arrived = [text for text in self._sent if text not in self.dead_letters]
        assert sorted(self.acknowledged + self.dead_letters) == sorted(self._sent)
        assert differences([text for text in arrived if text not in BAD], table_contents(self._engine)) == []
        assert rejections(self._engine) == {text: BAD[text] for text in arrived if text in BAD}

    def _deliver_batch(self, batch: list[tuple[int, str]], work: Work) -> list[str]:
        """Deliver a batch; return the acknowledged texts."""
        fates = work([text for _, text in batch])
        done = []
        for message, fate in zip(batch, fates, strict=True):
            number, text = message
            self._receives[number] += 1
            if fate is not Fate.RETRIED:
                assert fate in ({Fate.REJECTED} if text in BAD else {Fate.STORED, Fate.SUPERSEDED}), text
                done.append(text)
            elif self._receives[number] == self._max_receives:
                self.dead_letters.append(text)
            else:
                self.waiting.append(message)
        return done


def lost(acknowledged: Sequence[str], sent: Sequence[str], engine: Tables) -> list[str]:
    """Return the acknowledged records that are in no table, neither themselves nor, for an event, a newer version."""
    versions_by_key: dict[Key, list[Version]] = {}
    for text in sent:
        for key, version in versions(text).items() if text not in BAD else ():
            versions_by_key.setdefault(key, []).append(version)
    items = {key_of(table, item): item for table, of_one in table_contents(engine).items() for item in of_one}
    rejected = rejections(engine)

    def is_stored(text: str) -> bool:
        if text in BAD:
            return rejected.get(text) == BAD[text]
        return all(
            key in items
            and any(
                _matches(items[key], candidate) for candidate in versions_by_key[key] if candidate.age >= version.age
            )
            for key, version in versions(text).items()
        )

    return [text for text in acknowledged if not is_stored(text)]


def _matches(item: dict[str, Any], version: Version) -> bool:
    return comparable(item) == version.item


def table_contents(engine: Tables) -> dict[str, list[dict[str, Any]]]:
    """Return the items of the existing entity tables as plain values."""
    tables = [table for table in engine.client.list_tables()["TableNames"] if table != TABLES["REJECTED_TABLE"]]
    return {table: [plain_values(item) for item in engine.items(table)] for table in tables}


def rejections(engine: Tables) -> dict[str, str]:
    """Return the records in the rejected table, if it exists, with their reasons."""
    if TABLES["REJECTED_TABLE"] not in engine.client.list_tables()["TableNames"]:
        return {}
    items = map(plain_values, engine.items(TABLES["REJECTED_TABLE"]))
    return {gzip.decompress(bytes(item["payload"])).decode(): item["reason"] for item in items}


def invocation(texts: Sequence[str]) -> dict[str, Any]:
    """Return a batch as Lambda passes it to ``handlers.sqs``, with the message ids "0", "1" and so on."""
    arn = "arn:aws:sqs:eu-west-1:1:queue"
    sent = str(int(NOW.timestamp() * 1000))
    return {
        "Records": [
            {
                "messageId": str(n),
                "body": text,
                "attributes": {"SentTimestamp": sent},
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
            }
            for n, text in enumerate(texts)
        ]
    }


def start(endpoint: str, batch: Path) -> "subprocess.Popen[str]":
    """Start a worker in a process of its own, for the invocation in a file; wait until it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.guarantees.worker", endpoint, str(batch)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def reported_fates(process: "subprocess.Popen[str]", texts: Sequence[str]) -> list[Fate] | None:
    """Return the fates that follow from a worker's response; None if it died before it responded."""
    out, _ = process.communicate()
    answers = [line.removeprefix("answer ") for line in out.splitlines() if line.startswith("answer ")]
    if not answers:
        return None
    failures = {failure["itemIdentifier"] for failure in json.loads(answers[0])["batchItemFailures"]}
    acknowledged = {text: Fate.REJECTED if text in BAD else Fate.STORED for text in texts}
    return [Fate.RETRIED if str(n) in failures else acknowledged[text] for n, text in enumerate(texts)]


def main(endpoint: str, batch: Path) -> None:
    """Process the invocation in a file, as the function in Lambda would."""
    os.environ["AWS_ENDPOINT_URL"] = endpoint
    from handlers.sqs import handler  # it reads its settings when it is imported: here, not in the tests

    event = json.loads(batch.read_text())
    print("ready", flush=True)
    context: Any = SimpleNamespace(aws_request_id="a worker", get_remaining_time_in_millis=lambda: 60_000)
    print("answer", json.dumps(handler(event, context)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
