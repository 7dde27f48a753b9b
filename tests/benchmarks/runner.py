"""Where handlers are measured: each in a process of its own, against an endpoint that does no work, in turn.

What is compared was measured in the same minute, round after round, and the ratio is the median of the rounds' ratios.
So it holds on a machine whose speed drifts.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from handlers.items import event_types
from tests.benchmarks.workloads import invocation

TABLES = (*sorted({event_type.table_variable for event_type in event_types.load().values()}), "REJECTED_TABLE")
OURS, USUAL, FLOOR = "handlers.sqs", "tests.benchmarks.baseline", "tests.benchmarks.lower_bound"

Figures = dict[str, float]


class Contestant:
    """A handler in a process of its own."""

    def __init__(self, module: str, endpoint: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.subject", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(endpoint),
        )
        self._folder = TemporaryDirectory()

    def take(self, *batches: Sequence[str]) -> Figures:
        """The figures of the invocations with these batches, together."""
        files = []
        for number, texts in enumerate(batches):
            path = Path(self._folder.name) / f"{number}.json"
            path.write_text(invocation(texts))
            files.append(str(path))
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(files) + "\n")
        self._process.stdin.flush()
        figures: Figures = json.loads(self._process.stdout.readline())
        return figures

    def close(self) -> None:
        """End it."""
        self._process.communicate()
        self._folder.cleanup()


def environment(endpoint: str) -> dict[str, str]:
    """What a function finds in its environment."""
    return (
        os.environ
        | {name: name.lower() for name in TABLES}
        | {
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": endpoint,
            "POWERTOOLS_METRICS_NAMESPACE": "CanvasLiveEvents",
        }
    )


@contextlib.contextmanager
def endpoint(delay_ms: float) -> Iterator[str]:
    """The URL of a DynamoDB that accepts every write after a delay."""
    command = [sys.executable, "-m", "tests.benchmarks.endpoint", str(delay_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


@contextlib.contextmanager
def contestants(url: str, *modules: str) -> Iterator[list[Contestant]]:
    """A process for each handler, ended afterwards."""
    made = [Contestant(module, url) for module in modules]
    try:
        yield made
    finally:
        for each in made:
            each.close()


def ratio(pairs: Sequence[tuple[Any, Any]]) -> float:
    """The median of the ratios, a pair a round."""
    return float(statistics.median(above / below for above, below in pairs))
