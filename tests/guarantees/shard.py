"""A minimal model of Lambda's event source mapping for one shard of a Kinesis stream, following its documentation.

AWS Lambda Developer Guide, "Configuring partial batch response with Kinesis Data Streams and Lambda": what a
response acknowledges, the lowest sequence number as the checkpoint, and the split there. "Retain discarded batch
records for a Kinesis Data Streams event source in Lambda": retries, age, halves, and that a split takes nothing from
the retries. "Lambda parameters for Amazon Kinesis Data Streams event source mappings": what can be set.

Where these pages are silent, the model assumes what is worse for the consumer. An identifier that is not in the batch
acknowledges nothing. The rest of a batch keeps the retry count of the batch, and without bisection its next delivery
counts as one more. A batch that fails at its first record cannot be split there, so it is halved, as after an error.
"""

import json
import math
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cli.catalogue.samples import kinesis_event

StreamRecord = dict[str, Any]
Invoke = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Mapping:
    """The settings of an event source mapping with ``ReportBatchItemFailures`` and an on-failure bucket."""

    batch_size: int = 10
    bisect: bool = True
    max_retries: int = 3
    max_age: float = math.inf


@dataclass(frozen=True)
class Batch:
    """Records that are delivered together, and how often they were retried."""

    records: list[StreamRecord]
    retries: int = 0


class Shard:
    """A shard with its records and one poller: a step is an invocation of the function, and takes a second.

    ``bucket`` is what the on-failure destination received, one list of records for each invocation.
    """

    def __init__(self, records: list[StreamRecord], mapping: Mapping, invoke: Invoke) -> None:
        self.bucket: list[list[StreamRecord]] = []
        self._mapping = mapping
        self._invoke = invoke
        self._now = max(map(_arrived, records), default=0.0)
        starts = range(0, len(records), mapping.batch_size)
        self._waiting = deque(Batch(records[start : start + mapping.batch_size]) for start in starts)

    @property
    def is_read(self) -> bool:
        """Return whether the checkpoint is past the last record."""
        return not self._waiting

    def step(self) -> list[StreamRecord]:
        """Deliver the next batch; return the records that the checkpoint passed as acknowledged."""
        batch = self._waiting.popleft()
        oldest = self._now - self._mapping.max_age
        self._discard([record for record in batch.records if _arrived(record) < oldest])
        records = [record for record in batch.records if _arrived(record) >= oldest]
        if not records:
            return []
        self._now += 1
        done = self._deliver(records)
        if done < len(records):
            self._deliver_again(Batch(records[done:], batch.retries), is_split=done > 0)
        return records[:done]

    def _deliver(self, records: list[StreamRecord]) -> int:
        # As JSON, so that nothing but JSON goes there and comes back.
        event = json.loads(json.dumps({"Records": records}))
        try:
            return acknowledged(records, json.loads(json.dumps(self._invoke(event))))
        except Exception:  # noqa: BLE001  # whatever ends the function, to Lambda it is a function error
            return 0

    def _deliver_again(self, rest: Batch, *, is_split: bool) -> None:
        half = len(rest.records) // 2
        if self._mapping.bisect and is_split:
            self._waiting.appendleft(rest)
        elif self._mapping.bisect and half:
            halves = (Batch(rest.records[:half], rest.retries), Batch(rest.records[half:], rest.retries))
            self._waiting.extendleft(reversed(halves))
        elif rest.retries < self._mapping.max_retries:
            self._waiting.appendleft(Batch(rest.records, rest.retries + 1))
        else:
            self._discard(rest.records)

    def _discard(self, records: list[StreamRecord]) -> None:
        if records:
            self.bucket.append(records)


def acknowledged(records: Sequence[StreamRecord], response: Any) -> int:
    """Return how many records of a batch, counted from the first, the function's response acknowledges."""
    numbers = [record["kinesis"]["sequenceNumber"] for record in records]
    failed = [failure.get("itemIdentifier") for failure in (response or {}).get("batchItemFailures") or []]
    if not set(failed) <= set(numbers):
        return 0
    # Sequence numbers grow along a shard: the first is the lowest.
    return min(map(numbers.index, failed), default=len(numbers))


def stream(data: Sequence[bytes], shard: int = 0) -> list[StreamRecord]:
    """Return the records of a shard with these data, as Lambda delivers them."""
    records: list[StreamRecord] = kinesis_event([""] * len(data))["Records"]
    for record, record_data in zip(records, data, strict=True):
        kinesis = record["kinesis"]
        kinesis["data"] = b64encode(record_data).decode()
        kinesis["sequenceNumber"] = f"{kinesis['sequenceNumber']}{shard}"
        record["eventID"] = f"shardId-{shard:012d}:{kinesis['sequenceNumber']}"
    return records


def data_of(record: StreamRecord) -> bytes:
    """Return the data of a record."""
    return b64decode(record["kinesis"]["data"])


def _arrived(record: StreamRecord) -> float:
    return float(record["kinesis"]["approximateArrivalTimestamp"])
