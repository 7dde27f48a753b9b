"""Building the items of a valid event."""

import hashlib
import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cli.stack.plain_values import plain_values
from handlers.intake.decode import decode
from handlers.items.build import build_items
from handlers.items.event_types import load
from handlers.items.item import Item
from handlers.items.route import route
from handlers.outcome import Rejection, RejectionReason, Violation
from handlers.storage.attribute_value import MAX_ITEM_BYTES, item_size
from tests.support.engines import SAMPLES, EventFactory, as_boto3
from tests.support.hypothesis_profiles import examples

# No family has an event type for deletions yet, although Canvas has such types.
CATALOGUE = load()
CATALOGUE["module_deleted"] = replace(CATALOGUE["module_updated"], name="module_deleted")
UUID = "Rk3fXcVbqZ7TnWm2LhY8sDpAe5JgU1oK9iC4wQxB"


def routed(text: str) -> tuple[Item, ...]:
    """Return the items of an event."""
    event = decode(text.encode())
    return build_items(route(event, CATALOGUE[event.name]))


def only(text: str) -> Item:
    """Return the only item of an event."""
    (item,) = routed(text)
    return item


def attributes(item: Item) -> dict[str, Any]:
    """Return the attributes of an item as plain values."""
    return plain_values(as_boto3(item.attributes))


def body(item: Item) -> dict[str, Any]:
    """Return the body of an item as plain values."""
    normalized: dict[str, Any] = attributes(item)["body"]
    return normalized


def rejection_of(text: str) -> Rejection:
    """Return the rejection of an event that gives no item."""
    with pytest.raises(Rejection) as caught:
        routed(text)
    return caught.value


@pytest.mark.parametrize(
    ("event_name", "context", "entity"),
    [
        ("assignment_created", "Course#2041", "assignment#9001"),
        ("assignment_updated", "Course#2041", "assignment#9001"),
        ("assignment_group_created", "Course#2041", "assignment_group#310"),
        ("assignment_group_updated", "Course#2041", "assignment_group#310"),
        ("assignment_override_created", "Assignment#9001", "assignment_override#52"),
        ("assignment_override_updated", "Assignment#9001", "assignment_override#52"),
        ("module_created", "Course#2041", "module#77"),
        ("module_updated", "Course#2041", "module#77"),
        ("module_item_created", "Course#2041", "module_item#5120"),
        ("module_item_updated", "Course#2041", "module_item#5120"),
        ("discussion_topic_created", "Course#2041", "discussion_topic#640"),
        ("discussion_topic_updated", "Course#2041", "discussion_topic#640"),
        ("discussion_entry_created", "DiscussionTopic#640", "discussion_entry#30021"),
        ("syllabus_updated", "Course#2041", "syllabus#2041"),
    ],
)
def test_key_depends_on_the_entity_alone(event: EventFactory, event_name: str, context: str, entity: str) -> None:
    """Each event type keys its item by context and entity, from the body alone."""
    without_request = event(event_name, {"context_type": ..., "context_id": ..., "user_id": ...})
    for text in (event(event_name), without_request):
        assert only(text).key == (("context", f"{UUID}#{context}"), ("entity", entity))


def test_graded_reply_gives_two_items(event: EventFactory) -> None:
    """discussion_entry_submitted gives the reply with its fields, and the submission with its ids."""
    reply, submission = routed(event("discussion_entry_submitted", parent_discussion_entry_id="30001", mood="glad"))
    assert [dict(item.key)["entity"] for item in (reply, submission)] == [
        "discussion_entry#30021",
        "discussion_submission#30021",
    ]
    assert dict(reply.key)["context"] == dict(submission.key)["context"] == f"{UUID}#DiscussionTopic#640"
    assert body(reply) == {
        "discussion_entry_id": "30021",
        "discussion_topic_id": "640",
        "parent_discussion_entry_id": "30001",
        "user_id": "8123",
        "text": "<p>Pond water. It is never empty.</p>",
        "created_at": "2026-09-02T16:40:10.000000Z",
        "mood": "glad",
    }
    assert body(submission) == {
        "assignment_id": "9002",
        "submission_id": "771204",
        "discussion_entry_id": "30021",
        "discussion_topic_id": "640",
        "parent_discussion_entry_id": "30001",
        "user_id": "8123",
    }


@pytest.mark.parametrize("nothing", [..., None, ""])
def test_an_ungraded_reply_is_one_item(event: EventFactory, nothing: object) -> None:
    """discussion_entry_submitted comes for ungraded replies too: without an assignment there is no submission."""
    reply = only(event("discussion_entry_submitted", assignment_id=nothing, submission_id=...))
    assert dict(reply.key)["entity"] == "discussion_entry#30021"
    assert body(reply).keys() == {"discussion_entry_id", "discussion_topic_id", "user_id", "text", "created_at"}


@pytest.mark.parametrize("nothing", [..., None, ""])
def test_an_override_of_no_assignment_is_its_own_context(event: EventFactory, nothing: object) -> None:
    """An override of a module, a page or a file has no assignment, and is kept under itself."""
    item = only(event("assignment_override_updated", assignment_id=nothing))
    assert dict(item.key) == {"context": f"{UUID}#AssignmentOverride#52", "entity": "assignment_override#52"}
    assert "assignment_id" not in body(item)


def test_an_empty_id_is_null(event: EventFactory) -> None:
    """A status that is given first or taken away has an empty id, which no item has; its empty name stays."""
    given, taken = only(event("submission_custom_grade_status")), only(event("final_grade_custom_status"))
    assert body(given)["old_submission_status"] == body(taken)["override_status"] == ""
    assert "old_submission_status_id" not in body(given)
    assert "override_status_id" not in body(taken)
    assert "lti_assignment_id" not in body(only(event("assignment_created", lti_assignment_id="")))
    assert "user_id" not in attributes(only(event("module_updated", {"user_id": ""})))


def test_an_empty_id_does_not_hide_the_field_under_its_other_name(event: EventFactory) -> None:
    """Where the right name has an empty id and the misspelt one an id, the id is kept, and the other way round."""
    for right, misspelt in (("", "2"), ("2", "")):
        both = {"assignment_id_duplicated_from": right, "assignment_id_duplicated__from": misspelt}
        assert body(only(event("assignment_created", **both)))["assignment_id_duplicated_from"] == "2"


def test_an_empty_id_of_the_root_account_leaves_the_shard_unknown(event: EventFactory) -> None:
    """An empty root_account_id is none: a global id cannot be keyed then, a local one can."""
    nowhere = {"root_account_id": ""}
    assert dict(only(event("module_created", nowhere)).key)["entity"] == "module#77"
    assert rejection_of(event("assignment_created", nowhere)).reason is RejectionReason.UNROUTABLE


def test_a_list_of_ids_is_kept_in_one_form(event: EventFactory) -> None:
    """Ids in a list are local strings as others are; empty ones and nulls are none."""
    files = ["10150000000061007", 61008, "1015~61009", "", None, "120000001234567"]
    kept = body(only(event("submission_comment_created", attachment_ids=files)))
    assert kept["attachment_ids"] == ["61007", "61008", "61009", "120000001234567"]


def test_group_topic_is_keyed_by_the_group(event: EventFactory) -> None:
    """The context of a topic comes from its body, whatever page it was written on."""
    item = only(event("discussion_topic_updated", context_type="Group", context_id="88"))
    assert dict(item.key)["context"] == f"{UUID}#Group#88"


def test_item_has_event_name_time_and_actor(event: EventFactory) -> None:
    """An item says which event it comes from, when, and by whom; other metadata is not stored."""
    item = only(event("module_updated"))
    assert attributes(item) == {
        **dict(item.key),
        "version": item.version,
        "event_name": "module_updated",
        "event_time": "2026-08-30T14:22:08.000000Z",
        "user_id": "4711",
        "body": {
            "context_id": "2041",
            "context_type": "Course",
            "module_id": "77",
            "name": "Week 1: Cells and membranes",
            "position": 1,
            "workflow_state": "active",
        },
    }
    assert "user_id" not in attributes(only(event("module_updated", {"user_id": None})))


def test_body_is_normalized(event: EventFactory) -> None:
    """Ids become local strings, times UTC, nulls are omitted, misspelled names are fixed, unknown fields unchanged."""
    normalized = body(
        only(
            event(
                "assignment_updated",
                assignment_id="1015~9001",
                assignment_group_id=10150000000000310,
                assignment_id_duplicated__from="120000001234567",
                due_at="2026-09-25T23:59:59+01:00",
                lock_at=None,
                points_possible=33.333333333333336,
                lti_resource_link_id=5,
                lti_assignment_id=6,
                new_due_at="2026-09-25T23:59:59+01:00",
                new_thing_id="10150000000000310",
            )
        )
    )
    assert normalized["assignment_id"] == "9001"
    assert normalized["assignment_group_id"] == "310"
    assert normalized["assignment_id_duplicated_from"] == "120000001234567"
    assert normalized["due_at"] == "2026-09-25T22:59:59.000000Z"
    assert str(normalized["points_possible"]) == "33.333333333333336"
    assert normalized["lti_resource_link_id"] == "5"
    assert normalized["lti_assignment_id"] == "6"
    assert normalized["new_due_at"] == "2026-09-25T23:59:59+01:00"
    assert normalized["new_thing_id"] == "10150000000000310"
    assert "lock_at" not in normalized
    assert "assignment_id_duplicated__from" not in normalized


@pytest.mark.parametrize(
    ("sent", "stored_date"),
    [("2026-09-28", "2026-09-28"), ("2026-09-28T02:00:00+02:00", "2026-09-28T00:00:00.000000Z")],
)
def test_date_and_date_time_keep_their_kind(event: EventFactory, sent: str, stored_date: str) -> None:
    """all_day_date may be a date or a date-time, and is stored as whichever it is."""
    assert body(only(event("assignment_override_created", all_day_date=sent)))["all_day_date"] == stored_date


def test_correct_field_name_takes_precedence_over_the_misspelled_one(event: EventFactory) -> None:
    """If both names occur, in any order, the correct one is stored; a null does not hide the other."""
    both = {"assignment_id_duplicated_from": "1", "assignment_id_duplicated__from": "2"}
    for order in (both, dict(reversed(both.items()))):
        assert body(only(event("assignment_created", **order)))["assignment_id_duplicated_from"] == "1"
    with_null = both | {"assignment_id_duplicated_from": None}
    assert body(only(event("assignment_created", **with_null)))["assignment_id_duplicated_from"] == "2"
    nulls = dict.fromkeys(both)
    assert "assignment_id_duplicated_from" not in body(only(event("assignment_created", **nulls)))


def test_deleted_entity_is_marked_as_tombstone(event: EventFactory) -> None:
    """An item whose state is deleted, or whose event type is a deletion, is marked, and no other."""
    assert attributes(only(event("module_updated", workflow_state="deleted")))["deleted"] is True
    assert attributes(only(event("module_updated", {"event_name": "module_deleted"})))["deleted"] is True
    assert "deleted" not in attributes(only(event("module_updated", workflow_state="unpublished")))


OLD, NEW, LATER = "2026-09-01T08:00:00.000Z", "2026-09-01T08:00:00.001Z", "2026-09-01T07:00:01-01:00"


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        # Event time first, as an instant …
        (("module_updated", {"event_time": NEW}, {}), ("module_created", {"event_time": LATER}, {})),
        (("module_updated", {"event_time": "2026-09-01T08:00:00Z"}, {}), ("module_created", {"event_time": NEW}, {})),
        # … then updated_at, where there is one …
        (
            ("discussion_topic_updated", {"event_time": OLD}, {"updated_at": "2026-09-01T09:00:00+02:00"}),
            ("discussion_topic_created", {"event_time": OLD}, {"updated_at": "2026-09-01T07:00:01Z"}),
        ),
        (
            ("discussion_topic_updated", {"event_time": OLD}, {"updated_at": None}),
            ("discussion_topic_created", {"event_time": OLD}, {"updated_at": "2026-09-01T07:00:01Z"}),
        ),
        # … then created before updated, and the deletion last.
        (("module_created", {"event_time": OLD}, {}), ("module_updated", {"event_time": OLD}, {})),
        (
            ("content_migration_started", {"event_time": OLD}, {"content_migration_id": "5"}),
            ("content_migration_completed", {"event_time": OLD}, {"content_migration_id": "5"}),
        ),
        (
            ("module_updated", {"event_time": OLD}, {}),
            ("module_updated", {"event_time": OLD}, {"workflow_state": "deleted"}),
        ),
        (
            ("module_created", {"event_time": OLD}, {"workflow_state": "deleted"}),
            ("module_updated", {"event_time": OLD}, {}),
        ),
        (
            ("module_updated", {"event_time": OLD}, {"workflow_state": "deleted"}),
            ("module_updated", {"event_time": OLD, "event_name": "module_deleted"}, {}),
        ),
        # updated_at decides where the catalogue does not know it, too, in either form of a time that Canvas has …
        (
            ("module_updated", {"event_time": OLD}, {}),
            ("module_created", {"event_time": OLD}, {"updated_at": "2026-09-01T07:00:01Z"}),
        ),
        (
            ("module_updated", {"event_time": OLD}, {"updated_at": "2026-09-01T09:00:00.5+02:00"}),
            ("module_created", {"event_time": OLD}, {"updated_at": "2026-09-01 07:00:01 UTC"}),
        ),
        # … and takes no part if it is none.
        (
            ("module_created", {"event_time": OLD}, {"updated_at": "yesterday"}),
            ("module_updated", {"event_time": OLD}, {}),
        ),
    ],
)  # fmt: skip
def test_versions_sort_in_event_order(event: EventFactory, older: Any, newer: Any) -> None:
    """The version, as text, is greater for the newer event, whatever the digests of the two are."""
    lower, higher = (
        [only(event(name, metadata, **fields, shade=shade)).version or "" for shade in range(9)]
        for name, metadata, fields in (older, newer)
    )
    assert max(lower) < min(higher)


@pytest.mark.parametrize(
    "updated_at",
    [
        *("", "yesterday", "2026-09-01", "2026-09-01T07:00:01", "2026-09-01 07:00:01", "2026-02-30T07:00:00Z"),
        *("0001-01-01T00:00:00+14:00", "\x00", "9" * 10_000, 7, 1.5, True, [], ["2026-09-01T07:00:01Z"], {"at": 1}),
        *(None, ...),
    ],
)
def test_an_unlisted_updated_at_of_another_form_takes_no_part(event: EventFactory, updated_at: Any) -> None:
    """A field of that name that is no date-time is kept as it came, and the version has none."""
    item = only(event("module_updated", updated_at=updated_at))
    assert (item.version or "").startswith("2026-08-30T14:22:08.000000Z##10#")
    assert body(item).get("updated_at") == (None if updated_at is ... else updated_at)


def test_an_unlisted_updated_at_is_kept_as_it_came(event: EventFactory) -> None:
    """Only the version has the time in UTC: a field that the catalogue does not know stays what it is."""
    item = only(event("module_updated", updated_at="2026-09-01 09:00:00 +0200"))
    assert (item.version or "").split("#")[1] == "2026-09-01T07:00:00.000000Z"
    assert body(item)["updated_at"] == "2026-09-01 09:00:00 +0200"


def test_updated_at_is_in_the_versions_of_all_items_of_an_event(event: EventFactory) -> None:
    """Each item of an event goes by the event's updated_at, whether its own fields have it or not."""
    items = routed(event("discussion_entry_submitted", updated_at="2026-09-02T16:40:10Z"))
    assert [(item.version or "").split("#")[1] for item in items] == ["2026-09-02T16:40:10.000000Z"] * 2


@pytest.mark.parametrize(
    ("event_name", "metadata", "body", "course", "user"),
    [
        ("enrollment_updated", {}, {"course_id": "10150000000002041", "user_id": "1015~8123"}, "2041", "8123"),
        ("enrollment_updated", {}, {"course_id": "", "user_id": None}, None, None),
        ("grade_change", {}, {"student_id": "8123", "user_id": "9"}, None, "8123"),
        ("grade_change", {}, {"student_id": None, "user_id": "9"}, None, "9"),
        ("submission_comment_created", {"root_account_id": None}, {"user_id": "8123"}, None, "8123"),
        ("submission_comment_created", {"root_account_id": None}, {"user_id": "10150000000008123"}, None, None),
        (
            "learning_outcome_result_updated",
            {},
            {"result_context_type": "Account", "result_context_id": "1"},
            None,
            None,
        ),
        (
            "learning_outcome_result_updated",
            {},
            {"result_context_type": "Course#1#", "result_context_id": "1"},
            None,
            None,
        ),
        ("course_progress", {}, {"user": {"id": "8123"}, "course": {"id": "2041"}}, None, "8123"),
    ],
)
def test_item_names_its_course_and_its_person(
    event: EventFactory, event_name: str, metadata: Any, body: Any, course: str | None, user: str | None
) -> None:
    """Both are local ids with the account; an id that is missing, ambiguous or of another class gives neither."""
    attributes = routed(event(event_name, metadata, **body))[0].attributes
    account = "Rk3fXcVbqZ7TnWm2LhY8sDpAe5JgU1oK9iC4wQxB"
    for name, class_name, number in (("course", "Course", course), ("user", "User", user)):
        expected = None if number is None else f'{{"S":"{account}#{class_name}#{number}"}}'
        assert attributes.get(name) == expected


def test_version_format_is_stable(event: EventFactory) -> None:
    """Versions are compared with those of earlier releases, so their format and digest must not change."""
    deleted = only(event("module_updated", name="Grüß", workflow_state="deleted"))
    assert deleted.version == "2026-08-30T14:22:08.000000Z##11#0b8ead95cc449199af05d7c66abc271c"
    topic = only(event("discussion_topic_created", {"event_time": LATER}, updated_at="2026-09-01T09:00:00+02:00"))
    times, digest = "2026-09-01T08:00:01.000000Z#2026-09-01T07:00:00.000000Z", "11ed4ccf849d6f387f0d9023bc056604"
    assert topic.version == f"{times}#00#{digest}"
    deletion = only(event("module_updated", {"event_name": "module_deleted"})).version or ""
    assert deletion.startswith("2026-08-30T14:22:08.000000Z##21#")


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=9)
NUMBERS = st.one_of(st.integers(-(10**37), 10**37), st.floats(-1e30, 1e30))
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.just(""), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=10,
)


@examples(300)
@given(
    event_name=st.sampled_from(sorted(SAMPLES)),
    unknown=st.dictionaries(TEXTS.map("new_{}".format), JSON_VALUES, max_size=4),
    actor_id=st.sampled_from([None, ..., 4711, "10150000000004711"]),
)
@example(
    event_name="discussion_entry_submitted", unknown={"new_ü": {"B": "AA==", "a": ["\x7f", "\u2028", 1e-9]}}, actor_id=1
)
def test_digest_covers_the_whole_item(event: EventFactory, event_name: str, unknown: Any, actor_id: Any) -> None:
    """A version ends with the digest of all attributes but the key and the version, in the order of their names."""
    try:
        items = routed(event(event_name, {"user_id": actor_id}, **unknown))
    except Rejection as rejection:
        assert rejection.reason is RejectionReason.UNSTORABLE  # noqa: PT017  # a number that is too small; nearly all are taken
        return
    for item in items:
        if item.version is None:
            return  # append-only: tests/integration/test_append_only.py
        others = {name: json.loads(text) for name, text in item.attributes.items()}
        for name, value in (*item.key, ("version", item.version)):
            assert others.pop(name) == {"S": value}
        compact_json = partial(json.dumps, sort_keys=True, separators=(",", ":"))
        text = "\0".join(f"{name}\0{compact_json(value)}" for name, value in sorted(others.items()))
        assert (item.version or "").rpartition("#")[2] == hashlib.sha256(text.encode()).hexdigest()[:32]


def test_versions_are_equal_only_for_equal_items(event: EventFactory) -> None:
    """Two events of one instant have one version if and only if they give the same item."""
    same = [
        event("module_updated", name="a", position=1),
        event("module_updated", {"request_id": "another", "user_id": "4711"}, position=1.0, name="a"),
        event("module_updated", name="a", position=1, module_id="1015~77", nothing=None),
    ]
    backwards = json.loads(same[0])
    same.append(json.dumps(backwards | {"body": dict(reversed(backwards["body"].items()))}))
    others = [
        event("module_updated", name="b", position=1),
        event("module_updated", name="a", position=2),
        event("module_updated", {"user_id": ...}, name="a", position=1),
        event("module_updated", name="a", position=1, extra="1"),
        event("module_updated", name="a", position=1, extra=1),
        event("module_updated", name="a", position=1, extra={"N": "1"}),
        event("module_updated", name="a", position=1, extra=True),
    ]
    assert len({only(text).version for text in same}) == 1
    assert len({only(text).version for text in [same[0], *others]}) == 1 + len(others)


def test_event_without_account_is_rejected(event: EventFactory) -> None:
    """Without root_account_uuid there is no key."""
    rejection = rejection_of(event("module_created", {"root_account_uuid": ...}))
    assert rejection == Rejection(
        RejectionReason.UNROUTABLE, Violation("metadata.root_account_uuid", "required", "to key the item")
    )


def test_global_id_with_unknown_shard_is_rejected(event: EventFactory) -> None:
    """If the shard is unknown, a global id could have two keys and gets none; a local id gets its own."""
    rejection = rejection_of(event("assignment_created", {"root_account_id": ...}))
    assert rejection == Rejection(
        RejectionReason.UNROUTABLE, Violation("metadata.root_account_id", "required", "to make body.context_id local")
    )
    rejection = rejection_of(event("module_created", {"root_account_id": "1"}, context_id="10150000000002041"))
    assert rejection.violations[0].expected == "to make body.context_id local"
    assert dict(only(event("module_created", {"root_account_id": None})).key)["entity"] == "module#77"


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (json.loads("[" * 40 + "]" * 40), "nesting"),
        ({"": 1}, "empty name"),
        ({"n" * 65_536: 1}, "name too long"),
        ("\ud800", "lone surrogate"),
        ({"\udfff": 1}, "lone surrogate"),
        (10**40 + 1, "number beyond 38 digits or DynamoDB's range"),
        (10**126, "number beyond 38 digits or DynamoDB's range"),
    ],
)
def test_value_beyond_dynamodbs_limits_is_rejected(event: EventFactory, value: object, rule: str) -> None:
    """Such a value is rejected before it can fail its batch, with the limit and without the value."""
    assert rejection_of(event("module_created", extra=value)) == Rejection(
        RejectionReason.UNSTORABLE, Violation("body", rule, "")
    )


def test_item_over_400_kb_is_rejected(event: EventFactory) -> None:
    """An item above DynamoDB's maximum size is rejected; one just below it is not."""
    largest = only(event("syllabus_updated", syllabus_body="x" * 408_000))
    max_length = 408_000 + MAX_ITEM_BYTES - item_size(largest.attributes)
    assert only(event("syllabus_updated", syllabus_body="x" * max_length))
    assert rejection_of(event("syllabus_updated", syllabus_body="x" * (max_length + 1))) == Rejection(
        RejectionReason.TOO_LARGE, Violation("", "size", "an item of at most 409600 bytes")
    )


def test_created_event_is_inserted_first(event: EventFactory) -> None:
    """The event type determines which statement is tried first."""
    assert only(event("module_created")).insert_first
    assert not only(event("module_updated")).insert_first
    assert all(item.insert_first for item in routed(event("discussion_entry_submitted")))
