"""Cold-start setup, and the processing of invocations."""

import encodings.idna  # noqa: F401  # the first connection would import it
import gc
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from handlers.deadline import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, REQUEST_TIMEOUT_SECONDS, Deadline
from handlers.intake.decode import decode
from handlers.intake.validate import validate
from handlers.items import event_types
from handlers.items.build import build_items
from handlers.items.event_types import EventType, SchemaFileError
from handlers.items.route import route
from handlers.outcome import Outcome, Rejection
from handlers.pipeline import Pipeline
from handlers.settings import Settings
from handlers.sources import Source
from handlers.storage.writer import Writer
from handlers.telemetry.batch_stats import BatchStats
from handlers.telemetry.errors import describe_error
from handlers.telemetry.logs_and_metrics import report_batch

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

MAX_TIMEOUT_MS = 15 * 60 * 1000


class BatchProcessor:
    """A Lambda function: takes the batches of a source through the pipeline.

    Reads, compiles and tries out at cold start whatever the first batch needs, so that it costs little more than any
    other. Raises ``SettingsError`` if an environment variable is missing or wrong, ``SchemaFileError`` if the package
    has no schemas.
    """

    def __init__(self, source: Source) -> None:
        # What is made at cold start stays for good: the garbage collector would traverse it again and again in vain.
        gc.disable()
        try:
            self._source = source
            self._pipeline = _build_pipeline()
            gc.freeze()
        finally:
            gc.enable()

    def handle(self, event: Any, context: "LambdaContext") -> Any:
        """Process an invocation and return the response of its source, or raise if the source responds so.

        A caller outside Lambda may pass any context, and then has as much time as a function may ever have.
        """
        remaining_ms = getattr(context, "get_remaining_time_in_millis", lambda: MAX_TIMEOUT_MS)
        stats = BatchStats()
        outcomes = self._pipeline.process(self._source.read(event), Deadline(remaining_ms), stats)
        self._report(getattr(context, "aws_request_id", None), outcomes, stats)
        return self._source.respond(outcomes)

    def _report(self, request_id: str | None, outcomes: Sequence[Outcome], stats: BatchStats) -> None:
        try:
            report_batch(self._source.name, request_id, outcomes, stats)
        except Exception as error:  # noqa: BLE001  # what is stored stays acknowledged, whatever happens here
            line = {"level": "ERROR", "message": "telemetry failed", "error": describe_error(error)}
            print(json.dumps(line))


def _build_pipeline() -> Pipeline:
    known = event_types.load()
    settings = Settings.from_env(os.environ, frozenset(event_type.table_variable for event_type in known.values()))
    for event_type in known.values():
        if event_type.table_variable in settings.tables:
            _warm_up(event_type)
    client = boto3.client(
        "dynamodb",
        config=Config(connect_timeout=CONNECT_TIMEOUT_SECONDS, read_timeout=READ_TIMEOUT_SECONDS),
    )
    writer = Writer(client, settings.tables, request_timeout=REQUEST_TIMEOUT_SECONDS)
    return Pipeline(settings, known, writer, lambda: datetime.now(UTC))


def _warm_up(event_type: EventType) -> None:
    """Build the items of the event type's own examples."""
    for example in event_type.schema.get("examples", ()):
        event = decode(json.dumps(example).encode())
        try:
            validate(event, event_type)
            build_items(route(event, event_type))
        except Rejection as rejection:
            raise SchemaFileError(f"{event_type.name}.json rejects its own example: {rejection}") from None
