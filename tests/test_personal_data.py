"""What docs/personal-data.md says to run, run against the deployed template: all of a person is found, and erased."""

import json
import re
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.local.invocation import scan, table_variables
from cli.local.ministack import LocalAws, deploy, ministack
from handlers.outcome import Fate
from tests.conftest import SAMPLES, Change, Consumer, Tables
from tests.template import ROOT

ACCOUNT = "Rk3fXcVbqZ7TnWm2LhY8sDpAe5JgU1oK9iC4wQxB"
UUIDS = {"8123": "mQ4tZc7nVx1kRb8wYs3gLp6hDf9jUe2oA5iKwQxB", "4711": "none"}
SCRIPT = re.compile(r"`((?:find|erase|expire)\.py)`:\n\n( *)```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
KEYS = ("context", "entity")


class Stack:
    """The template deployed, the pipeline over its tables, and the scripts of the document beside them."""

    def __init__(self, aws: LocalAws, deployed: dict[str, str], folder: Path) -> None:
        self.tables = {name: table for name, table in deployed.items() if name != "REJECTED_TABLE"}
        self.aws, self.folder = aws, folder
        self.consumer = Consumer(Tables(aws.client("dynamodb"), aws.endpoint), deployed=deployed)
        text = (ROOT / "docs" / "personal-data.md").read_text(encoding="utf-8")
        for name, _, script in SCRIPT.findall(text):
            (folder / name).write_text(textwrap.dedent(script), encoding="utf-8")

    def deliver(self, *texts: str) -> Counter[Fate]:
        """Deliver events; how many of them had which fate."""
        return Counter(outcome.fate for outcome in self.consumer.deliver(*texts))

    def items(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        """All items, by table and keys."""
        return {
            (name, *(item[key] for key in KEYS)): item
            for name, table in self.tables.items()
            for item in scan(self.aws, table)
        }

    def find(self, user: str) -> list[str]:
        """The lines that ``find.py`` prints of a person."""
        return sorted(set(self._run("find.py", ACCOUNT, user, UUIDS[user]).splitlines()))

    def erase(self, user: str, lines: list[str]) -> str:
        """What ``erase.py`` says of these lines."""
        return self._run("erase.py", user, stdin="".join(f"{line}\n" for line in lines))

    def expire(self, day: str) -> None:
        """Run ``expire.py`` on the table of activity."""
        self._run("expire.py", self.tables["ACTIVITY_TABLE"], day)

    def _run(self, script: str, *arguments: str, stdin: str = "") -> str:
        command = [sys.executable, script, *arguments]
        environment = self.aws.environment()
        done = subprocess.run(
            command, cwd=self.folder, env=environment, input=stdin, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def deployed() -> Iterator[tuple[LocalAws, dict[str, str]]]:
    """The template in MiniStack, and its tables by their variables."""
    with ministack() as aws:
        yield aws, table_variables(deploy(aws, {"DeletionProtection": "false"}))


@pytest.fixture
def stack(deployed: tuple[LocalAws, dict[str, str]], tmp_path: Path) -> Stack:
    """The deployed stack, emptied."""
    made = Stack(*deployed, tmp_path)
    for name, context, entity in made.items():
        made.aws.client("dynamodb").delete_item(
            TableName=made.tables[name], Key={"context": {"S": context}, "entity": {"S": entity}}
        )
    return made


def told_of(item: dict[str, Any], *words: str) -> bool:
    """Whether an item says one of the words anywhere but in its keys, where what is erased leaves it."""
    told = json.dumps({name: value for name, value in item.items() if name not in (*KEYS, "version")}, default=str)
    return any(re.search(rf"\b{re.escape(word)}\b", told) for word in words)


@pytest.mark.parametrize("user", ["8123", "4711"])
def test_all_that_names_a_person_is_found_and_erased_and_nothing_else(stack: Stack, event: Change, user: str) -> None:
    """Of a sample of every type, and of what others say and look up, nothing tells of the person any more."""
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
        event("enrollment_created", {"user_id": other}, enrollment_id="41", user_id=user, user_name="Odile Made-up"),
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
    assert set(stack.deliver(*sent)) <= {Fate.STORED, Fate.SUPERSEDED}
    before = stack.items()
    words = (user, UUIDS[user], "Odile")
    assert sum(told_of(item, *words) for item in before.values()) > 20

    found = stack.find(user)
    assert stack.erase(user, found) == ""

    after = stack.items()
    mine = {key: item for key, item in after.items() if key[1].startswith(ACCOUNT)}
    assert [key for key, item in mine.items() if told_of(item, *words)] == []
    for keys in (
        (f"{ACCOUNT}#Submission#31", "submission_comment#33"),
        (f"{ACCOUNT}#Submission#51", "submission_comment#53"),
    ):
        assert after["SUBMISSIONS_TABLE", *keys]["body"] == {}
        assert after["SUBMISSIONS_TABLE", *keys]["deleted"]
    touched = {tuple(line.split("\t")[:3]) for line in found}
    for key, item in before.items():
        if (stack.tables[key[0]], *key[1:]) not in touched:
            assert after[key] == item
    for context, entity in (
        (f"{ACCOUNT}#Submission#51", "submission_comment#52"),
        (f"another#User#{user}", f"user#{user}"),
    ):
        assert any(key[1:] == (context, entity) and item["body"] for key, item in after.items())

    assert stack.find(user) == []
    assert stack.deliver(*sent)[Fate.STORED] == sum(line.endswith("\tactivity") for line in found)


def test_a_newer_event_is_not_overwritten_but_told(stack: Stack, event: Change) -> None:
    """What changed between the search and the erasing is left as it is, and said; the next search finds it."""
    stack.deliver(event("user_updated", user_id="8123"))
    found = stack.find("8123")
    stack.deliver(event("user_updated", {"event_time": "2027-01-01T00:00:00Z"}, user_id="8123", name="Anonymous"))
    assert f"find it again: {stack.tables['USERS_TABLE']}" in stack.erase("8123", found)
    assert [item["body"]["name"] for item in stack.items().values()] == ["Anonymous"]
    assert stack.erase("8123", stack.find("8123")) == ""
    assert [item["body"] for item in stack.items().values()] == [{}]


def test_a_comment_that_comes_late_is_found_under_emptied_work(stack: Stack, event: Change) -> None:
    """The person's submissions are remembered, although after the erasing they name nobody."""
    stack.deliver(event("submission_updated", {"user_id": "4711"}, submission_id="31", user_id="8123"))
    stack.erase("8123", stack.find("8123"))
    stack.deliver(event("submission_comment_created", submission_id="31", user_id="4711"))
    assert [line.split("\t")[1::3] for line in stack.find("8123")] == [[f"{ACCOUNT}#Submission#31", "about"]]


def test_activity_of_before_a_day_is_deleted(stack: Stack, event: Change) -> None:
    """What happened on the day itself stays, and so does everything that is no activity."""
    times = ("2026-09-06T23:59:59.999Z", "2026-09-07T00:00:00Z", "2026-09-08T12:00:00+13:00")
    stack.deliver(event("user_updated"), *(event("asset_accessed", {"event_time": time}) for time in times))
    stack.expire("2026-09-07")
    assert sorted(entity[:19] for _, _, entity in stack.items()) == [
        "activity#2026-09-07",
        "activity#2026-09-07",
        "user#8123",
    ]
