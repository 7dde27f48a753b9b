"""Writing what is missing or different: snapshots in objects, which the function for objects stores.

A repair may be interrupted, repeated, and run twice at once: the versions of its snapshots decide, and what is stored
already is equal the next time.
"""

import gzip
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cli.reconcile.reconcile import Totals
from cli.reconcile.snapshot import Snapshot
from cli.replay.replay import Queues, replay
from cli.replay.results import Results
from cli.replay.run import Run, new_id
from cli.ui.output import info
from handlers.archive.message import SNAPSHOTS_PREFIX

MAX_LINES = 1_000  # of an object
MAX_BYTES = 4_000_000


class Repair:
    """A run of repairs. ``unfinished`` are the keys of objects that did not finish."""

    def __init__(self, s3: Any, bucket: str, queues: Queues, totals: Totals) -> None:
        now = datetime.now(UTC)
        self.run = Run(id=new_id(), start=now, end=now)
        self.unfinished: list[str] = []
        self._s3, self._bucket, self._queues = s3, bucket, queues
        self._results = Results(s3, bucket, self.run, SNAPSHOTS_PREFIX)
        self._totals = totals
        self._lines: list[str] = []
        self._bytes = 0
        self._keys: list[str] = []
        self._parts = 0
        self._entities: dict[str, Counter[str]] = {}
        self._in_object: Counter[str] = Counter()

    def add(self, snapshot: Snapshot, stored: Mapping[str, Any] | None) -> None:
        """Add what corrects an item, or makes it where ``stored`` is None."""
        line = snapshot.line() if stored is None else snapshot.repair(stored)
        self._lines.append(line)
        self._bytes += len(line)
        self._in_object[snapshot.entity_map.entity] += 1
        if len(self._lines) == MAX_LINES or self._bytes >= MAX_BYTES:
            self._write()

    def finish(self) -> bool:
        """Send what was added, wait until it is stored, and return whether all of it is.

        Raises ``CommandError`` when SQS does not accept a message.
        """
        self._write()
        keys, self._keys = self._keys, []
        if not keys:
            return True
        unfinished = replay(
            self.run, self._bucket, keys, self._queues, self._results,
            on_progress=lambda: None,
            on_stall=lambda: info("No object has finished for ten minutes: `canvas-events doctor` says more."),
        )  # fmt: skip
        for key in set(keys) - set(unfinished):
            for entity, count in self._entities.pop(key).items():
                self._totals.of(entity).repaired += count
        self.unfinished += unfinished
        return not unfinished and not self.rejected

    @property
    def rejected(self) -> int:
        """How many snapshots the function rejected."""
        return sum(
            counts[fate] for counts in self._results.totals.outcomes.values() for fate in ("rejected", "ignored")
        )

    def _write(self) -> None:
        if not self._lines:
            return
        key = f"{SNAPSHOTS_PREFIX}{self.run.id}/{self._parts:06}.ndjson.gz"
        body = gzip.compress("".join(self._lines).encode(), mtime=0)
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)
        self._parts += 1
        self._keys.append(key)
        self._entities[key] = self._in_object
        self._lines, self._bytes, self._in_object = [], 0, Counter()
