"""A minimal reference model of the tables: the newest version of each entity.

It is written from the documented guarantees rather than from the code, and shares nothing with ``handlers``.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

Key = tuple[str, str, str]

CONTEXT = "{context_type}#{context_id}"
ENTITIES = {
    # entity: table, id template, context template; " or " separates alternatives that Canvas sends
    "assignment": ("assignments", "{assignment_id}", CONTEXT),
    "assignment_group": ("assignments", "{assignment_group_id}", CONTEXT),
    "assignment_override": (
        "assignments",
        "{assignment_override_id}",
        "Assignment#{assignment_id} or AssignmentOverride#{assignment_override_id}",
    ),
    "module": ("modules", "{module_id}", CONTEXT),
    "module_item": ("modules", "{module_item_id}", CONTEXT),
    "discussion_topic": ("discussions", "{discussion_topic_id}", CONTEXT),
    "discussion_entry": ("discussions", "{discussion_entry_id}", "DiscussionTopic#{discussion_topic_id}"),
    "discussion_submission": ("discussions", "{discussion_entry_id}", "DiscussionTopic#{discussion_topic_id}"),
    "syllabus": ("courses", "{course_id}", "Course#{course_id}"),
    "course": ("courses", "{course_id}", "Course#{course_id}"),
    "course_section": ("courses", "{course_section_id}", "CourseSection#{course_section_id}"),
    "course_progress": ("courses", "{user.id}", "Course#{course.id}"),
    "submission": ("submissions", "{submission_id}", "Assignment#{assignment_id}"),
    "submission_grade": ("submissions", "{submission_id}", "Assignment#{assignment_id}"),
    "submission_custom_status": ("submissions", "{submission_id}", "Assignment#{assignment_id}"),
    "submission_comment": ("submissions", "{submission_comment_id}", "Submission#{submission_id}"),
    "rubric_assessment": ("submissions", "{id}", "{artifact_type}#{artifact_id}"),
    "quiz_submission": ("submissions", "{submission_id}", "Quiz#{quiz_id}"),
    "course_grade": ("submissions", "{user_id}", "Course#{course_id}"),
    "grade_override": ("submissions", "{score_id}", "Enrollment#{enrollment_id}"),
    "final_grade_custom_status": ("submissions", "{score_id}", "Enrollment#{enrollment_id}"),
    "enrollment": ("enrollments", "{enrollment_id}", "Enrollment#{enrollment_id}"),
    "enrollment_state": ("enrollments", "{enrollment_id}", "Enrollment#{enrollment_id}"),
    "user": ("users", "{user_id}", "User#{user_id}"),
    "user_account_association": ("users", "{account_id}", "User#{user_id}"),
    "account": ("users", "{account_id}", "Account#{account_id}"),
    "account_notification": ("users", "{account_notification_id}", "AccountNotification#{account_notification_id}"),
    "group_category": ("groups", "{group_category_id}", CONTEXT),
    "group": ("groups", "{group_id}", CONTEXT),
    "group_membership": ("groups", "{group_membership_id}", "Group#{group_id}"),
    "wiki_page": ("content", "{wiki_page_id}", "WikiPage#{wiki_page_id}"),
    "attachment": ("content", "{attachment_id}", CONTEXT),
    "quiz": ("content", "{quiz_id}", CONTEXT),
    "lti_resource_link": ("content", "{resource_link_id}", CONTEXT),
    "learning_outcome": ("outcomes", "{learning_outcome_id}", f"{CONTEXT} or LearningOutcome#{{learning_outcome_id}}"),
    "learning_outcome_group": (
        "outcomes",
        "{learning_outcome_group_id}",
        f"{CONTEXT} or LearningOutcomeGroup#{{learning_outcome_group_id}}",
    ),
    "learning_outcome_link": ("outcomes", "{learning_outcome_link_id}", CONTEXT),
    "learning_outcome_result": (
        "outcomes",
        "{id} or {user_uuid}#{associated_asset_type}#{associated_asset_id}",
        "LearningOutcome#{learning_outcome_id}",
    ),
    "outcome_calculation_method": ("outcomes", "{outcome_calculation_method_id}", CONTEXT),
    "outcome_friendly_description": ("outcomes", "{outcome_friendly_description_id}", CONTEXT),
    "outcome_proficiency": ("outcomes", "{outcome_proficiency_id}", CONTEXT),
    "outcome_alignment_clone": (
        "outcomes",
        "{new_assignment_resource_link_id}",
        "OutcomeAlignmentClone#{new_assignment_resource_link_id}",
    ),
    "conversation": ("conversations", "{conversation_id}", "Conversation#{conversation_id}"),
    "conversation_message": ("conversations", "{message_id}", "Conversation#{conversation_id}"),
    "content_migration": ("migrations", "{content_migration_id}", CONTEXT),
    "content_export": ("migrations", "{content_export_id}", CONTEXT),
    "quiz_export": ("migrations", "{content_export_id}", "QuizExport#{content_export_id}"),
    "master_template": ("migrations", "{master_template_id}", "Course#{blueprint_course_id}"),
    "master_migration": ("migrations", "{master_migration_id}", "MasterTemplate#{master_template_id}"),
    "blueprint_subscription": ("migrations", "{child_subscription_id}", "MasterTemplate#{master_template_id}"),
    "blueprint_restrictions": ("migrations", "{canvas_assignment_id}", "Course#{canvas_course_id}"),
    "default_blueprint_restrictions": ("migrations", "{canvas_course_id}", "Course#{canvas_course_id}"),
    "sis_batch": ("migrations", "{sis_batch_id}", "SisBatch#{sis_batch_id}"),
    "heartbeat": ("migrations", "{region}", "Environment#{environment}"),
}
EVENT_ENTITIES = {
    # Event types whose names do not consist of the entity and what happened to it.
    "discussion_entry_submitted": ("discussion_entry", "discussion_submission"),
    "plagiarism_resubmit": ("submission",),
    "grade_change": ("submission_grade",),
    "submission_custom_grade_status": ("submission_custom_status",),
    "rubric_assessed": ("rubric_assessment",),
    "quiz_submitted": ("quiz_submission",),
    "course_grade_change": ("course_grade",),
    "grade_override": ("grade_override",),
    "final_grade_custom_status": ("final_grade_custom_status",),
    "course_progress": ("course_progress",),
    "course_completed": ("course_progress",),
    "outcomes.retry_outcome_alignment_clone": ("outcome_alignment_clone",),
    "heartbeat": ("heartbeat",),
}
# Entities that only an event with a certain field describes.
REQUIRES = {"discussion_submission": "assignment_id"}
# Where the course and the person of an item are, for entities of neither's context.
COURSES = {
    "enrollment": "course_id",
    "course_section": "course_id",
    "submission_custom_status": "course_id",
    "grade_override": "course_id",
    "final_grade_custom_status": "course_id",
    "learning_outcome_result": "result_context_id",
}
PEOPLE = {
    "enrollment": ("user_id",),
    "course_progress": ("user.id",),
    "submission": ("user_id",),
    "submission_grade": ("student_id", "user_id"),
    "submission_custom_status": ("user_id",),
    "submission_comment": ("user_id",),
    "course_grade": ("user_id",),
    "grade_override": ("user_id",),
    "final_grade_custom_status": ("user_id",),
    "group_membership": ("user_id",),
    "discussion_entry": ("user_id",),
    "discussion_submission": ("user_id",),
    "attachment": ("user_id",),
    "conversation_message": ("author_id",),
}
# Entities whose updated_at Canvas documents. Of others it may come one day, in any form, and is kept as it came.
WITH_UPDATED_AT = {
    *("assignment", "attachment", "conversation", "course", "course_grade", "discussion_topic", "enrollment"),
    *("final_grade_custom_status", "grade_override", "learning_outcome", "learning_outcome_group"),
    *("learning_outcome_link", "learning_outcome_result", "outcome_calculation_method", "outcome_proficiency"),
    *("outcome_friendly_description", "quiz", "rubric_assessment", "submission", "submission_custom_status"),
    *("user", "user_account_association"),
}
# Ids of no number: an empty one is none, as an empty id of Canvas is.
OPAQUE_IDS = {"lookup_uuid", "lti_assignment_id", "resource_link_uuid"}
NOT_KEPT = {
    *("quizzes_next_quiz_duplicated", "quizzes_next_migration_urls_complete"),
    *("scan_youtube_links", "convert_new_quiz_youtube_link"),
}
# What opens the file that a URL names, and is kept nowhere.
OPENS_A_URL = re.compile(
    r"([?&](?:amp;)?(?:access_token|verifier|sf_verifier|token|sig|signature|x-(?:amz|goog)-signature)=)[^&#\s\"'<>]+",
    re.IGNORECASE,
)
APPEND_ONLY_EVENTS = {"asset_accessed", "logged_in", "logged_out"}
ACTIVITY_DAYS = 365
_MISSING = "\0"
EXPORT = "content_export_id"  # for quizzes it is a text such as content-export-7
# The field kinds of newer event types, from their schemas.
NEWER_FIELD_KINDS: dict[str, dict[str, str]] = {}
NO_CANVAS_IDS = {
    *("associated_integration_id", "destination_course_lti_id", "domain_duplicated_from", "integration_id"),
    *("new_assignment_resource_link_id", "new_course_resource_link_id", "original_assignment_resource_link_id"),
    *("sis_source_id", "source_course_lti_id", "student_sis_id", "user_sis_id"),
}
SUBMISSION_ONLY_FIELDS = {"assignment_id", "submission_id"}
SUBMISSION_FIELDS = SUBMISSION_ONLY_FIELDS | {
    "discussion_entry_id",
    "discussion_topic_id",
    "parent_discussion_entry_id",
    "user_id",
}


def _load_newer_event_types() -> None:
    """Add event types that are newer than this module from their schemas."""
    known = frozenset(ENTITIES)
    for path in sorted(SCHEMAS.glob("*.json")):
        schema = json.loads(path.read_text())
        entities = {entity["name"]: entity for entity in schema["x-entities"]}
        is_known = tuple(entities) == entities_of(path.stem) and entities.keys() <= known
        if path.stem in APPEND_ONLY_EVENTS or is_known:
            continue
        if not schema["x-entities"][0]["id"]:
            APPEND_ONLY_EVENTS.add(path.stem)
            continue
        for name, entity in entities.items():
            of_table = entity["table"].removesuffix("_TABLE").lower()
            ENTITIES.setdefault(name, (of_table, " or ".join(entity["id"]), " or ".join(entity["context"])))
        EVENT_ENTITIES[path.stem] = tuple(entities)
        NEWER_FIELD_KINDS[path.stem] = schema["x-field-kinds"] | schema["x-member-kinds"]


SCHEMAS = Path(__file__).parents[2] / "schemas"


@dataclass(frozen=True)
class Version:
    """One version of an entity: its age and its item."""

    age: tuple[datetime, str, int, bool]
    item: dict[str, Any] = field(compare=False)


def versions(text: str) -> dict[Key, Version]:
    """The versions that an event, one that is accepted or ignored, brings of its entities."""
    event = json.loads(text, parse_float=Decimal)
    metadata = event.get("metadata") or event["attributes"]
    name = metadata["event_name"]
    if name in NOT_KEPT or is_of_a_copy(metadata):
        return {}
    shard = shard_of(metadata)
    body = {k: _value(name, k, v, shard) for k, v in event["body"].items() if not is_null(name, k, v)}
    if "assignment_id_duplicated__from" in body:
        body.setdefault("assignment_id_duplicated_from", body.pop("assignment_id_duplicated__from"))
    if name in APPEND_ONLY_EVENTS:
        return _append_only_item(metadata, body, shard)
    updated_at = _date_time(event["body"].get("updated_at"))
    if name != "discussion_entry_submitted":
        return _version(metadata, entities_of(name)[0], body, shard, updated_at)
    reply = _version(metadata, "discussion_entry", _without(body, SUBMISSION_ONLY_FIELDS), shard, updated_at)
    if "assignment_id" not in body:
        return reply
    of_submission = {k: body[k] for k in body if k in SUBMISSION_FIELDS}
    return {**reply, **_version(metadata, "discussion_submission", of_submission, shard, updated_at)}


def newest(texts: Iterable[str]) -> dict[Key, list[dict[str, Any]]]:
    """For each key, return the item of the newest version; several if only a digest decides which one is newer."""
    versions_by_key: dict[Key, list[Version]] = {}
    for text in texts:
        for key, version in versions(text).items():
            versions_by_key.setdefault(key, []).append(version)
    return {
        key: [v.item for v in of_one if v.age == max(u.age for u in of_one)] for key, of_one in versions_by_key.items()
    }


def differences(texts: Iterable[str], tables: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return how the tables differ from the model: empty if they match.

    ``tables`` are their items as plain values, by the name of the table.
    """
    expected = newest(texts)
    items = [(key_of(table, item), item) for table, of_one in tables.items() for item in of_one]
    actual = dict(items)
    duplicates = [
        f"{key} exists more than once" for key, times in Counter(key for key, _ in items).items() if times > 1
    ]
    missing = [f"{key} is missing" for key in expected.keys() - actual.keys()]
    unexpected = [f"{key} should not exist" for key in actual.keys() - expected.keys()]
    wrong = [
        f"{key} is {comparable(actual[key])}, and should be {expected[key]}"
        for key in expected.keys() & actual.keys()
        if comparable(actual[key]) not in expected[key]
    ]
    return sorted(duplicates + missing + unexpected + wrong)


def key_of(table: str, item: dict[str, Any]) -> Key:
    """Return the key of an item in this model.

    The key of an append-only item ends with a digest, which the content of the item replaces here: no two events of
    these tests have the same content in two requests.
    """
    if not item["entity"].startswith("activity#"):
        return table, item["context"], item["entity"]
    content = json.dumps(comparable(item), sort_keys=True, default=_as_number)
    return table, re.sub("(#Activity)#[0-9a-f]{32}$", r"\1", item["context"]), f"activity#{content}"


def _as_number(value: Decimal) -> int | float:
    """Convert a Decimal of a table, so that it compares equal to an integer of a JSON text."""
    return int(value) if value == value.to_integral_value() else float(value)


def comparable(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item without what only the writer needs: the version, or the key of an append-only item."""
    return _without(item, {"context", "entity"} if item["entity"].startswith("activity#") else {"version"})


def entities_of(event_name: str) -> tuple[str, ...]:
    """Return the entities that an event of this type describes."""
    return EVENT_ENTITIES.get(event_name) or (event_name.rpartition("_")[0],)


def lifecycle_rank(event_name: str) -> int:
    """Order created before updated before deleted."""
    return 0 if event_name.endswith(("_created", "_submitted", "_started")) else 1 + event_name.endswith("_deleted")


def keys(metadata: dict[str, Any], body: dict[str, Any], shard: int | None) -> Iterator[tuple[str, str, str]]:
    """Yield table, context and sort key of each entity of an event; the ids in ``body`` may have any form."""
    for entity in entities_of(metadata["event_name"]):
        if entity in REQUIRES and body.get(REQUIRES[entity]) in (None, ""):
            continue
        table, own, container = ENTITIES[entity]
        account = metadata.get("root_account_uuid") or ""
        rendered = [
            _first(metadata["event_name"], alternatives.split(" or "), body, shard) for alternatives in (container, own)
        ]
        yield table, f"{account}#{rendered[0]}", f"{entity}#{rendered[1]}"


def is_of_a_copy(metadata: dict[str, Any]) -> bool:
    """Whether an event says that it comes from a copy of production: Beta or Test."""
    labels = str(metadata.get("hostname")).lower().split(":")[0].rstrip(".").split(".")
    return len(labels) > 3 and labels[-3:] in (["beta", "instructure", "com"], ["test", "instructure", "com"])


def shard_of(metadata: dict[str, Any]) -> int | None:
    """Return the shard of the institution, or None if it is unknown."""
    return _number(metadata["root_account_id"]) // 10**13 if metadata.get("root_account_id") else None


def needed(event_name: str) -> set[str]:
    """The fields of the body of which an event always has a key: those of the last form of its id and its context."""
    _, own, container = ENTITIES[entities_of(event_name)[0]]
    return {path for each in (own, container) for path in _paths(each.rpartition(" or ")[2])}


def is_null(event_name: str, field: str, value: Any) -> bool:
    """Whether a value of the body means null: an empty id does, too."""
    kind = NEWER_FIELD_KINDS.get(event_name, {}).get(field)
    is_of_an_id = kind in ("gid", "lid", "uuid") if kind else is_id(event_name, field) or field in OPAQUE_IDS
    return value is None or (value == "" and is_of_an_id)


def is_id(event_name: str, field: str) -> bool:
    """Return whether a field of the body, or of an object in it, is a Canvas id."""
    if event_name in NEWER_FIELD_KINDS:
        return NEWER_FIELD_KINDS[event_name].get(field) in ("gid", "lid")
    field = field.rpartition(".")[2]
    if field in NO_CANVAS_IDS or field.startswith("lti_") or (event_name, field) == ("quiz_export_complete", EXPORT):
        return False
    return field == "id" or field.endswith(("_id", "_from"))


def _first(event_name: str, templates: list[str], body: dict[str, Any], shard: int | None) -> str:
    """Render the first template whose variables the body provides."""
    for template in templates:
        text = template
        for path in _paths(template):
            text = text.replace(f"{{{path}}}", _in_key(event_name, path, body, shard))
        if _MISSING not in text:
            return text
    raise AssertionError(f"{event_name} has no values for {templates}")


def _paths(template: str) -> set[str]:
    return set(re.findall("{([^}]*)}", template))


def _in_key(event_name: str, path: str, body: dict[str, Any], shard: int | None) -> str:
    holder, _, member = path.partition(".")
    value = body[holder][member] if member else body.get(holder)
    if value in (None, ""):
        return _MISSING
    if is_id(event_name, path):
        return _local(value, shard)
    return value if isinstance(value, str) else str(int(value))


def _version(
    metadata: dict[str, Any], entity: str, body: dict[str, Any], shard: int | None, updated_at: str
) -> dict[Key, Version]:
    name = metadata["event_name"]
    ((table, context, own),) = [key for key in keys(metadata, body, shard) if key[2].startswith(f"{entity}#")]
    deleted = body.get("workflow_state") == "deleted" or name.endswith("_deleted")
    age = (_instant(metadata["event_time"]), updated_at, lifecycle_rank(name), deleted)
    item = {"context": context, "entity": own, **_item(metadata, body, shard)}
    item |= _index_keys(metadata.get("root_account_uuid") or "", entity, body, shard)
    if deleted:
        item["deleted"] = True
    return {(table, context, own): Version(age, item)}


def _index_keys(account: str, entity: str, body: dict[str, Any], shard: int | None) -> dict[str, str]:
    """The course and the person by which an item is found, if its event names them."""
    course, people = COURSES.get(entity, ""), PEOPLE.get(entity, ())
    if entity == "learning_outcome_result" and body.get("result_context_type") != "Course":
        course = ""
    student = body.get("user")
    body = body | {"user.id": student.get("id") if isinstance(student, dict) else None}
    person = next((body[name] for name in people if body.get(name)), None)
    found = {"course": ("Course", body.get(course)), "user": ("User", person)}
    return {
        name: f"{account}#{kind}#{_local(value, shard)}"
        for name, (kind, value) in found.items()
        if value and (shard is not None or _number(value) < 10**13)
    }


def _append_only_item(metadata: dict[str, Any], body: dict[str, Any], shard: int | None) -> dict[Key, Version]:
    moment = _instant(metadata["event_time"])
    request_context = _local_context(metadata.get("context_type"), metadata.get("context_id"), shard)
    kind = str(body.get("asset_type", ""))
    opened = _local_context("".join(word.capitalize() for word in kind.split("_")), body.get("asset_id"), shard)
    own = _local_context("User", metadata.get("user_id"), shard)
    where = own or (metadata["event_name"] == "asset_accessed" and (request_context or opened)) or "Activity"
    item = _item(metadata, body, shard) | {"expires_at": int(moment.timestamp() // 1) + ACTIVITY_DAYS * 86_400}
    if request_context:
        item["request_context"] = request_context
        if request_context.startswith("Course#") and metadata["event_name"] == "asset_accessed":
            item["course"] = f"{metadata['root_account_uuid']}#{request_context}"
    context = f"{metadata['root_account_uuid']}#{where}"
    key = key_of("activity", item | {"context": context, "entity": "activity#"})
    return {key: Version((moment, "", 0, False), item)}


def _local_context(kind: str | None, number: str | int | None, shard: int | None) -> str | None:
    return f"{kind}#{_local(number, shard)}" if kind and number else None


def _item(metadata: dict[str, Any], body: dict[str, Any], shard: int | None) -> dict[str, Any]:
    item = {"event_name": metadata["event_name"], "event_time": _utc(metadata["event_time"]), "body": body}
    if metadata.get("user_id"):
        item["user_id"] = _local(metadata["user_id"], shard)
    return item


def _value(event_name: str, name: str, value: Any, shard: int | None) -> Any:
    if name == "attachment_ids":
        return [_local(each, shard) for each in value if each]
    if name == "updated_at" and not documents_updated_at(event_name):
        return value
    if name.endswith(("_at", "_valid_until")) or (name == "all_day_date" and "T" in value):
        return _utc(value)
    return _local(value, shard) if is_id(event_name, name) else _without_secrets(value)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {_without_secrets(name): _without_secrets(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_without_secrets(element) for element in value]
    return OPENS_A_URL.sub(r"\1REDACTED", value) if isinstance(value, str) else value


def documents_updated_at(event_name: str) -> bool:
    """Whether Canvas documents an updated_at for events of this type."""
    return "updated_at" in NEWER_FIELD_KINDS.get(event_name, ()) or not WITH_UPDATED_AT.isdisjoint(
        entities_of(event_name)
    )


def _date_time(value: Any) -> str:
    """A time of any entity, in UTC; nothing where the value is no date-time, or has no offset."""
    ruby = r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) (?:(UTC)|([+-]\d{4}))"
    iso = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)"
    if not isinstance(value, str):
        return ""
    if printed := re.fullmatch(ruby, value):
        value = f"{printed[1]}T{printed[2]}{printed[4] or 'Z'}"
    try:
        return _utc(value) if re.fullmatch(iso, value) else ""
    except (ValueError, OverflowError):
        return ""


def _local(value: str | int, shard: int | None) -> str:
    number = _number(value)
    return str(number % 10**13 if shard and number // 10**13 == shard else number)


def _number(value: str | int) -> int:
    shard, tilde, local = str(value).partition("~")
    return int(shard) * 10**13 + int(local) if tilde else int(value)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _utc(text: str) -> str:
    return _instant(text).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _without(fields: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


_load_newer_event_types()
