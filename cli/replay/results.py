"""How the objects of a run ended: their results in the bucket, and the totals of these."""

import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from cli.errors import CommandError
from cli.replay.run import Run
from handlers.archive.writer import PREFIX

_CONCURRENT_READS = 16  # the connections of a client


@dataclass
class Totals:
    """The lines of all finished objects: those that the filters skipped, and the outcomes of the others by family."""

    lines: int = 0
    skipped: int = 0
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def processed(self) -> int:
        """How many lines have an outcome."""
        return sum(counts.total() for counts in self.outcomes.values())

    def add(self, result: Any) -> None:
        """Add the result of an object. Raises ``ValueError`` where its counts do not add up to its lines."""
        outcomes = {family: Counter(counts) for family, counts in result["outcomes"].items()}
        if result["lines"] != result["skipped"] + sum(counts.total() for counts in outcomes.values()):
            raise ValueError("the counts do not add up to the lines")
        self.lines += result["lines"]
        self.skipped += result["skipped"]
        for family, counts in outcomes.items():
            self.outcomes.setdefault(family, Counter()).update(counts)


class Results:
    """The results of a run. ``finished`` are the keys of the objects that have one, under ``prefix``."""

    def __init__(self, s3: Any, bucket: str, run: Run, prefix: str = PREFIX) -> None:
        self.finished: set[str] = set()
        self.totals = Totals()
        self._s3 = s3
        self._bucket = bucket
        self._prefix = run.prefix
        self._objects = prefix

    def refresh(self) -> int:
        """Read the results that were written since the last time; return how many.

        Raises ``CommandError`` naming a result that the function cannot have written.
        """
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{self._prefix}{self._objects}"
        )
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        new = [key for key in keys if self._object_key(key) not in self.finished]
        for key, text in zip(new, self._read(new), strict=True):
            try:
                self.totals.add(json.loads(text))
            except (ValueError, LookupError, TypeError, AttributeError):
                raise CommandError(
                    f"the result {key} in the bucket {self._bucket} is not as the function writes it."
                    " Delete it, and resume: its object is then processed again."
                ) from None
            self.finished.add(self._object_key(key))
        return len(new)

    def _read(self, keys: Sequence[str]) -> list[bytes]:
        with ThreadPoolExecutor(_CONCURRENT_READS) as pool:
            return list(pool.map(lambda key: self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read(), keys))

    def _object_key(self, key: str) -> str:
        return key.removeprefix(self._prefix).removesuffix(".json")
