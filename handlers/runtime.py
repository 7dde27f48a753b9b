"""What a Lambda function makes once, at its start, and how it answers."""

import encodings.idna  # noqa: F401  # the first connection would import it
import gc
import json
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

import boto3
from botocore.config import Config

from handlers.deadline import CONNECT_SECONDS, READ_SECONDS, Deadline
from handlers.intake.decode import decode
from handlers.intake.validate import validate
from handlers.items import event_types
from handlers.items.build import items
from handlers.items.event_types import CatalogueError, EventType
from handlers.outcome import Fate, Outcome, Rejected
from handlers.pipeline import Pipeline, Unwrap
from handlers.settings import Settings
from handlers.storage.writer import Writer
from handlers.telemetry.batch_stats import Effort
from handlers.telemetry.errors import name_and_place
from handlers.telemetry.logs_and_metrics import report

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

LONGEST_MS = 15 * 60 * 1000


class Failure(TypedDict):
    """A batch item failure: the record that Lambda is to deliver again."""

    itemIdentifier: str


class Response(TypedDict):
    """A partial batch response, as Lambda's event source mappings read it."""

    batchItemFailures: list[Failure]


class Function:
    """A function over the pipeline; ``source`` is what it reads from: ``sqs`` or ``kinesis``.

    What the first batch needs is read, compiled and tried out now, so that it costs little more than any other.
    Raises ``SettingsError`` when an environment variable is missing or wrong, ``CatalogueError`` when the package
    has no schemas.
    """

    def __init__(self, source: str) -> None:
        # What is made now stays for ever: the garbage collector would look through it time and again in vain, now
        # and in each batch.
        gc.disable()
        try:
            self._source = source
            self._pipeline = _pipeline()
            gc.freeze()
        finally:
            gc.enable()

    def answer(self, batch: Iterable[tuple[str, Unwrap]], context: "LambdaContext") -> Response:
        """Process a batch and name the records that are to be delivered again.

        A caller outside Lambda may have no such context, and then has as much time as a function may ever get.
        """
        remaining_ms = getattr(context, "get_remaining_time_in_millis", lambda: LONGEST_MS)
        effort = Effort()
        outcomes = self._pipeline.process(batch, Deadline(remaining_ms), effort)
        self._report(getattr(context, "aws_request_id", None), outcomes, effort)
        retries = dict.fromkeys(outcome.record_id for outcome in outcomes if outcome.fate is Fate.RETRY)
        return {"batchItemFailures": [{"itemIdentifier": record_id} for record_id in retries]}

    def _report(self, request_id: str | None, outcomes: Sequence[Outcome], effort: Effort) -> None:
        try:
            report(self._source, request_id, outcomes, effort)
        except Exception as bug:  # noqa: BLE001  # what is stored stays acknowledged, whatever becomes of the report
            print(json.dumps({"level": "ERROR", "message": "report", "cause": name_and_place(bug)}))


def _pipeline() -> Pipeline:
    known = event_types.load()
    settings = Settings.read(os.environ, frozenset(event_type.table for event_type in known.values()))
    for event_type in known.values():
        if event_type.table in settings.tables:
            _rehearse(event_type)
    client = boto3.client(
        "dynamodb",
        config=Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS),
    )
    return Pipeline(settings, known, Writer(client, settings.tables), lambda: datetime.now(UTC))


def _rehearse(event_type: EventType) -> None:
    """Judge the event type's own examples."""
    for example in event_type.schema.get("examples", ()):
        event = decode(json.dumps(example).encode())
        try:
            validate(event, event_type)
            items(event, event_type)
        except Rejected as rejection:
            raise CatalogueError(f"{event_type.name}.json refuses its own example: {rejection}") from None
