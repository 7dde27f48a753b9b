"""Cold-start setup, and the processing of invocations."""

import encodings.idna  # noqa: F401  # the first connection would import it
import gc
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

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
    from mypy_boto3_dynamodb import DynamoDBClient

    from handlers.archive.writer import Archive

MAX_TIMEOUT_MS = 15 * 60 * 1000


class Function(NamedTuple):
    """What a function has read and made at cold start."""

    settings: Settings
    event_types: Mapping[str, EventType]
    client: "DynamoDBClient"

    @classmethod
    def load(cls) -> "Function":
        """Read, compile and try out whatever the first batch needs, so that it costs little more than any other.

        Raises ``SettingsError`` if an environment variable is missing or wrong, ``SchemaFileError`` if the package has
        no schemas.
        """
        known = event_types.load()
        settings = Settings.from_env(os.environ, frozenset(event_type.table_variable for event_type in known.values()))
        for event_type in known.values():
            if event_type.table_variable in settings.tables:
                _warm_up(event_type)
        config = Config(connect_timeout=CONNECT_TIMEOUT_SECONDS, read_timeout=READ_TIMEOUT_SECONDS)
        return cls(settings, known, boto3.client("dynamodb", config=config))

    def pipeline(self, *, rewrite: bool = False) -> Pipeline:
        """Return a pipeline; with ``rewrite`` it writes items anew whose event has been stored already."""
        writer = Writer(self.client, self.settings.tables, request_timeout=REQUEST_TIMEOUT_SECONDS, rewrite=rewrite)
        return Pipeline(self.settings, self.event_types, writer, lambda: datetime.now(UTC))

    def archive(self) -> "Archive | None":
        """Return the archive, None if it is off."""
        if self.settings.archive_bucket is None:
            return None
        # A client of S3 takes much of a cold start, and not every function needs one.
        from handlers.archive.bucket import connect
        from handlers.archive.writer import Archive

        return Archive(connect(self.settings.archive_bucket))


class BatchProcessor:
    """A Lambda function: takes the batches of a source through the pipeline. Raises as ``Function.load`` does."""

    def __init__(self, source: Source) -> None:
        with cold_start():
            self._source = source
            function = Function.load()
            self._pipeline = function.pipeline()
            self._archive = function.archive()

    def handle(self, event: Any, context: "LambdaContext") -> Any:
        """Process an invocation and return the response of its source, or raise if the source responds so.

        A caller outside Lambda may pass any context, and then has as much time as a function may ever have.
        """
        stats = BatchStats()
        archive = self._archive.begin(self._source.name, _request_id(context)) if self._archive else None
        outcomes = self._pipeline.process(self._source.read(event), deadline_of(context), stats, archive)
        report(self._source.name, context, outcomes, stats)
        return self._source.respond(outcomes)


@contextmanager
def cold_start() -> Iterator[None]:
    """Keep the garbage collector from what is made here: it stays for good, and would be traversed again and again."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def deadline_of(context: object) -> Deadline:
    """Return the deadline of an invocation; outside Lambda it has as much time as a function may ever have."""
    return Deadline(getattr(context, "get_remaining_time_in_millis", lambda: MAX_TIMEOUT_MS))


def report(source: str, context: object, outcomes: Sequence[Outcome], stats: BatchStats) -> None:
    """Log and measure a batch. Never raises: what is stored stays acknowledged, whatever happens here."""
    try:
        report_batch(source, _request_id(context), outcomes, stats)
    except Exception as error:  # noqa: BLE001
        line = {"level": "ERROR", "message": "telemetry failed", "error": describe_error(error)}
        print(json.dumps(line))


def _request_id(context: object) -> str | None:
    return getattr(context, "aws_request_id", None)


def _warm_up(event_type: EventType) -> None:
    """Build the items of the event type's own examples."""
    for example in event_type.schema.get("examples", ()):
        event = decode(json.dumps(example).encode())
        try:
            validate(event, event_type)
            build_items(route(event, event_type))
        except Rejection as rejection:
            raise SchemaFileError(f"{event_type.name}.json rejects its own example: {rejection}") from None
