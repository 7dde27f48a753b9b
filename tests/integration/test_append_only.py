"""Append-only entities: each event is stored once, in chronological order in its context, until it expires."""

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
from tests.support.engines import NOW, TABLES, Consumer, EventFactory, Tables, as_boto3, client_of

CATALOGUE = load()
UUID = "Rk3fXcVbqZ7TnWm2LhY8sDpAe5JgU1oK9iC4wQxB"
TIME = "2026-09-03T09:15:27.004Z"
NOBODY: dict[str, Any] = {"user_id": ...}
NOWHERE: dict[str, Any] = NOBODY | {"context_type": ..., "context_id": ...}


def only(text: str, retention: timedelta = timedelta(days=365)) -> Item:
    """Return the item of a valid append-only event."""
    event = decode(text.encode())
    validate(event, CATALOGUE[event.name])
    (item,) = build_items(route(event, CATALOGUE[event.name]), retention)
    return item


def context(text: str) -> str:
    """Return its partition key, without the account."""
    return dict(only(text).key)["context"].removeprefix(f"{UUID}#")


def test_access_is_stored_in_the_partition_of_its_user(event: EventFactory) -> None:
    """The item says who opened what, when and where, in the normalized forms of all items."""
    metadata = {"event_time": "2026-09-03T11:15:27.004+02:00", "user_id": 10150000000008123, "context_type": "Course"}
    item = only(event("asset_accessed", metadata | {"context_id": "1015~2041"}, asset_id="10150000000009001"))
    attributes = plain_values(as_boto3(item.attributes))
    assert attributes.pop("body")["asset_id"] == "9001"
    assert attributes.pop("entity").startswith("activity#2026-09-03T09:15:27.004000Z#")
    assert attributes == {
        "context": f"{UUID}#User#8123",
        "event_name": "asset_accessed",
        "event_time": "2026-09-03T09:15:27.004000Z",
        "user_id": "8123",
        "request_context": "Course#2041",
        "course": f"{UUID}#Course#2041",
        "expires_at": 1_819_962_927,  # 2027-09-03T09:15:27Z
    }
    assert item.version is None


@pytest.mark.parametrize(
    ("metadata", "body", "expected"),
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
def test_access_without_user_is_stored_under_its_context_or_asset(
    event: EventFactory, metadata: dict[str, Any], body: dict[str, Any], expected: str
) -> None:
    """An anonymous access belongs to the course in which it happened, or else to the asset that was opened."""
    assert context(event("asset_accessed", metadata, **body)) == expected


@pytest.mark.parametrize(
    ("url", "stored_url"),
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
def test_token_in_login_url_is_redacted(event: EventFactory, url: str, stored_url: str) -> None:
    """A redirect URL may contain an access token for a file, which readers of activity must not get."""
    assert (
        plain_values(as_boto3(only(event("logged_in", redirect_url=url)).attributes))["body"]["redirect_url"]
        == stored_url
    )


@pytest.mark.parametrize(
    "asset", [{"asset_type": ...}, {"asset_id": None}, {"asset_id": ""}, {"asset_type": "a#b"}, {"asset_type": ""}]
)
def test_activity_without_any_context_gets_its_own_partition(event: EventFactory, asset: dict[str, Any]) -> None:
    """An item without user, course or asset gets a partition of its own, so that no partition grows without bound."""
    first = event("asset_accessed", NOWHERE | {"event_time": TIME}, **asset)
    second = event("asset_accessed", NOWHERE | {"event_time": TIME, "request_id": "other"}, **asset)
    assert context(first).startswith("Activity#")
    assert context(first) != context(second)
    assert context(event("logged_out", NOWHERE)).startswith("Activity#")


def test_body_field_named_like_a_metadata_path_is_not_metadata(event: EventFactory) -> None:
    """A field of the body whose name is a metadata path does not determine the context."""
    assert context(event("logged_in", {"user_id": "8123"}, **{"metadata.user_id": "1#User#2"})) == "User#8123"


def test_same_activity_has_one_key(event: EventFactory) -> None:
    """Neither the format of ids and times nor metadata that is not stored changes the key."""
    metadata = {
        "event_time": TIME,
        "user_id": "8123",
        "request_id": "r1",
        "context_type": "Course",
        "context_id": "2041",
    }
    same = [
        event("asset_accessed", metadata, level=None, asset_id="9001"),
        event("asset_accessed", metadata | {"user_id": 10150000000008123}, asset_id=9001, level=...),
        event(
            "asset_accessed", metadata | {"event_time": "2026-09-03T10:15:27.004000+01:00"}, level=None, asset_id=9001
        ),
        event(
            "asset_accessed", metadata | {"client_ip": "198.51.100.1", "url": None}, level=None, asset_id="1015~9001"
        ),
    ]
    assert len({only(text).key for text in same}) == 1


def test_two_activities_at_one_instant_have_two_keys(event: EventFactory) -> None:
    """A browser can open two assets at once, or one in two requests; older Canvas sends whole seconds only."""
    metadata = {"event_time": "2026-09-03T09:15:27Z", "user_id": "8123", "request_id": "r1"}
    different = [
        event("asset_accessed", metadata),
        event("asset_accessed", metadata | {"request_id": "r2"}),
        event("asset_accessed", metadata | {"request_id": None}),
        event("asset_accessed", metadata | {"context_type": "Group", "context_id": "9"}),
        event("asset_accessed", metadata, asset_id=5),
        event("asset_accessed", metadata | {"event_time": "2026-09-03T09:15:28Z"}),
        event("logged_in", metadata),
        event("logged_out", metadata),
    ]
    assert len({only(text).key for text in different}) == len(different)


def test_expiry_follows_the_event_time_and_does_not_change_the_key(event: EventFactory) -> None:
    """Retention counts from the event time, and changing it does not create a second item."""
    text = event("logged_in", {"event_time": "2026-09-03T23:59:59.999Z"})
    week, day = only(text, timedelta(days=7)), only(text, timedelta(days=1))
    assert week.key == day.key
    assert (
        int(as_boto3(week.attributes)["expires_at"]["N"]) - int(as_boto3(day.attributes)["expires_at"]["N"]) == 518_400
    )


def test_activity_retention_is_read_from_the_settings(tables: Tables, event: EventFactory) -> None:
    """ACTIVITY_RETENTION_DAYS determines when the items expire."""
    settings = Settings.from_env({**TABLES, "ACTIVITY_RETENTION_DAYS": "7"}, frozenset(TABLES))
    pipeline = Pipeline(settings, CATALOGUE, Writer(client_of(tables), TABLES), lambda: NOW)
    record = Record("0", event("logged_in", {"event_time": "2026-09-03T09:15:27Z"}).encode(), NOW, "")
    pipeline.process([("0", lambda: record)], Deadline(lambda: 60_000))
    (item,) = tables.items("activity")
    assert item["expires_at"] == {"N": "1789031727"}  # 2026-09-10T09:15:27Z


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_activity_of_any_event_time_is_stored(event: EventFactory, time: str) -> None:
    """Any time that an event can have is stored."""
    assert only(event("logged_in", {"event_time": time}), timedelta(days=3650)).attributes["expires_at"]


def test_activity_with_a_global_id_and_unknown_shard_is_rejected(event: EventFactory) -> None:
    """As for entities: if the shard is unknown, a global id could mean two people."""
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
def test_metadata_that_cannot_form_a_key_is_rejected(event: EventFactory, metadata: dict[str, Any]) -> None:
    """Metadata that would break the format of a key is rejected, too."""
    with pytest.raises(Rejection) as caught:
        only(event("asset_accessed", metadata))
    assert caught.value.reason is RejectionReason.SCHEMA_VIOLATION


def test_activity_is_stored_once_in_chronological_order(
    tables: Tables, consumer: Consumer, event: EventFactory
) -> None:
    """In any order of delivery, a person's activity is stored once, sorted by time; duplicates are superseded."""
    names = ["logged_in", "asset_accessed", "asset_accessed", "logged_out"]
    times = [f"2026-09-03T09:15:{second:02}Z" for second in (1, 2, 30, 59)]
    texts = [event(name, {"event_time": time, "user_id": "8123"}) for name, time in zip(names, times, strict=True)]
    assert consumer.fates(texts[3], texts[0], texts[3]) == [Fate.STORED, Fate.STORED, Fate.SUPERSEDED]
    assert consumer.fates(texts[2], texts[1], texts[0]) == [Fate.STORED, Fate.STORED, Fate.SUPERSEDED]
    items = tables.client.query(
        TableName="activity",
        KeyConditionExpression="#c = :c",
        ExpressionAttributeNames={"#c": "context"},
        ExpressionAttributeValues={":c": {"S": f"{UUID}#User#8123"}},
    )["Items"]
    assert [(item["event_name"]["S"], item["event_time"]["S"][:19]) for item in items] == list(
        zip(names, [time[:19] for time in times], strict=True)
    )


def test_heartbeat_without_account_is_stored(tables: Tables, consumer: Consumer, event: EventFactory) -> None:
    """Heartbeats name no account; the newest of each region is stored, whatever accounts are allowed."""
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
