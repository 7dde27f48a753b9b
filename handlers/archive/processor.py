"""Process the objects that the messages of a queue name, each through the pipeline."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from handlers.archive.bucket import BucketError, ObjectStore, connect
from handlers.archive.erased import read_erased_people
from handlers.archive.errors import ObjectError
from handlers.archive.line import LineError, parse_line
from handlers.archive.message import SNAPSHOTS_PREFIX, ObjectMessage, parse_message
from handlers.archive.reader import read_lines
from handlers.archive.result import result, result_key
from handlers.archive.selection import Selection
from handlers.intake.record import Record
from handlers.items.event_types import EventType
from handlers.items.snapshot import snapshot_types
from handlers.pipeline import Pipeline
from handlers.runtime import Function, cold_start, deadline_of, report
from handlers.settings import SettingsError
from handlers.sources import BatchItemFailure, PartialBatchResponse, RecordsToRetry, Source
from handlers.telemetry.batch_stats import BatchStats
from handlers.telemetry.errors import describe_error
from handlers.telemetry.logs_and_metrics import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


class Snapshots(NamedTuple):
    """How objects of snapshots are processed: their types, which those of events are not among, and the pipeline."""

    event_types: Mapping[str, EventType]
    pipeline: Pipeline


class ObjectProcessor:
    """A Lambda function: takes the lines of objects through the pipeline, and writes how each object ended.

    Nothing of an object is written before all of it was read, and an object whose record must be retried is delivered
    again as a whole, which newest-wins makes idempotent. An object that cannot be processed fails alone.
    ``pipelines`` are the one that writes what is newer, and the one that also rewrites. ``snapshots`` is for objects of
    snapshots; without it these are processed as events, which rejects them.
    """

    def __init__(
        self,
        source: Source,
        bucket: ObjectStore,
        event_types: Mapping[str, EventType],
        pipelines: Mapping[bool, Pipeline],
        snapshots: Snapshots | None = None,
    ) -> None:
        self._source = source
        self._bucket = bucket
        self._event_types = event_types
        self._pipelines = pipelines
        self._snapshots = snapshots

    @classmethod
    def load(cls, source: Source) -> "ObjectProcessor":
        """Make the function of this environment.

        Raises ``SettingsError`` if an environment variable is missing or wrong, ``SchemaFileError`` if the package has
        no schemas.
        """
        with cold_start():
            function = Function.load()
            bucket = function.settings.objects_bucket
            if bucket is None:
                raise SettingsError("OBJECTS_BUCKET is not set. Set it to the name of the bucket with the objects.")
            pipelines = {rewrite: function.pipeline(rewrite=rewrite) for rewrite in (False, True)}
            snapshots = function._replace(event_types=snapshot_types(function.event_types.values()))
            return cls(
                source,
                connect(bucket),
                function.event_types,
                pipelines,
                Snapshots(snapshots.event_types, snapshots.pipeline()),
            )

    def handle(self, event: Any, context: "LambdaContext") -> PartialBatchResponse:
        """Process the object of each message, and name the messages to deliver again."""
        failed = [message["messageId"] for message in event["Records"] if not self._succeeds(message, context)]
        return {"batchItemFailures": [BatchItemFailure(itemIdentifier=message_id) for message_id in failed]}

    def _succeeds(self, message: dict[str, Any], context: "LambdaContext") -> bool:
        try:
            self._process(parse_message(message["body"], self._bucket.name), message, context)
        except RecordsToRetry:
            return False  # reported, record by record
        except ObjectError as error:
            problem = {"error": error.code, "explanation": str(error)}
        except BucketError as error:
            problem = {"error": f"S3{error}", "explanation": "S3 did not give or take an object."}
        except Exception as error:  # noqa: BLE001  # a bug: the object waits for the fix, the others go on
            problem = {"error": describe_error(error), "explanation": "This is a bug."}
        else:
            return True
        logger.error("object failed", extra={"message_id": message["messageId"], **problem})
        return False

    def _process(self, message: ObjectMessage, delivery: dict[str, Any], context: "LambdaContext") -> None:
        stats = BatchStats()
        event_types, pipeline = self._event_types, self._pipelines[message.rewrite]
        if self._snapshots and message.key.startswith(SNAPSHOTS_PREFIX):
            event_types, pipeline = self._snapshots
        selection = Selection(message, event_types, read_erased_people(self._bucket))
        records = selection.choose(self._records(message, delivery))
        outcomes = pipeline.process(self._source.read(records), deadline_of(context), stats)
        report(self._source.name, context, outcomes, stats)
        self._source.respond(outcomes)
        ending = result(message, outcomes, selection.skipped, event_types, datetime.now(UTC))
        self._bucket.write(result_key(message), ending)

    def _records(self, message: ObjectMessage, delivery: dict[str, Any]) -> Iterator[Record]:
        arn = _object_arn(delivery, self._bucket.name, message.key)
        for number, line in enumerate(read_lines(self._bucket.open(message.key)), start=1):
            try:
                yield parse_line(line, arn).record
            except LineError as error:
                raise ObjectError("NotALine", f"Line {number} is not one of the archive: {error}.") from None


def _object_arn(delivery: dict[str, Any], bucket: str, key: str) -> str:
    """Return the ARN of an object, in the partition of the queue that delivered its name."""
    partition = (delivery.get("eventSourceARN") or "arn:aws").split(":")[1]
    return f"arn:{partition}:s3:::{bucket}/{key}"
