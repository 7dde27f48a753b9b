"""Malformed items in the tables: each is named, and the commands go on with the others."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.local_stack import Command, Local

ACCOUNT = "Rk3fXc"
COURSE, USER = f"{ACCOUNT}#Course#2041", f"{ACCOUNT}#User#8123"

# Attributes that replace those of an item, in DynamoDB's form; None removes one. What is wrong is in the message.
MALFORMED: dict[str, tuple[dict[str, Any], str]] = {
    "no body": ({"body": None}, "body is not a map"),
    "a body of text": ({"body": {"S": "{}"}}, "body is not a map"),
    "a body of null": ({"body": {"NULL": True}}, "body is not a map"),
    "a body of bytes": ({"body": {"B": gzip.compress(b"{}")}}, "body is not a map"),
    "no event name": ({"event_name": None}, "event_name is not text"),
    "an event name that is a number": ({"event_name": {"N": "7"}}, "event_name is not text"),
    "an event name that is a set": ({"event_name": {"SS": ["a"]}}, "event_name is not text"),
}
# Bodies that no event has, and that can be read all the same.
ODD_VALUES: dict[str, dict[str, Any]] = {
    "name": {"M": {"x": {"L": [{"NULL": True}]}}},
    "title": {"S": "\x1b[2J[red]"},
    "points_possible": {"N": "1E+125"},
    "due_at": {"N": "-9.9E-125"},
    "workflow_state": {"SS": ["a", "b"]},
    "progress": {"S": "x"},
    "user_uuid": {"M": {}},
    "user_id": {"NS": ["1", "2"]},
    "grade": {"B": b"\x00"},
    "submission_id": {"L": []},
}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write erasure records to a temporary folder."""
    monkeypatch.chdir(tmp_path)


def put(local: Local, variable: str, context: str, entity: str, **attributes: dict[str, Any] | None) -> None:
    """Put an item with these attributes, in DynamoDB's form, in place of its own."""
    item = {
        "context": {"S": context}, "entity": {"S": entity}, "version": {"S": "1"}, "body": {"M": {}},
        "event_name": {"S": "module_updated"}, "event_time": {"S": "2026-09-01T00:00:00.000000Z"},
    }  # fmt: skip
    whole = {name: value for name, value in (item | attributes).items() if value is not None}
    local.dynamodb.put_item(TableName=local.stack.entity_tables[variable], Item=whole)


@pytest.fixture
def course(local: Local) -> Local:
    """A course with a good module, one of each malformed form, and one with odd values."""
    local.put("MODULES_TABLE", COURSE, "module#1", name="Week 1", mood="good")
    for number, (attributes, _) in enumerate(MALFORMED.values(), 10):
        put(local, "MODULES_TABLE", COURSE, f"module#{number}", **attributes)
    put(local, "MODULES_TABLE", COURSE, "module#99", body={"M": ODD_VALUES}, odd={"NS": ["1"]})
    return local


@pytest.mark.usefixtures("course")
def test_show_names_malformed_items_and_shows_the_others(canvas_events: Command) -> None:
    """They have a line in the tree, and the exit status is 1; in JSON they are printed as they are."""
    result = canvas_events("show", "2041", "--local")
    assert result.status == 1
    assert "module#1 Week 1" in result.out
    for number, (_, problem) in enumerate(MALFORMED.values(), 10):
        assert f"module#{number} malformed item: {problem}" in result.out
        assert f"Malformed item: {COURSE} module#{number}: {problem}." in result.err
    assert "1" + "0" * 125 + " points" in result.out
    assert "\x1b" not in result.out
    assert len(canvas_events("show", "2041", "--local", "--json").json) == len(MALFORMED) + 2


@pytest.mark.usefixtures("course")
@pytest.mark.parametrize("number", [*range(10, 10 + len(MALFORMED)), 99])
def test_every_item_can_be_shown_alone(canvas_events: Command, number: int) -> None:
    """A malformed item is named, one with odd values is shown with each of them."""
    result = canvas_events("show", "2041", f"module#{number}", "--local")
    assert result.status == (0 if number == 99 else 1)
    assert f"module#{number}" in result.out
    assert number != 99 or '["a", "b"]' in result.out


@pytest.mark.usefixtures("course")
def test_unknown_fields_names_malformed_items_and_counts_the_others(canvas_events: Command) -> None:
    """Fields of the good items are counted, the malformed ones are named, and the exit status is 1."""
    result = canvas_events("tables", "unknown-fields", "modules", "--local")
    assert (result.status, "mood" in result.out) == (1, True)
    for number, (_, problem) in enumerate(MALFORMED.values(), 10):
        assert f"Malformed item: modules {COURSE} module#{number}: {problem}." in result.err


def test_activity_purge_deletes_malformed_items_too(local: Local, canvas_events: Command) -> None:
    """What happened before the date is deleted, whatever else its item holds; the count says so."""
    time = "2026-09-01T00:00:00.000000Z"
    for number, (attributes, _) in enumerate(MALFORMED.values()):
        put(local, "ACTIVITY_TABLE", USER, f"activity#{time}#{number}", **attributes)
    result = canvas_events("activity", "purge", "--before", "2026-09-02", "--yes", "--local", "--json")
    assert result.status == 0
    assert sum(row["items"] for row in result.json["counts"]) == len(MALFORMED)
    assert local.entities() == []


@pytest.fixture
def person(local: Local) -> Local:
    """A person with good items, and malformed ones in the tables of entities, activity and rejected events."""
    local.put("USERS_TABLE", USER, "user#8123", user_id="8123", name="Grace Example")
    for number, (attributes, _) in enumerate(MALFORMED.values(), 10):
        put(local, "USERS_TABLE", USER, f"user_account_association#{number}", **attributes)
    put(local, "USERS_TABLE", USER, "user_account_association#98", version=None)
    odd = ODD_VALUES | {"grader_id": {"S": "8123"}, "asset_type": {"B": b"user"}}
    put(local, "SUBMISSIONS_TABLE", f"{ACCOUNT}#Assignment#9", "submission_grade#1", body={"M": odd})
    put(
        local,
        "SUBMISSIONS_TABLE",
        f"{ACCOUNT}#Assignment#9",
        "submission#2",
        body={"M": odd | {"user_id": {"S": "8123"}}},
    )
    put(
        local, "ACTIVITY_TABLE", f"{ACCOUNT}#User#4711", "activity#2026-09-01T00:00:00.000000Z#1",
        body=None, version=None, request_context={"S": "User#8123"},
    )  # fmt: skip
    local.reject(json.dumps({"body": {"user_id": "8123"}}), event_name="module_archived")
    local.dynamodb.put_item(
        TableName=local.stack.rejected_table,
        Item={"reason": {"S": "schema_violation"}, "record": {"S": "unreadable"}, "payload": {"S": "8123"}},
    )
    return local


@pytest.mark.usefixtures("person")
def test_person_find_names_what_it_cannot_read(canvas_events: Command) -> None:
    """Each malformed item that may concern the person is named, the others are found, and the exit status is 1."""
    result = canvas_events("person", "find", "8123", "--account", ACCOUNT, "--local")
    assert result.status == 1
    assert "4 items of user 8123." in result.out
    expected = [
        *(f"users {USER} user_account_association#{number}: {problem}"
          for number, (_, problem) in enumerate(MALFORMED.values(), 10)),
        f"users {USER} user_account_association#98: version is not text",
        f"activity {ACCOUNT}#User#4711 activity#2026-09-01T00:00:00.000000Z#1: body is not a map",
        "rejected schema_violation unreadable: payload is not binary",
    ]  # fmt: skip
    for item in expected:
        assert f"Cannot be read: {item}." in result.err
    assert "They may hold data of the person." in result.err
    as_json = canvas_events("person", "find", "8123", "--account", ACCOUNT, "--local", "--json")
    assert (as_json.status, sorted(as_json.json["unreadable"])) == (1, sorted(expected))


def test_person_erase_erases_what_it_can_read_and_names_the_rest(person: Local, canvas_events: Command) -> None:
    """The exit status is 1, before the erasure, after it, and when nothing else is left."""
    for options in (["--dry-run"], ["--yes"], ["--yes"]):
        result = canvas_events("person", "erase", "8123", "--account", ACCOUNT, "--local", *options)
        assert result.status == 1
        assert result.err.count("Cannot be read: ") == len(MALFORMED) + 3
    assert [item["record"]["S"] for item in person.rejected()] == ["unreadable"]
    users = {item["entity"]["S"]: item for item in person.items(person.stack.entity_tables["USERS_TABLE"])}
    assert users["user#8123"]["body"] == {"M": {}}
    assert len(users) == len(MALFORMED) + 2
