"""What the functions of the local stack logged, to the last line.

MiniStack 1.5 reads what an invocation prints until it pauses for some milliseconds, which on a busy machine it does
before it is done. The rest is logged with the next invocation in the same environment, or never. So that no line is
missing, ``complete_logs`` gives each function a single environment, and ``flush`` sends it an empty batch: once that
is logged, so is everything before it.
"""

import contextlib
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cli.local.ministack import STACK, LocalAws, LocalStackError

FATES = ("stored", "superseded", "rejected", "ignored")
SECONDS_TO_SETTLE = 180
SECONDS_TO_FLUSH = 30


def log_events(aws: LocalAws) -> dict[str, list[tuple[int, str]]]:
    """Read what the functions of the stack logged: by log group, (milliseconds since the epoch, line)."""
    logs = aws.client("logs")
    groups = logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{STACK}/")["logGroups"]
    names = [group["logGroupName"] for group in groups]
    return {
        name: [(event["timestamp"], event["message"].rstrip("\n")) for event in _events(logs, name)] for name in names
    }


def log_lines(aws: LocalAws) -> dict[str, list[str]]:
    """Every line that the functions of the stack printed, by log group."""
    return {group: [line for _, line in events] for group, events in log_events(aws).items()}


def batches(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The lines that count a batch."""
    for line in lines:
        if line.startswith("{"):
            document = json.loads(line)
            if document.get("message") == "batch":
                yield document


def logged_outcomes(aws: LocalAws) -> dict[str, Counter[str]]:
    """How many records of which event type had which outcome, as far as it is logged."""
    counts: dict[str, Counter[str]] = {}
    for batch in batches(itertools.chain.from_iterable(log_lines(aws).values())):
        for event_type, outcomes in batch["event_types"].items():
            counts.setdefault(event_type, Counter()).update(outcomes)
    return counts


@contextlib.contextmanager
def complete_logs(aws: LocalAws) -> Iterator[None]:
    """Run one environment of each function at a time, so that ``settle`` sees every line that it prints."""
    lambda_ = aws.client("lambda")
    for function in _functions(aws):
        lambda_.put_function_concurrency(FunctionName=function["FunctionName"], ReservedConcurrentExecutions=1)
    yield
    for function in _functions(aws):
        lambda_.delete_function_concurrency(FunctionName=function["FunctionName"])


def settle(
    aws: LocalAws, queue_url: str, records: int, show: Callable[[int], None] = lambda _: None
) -> dict[str, Counter[str]]:
    """Wait until all that the functions print of so many records is logged; the outcomes by event type.

    The records are sent under ``complete_logs``; ``show`` receives how many have an outcome so far.
    After ``SECONDS_TO_SETTLE`` it returns what there is by then. Raises ``LocalStackError`` when a function fails.
    """
    until = time.monotonic() + SECONDS_TO_SETTLE
    count = 0
    while count < records and time.monotonic() < until:
        time.sleep(0.2)  # until the next look
        before, count = count, _count(logged_outcomes(aws))
        show(count)
        if count == before and is_empty(aws.client("sqs"), queue_url):
            flush(aws)
    # The line that counts a batch is not the last one of its invocation.
    flush(aws)
    return logged_outcomes(aws)


def flush(aws: LocalAws) -> None:
    """Let MiniStack log the lines that it holds back of the functions that log a batch for each invocation.

    Raises ``LocalStackError`` when a function fails.
    """
    lambda_ = aws.client("lambda")
    for function in _functions(aws):
        if function["Handler"] == "handlers.objects.handler":  # it logs a batch for each object
            continue
        name, group = function["FunctionName"], function["LoggingConfig"]["LogGroup"]
        before = _count_empty_batches(aws, group)
        until = time.monotonic() + SECONDS_TO_FLUSH
        while _count_empty_batches(aws, group) == before:
            answer = lambda_.invoke(FunctionName=name, Payload=json.dumps({"Records": []}))
            if "FunctionError" in answer or time.monotonic() > until:
                raise LocalStackError(f"The function {name} fails: {answer['Payload'].read().decode()}")


def is_empty(sqs: Any, queue_url: str) -> bool:
    """Whether no message of a queue is waiting or in flight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
    return not any(int(attributes[name]) for name in names)


def _functions(aws: LocalAws) -> list[Any]:
    functions: list[Any] = aws.client("lambda").list_functions()["Functions"]
    return functions


def _count(outcomes: dict[str, Counter[str]]) -> int:
    return sum(counts[fate] for counts in outcomes.values() for fate in FATES)


def _count_empty_batches(aws: LocalAws, group: str) -> int:
    return sum(batch["received"] == 0 for batch in batches(log_lines(aws).get(group, [])))


def _events(logs: Any, group: str) -> Iterator[dict[str, Any]]:
    for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group):
        yield from page["events"]
