"""``activity purge``: what happened before a date is deleted, and nothing else."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.local_stack import Command, Local

CONTEXT = "Rk3fXc#User#8123"
TIMES = ("2026-09-06T23:59:59.999000Z", "2026-09-07T00:00:00.000000Z", "2026-09-08T12:00:00.000000Z")


@pytest.fixture
def activity(local: Local) -> Local:
    """A user, and three things that they did around midnight."""
    local.put("USERS_TABLE", CONTEXT, "user#8123", name="Grace Example")
    for time in TIMES:
        item = {
            "context": {"S": CONTEXT}, "entity": {"S": f"activity#{time}#{'0' * 32}"}, "event_time": {"S": time},
            "event_name": {"S": "asset_accessed"}, "body": {"M": {}},
        }  # fmt: skip
        local.dynamodb.put_item(TableName=local.stack.entity_tables["ACTIVITY_TABLE"], Item=item)
    return local


def times(local: Local) -> list[str]:
    """When the activity happened that is still there."""
    return [entity[9:36] for entity in local.entities() if entity.startswith("activity#")]


@pytest.mark.parametrize(
    ("before", "left"),
    [
        ("2026-09-07", TIMES[1:]),
        ("2026-09-07T00:00:00.001Z", TIMES[2:]),
        ("2026-09-08T12:00:00+02:00", TIMES[2:]),
        ("2026-09-01", TIMES),
    ],
)
def test_purge_deletes_what_happened_before(
    activity: Local, canvas_events: Command, before: str, left: tuple[str, ...]
) -> None:
    """What happened at that very moment stays, and so does everything that is not activity."""
    command = ["activity", "purge", "--before", before, "--local", "--json"]
    planned = canvas_events(*command, "--dry-run").json
    assert times(activity) == list(TIMES)
    done = canvas_events(*command, "--yes").json
    assert times(activity) == list(left)
    assert "user#8123" in activity.entities()
    assert done["counts"] == planned["counts"]
    assert sum(row["items"] for row in done["counts"]) == 3 - len(left)
    assert (planned["dry_run"], done["dry_run"]) == (True, False)
    assert canvas_events(*command, "--yes").json["counts"] == []


def test_purge_asks_first_with_the_number_of_items(
    activity: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal it takes --yes; at a terminal the question names the number and the time."""
    command = ["activity", "purge", "--before", "2026-09-08", "--local"]
    refused = canvas_events(*command)
    assert (refused.status, "--yes" in refused.err) == (1, True)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    refused = canvas_events(*command)
    assert (refused.status, refused.out) == (1, "")
    assert "Delete 2 items of activity before 2026-09-08 00:00 UTC?" in refused.err
    assert times(activity) == list(TIMES)
    monkeypatch.setattr("builtins.input", lambda _: "y")
    done = canvas_events(*command)
    assert (done.status, times(activity)) == (0, list(TIMES[2:]))
    assert [cell.strip() for cell in done.out.splitlines()[-2].split("│")[1:-1]] == ["all", "", "2"]


def test_time_in_the_future_is_refused(activity: Local, canvas_events: Command) -> None:
    """A mistyped year must not delete everything."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    done = canvas_events("activity", "purge", "--before", tomorrow, "--yes", "--local")
    assert (done.status, "is in the future" in done.err) == (1, True)
    assert times(activity) == list(TIMES)


def test_stack_without_activity_is_an_error(
    local: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where `Families` leaves it out there is nothing to purge, and that is said."""
    tables = {name: table for name, table in local.stack.entity_tables.items() if name != "ACTIVITY_TABLE"}
    monkeypatch.setattr(local.stack, "entity_tables", tables)
    monkeypatch.setattr("cli.stack.stack.open_stack", lambda _: local.stack)
    done = canvas_events("activity", "purge", "--before", "2d", "--yes", "--local")
    assert (done.status, done.err) == (1, "error: the stack canvas-live-events keeps no activity.\n")


def test_more_items_than_a_request_takes_are_deleted(activity: Local, canvas_events: Command) -> None:
    """DynamoDB takes 25 deletions in a request."""
    for number in range(60):
        key = {"context": {"S": CONTEXT}, "entity": {"S": f"activity#2026-01-01T00:00:00.000000Z#{number:032x}"}}
        item = {"event_time": {"S": "2026-01-01T00:00:00.000000Z"}, "event_name": {"S": "logged_in"}}
        activity.dynamodb.put_item(TableName=activity.stack.entity_tables["ACTIVITY_TABLE"], Item=key | item)
    done = canvas_events("activity", "purge", "--before", "2026-09-07", "--yes", "--local", "--json")
    assert json.loads(done.out)["counts"] == [
        {"table": "activity", "event_type": "asset_accessed", "items": 1},
        {"table": "activity", "event_type": "logged_in", "items": 60},
    ]
    assert times(activity) == list(TIMES[1:])
