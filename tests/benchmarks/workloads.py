"""The batches that are measured: Lambda invocations from the queue."""

import json
import random
from collections.abc import Sequence
from typing import Any

from cli.catalogue.samples import sqs_event
from handlers.items.event_types import load
from tests.support.engines import SAMPLES

CATALOGUE = load()
_FIRST = 1_000_000

# The mix that the figures have been of from the start, so that they can be compared: what a course is worked in with.
COURSEWORK = [
    text
    for name, text in SAMPLES.items()
    if CATALOGUE[name].table_variable in ("ASSIGNMENTS_TABLE", "MODULES_TABLE", "DISCUSSIONS_TABLE")
    or name == "syllabus_updated"
]
EVERY_TYPE = list(SAMPLES.values())


def unlike(count: int, first: int = 0, mix: Sequence[str] = COURSEWORK) -> list[str]:
    """So many events of the types of the mix in turn, no two of one entity."""
    events = [json.loads(text) for text in mix]
    return [_numbered(events[number % len(events)], first + number) for number in range(count)]


def redundant(count: int) -> list[str]:
    """So many events, half of them duplicates of others, or overtaken by a later event of the same entity."""
    events = unlike(count - count // 2)
    chosen = random.Random(1).choices(events, k=count // 2)  # noqa: S311  # the same ones in every run
    again = [event if number % 2 else _later(event) for number, event in enumerate(chosen)]
    mixed = events + again
    random.Random(2).shuffle(mixed)  # noqa: S311
    return mixed


def invocation(texts: Sequence[str]) -> str:
    """A batch as Lambda hands it over."""
    return json.dumps(sqs_event(list(texts)))


def _numbered(event: dict[str, Any], number: int) -> str:
    """The event with another number in all that its keys are made of, and of another request."""
    body = dict(event["body"])
    for entity in CATALOGUE[event["metadata"]["event_name"]].entities:
        for path in entity.key_paths:
            holder, _, member = path.partition(".")
            if holder in body and not holder.endswith("_type"):
                body[holder] = body[holder] | {member: str(_FIRST + number)} if member else str(_FIRST + number)
    metadata = event["metadata"] | {"request_id": f"6f0f7c1e-5f1b-4a0e-9c36-{number:012d}"}
    return json.dumps({"metadata": metadata, "body": body}, separators=(",", ":"))


def _later(text: str) -> str:
    event = json.loads(text)
    event["metadata"]["event_time"] = "2026-10-01T00:00:00.000Z"
    return json.dumps(event, separators=(",", ":"))
