"""``person`` on the deployed template: its output, its confirmation and its errors."""

import json
import re
import stat
from pathlib import Path

import pytest

from cli.personal_data.payloads import names_person
from cli.personal_data.person import Person, possible_user_ids
from handlers.archive.bucket import Bucket
from handlers.archive.erased import KEY, read_erased_people
from tests.support.local_stack import Command, Local

ACCOUNT = "Rk3fXc"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write erasure records to a temporary folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def person(local: Local) -> Local:
    """A student with a grade, a topic that they changed, and a rejected record."""
    local.put("USERS_TABLE", f"{ACCOUNT}#User#8123", "user#8123", user_id="8123", name="Grace Example", uuid="a-uuid")
    local.put("SUBMISSIONS_TABLE", f"{ACCOUNT}#Assignment#9", "submission_grade#31", submission_id="31", user_id="8123")
    local.put("SUBMISSIONS_TABLE", f"{ACCOUNT}#Submission#31", "submission_comment#5", user_id="4711", body="Well done")
    local.put("MODULES_TABLE", f"{ACCOUNT}#Course#2041", "module#77", name="Week 1")
    local.reject(
        f'{{"metadata": {{"user_id": "8123", "root_account_uuid": "{ACCOUNT}"}}}}', event_name="module_archived"
    )
    return local


def rows(out: str) -> list[list[str]]:
    """Return the cells of a printed table."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]


@pytest.mark.usefixtures("person")
def test_person_find_counts_by_table_kind_and_reason(canvas_events: Command) -> None:
    """The summary counts items by kind and reason, and shows none of their content."""
    result = canvas_events("person", "find", "8123", "--local")
    assert result.status == 0
    assert rows(result.out) == [
        ["rejected", "schema_violation", "rejected record", "1"],
        ["submissions", "submission_comment", "about or by the person", "1"],
        ["submissions", "submission_grade", "about or by the person", "1"],
        ["users", "user", "about or by the person", "1"],
    ]
    assert "4 items of user 8123." in result.out
    assert "Grace" not in result.out + result.err
    assert [row[2] for row in rows(canvas_events("person", "find", "8123", "--items", "--local").out)][:3] == [
        "submission_grade#31",
        "submission_comment#5",
        "user#8123",
    ]


def test_dry_run_shows_the_actions_and_changes_nothing(person: Local, canvas_events: Command, tmp_path: Path) -> None:
    """Neither the tables nor the current folder are changed."""
    before = person.entities(), person.rejected()
    result = canvas_events("person", "erase", "8123", "--keep", "submission_grade", "--dry-run", "--local")
    assert result.status == 0
    assert rows(result.out) == [
        ["rejected", "schema_violation", "deleted", "1"],
        ["submissions", "submission_comment", "emptied", "1"],
        ["submissions", "submission_grade", "kept", "1"],
        ["users", "user", "emptied", "1"],
        ["all", "", "", "4"],
    ]
    assert "Dry run: nothing was changed." in result.err
    assert (person.entities(), person.rejected()) == before
    assert list(tmp_path.iterdir()) == []


def test_erase_asks_for_confirmation(person: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal it requires --yes; at a terminal, "no" changes nothing and "yes" erases."""
    refused = canvas_events("person", "erase", "8123", "--local")
    assert (refused.status, "--yes" in refused.err) == (1, True)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    refused = canvas_events("person", "erase", "8123", "--local")
    assert (refused.status, refused.out) == (1, "")
    assert "Permanently erase user 8123 of the root account Rk3fXc?" in refused.err
    assert len(person.rejected()) == 1
    monkeypatch.setattr("builtins.input", lambda _: "y")
    result = canvas_events("person", "erase", "8123", "--local")
    assert (result.status, person.rejected()) == (0, [])
    assert "Repeat this after 14 days" in result.err
    assert canvas_events("person", "erase", "8123", "--yes", "--local").err.strip() == "Nothing is left to erase."
    assert rows(canvas_events("person", "find", "8123", "--local").out) == []


def test_erased_people_are_on_the_list_that_replays_honour(person: Local, canvas_events: Command) -> None:
    """Everybody who is erased is added to it, with their work and other names, and it names none of them."""
    bucket = person.stack.resource("Bucket", "bucket")
    s3 = person.stack.client("s3")
    s3.put_object(Bucket=bucket, Key=KEY, Body=b"{}")
    before = person.entities()
    refused = canvas_events("person", "erase", "8123", "--yes", "--local")
    assert (refused.status, KEY in refused.err, person.entities()) == (1, True, before)
    s3.delete_object(Bucket=bucket, Key=KEY)
    for user in ("4711", "8123"):
        assert canvas_events("person", "erase", user, "--yes", "--local").status == 0
    people = read_erased_people(Bucket(s3, bucket))
    assert all(people.includes(ACCOUNT, f"User#{user}") for user in ("4711", "8123"))
    assert people.includes(ACCOUNT, "Submission#31")
    assert people.includes(ACCOUNT, "a-uuid")
    assert not people.includes(ACCOUNT, "User#9")
    document = json.loads(people.to_bytes())
    assert all(re.fullmatch("[0-9a-f]{64}", text) for text in (document["key"], *document["hashes"]))
    s3.delete_object(Bucket=bucket, Key=KEY)


def test_erasure_record_is_private_and_in_the_chosen_folder(
    person: Local, canvas_events: Command, tmp_path: Path
) -> None:
    """It holds the ids of the person's work, so only its owner may read it, and the report names its path."""
    folder = tmp_path / "records"
    folder.mkdir()
    arguments = ["person", "erase", "8123", "--yes", "--local", "--json", "--records", str(folder)]
    report = canvas_events(*arguments, "--also", "grace@example.edu").json
    record = Path(report["record"])
    assert record == folder / f"erasure-{ACCOUNT}-8123.json"
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert json.loads(record.read_text()) == {
        "root_account": ACCOUNT, "user_id": "8123", "identifiers": ["a-uuid", "grace@example.edu"],
        "work": ["Submission#31"], "keep": [],
    }  # fmt: skip
    assert person.rejected() == []


def test_unusable_erasure_record_stops_the_erasure(person: Local, canvas_events: Command, tmp_path: Path) -> None:
    """Without its content some of the person's work might be missed, so nothing is erased."""
    record = tmp_path / f"erasure-{ACCOUNT}-8123.json"
    for content in ('{"work": 7}', "[]", "{", "[" * 100_000, ""):
        record.write_text(content)
        result = canvas_events("person", "erase", "8123", "--yes", "--local")
        assert (result.status, "is not an erasure record" in result.err) == (1, True)
    record.unlink()
    missing = canvas_events("person", "erase", "8123", "--yes", "--local", "--records", str(tmp_path / "missing"))
    assert (missing.status, "cannot be written" in missing.err) == (1, True)
    assert len(person.rejected()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keep", "submission_grades"], "there is no kind of entity submission_grades. There are account,"),
        (["--account", "another"], "Nothing is left to erase."),
    ],
)
def test_mistyped_option_erases_nothing(
    person: Local, canvas_events: Command, arguments: list[str], message: str
) -> None:
    """A kind that does not exist would protect nothing, and another account means another person."""
    assert message in canvas_events("person", "erase", "8123", "--yes", "--local", *arguments).err
    assert len(person.rejected()) == 1


@pytest.mark.parametrize("user", ["grace", "0", "Course#2041", "-1", "4711x", "2107~"])
def test_invalid_user_id_is_an_error(local: Local, canvas_events: Command, user: str) -> None:
    """The error lists the valid forms."""
    result = canvas_events("person", "find", "--local", "--account", ACCOUNT, "--", user)
    assert (result.status, local.entities()) == (1, [])
    assert result.err == f'error: "{user}" is not a user id: use 4711, 10150000000004711 or 1015~4711.\n'


def test_global_id_is_searched_in_both_key_forms() -> None:
    """The shard of the root account is in no table, so both forms are tried, the exact one first."""
    assert possible_user_ids("4711") == ("4711",)
    assert possible_user_ids("1015~4711") == possible_user_ids("10150000000004711") == ("10150000000004711", "4711")


@pytest.mark.usefixtures("person")
def test_use_of_the_local_form_of_a_global_id_is_reported(canvas_events: Command) -> None:
    """The output says which local user id a global id was resolved to."""
    result = canvas_events("person", "find", "1015~8123", "--local", "--json")
    assert result.json["user_id"] == "8123"
    assert "Nothing has the id 10150000000008123: using 8123" in result.err


@pytest.mark.parametrize(
    ("payload", "is_named"),
    [
        (b'{"metadata": {"user_id": "10150000000008123", "root_account_id": "10150000000000001"}}', True),
        (b'{"metadata": {"user_id": "21070000000008123", "root_account_id": "10150000000000001"}}', False),
        (b'{"attributes": {"root_account_uuid": "Zz9"}, "body": {"user_id": "8123"}}', False),
        (b'{"body": {"assessor_id": 8123}}', True),
        (b'{"body": {"assignment_id": 8123, "user_count": 8123, "is_user_id": true}}', False),
        (b'{"body": {"asset_type": "user", "asset_id": "8123"}}', True),
        (b'{"body": {"asset_type": "course", "asset_id": "8123"}}', False),
        (b'{"body": {"asset_type": "submission", "asset_id": "31"}}', True),
        (b'{"body": {"submission_id": "31", "user_id": "4711"}}', True),
        (b'{"body": {"submission_id": "31", "quiz_id": "7"}}', False),
        (b'{"body": [{"user": {"name": "x", "id": 8123}}]}', True),
        (b'{"actor": {"id": "urn:instructure:canvas:user:10150000000008123"}}', True),
        (b'{"body": {"text": "write to GRACE, grace@example.edu"}}', True),
        (b'{"body": {"text": "grace@example.edu.invalid"}}', True),
        (b'{"body": {"text": "de-grace@example.edu"}}', False),
        (b'{"body": {"sis": "900"}}', True),
        (b'{"body": {"sis": "1900", "text": "900 points"}}', False),
        (b'{"metadata": {"user_id": "1015~8123", "tru', True),
        (rb'"{\"user_id\": \"8123\"}"', True),
        (b'{"user_id": "81234", "tru', False),
        (b"8123", False),
        (b"\xff\xfe", False),
        (b"[" * 100_000, False),
    ],
)
def test_rejected_record_that_names_the_person_is_recognised(payload: bytes, *, is_named: bool) -> None:
    """Ids count only in known fields; text counts if it contains the user's id or one of their names."""
    person = Person(ACCOUNT, "8123", {"grace@example.edu", "900"}, {"Submission#31"})
    assert names_person(payload, person) is is_named
