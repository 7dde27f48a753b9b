"""What a batch took: the time of its stages, and what it asked of DynamoDB."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock


@dataclass
class Effort:
    """Filled by the stages while a batch goes through them.

    ``milliseconds`` are those of each stage: ``judge`` (from the record to the item, or the rejection) and
    ``write``. ``requests`` are calls of DynamoDB; ``retries`` writes that were sent again, or handed back, after a
    fault that passes, ``throttles`` those among them that DynamoDB throttled.
    """

    milliseconds: dict[str, float] = field(default_factory=dict)
    requests: int = 0
    retries: int = 0
    throttles: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.milliseconds[name] = (time.perf_counter() - start) * 1000

    def request(self) -> None:
        """Count a call; several are under way at once."""
        with self._lock:
            self.requests += 1
