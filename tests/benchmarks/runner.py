"""Measure handlers in turn, each in its own process, against an endpoint that does no work.

Handlers are compared round by round, within the same minute, and the result is the median of the rounds' ratios, so
that it holds on a machine whose speed drifts.
"""

import contextlib
import gzip
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import urllib3

from handlers.archive.line import format_line
from handlers.intake.decode import decode
from handlers.intake.record import Record
from handlers.items import event_types
from handlers.items.timestamps import EPOCH
from tests.benchmarks.workloads import invocation

TABLES = (*sorted({event_type.table_variable for event_type in event_types.load().values()}), "REJECTED_TABLE")
PROJECT, BASELINE, LOWER_BOUND = "handlers.sqs", "tests.benchmarks.baseline", "tests.benchmarks.lower_bound"
OBJECTS = "handlers.objects"
BUCKET = "bucket"

Figures = dict[str, float]


class Subject:
    """A handler in its own process, with these further environment variables."""

    def __init__(self, module: str, endpoint: str, **variables: str) -> None:
        self._invocation = partial(object_invocation, endpoint) if module == OBJECTS else invocation
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.subject", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(endpoint) | variables,
        )
        self._folder = TemporaryDirectory()

    def measure(self, *batches: Sequence[str]) -> Figures:
        """Return the figures of the invocations with these batches, together."""
        files = []
        for number, texts in enumerate(batches):
            path = Path(self._folder.name) / f"{number}.json"
            path.write_text(self._invocation(texts))
            files.append(str(path))
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(files) + "\n")
        self._process.stdin.flush()
        figures: Figures = json.loads(self._process.stdout.readline())
        return figures

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
        self._folder.cleanup()


def object_invocation(endpoint: str, texts: Sequence[str]) -> str:
    """Put an object with these events into the endpoint, and return the invocation with the message that names it."""
    key = f"events/{uuid4()}.ndjson.gz"
    records = (Record(str(uuid4()), text.encode(), EPOCH, "") for text in texts)
    lines = "".join(format_line(record, "sqs", decode(record.data)) for record in records)
    urllib3.request("PUT", f"{endpoint}/{BUCKET}/{key}", body=gzip.compress(lines.encode(), 1))
    return invocation([json.dumps({"bucket": BUCKET, "key": key, "run": "a-run"})])


def environment(endpoint: str) -> dict[str, str]:
    """Return the environment variables of a function."""
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
    """Yield the URL of a DynamoDB that accepts every write after a delay."""
    command = [sys.executable, "-m", "tests.benchmarks.endpoint", str(delay_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


@contextlib.contextmanager
def subjects(url: str, *modules: str) -> Iterator[list[Subject]]:
    """Yield a process for each handler, and end them afterwards."""
    running = [Subject(module, url) for module in modules]
    try:
        yield running
    finally:
        for subject in running:
            subject.close()


def median_ratio(pairs: Sequence[tuple[Any, Any]]) -> float:
    """Return the median of the ratios of pairs, one pair for each round."""
    return float(statistics.median(numerator / denominator for numerator, denominator in pairs))
