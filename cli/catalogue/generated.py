"""Everything that is generated: schemas, reference and template blocks from the catalogue, invocations from samples."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cli.catalogue import json_schema, model, reference, template
from cli.errors import CommandError
from handlers.items.event_types import SCHEMAS_DIR

ROOT = SCHEMAS_DIR.parent
EVENTS = ROOT / "events"

ACCOUNT, REGION = "123456789012", "eu-west-1"
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:canvas-live-events"
STREAM_ARN = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/canvas-live-events"
_ENTERED_MS = 1_788_249_600_000  # 2026-09-01T08:00:00Z


def files() -> dict[Path, str]:
    """Every generated file and what must be in it.

    Raises ``CommandError`` for an event type of the catalogue without a sample event, and as ``template.text`` does.
    """
    return dict(_schemas()) | dict(_invocations()) | {reference.FILE: reference.text(), template.FILE: template.text()}


def stale() -> list[Path]:
    """The generated files that are missing or out of step, and those that nothing generates any more."""
    wanted = files()
    out_of_step = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    left_over = [path for path in (*SCHEMAS_DIR.glob("*.json"), *EVENTS.glob("*.json")) if path not in wanted]
    return sorted(out_of_step + left_over)


def write() -> list[Path]:
    """Bring the generated files into step; those that changed."""
    wanted, changed = files(), stale()
    for path in changed:
        if path in wanted:
            path.write_text(wanted[path])
        else:
            path.unlink()
    return changed


def samples() -> dict[str, str]:
    """The sample events, by event type, as JSON text of one line."""
    return {path.stem: _one_line(path) for path in sorted((EVENTS / "samples").glob("*.json"))}


def refused() -> dict[str, str]:
    """A record that is rejected, for each reason that a record by itself can have."""
    return {
        path.stem: path.read_text() if path.suffix == ".txt" else _one_line(path)
        for path in sorted((EVENTS / "refused").iterdir())
    }


def as_self_hosted(text: str) -> str:
    """The event as a Canvas that an institution hosts itself puts it to its stream: ``attributes`` first."""
    event = json.loads(text)
    return _compact({"attributes": event["metadata"], "body": event["body"]})


def sqs_event(bodies: list[str]) -> dict[str, Any]:
    """A Lambda invocation with a message for each body."""
    return {"Records": [_message(number, body) for number, body in enumerate(bodies, 1)]}


def kinesis_event(data: list[str]) -> dict[str, Any]:
    """A Lambda invocation with a record of the stream for each text."""
    return {"Records": [_stream_record(number, text) for number, text in enumerate(data, 1)]}


def _schemas() -> Iterator[tuple[Path, str]]:
    for name, event_type in model.load().items():
        yield SCHEMAS_DIR / f"{name}.json", json_schema.text(json_schema.schema(event_type, _sample(name)))


def _sample(event_type: str) -> Any:
    try:
        return json.loads((EVENTS / "samples" / f"{event_type}.json").read_text())
    except FileNotFoundError:
        raise CommandError(
            f"{event_type} is in the catalogue, and has no sample event. Put one, of made-up persons, into"
            f" events/samples/{event_type}.json: it goes into the schema and into the tests."
        ) from None


def _invocations() -> Iterator[tuple[Path, str]]:
    good = samples()
    for name, text in good.items():
        yield from _pair(name, [text], [as_self_hosted(text)])
    # Every sample and every refusal in one batch, and the first event once more at the end.
    bad = list(refused().values())
    first = next(iter(good.values()))
    yield from _pair("mixed", [*good.values(), *bad, first], [*map(as_self_hosted, good.values()), *bad, first])


def _pair(name: str, bodies: list[str], data: list[str]) -> Iterator[tuple[Path, str]]:
    """Every record of these is stored, superseded or rejected: none of them is to be delivered again."""
    for source, event in (("sqs", sqs_event(bodies)), ("kinesis", kinesis_event(data))):
        yield EVENTS / f"{source}_{name}.json", json_schema.text(event)
        yield EVENTS / f"{source}_{name}.response.json", json_schema.text({"batchItemFailures": []})


def _message(number: int, body: str) -> dict[str, Any]:
    return {
        "messageId": f"059f36b4-87a3-44ab-83d2-{number:012d}",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": str(_ENTERED_MS + number),
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": str(_ENTERED_MS + number + 5),
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE_ARN,
        "awsRegion": REGION,
    }


def _stream_record(number: int, text: str) -> dict[str, Any]:
    sequence_number = f"4959033827149025660855969253836157109592157598913{number:07d}"
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "10150000000004711",
            "sequenceNumber": sequence_number,
            "data": base64.b64encode(text.encode()).decode(),
            "approximateArrivalTimestamp": (_ENTERED_MS + number) / 1000,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{sequence_number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT}:role/canvas-live-events-KinesisFunctionRole",
        "awsRegion": REGION,
        "eventSourceARN": STREAM_ARN,
    }


def _one_line(path: Path) -> str:
    return _compact(json.loads(path.read_text()))


def _compact(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def run(*, check: bool) -> int:
    """The command: bring the generated files into step, or only say which are not."""
    blocks = ", ".join(template.stale_blocks())
    changed = stale() if check else write()
    for path in changed:
        what = f" ({blocks})" if path == template.FILE else ""
        print(f"{'out of step' if check else 'written'}: {path.relative_to(ROOT)}{what}")
    if check and changed:
        print("Run `make generate` and commit what it writes.")
        return 1
    print(f"{len(files())} generated files are in step with schemas/catalogue and events/samples.")
    return 0
