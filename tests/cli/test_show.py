"""``show``: what the tables hold of a context."""

from typing import Any

from cli import show
from handlers.catalogue import load
from tests.cli.conftest import Command, Local

ACCOUNT, OTHER = "Rk3fXc", "Zz9yYw"


def fill(local: Local, account: str = ACCOUNT) -> None:
    """A course with an assignment that has an override, a topic that has a reply, and a module."""
    local.put("ASSIGNMENTS_TABLE", f"{account}#Course#2041", "assignment#9001", title="Lab report")
    local.put("ASSIGNMENTS_TABLE", f"{account}#Course#2041", "assignment_group#310", name="Labs")
    local.put("ASSIGNMENTS_TABLE", f"{account}#Assignment#9001", "assignment_override#52", type="CourseSection")
    local.put("DISCUSSIONS_TABLE", f"{account}#Course#2041", "discussion_topic#640", title="Introductions")
    local.put("DISCUSSIONS_TABLE", f"{account}#DiscussionTopic#640", "discussion_entry#30021", text="Hello")
    local.put("MODULES_TABLE", f"{account}#Course#2041", "module#77", name="Week 1")
    local.put("COURSES_TABLE", f"{account}#Course#2041", "syllabus#2041", syllabus_body="Labs")
    local.put("MODULES_TABLE", f"{account}#Course#7", "module#1", name="Of another course")


def test_a_course_is_found_by_its_id_alone(local: Local, canvas_events: Command) -> None:
    """All tables are looked into, and what stands below an entity is shown below it."""
    fill(local)
    done = canvas_events("show", "2041", "--local")
    assert done.status == 0
    lines = [line.rstrip() for line in done.out.splitlines()]
    assert lines[0] == "Course 2041, as the tables hold it"
    entities = [line[: line.index("#")].rsplit(" ", 1)[-1] for line in lines[1:]]
    assert entities == [
        "assignment", "assignment_override", "assignment_group", "discussion_topic", "discussion_entry", "module",
        "syllabus",
    ]  # fmt: skip
    assert lines[2].startswith("│   └── assignment_override#52")
    assert "read units" in done.err  # what it cost to find out whose the tables are


def test_every_way_to_name_a_course_finds_it(local: Local, canvas_events: Command) -> None:
    """An id, a global id in either form, a type and an id, and the whole key are one course."""
    fill(local)
    ways = ["2041", "Course#2041", "21070000000002041", "2107~2041", f"{ACCOUNT}#Course#2041", "Course#2107~2041"]
    shown = [canvas_events("show", way, "--local", "--json").json for way in ways]
    assert len(shown[0]) == 7
    assert all(each == shown[0] for each in shown)


def test_a_kind_or_an_entity_alone(local: Local, canvas_events: Command) -> None:
    """A kind shows its entities and no others of that beginning; a kind and an id every field, with its meaning."""
    fill(local)
    kind = canvas_events("show", "2041", "assignment", "--local", "--json").json
    assert [item["entity"] for item in kind] == ["assignment#9001"]
    done = canvas_events("show", "2041", "assignment#9001", "--local")
    assert "Lab report" in done.out
    assert load()["assignment_updated"].fields["title"].about in done.out


def test_with_two_accounts_it_asks_which(local: Local, canvas_events: Command) -> None:
    """Where two institutions share the tables nothing is guessed: they are listed, and one must be named."""
    fill(local)
    fill(local, OTHER)
    done = canvas_events("show", "2041", "--local")
    assert done.status == 1
    assert f"--account {ACCOUNT}" in done.err
    assert f"--account {OTHER}" in done.err
    items = canvas_events("show", "2041", "--account", OTHER, "--local", "--json").json
    assert len(items) == 7
    assert {item["context"].partition("#")[0] for item in items} == {OTHER}


def test_nothing_there(local: Local, canvas_events: Command) -> None:
    """Empty tables, an unknown course and a context that is none are told apart, with exit status 1."""
    assert "hold nothing yet" in canvas_events("show", "2041", "--local").err
    fill(local)
    unknown = canvas_events("show", "2042", "--local")
    assert (unknown.status, unknown.out) == (1, "")
    assert f"nothing under {ACCOUNT}#Course#2042" in unknown.err
    wrong = canvas_events("show", "biology", "--local")
    assert wrong.status == 1
    assert "biology is no context" in wrong.err


def test_what_is_deleted_is_shown_as_deleted(local: Local, canvas_events: Command) -> None:
    """A tombstone is there, and says so."""
    fill(local)
    table = local.stack.entity_tables["MODULES_TABLE"]
    key: Any = {"context": {"S": f"{ACCOUNT}#Course#2041"}, "entity": {"S": "module#77"}}
    local.dynamodb.update_item(
        TableName=table, Key=key, UpdateExpression="SET deleted = :t", ExpressionAttributeValues={":t": {"BOOL": True}}
    )
    deleted = [
        line for line in canvas_events("show", "2041", "--local").out.splitlines() if line.rstrip().endswith("deleted")
    ]
    assert len(deleted) == 1
    assert "module#77" in deleted[0]


def test_more_than_one_answer_holds(local: Local, canvas_events: Command) -> None:
    """A context larger than one answer of DynamoDB is read whole."""
    for number in range(4):
        local.put("DISCUSSIONS_TABLE", f"{ACCOUNT}#DiscussionTopic#1", f"discussion_entry#{number}", text="x" * 390_000)
    items = canvas_events("show", "DiscussionTopic#1", "--local", "--json").json
    assert [item["entity"] for item in items] == [f"discussion_entry#{number}" for number in range(4)]


def test_text_of_strangers_does_nothing_to_the_terminal(local: Local, canvas_events: Command) -> None:
    """Escape sequences are written out, and what looks like markup stays as it is."""
    hostile = "[bold red]\x1b[2J\x9b31m\u202ereversed\r[/nothing]"
    local.put("MODULES_TABLE", f"{ACCOUNT}#Course#2041", "module#77", name=hostile)
    for arguments in (["2041"], ["2041", "module#77"], ["2041", "--json"]):
        shown = canvas_events("show", *arguments, "--local").out
        assert not {"\x1b", "\x9b", "\u202e", "\r"} & set(shown)
        assert "[bold red]" in shown
    assert "\\x1b[2J" in canvas_events("show", "2041", "--local").out


def test_the_account_of_the_stack_spares_the_scan(local: Local) -> None:
    """When the stack takes the events of one account only, named by its uuid, nothing is read to find it out."""
    local.stack.parameters = {"AllowedRootAccounts": ACCOUNT}
    assert show._only_account(local.stack) == ACCOUNT
