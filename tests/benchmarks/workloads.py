"""The batches to measure: Lambda invocations from the queue."""

import json
import random
from collections.abc import Sequence
from typing import Any

from cli.catalogue.samples import sqs_event
from handlers.items.event_types import load
from tests.support.engines import SAMPLES

CATALOGUE = load()
_FIRST_ID = 1_000_000

# The event types of everyday coursework. The mix stays the same, so that the figures of all releases can be compared.
COURSEWORK = [
    text
    for name, text in SAMPLES.items()
    if CATALOGUE[name].table_variable in ("ASSIGNMENTS_TABLE", "MODULES_TABLE", "DISCUSSIONS_TABLE")
    or name == "syllabus_updated"
]
EVERY_TYPE = list(SAMPLES.values())


def distinct_entities(count: int, first: int = 0, mix: Sequence[str] = COURSEWORK) -> list[str]:
    """Return ``count`` events of the types of the mix in turn, each of another entity."""
    events = [json.loads(text) for text in mix]
    return [_numbered(events[number % len(events)], first + number) for number in range(count)]


def redundant(count: int) -> list[str]:
    """Return ``count`` events, half of them duplicates of others, or superseded by a later event of the same entity."""
    events = distinct_entities(count - count // 2)
    chosen = random.Random(1).choices(events, k=count // 2)  # noqa: S311  # the same ones in every run
    repeated = [event if number % 2 else _later(event) for number, event in enumerate(chosen)]
    mixed = events + repeated
    random.Random(2).shuffle(mixed)  # noqa: S311
    return mixed


def invocation(texts: Sequence[str]) -> str:
    """Return the event of a Lambda invocation with these messages, as JSON."""
    return json.dumps(sqs_event(list(texts)))


def _numbered(event: dict[str, Any], number: int) -> str:
    """Return the event of another entity and request: ``number`` is in every id of its keys."""
    body = dict(event["body"])
    for entity in CATALOGUE[event["metadata"]["event_name"]].entities:
        for path in entity.key_paths:
            field, _, member = path.partition(".")
            if field in body and not field.endswith("_type"):
                body[field] = body[field] | {member: str(_FIRST_ID + number)} if member else str(_FIRST_ID + number)
    metadata = event["metadata"] | {"request_id": f"6f0f7c1e-5f1b-4a0e-9c36-{number:012d}"}
    return json.dumps({"metadata": metadata, "body": body}, separators=(",", ":"))


def _later(text: str) -> str:
    event = json.loads(text)
    event["metadata"]["event_time"] = "2026-10-01T00:00:00.000Z"
    return json.dumps(event, separators=(",", ":"))
