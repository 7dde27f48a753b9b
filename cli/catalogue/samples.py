"""Sample events, rejected samples, and the Lambda invocations made of them."""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cli.errors import CommandError
from handlers.items.event_types import SCHEMAS_DIR

EVENTS = SCHEMAS_DIR.parent / "events"

# The event types whose invocations are files. `canvas-events event` prints those of all others.
TYPES_WITH_FILES = (
    *("assignment_created", "assignment_updated", "assignment_group_created", "assignment_group_updated"),
    *("assignment_override_created", "assignment_override_updated"),
    *("module_created", "module_updated", "module_item_created", "module_item_updated"),
    *("discussion_topic_created", "discussion_topic_updated", "discussion_entry_created", "discussion_entry_submitted"),
    "syllabus_updated",
)
# The batches with failures have one event of each of these types, in this order.
_TYPES_IN_FAILING_BATCHES = ("syllabus_updated", "module_created", "assignment_created", "module_updated")

_AWS_ACCOUNT, _REGION = "123456789012", "eu-west-1"
_QUEUE_ARN = f"arn:aws:sqs:{_REGION}:{_AWS_ACCOUNT}:canvas-live-events"
_STREAM_ARN = f"arn:aws:kinesis:{_REGION}:{_AWS_ACCOUNT}:stream/canvas-live-events"
_ENQUEUED_AT_MS = 1_788_249_600_000  # 2026-09-01T08:00:00Z

Invocation = dict[str, Any]


def samples() -> dict[str, str]:
    """Return the sample events, by event type, each as one line of JSON."""
    return {path.stem: _one_line(path) for path in sorted((EVENTS / "samples").glob("*.json"))}


def rejected_samples() -> dict[str, str]:
    """Return one record for each reason to reject text that depends on the record alone, by reason."""
    return {
        path.stem: path.read_text(encoding="utf-8") if path.suffix == ".txt" else _one_line(path)
        for path in sorted((EVENTS / "rejected").iterdir())
    }


def as_self_hosted(text: str) -> str:
    """Return the event as a self-hosted Canvas puts it on its stream: ``attributes`` in place of ``metadata``."""
    event = json.loads(text)
    return _compact({"attributes": event["metadata"], "body": event["body"]})


def sqs_event(bodies: Iterable[str]) -> Invocation:
    """Return a Lambda invocation with an SQS message for each body."""
    return {"Records": [_message(number, body) for number, body in enumerate(bodies, 1)]}


def kinesis_event(data: Iterable[str]) -> Invocation:
    """Return a Lambda invocation with a Kinesis record for each text."""
    return {"Records": [_stream_record(number, text) for number, text in enumerate(data, 1)]}


# The functions that wrap records into an invocation, by source.
INVOCATION_BUILDERS: Mapping[str, Callable[[Iterable[str]], Invocation]] = {"sqs": sqs_event, "kinesis": kinesis_event}


def sample_invocation(source: str, event_types: Iterable[str], *others: str) -> Invocation:
    """Return an invocation with the sample event of each type, then the records ``others`` as they are.

    ``source`` is ``sqs`` or ``kinesis``. To the stream events come as a self-hosted Canvas sends them. Raises
    ``KeyError`` for an event type without a sample.
    """
    known = samples()
    texts = [known[event_type] for event_type in event_types]
    return INVOCATION_BUILDERS[source]([*(map(as_self_hosted, texts) if source == "kinesis" else texts), *others])


def failing_invocations(source: str) -> Iterator[tuple[str, Invocation, list[str]]]:
    """Yield batches in which some records fail: name, invocation, and the ids of those records, in their order.

    ``unreadable_records`` has records without data. Neither service sends such records; they fail whatever the tables
    are. The module events of ``missing_table`` fail where ``MODULES_TABLE`` names a table that does not exist.
    """
    unreadable = sample_invocation(source, _TYPES_IN_FAILING_BATCHES)
    for position in (1, 2):
        _remove_data(unreadable["Records"][position])
    yield "unreadable_records", unreadable, _record_ids(unreadable, (1, 2))
    missing = sample_invocation(source, _TYPES_IN_FAILING_BATCHES)
    yield "missing_table", missing, _record_ids(missing, (1, 3))


def invocation_files() -> Iterator[tuple[Path, Any]]:
    """Yield the files of ``events/sqs`` and ``events/kinesis``, and the JSON document in each.

    The response to an invocation is the file ``<name>.response.json`` beside it, or, for those without such a file,
    ``{"batchItemFailures": []}``.
    """
    known = samples()
    for source in INVOCATION_BUILDERS:
        folder = EVENTS / source
        for event_type in TYPES_WITH_FILES:
            yield folder / f"{event_type}.json", sample_invocation(source, [event_type])
        # Stored, superseded and rejected records: the first event is in it twice.
        duplicate = known[TYPES_WITH_FILES[0]]
        yield (
            folder / "mixed.json",
            sample_invocation(source, TYPES_WITH_FILES, *rejected_samples().values(), duplicate),
        )
        for name, invocation, failed in failing_invocations(source):
            yield folder / f"{name}.json", invocation
            response = {"batchItemFailures": [{"itemIdentifier": record_id} for record_id in failed]}
            yield folder / f"{name}.response.json", response


def _remove_data(record: dict[str, Any]) -> None:
    if "kinesis" in record:
        del record["kinesis"]["data"]
    else:
        del record["body"]


def _record_ids(invocation: Invocation, positions: Iterable[int]) -> list[str]:
    records = [invocation["Records"][position] for position in positions]
    return [record.get("messageId") or record["kinesis"]["sequenceNumber"] for record in records]


def _message(number: int, body: str) -> dict[str, Any]:
    return {
        "messageId": f"059f36b4-87a3-44ab-83d2-{number:012d}",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": str(_ENQUEUED_AT_MS + number),
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": str(_ENQUEUED_AT_MS + number + 5),
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": _QUEUE_ARN,
        "awsRegion": _REGION,
    }


def _stream_record(number: int, text: str) -> dict[str, Any]:
    sequence_number = f"4959033827149025660855969253836157109592157598913{number:07d}"
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "10150000000004711",
            "sequenceNumber": sequence_number,
            "data": base64.b64encode(text.encode()).decode(),
            "approximateArrivalTimestamp": (_ENQUEUED_AT_MS + number) / 1000,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{sequence_number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": f"arn:aws:iam::{_AWS_ACCOUNT}:role/canvas-live-events-KinesisFunctionRole",
        "awsRegion": _REGION,
        "eventSourceARN": _STREAM_ARN,
    }


def _one_line(path: Path) -> str:
    return _compact(read_json(path))


def read_json(path: Path) -> Any:
    """Return the document in a file of ``events/``. Raises ``CommandError`` naming a file that is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path} is not valid JSON: {error}. Correct it.") from None


def _compact(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
