"""``person find`` and ``person erase``: all data of a person is found and erased, and nothing else, in both engines."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli.__main__ import main
from cli.personal_data import erasure
from cli.personal_data.erasure import Eraser
from cli.personal_data.person import Person
from cli.stack.stack import Resource, Stack
from handlers.outcome import Fate
from tests.support.engines import SAMPLES, TABLES, Consumer, EventFactory, Tables

ACCOUNT = "Rk3fXcVbqZ7TnWm2LhY8sDpAe5JgU1oK9iC4wQxB"
UUIDS = {"8123": "mQ4tZc7nVx1kRb8wYs3gLp6hDf9jUe2oA5iKwQxB", "4711": "none"}
KEYS = ("context", "entity")


class Deployment:
    """The tables of an engine as a stack, the pipeline over them, and the commands on them."""

    def __init__(self, tables: Tables, capsys: pytest.CaptureFixture[str]) -> None:
        resources = {
            name.title().replace("_", ""): Resource("AWS::DynamoDB::Table", table) for name, table in TABLES.items()
        }
        self.stack = Stack("a-stack", boto3.Session(), tables.endpoint, "CREATE_COMPLETE", {}, {}, resources)
        self._tables, self._capsys = tables, capsys
        self._consumer = Consumer(tables)

    def deliver(self, *texts: str) -> Counter[Fate]:
        """Deliver events; return the number of records by fate."""
        return Counter(outcome.fate for outcome in self._consumer.deliver(*texts))

    def items(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        """Return all items of the entity tables in DynamoDB's form, by table variable and key."""
        return {
            (variable, *(item[name]["S"] for name in KEYS)): item
            for variable, table in TABLES.items()
            if variable != "REJECTED_TABLE"
            for item in self._tables.items(table)
        }

    def rejected(self) -> list[str]:
        """Return the event types of the rejected records."""
        return sorted(item["event_name"]["S"] for item in self._tables.items(TABLES["REJECTED_TABLE"]))

    def person(self, *arguments: str, status: int = 0) -> Any:
        """Return what ``canvas-events person … --json`` prints."""
        self._capsys.readouterr()
        assert main(["person", *arguments, "--json"]) == status
        return json.loads(self._capsys.readouterr().out)

    def find(self, user: str, *options: str) -> list[dict[str, str]]:
        """Return the items that ``person find`` lists."""
        items: list[dict[str, str]] = self.person("find", user, "--account", ACCOUNT, *options)["items"]
        return items

    def erase(self, user: str, *options: str, status: int = 0) -> Counter[str]:
        """Run ``person erase``; return the number of items by action."""
        report = self.person("erase", user, "--account", ACCOUNT, "--yes", *options, status=status)
        counts: Counter[str] = Counter()
        for row in report["counts"]:
            counts[row["action"]] += row["items"]
        return counts


@pytest.fixture
def deployment(
    tables: Tables, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Deployment:
    """Empty tables, and a current folder without erasure records."""
    new_deployment = Deployment(tables, capsys)
    monkeypatch.setattr("cli.stack.stack.open_stack", lambda _: new_deployment.stack)
    # The list of erased people is in a bucket, which these engines lack: tests/cli/test_person.py.
    monkeypatch.setattr("cli.personal_data.erased_people.add_to_erased_people", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    return new_deployment


def names(item: dict[str, Any], *words: str) -> bool:
    """Whether an item contains one of the words outside its key and version, which an erasure keeps."""
    text = json.dumps({name: value for name, value in item.items() if name not in (*KEYS, "version")}, default=str)
    return any(re.search(rf"\b{re.escape(word)}\b", text) for word in words)


@pytest.mark.parametrize("user", ["8123", "4711"])
def test_erasure_removes_all_data_of_the_person_and_nothing_else(
    deployment: Deployment, event: EventFactory, user: str
) -> None:
    """With samples of every type and data of other people, no item names the person any more."""
    other = "4711" if user == "8123" else "8123"
    of_the_person = (
        event("asset_accessed", {"user_id": other}, asset_type="user", asset_id=user, asset_name="Odile Made-up"),
        event(
            "asset_accessed", {"user_id": other, "context_type": "User", "context_id": user}, asset_name="Odile's.pdf"
        ),
        event("submission_updated", {"user_id": other}, submission_id="31", assignment_id="32", user_id=user),
        event(
            "submission_comment_created", submission_comment_id="33", submission_id="31", user_id=other, body="Odile!"
        ),
        event(
            "enrollment_created",
            {"user_id": other},
            enrollment_id="41",
            user_id=user,
            user_name="Odile Made-up",
            user_uuid=UUIDS[user],
        ),
        event("asset_accessed", {"user_id": other}, asset_type="enrollment", asset_id="41", asset_name="Odile Made-up"),
    )
    of_others = (
        event("asset_accessed", {"user_id": other}, asset_type="user", asset_id="9999", asset_name="Nobody Else"),
        event("submission_updated", {"user_id": other}, submission_id="51", assignment_id="32", user_id=other),
        event(
            "submission_comment_created", submission_comment_id="52", submission_id="51", user_id=other, body="Mine."
        ),
        event(
            "user_updated", {"root_account_uuid": "another", "user_id": user}, user_id=user, name="Another Institution"
        ),
    )
    by_the_person = event("submission_comment_created", submission_comment_id="53", submission_id="51", user_id=user)
    sent = [*SAMPLES.values(), *of_the_person, *of_others, by_the_person]
    assert set(deployment.deliver(*sent)) <= {Fate.STORED, Fate.SUPERSEDED}
    before = deployment.items()
    words = (user, UUIDS[user], "Odile")
    assert sum(names(item, *words) for item in before.values()) > 20

    found = deployment.find(user)
    assert sum(deployment.erase(user).values()) == len(found)

    after = deployment.items()
    ours = {key: item for key, item in after.items() if key[1].startswith(ACCOUNT)}
    assert [key for key, item in ours.items() if names(item, *words)] == []
    for keys in (
        (f"{ACCOUNT}#Submission#31", "submission_comment#33"),
        (f"{ACCOUNT}#Submission#51", "submission_comment#53"),
    ):
        assert after["SUBMISSIONS_TABLE", *keys]["body"] == {"M": {}}
        assert after["SUBMISSIONS_TABLE", *keys]["deleted"] == {"BOOL": True}
    listed = {(item["table"], item["context"], item["entity"]) for item in found}
    assert {key: after.get(key) for key in before.keys() - listed} == {
        key: item for key, item in before.items() if key not in listed
    }
    for context, entity in (
        (f"{ACCOUNT}#Submission#51", "submission_comment#52"),
        (f"another#User#{user}", f"user#{user}"),
    ):
        assert any(key[1:] == (context, entity) and item["body"]["M"] for key, item in after.items())

    assert deployment.find(user) == []
    assert deployment.deliver(*sent)[Fate.STORED] == sum(item["relation"] == "activity" for item in found)


def test_newer_event_after_an_erasure_gives_the_same_item_as_without_it(
    deployment: Deployment, event: EventFactory
) -> None:
    """An erased item keeps its version, so later events have the same result with and without the erasure."""
    sent = [event("user_updated"), event("submission_updated"), event("grade_change"), event("enrollment_updated")]
    later = [
        text.replace('"event_time": "2026', '"event_time": "2027')
        for text in [*sent, event("discussion_entry_created")]
    ]
    assert later[0] != sent[0]
    deployment.deliver(*later)
    expected = deployment.items()
    deployment._tables.empty()

    deployment.deliver(*sent)
    assert deployment.erase("8123").total() >= 4
    deployment.deliver(*later)
    assert deployment.items() == expected


def test_item_that_changed_since_the_search_is_not_overwritten(
    deployment: Deployment, event: EventFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An item that a newer event changed after the search stays, exit status 1 reports it, and a repeat erases it."""
    deployment.deliver(event("user_updated", user_id="8123"))
    newer = event("user_updated", {"event_time": "2027-01-01T00:00:00Z"}, user_id="8123", name="Anonymous")
    before_the_update(monkeypatch, lambda: deployment.deliver(newer))
    assert deployment.erase("8123", status=1) == {"changed meanwhile": 1}
    (item,) = deployment.items().values()
    assert item["body"]["M"]["name"] == {"S": "Anonymous"}


def before_the_update(monkeypatch: pytest.MonkeyPatch, happen: Callable[[], object]) -> None:
    """Run a callback between the search and the erasure."""
    run = Eraser.run

    def interrupted(eraser: Eraser, items: Any) -> Any:
        happen()
        return run(eraser, items)

    monkeypatch.setattr(Eraser, "run", interrupted)


def test_repeated_erasure_erases_items_changed_since_the_first(deployment: Deployment, event: EventFactory) -> None:
    """After a newer event the person is found again under the same key, and erased again."""
    deployment.deliver(event("user_updated", user_id="8123"))
    assert deployment.erase("8123") == {"emptied": 1}
    deployment.deliver(event("user_updated", {"event_time": "2027-01-01T00:00:00Z"}, user_id="8123", name="Anonymous"))
    assert deployment.erase("8123") == {"emptied": 1}
    assert [item["body"] for item in deployment.items().values()] == [{"M": {}}]


def test_late_comment_is_found_through_the_erasure_record(deployment: Deployment, event: EventFactory) -> None:
    """The erasure record remembers the person's submissions and UUID, which the tables no longer hold."""
    deployment.deliver(
        event("submission_updated", {"user_id": "4711"}, submission_id="31", user_id="8123"),
        event("user_updated", user_id="8123", uuid="a-uuid"),
    )
    deployment.erase("8123")
    deployment.deliver(
        event("submission_comment_created", submission_id="31", user_id="4711"),
        event("learning_outcome_result_created", {"user_id": "4711"}, user_uuid="a-uuid"),
    )
    found = deployment.find("8123")
    assert sorted((item["table"], item["relation"]) for item in found) == [
        ("OUTCOMES_TABLE", "about"),
        ("SUBMISSIONS_TABLE", "about"),
    ]
    assert deployment.find("8123", "--records", "/nonexistent") == []
    assert deployment.erase("8123") == {"emptied": 2}
    assert deployment.find("8123") == []


@pytest.mark.parametrize("interrupted_after", range(4))
def test_interrupted_erasure_is_completed_by_a_repeat(
    deployment: Deployment, event: EventFactory, tmp_path: Path, interrupted_after: int
) -> None:
    """However many items were erased before the interrupt, the same command erases the rest, comments included."""
    deployment.deliver(
        event("submission_updated", {"user_id": "4711"}, submission_id="31", user_id="8123"),
        event("submission_comment_created", {"user_id": "4711"}, submission_id="31", user_id="4711"),
        event("user_updated", user_id="8123"),
        event("asset_accessed", {"user_id": "8123"}),
    )
    updates: list[Any] = []
    update = Eraser._update

    def stops(eraser: Eraser, found: Any) -> Any:
        if len(updates) == interrupted_after:
            raise KeyboardInterrupt
        updates.append(found)
        return update(eraser, found)

    arguments = ("erase", "8123", "--account", ACCOUNT, "--yes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasure, "MAX_CONCURRENT_UPDATES", 1)
        patch.setattr(Eraser, "_update", stops)
        deployment.person(*arguments, status=130 if interrupted_after < 3 else 0)
    # The repeat reads what the interrupted run recorded: both run in the folder of the fixture.
    assert [record.parent for record in Path.cwd().glob("erasure-*.json")] == [tmp_path]
    deployment.person(*arguments)
    entities = {item["entity"]["S"]: item["body"] for item in deployment.items().values()}
    assert set(entities) == {"submission#31", "submission_comment#198120", "user#8123"}
    assert all(body == {"M": {}} for body in entities.values())


def test_excluded_kinds_and_entities_are_not_erased_by_a_repeat_either(
    deployment: Deployment, event: EventFactory
) -> None:
    """What --keep names is left unchanged, and the next run remembers that."""
    deployment.deliver(
        event("grade_change", submission_id="31", student_id="8123", user_id="8123"),
        event("course_grade_change", user_id="8123"),
        event("course_grade_change", {"event_time": "2026-09-09T00:00:00Z"}, user_id="8123", course_id="7"),
        event("user_updated", user_id="8123"),
    )
    before = deployment.items()
    options = ("--keep", "submission_grade", "--keep", "course_grade#8123")
    assert deployment.erase("8123", *options, "--dry-run") == {"kept": 3, "emptied": 1}
    assert deployment.items() == before
    assert deployment.erase("8123", *options) == {"kept": 3, "emptied": 1}
    assert deployment.erase("8123") == {"kept": 3}
    changed = {key[2] for key, item in deployment.items().items() if item != before[key]}
    assert changed == {"user#8123"}


def test_rejected_records_that_name_the_person_are_deleted(deployment: Deployment, event: EventFactory) -> None:
    """Unknown types and invalid JSON are included; records about others, or with the same number, stay."""
    deployment.deliver(event("user_updated", user_id="8123", user_login="odile@example.edu"))
    no_one = {"user_id": None, "user_login": None, "user_sis_id": None, "url": None}
    deployment.deliver(
        unknown(event, "by_the_person", {"user_id": "10150000000008123"}),
        unknown(event, "of_the_person", no_one, student_id="1015~8123"),
        unknown(event, "by_login", no_one, text="Ask odile@example.edu."),
        unknown(event, "in_a_url", no_one | {"url": "https://canvas.example.edu/users/8123/grades"}),
        unknown(event, "by_type", no_one, context_type="User", context_id="8123"),
        unknown(event, "nested", no_one, user={"id": 8123}),
        unknown(event, "of_another_number", no_one, assignment_id="8123", text="8123", due="8123-01-01"),
        unknown(event, "of_another_login", no_one, text="not-odile@example.edu"),
        unknown(event, "elsewhere", {"root_account_uuid": "another"}, user_id="8123"),
    )
    assert len(deployment.rejected()) == 9
    found = [item for item in deployment.find("8123") if item["relation"] == "rejected"]
    assert len(found) == 6
    assert deployment.erase("8123") == {"emptied": 1, "deleted": 6}
    assert deployment.rejected() == ["elsewhere", "of_another_login", "of_another_number"]


def unknown(event: EventFactory, name: str, metadata: dict[str, Any], **body: Any) -> str:
    """Return an event of a type that is not in the catalogue."""
    sample = json.loads(event("module_updated", metadata | {"event_name": name}))
    return json.dumps({"metadata": sample["metadata"], "body": body})


@pytest.mark.parametrize("user", ["8123", "User#8123", "10150000000008123", "1015~8123"])
def test_every_form_of_an_id_finds_the_person(deployment: Deployment, event: EventFactory, user: str) -> None:
    """Local and global ids find the same person, since the tables hold the local form."""
    deployment.deliver(event("user_updated", user_id="8123"))
    assert [item["entity"] for item in deployment.find(user)] == ["user#8123"]


def test_global_id_of_another_shard_is_not_confused_with_a_local_user(
    deployment: Deployment, event: EventFactory
) -> None:
    """A user of another shard, as in a consortium, is not the local user with the same last digits."""
    deployment.deliver(
        event("user_updated", user_id="8123"),
        event("enrollment_created", {"user_id": "8123"}, user_id="21070000000008123", user_name="A Guest"),
    )
    assert [item["relation"] for item in deployment.find("2107~8123")] == ["about"]
    assert deployment.erase("2107~8123") == {"emptied": 1}
    assert {key[2] for key, item in deployment.items().items() if item["body"]["M"]} == {"user#8123"}


def test_names_of_an_observer_are_not_attributed_to_the_person() -> None:
    """An observer's enrollment is about the student too, but its UUID and name are the observer's."""
    person = Person(ACCOUNT, "8123")
    body = {"user_id": "99", "user_uuid": "observer", "associated_user_id": "8123", "enrollment_id": "7"}
    item = {"context": f"{ACCOUNT}#Enrollment#7", "entity": "enrollment#7", "body": body}
    assert person.is_subject(item)
    person.learn(item)
    assert (person.identifiers, person.work) == (set(), {"Enrollment#7"})
