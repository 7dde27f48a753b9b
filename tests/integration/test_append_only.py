"""Events without a state: each is kept once, in time order under whom it belongs to, until it expires."""

from datetime import timedelta
from typing import Any

import pytest

from cli.stack.plain_values import plain_values
from handlers.deadline import Deadline
from handlers.intake.decode import decode
from handlers.intake.record import Record
from handlers.intake.validate import validate
from handlers.items.build import build_items
from handlers.items.event_types import load
from handlers.items.item import Item
from handlers.items.route import route
from handlers.outcome import Fate, Rejection, RejectionReason, Violation
from handlers.pipeline import Pipeline
from handlers.settings import Settings
from handlers.storage.writer import Writer
from tests.support.engines import NOW, TABLES, Change, Consumer, Tables, as_boto3, client_of

CATALOGUE = load()
UUID = "Rk3fXcVbqZ7TnWm2LhY8sDpAe5JgU1oK9iC4wQxB"
TIME = "2026-09-03T09:15:27.004Z"
NOBODY: dict[str, Any] = {"user_id": ...}
NOWHERE: dict[str, Any] = NOBODY | {"context_type": ..., "context_id": ...}


def only(text: str, retention: timedelta = timedelta(days=365)) -> Item:
    """The item of a valid occurrence."""
    event = decode(text.encode())
    validate(event, CATALOGUE[event.name])
    (item,) = build_items(route(event, CATALOGUE[event.name]), retention)
    return item


def context(text: str) -> str:
    """Its partition key, without the account."""
    return dict(only(text).key)["context"].removeprefix(f"{UUID}#")


def test_an_access_stands_under_the_person(event: Change) -> None:
    """An item says who opened what, when and where, in the forms that all items have."""
    metadata = {"event_time": "2026-09-03T11:15:27.004+02:00", "user_id": 10150000000008123, "context_type": "Course"}
    item = only(event("asset_accessed", metadata | {"context_id": "1015~2041"}, asset_id="10150000000009001"))
    kept = plain_values(as_boto3(item.attributes))
    assert kept.pop("body")["asset_id"] == "9001"
    assert kept.pop("entity").startswith("activity#2026-09-03T09:15:27.004000Z#")
    assert kept == {
        "context": f"{UUID}#User#8123",
        "event_name": "asset_accessed",
        "event_time": "2026-09-03T09:15:27.004000Z",
        "user_id": "8123",
        "request_context": "Course#2041",
        "expires_at": 1_819_962_927,  # 2027-09-03T09:15:27Z
    }
    assert item.version is None


@pytest.mark.parametrize(
    ("metadata", "body", "wanted"),
    [
        (NOBODY | {"context_type": "Course", "context_id": "10150000000002041"}, {}, "Course#2041"),
        (NOBODY | {"context_type": "Group", "context_id": "9"}, {}, "Group#9"),
        ({"user_id": "", "context_type": "Group", "context_id": "9"}, {}, "Group#9"),
        (
            {"user_id": "", "context_type": "Group", "context_id": ""},
            {"asset_type": "course", "asset_id": 5},
            "Course#5",
        ),
        (NOWHERE, {"asset_type": "course", "asset_id": "10150000000002041"}, "Course#2041"),
        (NOWHERE, {"asset_type": "user", "asset_id": 8123}, "User#8123"),
        (NOWHERE, {"asset_type": "discussion_topic", "asset_id": 5}, "DiscussionTopic#5"),
        (NOWHERE, {"asset_type": "quizzes:quiz", "asset_id": 5}, "Quizzes::Quiz#5"),
        (NOWHERE, {"asset_type": "lti/tool_proxy", "asset_id": 5}, "Lti::ToolProxy#5"),
        (NOWHERE, {"asset_type": "Course", "asset_id": 5}, "Course#5"),
    ],
)
def test_without_a_person_it_stands_under_where_or_what(
    event: Change, metadata: dict[str, Any], body: dict[str, Any], wanted: str
) -> None:
    """An access by nobody is the course's in which it happened, or else that of what was opened."""
    assert context(event("asset_accessed", metadata, **body)) == wanted


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (
            "https://canvas.example.edu/courses/2041?module=1#top",
            "https://canvas.example.edu/courses/2041?module=1#top",
        ),
        (
            "https://canvas.example.edu/?access_token=1015~abc&a=1",
            "https://canvas.example.edu/?access_token=REDACTED&a=1",
        ),
        ("/login?next=%2Ffiles%3Fsf_verifier%3Dabc%26a%3D1", "/login?next=%2Ffiles%3Fsf_verifier%3DREDACTED%26a%3D1"),
        ("/ü?verifier=abc", "/ü?verifier=REDACTED"),
        ("", ""),
    ],
)
def test_no_token_is_kept_in_the_url_of_a_login(event: Change, sent: str, kept: str) -> None:
    """Where Canvas led a person may have the key to a file in it, which is nobody's who reads activity."""
    assert (
        plain_values(as_boto3(only(event("logged_in", redirect_url=sent)).attributes))["body"]["redirect_url"] == kept
    )


@pytest.mark.parametrize(
    "asset", [{"asset_type": ...}, {"asset_id": None}, {"asset_id": ""}, {"asset_type": "a#b"}, {"asset_type": ""}]
)
def test_what_belongs_to_nobody_is_kept_all_the_same(event: Change, asset: dict[str, Any]) -> None:
    """Where nothing says whose an occurrence is, it is its own context: no partition is shared by all such."""
    first = event("asset_accessed", NOWHERE | {"event_time": TIME}, **asset)
    second = event("asset_accessed", NOWHERE | {"event_time": TIME, "request_id": "other"}, **asset)
    assert context(first).startswith("Activity#")
    assert context(first) != context(second)
    assert context(event("logged_out", NOWHERE)).startswith("Activity#")


def test_a_field_called_as_metadata_is_none(event: Change) -> None:
    """A field of the body whose name is a path of the metadata does not say whose an occurrence is."""
    assert context(event("logged_in", {"user_id": "8123"}, **{"metadata.user_id": "1#User#2"})) == "User#8123"


def test_the_same_occurrence_has_one_key(event: Change) -> None:
    """Neither the form of its ids and time nor what is kept of nobody makes an occurrence another."""
    said = {"event_time": TIME, "user_id": "8123", "request_id": "r1", "context_type": "Course", "context_id": "2041"}
    same = [
        event("asset_accessed", said, level=None, asset_id="9001"),
        event("asset_accessed", said | {"user_id": 10150000000008123}, asset_id=9001, level=...),
        event("asset_accessed", said | {"event_time": "2026-09-03T10:15:27.004000+01:00"}, level=None, asset_id=9001),
        event("asset_accessed", said | {"client_ip": "198.51.100.1", "url": None}, level=None, asset_id="1015~9001"),
    ]
    assert len({only(text).key for text in same}) == 1


def test_two_occurrences_of_one_instant_are_two(event: Change) -> None:
    """A browser opens two things at once, or one thing in two requests: older Canvas has whole seconds only."""
    said = {"event_time": "2026-09-03T09:15:27Z", "user_id": "8123", "request_id": "r1"}
    different = [
        event("asset_accessed", said),
        event("asset_accessed", said | {"request_id": "r2"}),
        event("asset_accessed", said | {"request_id": None}),
        event("asset_accessed", said | {"context_type": "Group", "context_id": "9"}),
        event("asset_accessed", said, asset_id=5),
        event("asset_accessed", said | {"event_time": "2026-09-03T09:15:28Z"}),
        event("logged_in", said),
        event("logged_out", said),
    ]
    assert len({only(text).key for text in different}) == len(different)


def test_the_end_follows_the_event_and_not_the_key(event: Change) -> None:
    """When an occurrence expires counts from when it happened; a changed retention makes no second item of it."""
    text = event("logged_in", {"event_time": "2026-09-03T23:59:59.999Z"})
    week, day = only(text, timedelta(days=7)), only(text, timedelta(days=1))
    assert week.key == day.key
    assert (
        int(as_boto3(week.attributes)["expires_at"]["N"]) - int(as_boto3(day.attributes)["expires_at"]["N"]) == 518_400
    )


def test_the_retention_is_that_of_the_settings(tables: Tables, event: Change) -> None:
    """What a function is told of ACTIVITY_RETENTION_DAYS is what its items say."""
    settings = Settings.from_env({**TABLES, "ACTIVITY_RETENTION_DAYS": "7"}, frozenset(TABLES))
    pipeline = Pipeline(settings, CATALOGUE, Writer(client_of(tables), TABLES), lambda: NOW)
    record = Record("0", event("logged_in", {"event_time": "2026-09-03T09:15:27Z"}).encode(), NOW, "")
    pipeline.process([("0", lambda: record)], Deadline(lambda: 60_000))
    (item,) = tables.items("activity")
    assert item["expires_at"] == {"N": "1789031727"}  # 2026-09-10T09:15:27Z


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_no_time_is_too_far_away(event: Change, time: str) -> None:
    """An occurrence of any time that an event can have is kept."""
    assert only(event("logged_in", {"event_time": time}), timedelta(days=3650)).attributes["expires_at"]


def test_a_global_id_without_the_shard_makes_no_key(event: Change) -> None:
    """As for entities: where the shard is not known, a global id could stand for two people."""
    text = event("logged_in", {"root_account_id": ..., "user_id": "10150000000008123"})
    with pytest.raises(Rejection) as caught:
        only(text)
    assert caught.value == Rejection(
        RejectionReason.UNROUTABLE, Violation("metadata.root_account_id", "required", "to make metadata.user_id local")
    )
    assert context(event("logged_in", {"root_account_id": ..., "user_id": "8123"})) == "User#8123"
    # What the key is not made of may have any form.
    accessed = event("asset_accessed", {"root_account_id": ..., "user_id": "8123"}, asset_id="10150000000009001")
    assert context(accessed) == "User#8123"


@pytest.mark.parametrize(
    "metadata", [{"context_type": "a#b"}, {"context_type": 5}, {"context_id": "abc"}, {"user_id": "abc"}]
)
def test_what_a_key_cannot_be_made_of_is_refused(event: Change, metadata: dict[str, Any]) -> None:
    """What would break the form of a key is refused in the metadata too."""
    with pytest.raises(Rejection) as caught:
        only(event("asset_accessed", metadata))
    assert caught.value.reason is RejectionReason.SCHEMA_VIOLATION


def test_each_is_kept_once_in_the_order_of_time(tables: Tables, consumer: Consumer, event: Change) -> None:
    """However they come, a person's occurrences are there once each, sorted by time, and a duplicate is superseded."""
    names = ["logged_in", "asset_accessed", "asset_accessed", "logged_out"]
    times = [f"2026-09-03T09:15:{second:02}Z" for second in (1, 2, 30, 59)]
    texts = [event(name, {"event_time": time, "user_id": "8123"}) for name, time in zip(names, times, strict=True)]
    assert consumer.fates(texts[3], texts[0], texts[3]) == [Fate.STORED, Fate.STORED, Fate.SUPERSEDED]
    assert consumer.fates(texts[2], texts[1], texts[0]) == [Fate.STORED, Fate.STORED, Fate.SUPERSEDED]
    kept = tables.client.query(
        TableName="activity",
        KeyConditionExpression="#c = :c",
        ExpressionAttributeNames={"#c": "context"},
        ExpressionAttributeValues={":c": {"S": f"{UUID}#User#8123"}},
    )["Items"]
    assert [(item["event_name"]["S"], item["event_time"]["S"][:19]) for item in kept] == list(
        zip(names, [time[:19] for time in times], strict=True)
    )


def test_a_heartbeat_comes_without_an_account(tables: Tables, consumer: Consumer, event: Change) -> None:
    """Canvas says in no heartbeat whose it is; the newest of each region is kept, whoever is allowed to send."""
    allowed = Consumer(tables, frozenset({UUID}))
    first = event("heartbeat", {"event_time": "2026-09-03T09:15:00Z"})
    assert allowed.fates(first) == [Fate.STORED]
    assert consumer.fates(event("heartbeat", {"event_time": "2026-09-03T09:20:00Z"}), first) == [
        Fate.STORED,
        Fate.SUPERSEDED,
    ]
    (item,) = tables.items("migrations")
    assert item["context"]["S"].startswith("#Environment#")
    stranger = event("heartbeat", {"root_account_uuid": "stranger"})
    assert [outcome.reason for outcome in allowed.deliver(stranger)] == [RejectionReason.FOREIGN_ACCOUNT]
