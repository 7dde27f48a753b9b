"""Sets of events that collide in a few entities: the same entity and the same instant in every notation."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from tests.guarantees.model import APPEND_ONLY_EVENTS, OPAQUE_IDS, documents_updated_at, entities_of, is_id, needed
from tests.support.engines import SAMPLES

START = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)
SHARDS = {"Rk3fXcVbqZ7TnWm2LhY8sDpAe5JgU1oK9iC4wQxB": 1015, "another-institution": 2107}

_FEW = st.integers(1, 3)
_STATES = st.sampled_from(["active", "published", "deleted", None, ...])
_NO_ID = st.sampled_from(["", None, ...])
_NO_TIME = st.sampled_from(["", "yesterday", "2026-09-01", "2026-09-01T08:00:00", "2026-02-30T08:00:00Z", 7, {"at": 1}])
_LINK = "https://files.example.edu/7?wrap=1&verifier=an-open-door&x=1"
_PRESIGNED = "https://bucket.s3.amazonaws.com/quiz.xml?X-Amz-Expires=60&X-Amz-Signature=0a1b"
_UNKNOWN = st.sampled_from(
    [1, "1", [1, {"a": None}], _LINK, {"qti": [_PRESIGNED, {_LINK: 1}]}, f'<a href="{_LINK.replace("&", "&amp;")}">']
)
_TEXTS = st.sampled_from(["", "a", "b", "ü", None, ...])


@st.composite
def instants(draw: st.DrawFn) -> str:
    """Draw one of a few instants in one of many notations: seconds or milliseconds, and various offsets."""
    moment = START + timedelta(milliseconds=draw(st.sampled_from([0, 0, 1, 500, 1000, 3_600_000])))
    offset = draw(st.sampled_from([0, 0, 330, -480]))
    there = moment.astimezone(timezone(timedelta(minutes=offset)))
    precision = draw(st.sampled_from(["auto", "milliseconds", "microseconds"]))
    text = there.isoformat(timespec=precision)
    return text.replace("+00:00", "Z") if draw(st.booleans()) else text


@st.composite
def ids(draw: st.DrawFn, shard: int) -> str | int:
    """Draw one of three entities, local or global, as text, number or with a tilde; or one of another shard."""
    local = draw(_FEW)
    number = draw(st.sampled_from([local, shard * 10**13 + local, shard * 10**13 + local, 99 * 10**13 + local]))
    form = draw(st.sampled_from(["text", "number", "tilde"]))
    if form == "tilde" and number > 10**13:
        return f"{number // 10**13}~{number % 10**13}"
    return number if form == "number" else str(number)


@st.composite
def events(draw: st.DrawFn, names: Sequence[str] = sorted(SAMPLES)) -> str:  # the same for ever
    """Draw a valid event of one of these types, as JSON text, in either envelope."""
    name = draw(st.sampled_from(names))
    event = json.loads(SAMPLES[name])
    uuid = draw(st.sampled_from(sorted(SHARDS)))
    shard = SHARDS[uuid]
    metadata: dict[str, Any] = {
        "event_name": name,
        "event_time": draw(instants()),
        "root_account_uuid": uuid,
        "root_account_id": draw(st.sampled_from([str(shard * 10**13 + 1), f"{shard}~1", shard * 10**13 + 1])),
        "user_id": draw(st.one_of(_NO_ID, ids(shard))),
    }
    if name in APPEND_ONLY_EVENTS and draw(st.booleans()):
        metadata |= {"context_type": draw(st.sampled_from(["Course", "Group"])), "context_id": draw(ids(shard))}
    in_keys = needed(name) if name not in APPEND_ONLY_EVENTS else set()
    body = {
        k: draw(_id(shard, k in in_keys)) if is_id(name, k) else _with_ids(v, draw, shard)
        for k, v in event["body"].items()
    }
    changed = {"workflow_state": draw(_STATES), "title": draw(_TEXTS), "due_at": draw(st.sampled_from([None, ...]))}
    body |= {k: v for k, v in changed.items() if k in body}
    documented = instants() | st.sampled_from([None, ...])
    body["updated_at"] = draw(documented if documents_updated_at(name) else _undocumented())
    body |= {k: draw(st.sampled_from(["", "an-id", None])) for k in OPAQUE_IDS if k in body}
    if "attachment_ids" in body:
        body["attachment_ids"] = draw(st.lists(st.sampled_from(["", None]) | ids(shard), max_size=3))
    body |= {"an_unknown_field": draw(_UNKNOWN)} if draw(st.booleans()) else {}
    envelope = draw(st.sampled_from(["metadata", "attributes"]))
    parts = {envelope: metadata, "body": body}
    return json.dumps({part: {k: v for k, v in said.items() if v is not ...} for part, said in parts.items()})


def _id(shard: int, is_needed: bool) -> st.SearchStrategy[Any]:
    """An id, or in a field that the key can do without now and then none."""
    return ids(shard) if is_needed else st.one_of(ids(shard), ids(shard), _NO_ID)


@st.composite
def _undocumented(draw: st.DrawFn) -> Any:
    """The updated_at of an entity of which Canvas documents none: missing, a time as Canvas or Ruby has it, or not."""
    ruby = f"2026-09-01 0{draw(st.integers(7, 9))}:00:00 {draw(st.sampled_from(['UTC', '+0200', '-0000']))}"
    return draw(st.one_of(st.just(...), st.just(...), st.just(ruby), instants(), _NO_TIME))


def _with_ids(value: Any, draw: st.DrawFn, shard: int) -> Any:
    """Replace the id of an object, such as the course of a course_progress event."""
    return value | {"id": draw(ids(shard))} if isinstance(value, dict) and "id" in value else value


def colliding_events(min_size: int, max_size: int) -> st.SearchStrategy[list[str]]:
    """Draw events of few types so that they share entities, usually of the types that the first users need."""
    themes = st.one_of(st.just(REQUIRED_EVENTS), st.lists(st.sampled_from(THEMES), min_size=1, max_size=3).map(_merged))
    return themes.flatmap(lambda names: st.lists(events(names), min_size=min_size, max_size=max_size))


def _merged(themes: list[list[str]]) -> list[str]:
    return sorted({name for theme in themes for name in theme})


def _themes() -> list[list[str]]:
    """Group the event types by the entity, or the append-only kind, that they describe."""
    themes: dict[str, list[str]] = {}
    for name in sorted(SAMPLES):
        themes.setdefault("activity" if name in APPEND_ONLY_EVENTS else entities_of(name)[0], []).append(name)
    return list(themes.values())


THEMES = _themes()
REQUIRED_EVENTS = _merged(
    [names for names in THEMES if names[0].startswith(("assignment", "discussion", "module", "syllabus"))]
)
# Event types of every format and family, for tests in which all types would take too long.
REPRESENTATIVE_EVENTS = [
    *REQUIRED_EVENTS,
    *("asset_accessed", "blueprint_subscription_deleted", "conversation_forwarded", "enrollment_updated"),
    *("grade_change", "group_updated", "learning_outcome_result_updated", "quiz_export_complete"),
    *("submission_updated", "user_updated", "wiki_page_deleted"),
]
