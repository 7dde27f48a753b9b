"""Invoke a handler with an invocation from a file, in this process, with the tables in MiniStack."""

import contextlib
import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cli.errors import CommandError
from cli.local.ministack import LocalAws, deploy, ministack
from cli.redrive import event_files
from cli.stack.plain_values import plain_values
from cli.ui import output
from handlers.telemetry.errors import describe_error

HANDLERS = {"aws:sqs": "handlers.sqs", "aws:kinesis": "handlers.kinesis"}
TIMEOUT_MS = 60_000  # as in template.yaml


def run(path: Path, *, as_json: bool = False) -> int:
    """Show the handler's response to the invocation in a file (``-``: standard input) and the items; returns 0.

    Raises ``CommandError`` for a file that cannot be read or has no invocation from SQS or Kinesis, and when the
    handler fails.
    """
    event, module = _read(str(path))
    with ministack() as aws:
        with output.stderr().status("Deploying the tables into MiniStack …"):
            outputs = deploy(aws, {"KinesisStream": "none", "DeletionProtection": "false"})
        os.environ.update(aws.environment(), **table_variables(outputs))
        if not as_json:
            print("log and metrics:")
        # The functions log to standard output, which is for the JSON alone.
        with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
            response = _invoke(import_module(module).handler, event)
        items = {variable: scan(aws, table) for variable, table in table_variables(outputs).items()}
    written = {variable: found for variable, found in items.items() if found}
    if as_json:
        output.print_json({"response": response, "items": written})
    else:
        _show(response, written)
    return 0


def _show(response: object, items: dict[str, list[dict[str, Any]]]) -> None:
    print("\nresponse:")
    output.print_json(response)
    for variable, found in items.items():
        for item in found:
            print(f"\n{variable}:")
            output.print_json(item)


def table_variables(outputs: dict[str, str]) -> dict[str, str]:
    """The environment variables of the tables, from the outputs of the stack."""
    return {
        f"{name.removesuffix('TableName').upper()}_TABLE": table
        for name, table in outputs.items()
        if name.endswith("TableName")
    }


def scan(aws: LocalAws, table: str) -> list[dict[str, Any]]:
    """All items of a table as plain values, ordered by their keys."""
    pages = aws.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    items = [plain_values(item) for page in pages for item in page["Items"]]
    return sorted(items, key=lambda item: tuple(str(item.get(k)) for k in ("context", "entity", "reason", "record")))


def _read(path: str) -> tuple[dict[str, Any], str]:
    """Return the invocation, and the module of the handler for its event source."""
    data = event_files.content(path)
    try:
        event = json.loads(data)
        return event, HANDLERS[event["Records"][0]["eventSource"]]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise CommandError(
            f"{event_files.display_name(path)} is not a Lambda invocation from SQS or Kinesis: it needs Records whose"
            f" eventSource is {' or '.join(HANDLERS)}. `canvas-events event TYPE` prints an example."
        ) from None


def _invoke(handler: Callable[[Any, Any], Any], event: object) -> Any:
    """Return the handler's response. Raises ``CommandError`` for what would be an error of the invocation."""
    try:
        return handler(event, _context())
    except Exception as error:  # noqa: BLE001  # Lambda reports whatever a handler raises
        raise CommandError(
            f"the handler failed: {describe_error(error)}. Lambda would deliver the whole batch again. Compare the"
            " invocation with an example: `canvas-events event TYPE`."
        ) from None


def _context() -> SimpleNamespace:
    return SimpleNamespace(aws_request_id="local-invocation", get_remaining_time_in_millis=lambda: TIMEOUT_MS)
