"""What a Lambda function makes once, at its start, and how it answers."""

import json
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TypedDict

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from handlers import catalogue
from handlers.bugs import name_and_place
from handlers.catalogue import CatalogueError, EventType
from handlers.deadline import CONNECT_SECONDS, READ_SECONDS, Deadline
from handlers.effort import Effort
from handlers.fates import Fate, Outcome
from handlers.observe import report
from handlers.pipeline import Pipeline, Unwrap
from handlers.settings import Settings
from handlers.validate import schema_file
from handlers.write import Writer

LONGEST_MS = 15 * 60 * 1000


class Failure(TypedDict):
    """A batch item failure: the record that Lambda is to deliver again."""

    itemIdentifier: str


class Response(TypedDict):
    """A partial batch response, as Lambda's event source mappings read it."""

    batchItemFailures: list[Failure]


class Function:
    """A function over the pipeline; ``source`` is what it reads from: ``sqs`` or ``kinesis``.

    Raises ``SettingsError`` when an environment variable is missing or wrong, ``CatalogueError`` when the package
    is not whole.
    """

    def __init__(self, source: str) -> None:
        event_types = _event_types()
        entity_tables = frozenset(event_type.table for event_type in event_types.values())
        settings = Settings.read(os.environ, entity_tables)
        client = boto3.client(
            "dynamodb",
            # The writer has its own retries, which know how much time is left.
            config=Config(
                connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"total_max_attempts": 1}
            ),
        )
        self._source = source
        self._pipeline = Pipeline(settings, event_types, Writer(client, settings.tables), lambda: datetime.now(UTC))

    def answer(self, batch: Iterable[tuple[str, Unwrap]], context: LambdaContext) -> Response:
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
            report(self._source, request_id, outcomes, effort, datetime.now(UTC))
        except Exception as bug:  # noqa: BLE001  # what is stored stays acknowledged, whatever becomes of the report
            print(json.dumps({"level": "ERROR", "message": "report", "cause": name_and_place(bug)}))


def _event_types() -> dict[str, EventType]:
    event_types = catalogue.load()
    for name in event_types:
        if not schema_file(name).exists():
            raise CatalogueError(f"there is no {schema_file(name).name}: run `make generate` before `sam build`")
    return event_types
