"""What the tables must hold, said once more and as simply as can be: the newest version of each entity.

Written from the promise and not from the code; it shares nothing with ``handlers``.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Key = tuple[str, str, str]

COURSE = ("{context_type}", "context_id")
ENTITIES = {
    # entity: table, id, type of its context, id of its context
    "assignment": ("assignments", "assignment_id", *COURSE),
    "assignment_group": ("assignments", "assignment_group_id", *COURSE),
    "assignment_override": ("assignments", "assignment_override_id", "Assignment", "assignment_id"),
    "module": ("modules", "module_id", *COURSE),
    "module_item": ("modules", "module_item_id", *COURSE),
    "discussion_topic": ("discussions", "discussion_topic_id", *COURSE),
    "discussion_entry": ("discussions", "discussion_entry_id", "DiscussionTopic", "discussion_topic_id"),
    "discussion_submission": ("discussions", "discussion_entry_id", "DiscussionTopic", "discussion_topic_id"),
    "syllabus": ("courses", "course_id", "Course", "course_id"),
}
TIMES = {"due_at", "lock_at", "unlock_at", "updated_at", "created_at"}
ONLY_OF_A_SUBMISSION = {"assignment_id", "submission_id"}
OF_A_SUBMISSION = ONLY_OF_A_SUBMISSION | {
    "discussion_entry_id",
    "discussion_topic_id",
    "parent_discussion_entry_id",
    "user_id",
}


@dataclass(frozen=True)
class Version:
    """One version of an entity: how new it is, and the item that it makes."""

    age: tuple[datetime, str, int, bool]
    item: dict[str, Any] = field(compare=False)


def versions(text: str) -> dict[Key, Version]:
    """The versions that an event, one that is accepted, brings of its entities."""
    event = json.loads(text, parse_float=Decimal)
    metadata = event.get("metadata") or event["attributes"]
    name = metadata["event_name"]
    shard = _number(metadata["root_account_id"]) // 10**13
    body = {k: _value(k, v, shard) for k, v in event["body"].items() if v is not None}
    if "assignment_id_duplicated__from" in body:
        body.setdefault("assignment_id_duplicated_from", body.pop("assignment_id_duplicated__from"))
    if name == "discussion_entry_submitted":
        return {
            **_version(metadata, "discussion_entry", _without(body, ONLY_OF_A_SUBMISSION), shard),
            **_version(metadata, "discussion_submission", {k: body[k] for k in body if k in OF_A_SUBMISSION}, shard),
        }
    return _version(metadata, name.rpartition("_")[0], body, shard)


def newest(texts: Iterable[str]) -> dict[Key, list[dict[str, Any]]]:
    """For each key the item of the newest version; several where only a digest can tell which is newer."""
    brought: dict[Key, list[Version]] = {}
    for text in texts:
        for key, version in versions(text).items():
            brought.setdefault(key, []).append(version)
    return {key: [v.item for v in of_one if v.age == max(u.age for u in of_one)] for key, of_one in brought.items()}


def differences(texts: Iterable[str], tables: dict[str, list[dict[str, Any]]]) -> list[str]:
    """How the tables differ from the model: empty when they hold what they must.

    ``tables`` are their items as plain values, by the name of the table.
    """
    wanted = newest(texts)
    held = {(table, item["context"], item["entity"]): item for table, items in tables.items() for item in items}
    missing = [f"{key} is missing" for key in wanted.keys() - held.keys()]
    strange = [f"{key} should not be there" for key in held.keys() - wanted.keys()]
    wrong = [
        f"{key} is {_without(held[key], {'version'})}, and should be {wanted[key]}"
        for key in wanted.keys() & held.keys()
        if _without(held[key], {"version"}) not in wanted[key]
    ]
    return sorted(missing + strange + wrong)


def _version(metadata: dict[str, Any], entity: str, body: dict[str, Any], shard: int) -> dict[Key, Version]:
    table, own_id, context_type, context_id = ENTITIES[entity]
    context = f"{metadata['root_account_uuid']}#{context_type.format_map(body)}#{body[context_id]}"
    deleted = body.get("workflow_state") == "deleted"
    stage = 0 if metadata["event_name"].endswith(("_created", "_submitted")) else 1
    age = (_instant(metadata["event_time"]), body.get("updated_at", ""), stage, deleted)
    item = {
        "context": context,
        "entity": f"{entity}#{body[own_id]}",
        "event_name": metadata["event_name"],
        "event_time": _utc(metadata["event_time"]),
        "body": body,
    }
    if deleted:
        item["deleted"] = True
    if metadata.get("user_id") is not None:
        item["user_id"] = _local(metadata["user_id"], shard)
    return {(table, context, item["entity"]): Version(age, item)}


def _value(name: str, value: Any, shard: int) -> Any:
    if name in TIMES or (name == "all_day_date" and "T" in value):
        return _utc(value)
    if name.endswith(("_id", "_from")) and not name.startswith(("lti_", "domain", "sis_")):
        return _local(value, shard)
    return value


def _local(value: str | int, shard: int) -> str:
    number = _number(value)
    return str(number % 10**13 if number // 10**13 == shard else number)


def _number(value: str | int) -> int:
    shard, tilde, local = str(value).partition("~")
    return int(shard) * 10**13 + int(local) if tilde else int(value)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _utc(text: str) -> str:
    return _instant(text).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _without(fields: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}
