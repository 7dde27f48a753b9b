"""How an object ended: what ``results/<run>/<key of the object>.json`` contains."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from handlers.archive.message import ObjectMessage
from handlers.items.event_types import EventType
from handlers.items.timestamps import format_utc
from handlers.outcome import Outcome

PREFIX = "results/"
NO_FAMILY = "none"  # of records whose event type the catalogue lacks


def result_key(message: ObjectMessage) -> str:
    """Return the key of an object's result."""
    return f"{PREFIX}{message.run}/{message.key}.json"


def result(
    message: ObjectMessage,
    outcomes: Sequence[Outcome],
    skipped: int,
    event_types: Mapping[str, EventType],
    now: datetime,
) -> bytes:
    """Return the result of an object as JSON: its lines, those that were skipped, and the outcomes of the others."""
    counts: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        event_type = event_types.get(outcome.event_name or "")
        family = event_type.family if event_type else NO_FAMILY
        counts.setdefault(family, Counter())[outcome.fate.value] += 1
    document = {
        "key": message.key,
        "run": message.run,
        "lines": skipped + len(outcomes),
        "skipped": skipped,
        "outcomes": counts,
        "finished_at": format_utc(now),
    }
    return json.dumps(document, sort_keys=True).encode()
