"""Per-batch stage timings and DynamoDB request counts."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock


@dataclass
class BatchStats:
    """Filled in by the stages while a batch goes through them.

    ``stage_durations_ms`` has the stages ``process`` (records to items and rejections) and ``write`` (items, and the
    archive's object). ``dynamodb_requests`` counts calls, ``retries`` the writes that met a transient error, and
    ``throttles`` those of them that DynamoDB throttled.
    """

    stage_durations_ms: dict[str, float] = field(default_factory=dict)
    dynamodb_requests: int = 0
    retries: int = 0
    throttles: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    @contextmanager
    def time_stage(self, name: str) -> Iterator[None]:
        """Measure the duration of a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stage_durations_ms[name] = (time.perf_counter() - start) * 1000

    def count_request(self) -> None:
        """Count a DynamoDB request; several are in flight at once."""
        with self._lock:
            self.dynamodb_requests += 1
