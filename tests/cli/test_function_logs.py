"""Logs of the local stack are read to the last line, however late MiniStack writes it."""

import io
import json
from typing import Any

import pytest

from cli.local.function_logs import log_lines, settle
from cli.local.ministack import STACK, LocalStackError

GROUP = f"/aws/lambda/{STACK}/sqs"
QUEUE = "http://127.0.0.1:4566/000000000000/canvas-live-events"


class DelayedLogs:
    """MiniStack on a busy machine: it logs the last lines of an invocation with the next one.

    ``held_back`` is the number of lines that it delays in each invocation.
    """

    def __init__(self, held_back: int, *, fails: bool = False) -> None:
        self._held_back = held_back
        self._fails = fails
        self._printed: list[str] = []
        self._logged = 0
        self.take(records=2)

    def take(self, records: int) -> None:
        """Print what a function prints for a batch: its counts first, and its metrics last."""
        outcomes = {"module_created": {"stored": records}} if records else {}
        batch = {"message": "batch", "received": records, "event_types": outcomes}
        self._printed += [json.dumps(batch), f"metrics of {records}"]
        self._logged = max(self._logged, len(self._printed) - self._held_back)

    def client(self, _: str) -> "DelayedLogs":
        """Stand in for every client."""
        return self

    def describe_log_groups(self, **_: Any) -> Any:
        """Return one group."""
        return {"logGroups": [{"logGroupName": GROUP}]}

    def get_paginator(self, _: str) -> "DelayedLogs":
        """Stand in for the paginator of the log."""
        return self

    def paginate(self, **_: Any) -> Any:
        """Return one page."""
        return [{"events": [{"timestamp": 0, "message": f"{line}\n"} for line in self._printed[: self._logged]]}]

    def list_functions(self) -> Any:
        """Return one function."""
        function = {"FunctionName": "sqs", "Handler": "handlers.sqs.handler", "LoggingConfig": {"LogGroup": GROUP}}
        return {"Functions": [function]}

    def get_queue_attributes(self, **_: Any) -> Any:
        """Return the attributes of an empty queue."""
        return {
            "Attributes": {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"},
        }

    def invoke(self, **_: Any) -> Any:
        """Process an empty batch."""
        if self._fails:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b"no handler")}
        self.take(records=0)
        return {"Payload": io.BytesIO(b"{}")}


@pytest.mark.parametrize("held_back", [0, 1, 2, 3])
def test_run_is_complete_only_after_the_last_log_line(held_back: int) -> None:
    """When the metrics, or even the counts, of the last batch are delayed, the run waits for them."""
    aws: Any = DelayedLogs(held_back)
    assert settle(aws, QUEUE, 2) == {"module_created": {"stored": 2}}
    assert "metrics of 2" in log_lines(aws)[GROUP]


def test_failing_function_is_an_error() -> None:
    """A function that cannot even process an empty batch is named with its error, without a long wait."""
    aws: Any = DelayedLogs(2, fails=True)
    with pytest.raises(LocalStackError, match="The function sqs fails: no handler"):
        settle(aws, QUEUE, 2)
