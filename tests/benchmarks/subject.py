"""One handler in its own process, invoked again and again: ``python -m tests.benchmarks.subject MODULE``.

Reads a line for each measurement: a list of files, each with the event of a Lambda invocation. Prints a line with its
``cpu`` and ``wall`` seconds, of all these invocations together, and ``megabytes``, the peak memory above that of the
idle process.
"""

import gc
import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

CONTEXT = SimpleNamespace(
    function_name="subject",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn:aws:lambda:eu-west-1:123456789012:function:subject",
    aws_request_id="6f0f7c1e-5f1b-4a0e-9c36-0d6a1c5b7e21",
    get_remaining_time_in_millis=lambda: 900_000,
)


def main() -> None:
    """Measure until the input ends."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a handler's log must not mix with the measurements
    handler = importlib.import_module(sys.argv[1]).handler
    for line in sys.stdin:
        print(json.dumps(_measure(handler, json.loads(line))), file=out, flush=True)


def _measure(handler: Any, files: list[str]) -> dict[str, float]:
    gc.collect()
    idle = _resident_megabytes()
    events = [json.loads(Path(file).read_text()) for file in reversed(files)]
    cpu, wall = time.process_time(), time.perf_counter()
    while events:
        response = handler(events.pop(), CONTEXT)
        assert response == {"batchItemFailures": []}, "no record should fail"
    return {
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - wall,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000 - idle,
    }


def _resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    main()
