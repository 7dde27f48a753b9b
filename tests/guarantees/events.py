"""Sets of events that crowd a few entities: the same entity and the same instant, said in every way there is."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from tests.guarantees.model import OCCURRENCES, entities_of, is_id
from tests.support.engines import SAMPLES

START = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)
SHARDS = {"Rk3fXcVbqZ7TnWm2LhY8sDpAe5JgU1oK9iC4wQxB": 1015, "another-institution": 2107}

_FEW = st.integers(1, 3)
_STATES = st.sampled_from(["active", "published", "deleted", None, ...])
_LINK = "https://files.example.edu/7?wrap=1&verifier=an-open-door&x=1"
_PRESIGNED = "https://bucket.s3.amazonaws.com/quiz.xml?X-Amz-Expires=60&X-Amz-Signature=0a1b"
_UNKNOWN = st.sampled_from(
    [1, "1", [1, {"a": None}], _LINK, {"qti": [_PRESIGNED, {_LINK: 1}]}, f'<a href="{_LINK.replace("&", "&amp;")}">']
)
_TEXTS = st.sampled_from(["", "a", "b", "ü", None, ...])


@st.composite
def instants(draw: st.DrawFn) -> str:
    """One of a few instants, in one of many notations: whole seconds or milliseconds, and some offset."""
    moment = START + timedelta(milliseconds=draw(st.sampled_from([0, 0, 1, 500, 1000, 3_600_000])))
    offset = draw(st.sampled_from([0, 0, 330, -480]))
    there = moment.astimezone(timezone(timedelta(minutes=offset)))
    precision = draw(st.sampled_from(["auto", "milliseconds", "microseconds"]))
    text = there.isoformat(timespec=precision)
    return text.replace("+00:00", "Z") if draw(st.booleans()) else text


@st.composite
def ids(draw: st.DrawFn, shard: int) -> str | int:
    """One of three entities, local or global, as text, number or with a tilde; or one of another shard."""
    local = draw(_FEW)
    number = draw(st.sampled_from([local, shard * 10**13 + local, shard * 10**13 + local, 99 * 10**13 + local]))
    form = draw(st.sampled_from(["text", "number", "tilde"]))
    if form == "tilde" and number > 10**13:
        return f"{number // 10**13}~{number % 10**13}"
    return number if form == "number" else str(number)


@st.composite
def events(draw: st.DrawFn, names: Sequence[str] = sorted(SAMPLES)) -> str:  # the same for ever
    """An event of one of these types that is accepted, as JSON text, in either envelope."""
    name = draw(st.sampled_from(names))
    event = json.loads(SAMPLES[name])
    uuid = draw(st.sampled_from(sorted(SHARDS)))
    shard = SHARDS[uuid]
    metadata: dict[str, Any] = {
        "event_name": name,
        "event_time": draw(instants()),
        "root_account_uuid": uuid,
        "root_account_id": draw(st.sampled_from([str(shard * 10**13 + 1), f"{shard}~1", shard * 10**13 + 1])),
        "user_id": draw(st.one_of(st.none(), ids(shard))),
    }
    if name in OCCURRENCES and draw(st.booleans()):
        metadata |= {"context_type": draw(st.sampled_from(["Course", "Group"])), "context_id": draw(ids(shard))}
    body = {k: draw(ids(shard)) if is_id(name, k) else _with_ids(v, draw, shard) for k, v in event["body"].items()}
    changed = {"workflow_state": draw(_STATES), "title": draw(_TEXTS), "due_at": draw(st.sampled_from([None, ...]))}
    if "updated_at" in body:
        changed["updated_at"] = draw(st.one_of(instants(), st.just(None)))
    body |= {k: v for k, v in changed.items() if k in body}
    body |= {"an_unknown_field": draw(_UNKNOWN)} if draw(st.booleans()) else {}
    envelope = draw(st.sampled_from(["metadata", "attributes"]))
    return json.dumps({envelope: metadata, "body": {k: v for k, v in body.items() if v is not ...}})


def _with_ids(value: Any, draw: st.DrawFn, shard: int) -> Any:
    """An object with an id of its own, as of a course that somebody makes progress in."""
    return value | {"id": draw(ids(shard))} if isinstance(value, dict) and "id" in value else value


def crowds(min_size: int, max_size: int) -> st.SearchStrategy[list[str]]:
    """Events of a few types, so that they meet: as a rule all of them are of the types that the first users need."""
    themes = st.one_of(st.just(MISSION), st.lists(st.sampled_from(THEMES), min_size=1, max_size=3).map(_joined))
    return themes.flatmap(lambda names: st.lists(events(names), min_size=min_size, max_size=max_size))


def _joined(themes: list[list[str]]) -> list[str]:
    return sorted({name for theme in themes for name in theme})


def _themes() -> list[list[str]]:
    """The event types by the entity, or the kind of occurrence, that they speak of."""
    themes: dict[str, list[str]] = {}
    for name in sorted(SAMPLES):
        themes.setdefault("activity" if name in OCCURRENCES else entities_of(name)[0], []).append(name)
    return list(themes.values())


THEMES = _themes()
MISSION = _joined(
    [names for names in THEMES if names[0].startswith(("assignment", "discussion", "module", "syllabus"))]
)
# Types of each form that an event can have, and of each family, where all of them would take too long.
SOME = [
    *MISSION,
    *("asset_accessed", "blueprint_subscription_deleted", "conversation_forwarded", "enrollment_updated"),
    *("grade_change", "group_updated", "learning_outcome_result_updated", "quiz_export_complete"),
    *("submission_updated", "user_updated", "wiki_page_deleted"),
]
