"""``activity purge``: deletes activity before a date, and nothing else."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.local_stack import Command, Local

CONTEXT = "Rk3fXc#User#8123"
TIMES = ("2026-09-06T23:59:59.999000Z", "2026-09-07T00:00:00.000000Z", "2026-09-08T12:00:00.000000Z")


@pytest.fixture
def activity(local: Local) -> Local:
    """A user and three of their activity items around midnight."""
    local.put("USERS_TABLE", CONTEXT, "user#8123", name="Grace Example")
    for time in TIMES:
        item = {
            "context": {"S": CONTEXT}, "entity": {"S": f"activity#{time}#{'0' * 32}"}, "event_time": {"S": time},
            "event_name": {"S": "asset_accessed"}, "body": {"M": {}},
        }  # fmt: skip
        local.dynamodb.put_item(TableName=local.stack.entity_tables["ACTIVITY_TABLE"], Item=item)
    return local


def times(local: Local) -> list[str]:
    """The times of the remaining activity items."""
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
def test_purge_deletes_activity_before_the_given_time(
    activity: Local, canvas_events: Command, before: str, left: tuple[str, ...]
) -> None:
    """Activity at exactly that time stays, and so does everything that is not activity."""
    command = ["activity", "purge", "--before", before, "--local", "--json"]
    planned = canvas_events(*command, "--dry-run").json
    assert times(activity) == list(TIMES)
    result = canvas_events(*command, "--yes").json
    assert times(activity) == list(left)
    assert "user#8123" in activity.entities()
    assert result["counts"] == planned["counts"]
    assert sum(row["items"] for row in result["counts"]) == 3 - len(left)
    assert (planned["dry_run"], result["dry_run"]) == (True, False)
    assert canvas_events(*command, "--yes").json["counts"] == []


def test_activity_purge_asks_for_confirmation_with_the_item_count(
    activity: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal it requires --yes; at a terminal the question names the number of items and the time."""
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
    result = canvas_events(*command)
    assert (result.status, times(activity)) == (0, list(TIMES[2:]))
    assert [cell.strip() for cell in result.out.splitlines()[-2].split("│")[1:-1]] == ["all", "", "2"]


def test_activity_purge_rejects_a_time_in_the_future(activity: Local, canvas_events: Command) -> None:
    """A mistyped year must not delete everything."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    result = canvas_events("activity", "purge", "--before", tomorrow, "--yes", "--local")
    assert (result.status, "is in the future" in result.err) == (1, True)
    assert times(activity) == list(TIMES)


def test_activity_purge_without_the_activity_family_is_an_error(
    local: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When `Families` excludes activity there is nothing to purge, and the error says so."""
    tables = {name: table for name, table in local.stack.entity_tables.items() if name != "ACTIVITY_TABLE"}
    monkeypatch.setattr(local.stack, "entity_tables", tables)
    monkeypatch.setattr("cli.stack.stack.open_stack", lambda _: local.stack)
    result = canvas_events("activity", "purge", "--before", "2d", "--yes", "--local")
    assert (result.status, result.err) == (1, "error: the stack canvas-live-events keeps no activity.\n")


def test_purge_deletes_more_items_than_fit_in_one_request(activity: Local, canvas_events: Command) -> None:
    """DynamoDB accepts 25 deletions in a request."""
    for number in range(60):
        key = {"context": {"S": CONTEXT}, "entity": {"S": f"activity#2026-01-01T00:00:00.000000Z#{number:032x}"}}
        item = {"event_time": {"S": "2026-01-01T00:00:00.000000Z"}, "event_name": {"S": "logged_in"}}
        activity.dynamodb.put_item(TableName=activity.stack.entity_tables["ACTIVITY_TABLE"], Item=key | item)
    result = canvas_events("activity", "purge", "--before", "2026-09-07", "--yes", "--local", "--json")
    assert json.loads(result.out)["counts"] == [
        {"table": "activity", "event_type": "asset_accessed", "items": 1},
        {"table": "activity", "event_type": "logged_in", "items": 60},
    ]
    assert times(activity) == list(TIMES[1:])
