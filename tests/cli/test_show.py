"""``show``: what the tables hold of a context."""

from typing import Any

import pytest

from cli.catalogue import model
from cli.commands import show
from cli.stack import root_account
from cli.stack import table_reader as cli_reader
from cli.stack.hierarchy import Hierarchy
from cli.stack.table_reader import Reader
from tests.support.local_stack import Command, Local

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
    assert lines[0] == "Course 2041 in the tables"
    entities = [line[: line.index("#")].rsplit(" ", 1)[-1] for line in lines[1:]]
    assert entities == [
        "assignment", "assignment_override", "assignment_group", "discussion_topic", "discussion_entry", "module",
        "syllabus",
    ]  # fmt: skip
    assert lines[2].startswith("│   └── assignment_override#52")
    assert done.err == ""


def test_what_it_cost_to_find_the_account_is_told_where_one_might_be_missed(
    local: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables that were not read to their end may hold another account, and whoever pays should know."""
    fill(local)
    monkeypatch.setattr(root_account, "MAX_ITEMS_TO_SCAN", 1)
    done = canvas_events("show", "2041", "--local")
    assert done.status == 0
    assert "up to 1 items of each table were scanned" in done.err
    assert "read units" in done.err


def test_a_pipe_gets_whole_lines_and_a_terminal_whole_words(
    local: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is cut: a terminal's are broken where it ends, and those that are piped on are not broken at all."""
    name = "Cells and membranes of plants and animals"
    local.put("MODULES_TABLE", f"{ACCOUNT}#Course#2041", "module#77", name=name, workflow_state="active", position="1")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "dumb")  # without colours, and 80 columns wide
    command = ["show", f"{ACCOUNT}#Course#2041", "--local"]
    line = f"└── module#77 {name} active, position 1 · module_updated"
    assert canvas_events(*command).out.splitlines()[1] == line
    monkeypatch.setattr("cli.ui.output.sys.stdout.isatty", lambda: True)
    lines = canvas_events(*command).out.splitlines()[1:]
    assert len(lines) > 1
    assert " ".join(" ".join(lines).split()) == line


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
    assert model.load()["assignment_updated"].fields["title"].about in done.out


def test_who_acted_is_told_from_whom_it_is_about(local: Local, canvas_events: Command) -> None:
    """Both are called user_id: that of the event, and that of the body."""
    local.put("SUBMISSIONS_TABLE", f"{ACCOUNT}#Course#2041", "course_grade#8123", user_id="8123")
    key: Any = {"context": {"S": f"{ACCOUNT}#Course#2041"}, "entity": {"S": "course_grade#8123"}}
    local.dynamodb.update_item(
        TableName=local.stack.entity_tables["SUBMISSIONS_TABLE"], Key=key,
        UpdateExpression="SET user_id = :t, event_name = :n",
        ExpressionAttributeValues={":t": {"S": "4711"}, ":n": {"S": "course_grade_change"}},
    )  # fmt: skip
    shown = canvas_events("show", "2041", "course_grade#8123", "--local").out
    lines = [line.strip() for line in shown.splitlines()]
    assert [(line, lines[number + 1]) for number, line in enumerate(lines) if line.startswith("user_id ")] == [
        ("user_id  The user who acted in that event.", "4711"), ("user_id  The student.", "8123"),
    ]  # fmt: skip


def test_a_family_that_is_not_kept_is_told(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is there of what a stack ignores, and that is why."""
    tables = {name: table for name, table in local.stack.entity_tables.items() if name != "ASSIGNMENTS_TABLE"}
    monkeypatch.setattr(local.stack, "entity_tables", tables)
    hierarchy = Hierarchy(model.load())
    assert list(show._hints("Course#2041", "assignment#9001", local.stack, hierarchy)) == [
        "The stack canvas-live-events has no table for assignments: it ignores them."
    ]
    assert list(show._hints("Course#2041", "module", local.stack, hierarchy)) == []


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
    assert "are still empty" in canvas_events("show", "2041", "--local").err
    fill(local)
    unknown = canvas_events("show", "2042", "--local")
    assert (unknown.status, unknown.out) == (1, "")
    assert f"nothing for {ACCOUNT}#Course#2042" in unknown.err
    assert "2042 was taken as a course id. For a person use User#2042" in unknown.err
    assert "Types are capitalized: DiscussionTopic#640." in canvas_events("show", "discussion_topic#640", "--local").err
    assert canvas_events("show", "DiscussionTopic#7", "--local").err.count("\n") == 1
    wrong = canvas_events("show", "biology", "--local")
    assert wrong.status == 1
    assert '"biology" is not a valid key' in wrong.err


def test_kind_that_does_not_exist_is_answered_with_those_that_do(local: Local, canvas_events: Command) -> None:
    """A plural is not a kind: the closest kind is suggested, and all are listed."""
    fill(local)
    done = canvas_events("show", "2041", "assignments", "--local")
    assert (done.status, done.out) == (1, "")
    assert "'assignments' is not a kind of entity. Did you mean assignment?" in done.err
    assert "The kinds are account, account_notification, activity, assignment, " in done.err
    assert "was taken as a course id" not in done.err


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
    assert root_account.only_root_account(local.stack) == ACCOUNT


@pytest.fixture
def person(local: Local) -> Local:
    """A person, and 31 things that they opened, one a day in August."""
    local.put("USERS_TABLE", f"{ACCOUNT}#User#8123", "user#8123", name="Grace Example")
    for day in range(1, 32):
        time = f"2026-08-{day:02}T09:15:27.004000Z"
        key = {"context": {"S": f"{ACCOUNT}#User#8123"}, "entity": {"S": f"activity#{time}#{day:032x}"}}
        local.dynamodb.put_item(
            TableName=local.stack.entity_tables["ACTIVITY_TABLE"],
            Item=key | {
                "event_name": {"S": "asset_accessed"}, "event_time": {"S": time},
                "request_context": {"S": "Course#2041"},
                "expires_at": {"N": "1819098927"}, "body": {"M": {"asset_name": {"S": f"Page {day}"}}},
            },
        )  # fmt: skip
    return local


@pytest.mark.usefixtures("person")
def test_of_a_person_the_newest_activity_is_shown_and_that_there_is_more(canvas_events: Command) -> None:
    """Beside the person the last twenty of what they did, newest first; where the rest is, is said."""
    done = canvas_events("show", "User#8123", "--account", ACCOUNT, "--local")
    lines = [line.strip("├└─ ") for line in done.out.splitlines()[1:]]
    assert lines[0].startswith("user#8123 Grace Example")
    assert [line.partition(" Page")[0] for line in lines[1:]] == [
        f"activity {day} Aug 2026, 09:15 UTC" for day in range(31, 11, -1)
    ]
    assert lines[1].endswith("Page 31 asset_accessed in Course#2041")
    assert "There is more activity than the newest 20: `canvas-events show User#8123 activity --newest 200`" in done.err


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize(
    ("arguments", "days", "told"),
    [
        (["activity"], range(31, 0, -1), False),
        (["activity", "--newest", "31"], range(31, 0, -1), False),
        (["activity", "--newest", "30"], range(31, 1, -1), True),
        (["activity#2026-08-0"], range(9, 0, -1), False),
        (["activity#2026-08-0", "--newest", "5"], range(9, 4, -1), True),
        (["activity#2026-08-07"], [7], False),
        (["user"], [], False),
        (["--newest", "3"], [31, 30, 29], True),
    ],
)
def test_more_of_it_or_a_day_of_it(
    canvas_events: Command, arguments: list[str], days: list[int], *, told: bool
) -> None:
    """A kind, the beginning of a time and a number say how much; what is left out is always said."""
    done = canvas_events("show", "User#8123", *arguments, "--account", ACCOUNT, "--local", "--json")
    shown = [item["event_time"][8:10] for item in done.json if item["entity"].startswith("activity#")]
    assert shown == [f"{day:02}" for day in days]
    assert ("There is more activity" in done.err) is told


@pytest.mark.usefixtures("person")
def test_one_occurrence_is_shown_with_every_field(canvas_events: Command) -> None:
    """Where a time names one alone, its fields and their meanings are shown."""
    done = canvas_events("show", "User#8123", "activity#2026-08-07", "--account", ACCOUNT, "--local")
    assert model.load()["asset_accessed"].fields["asset_name"].about in done.out
    assert "Course#2041" in done.out


def test_no_more_activity_is_read_than_is_shown(person: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's years are not read to show their last day: DynamoDB is asked for one more than that."""
    reader = Reader(person.stack, Hierarchy(model.load()), newest=5)
    asked: list[int] = []
    table = reader._handles["ACTIVITY_TABLE"]
    query = table.query

    def count(**request: Any) -> Any:
        answer = query(**request)
        asked.append(answer["ScannedCount"])
        return answer

    monkeypatch.setattr(table, "query", count)
    reader.read(f"{ACCOUNT}#User#8123")
    assert asked == [6]


def test_of_what_stands_below_only_the_first_is_read(local: Local, canvas_events: Command) -> None:
    """A topic with very many replies does not fill the picture of its course, and the way to all of them is said."""
    local.put("DISCUSSIONS_TABLE", f"{ACCOUNT}#Course#2041", "discussion_topic#640", title="Introductions")
    for number in range(21):
        local.put("DISCUSSIONS_TABLE", f"{ACCOUNT}#DiscussionTopic#640", f"discussion_entry#{number:02}", text="Hello")
    done = canvas_events("show", "2041", "--account", ACCOUNT, "--local")
    assert done.out.count("discussion_entry#") == 20
    assert "DiscussionTopic#640 has more than these 20 items: `canvas-events show DiscussionTopic#640`." in done.err
    done = canvas_events("show", "DiscussionTopic#640", "--account", ACCOUNT, "--local")
    assert done.out.count("discussion_entry#") == 21


def test_not_any_number_of_contexts_is_looked_into(
    local: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A course of hundreds of assignments costs a bounded number of requests; what was left out is said."""
    monkeypatch.setattr(cli_reader, "MAX_CONTEXTS_BELOW", 2)
    for number in range(1, 8):
        local.put("ASSIGNMENTS_TABLE", f"{ACCOUNT}#Course#2041", f"assignment#{number}", title="Lab")
        local.put("ASSIGNMENTS_TABLE", f"{ACCOUNT}#Assignment#{number}", f"assignment_override#{number}", type="Group")
    done = canvas_events("show", "2041", "--account", ACCOUNT, "--local")
    assert (done.out.count(" assignment#"), done.out.count("assignment_override#")) == (7, 2)
    assert (
        "Only the first 2 contexts were read, without Assignment#3, Assignment#4, Assignment#5 and 2 more." in done.err
    )


def test_what_has_no_account_is_found_and_is_no_institution(local: Local, canvas_events: Command) -> None:
    """A heartbeat belongs to nobody: its key begins with #, and it does not make the tables of two institutions."""
    local.put("MODULES_TABLE", "#Environment#production", "heartbeat#us-east-1", region="us-east-1")
    fill(local)
    done = canvas_events("show", "#Environment#production", "--local", "--json")
    assert [item["entity"] for item in done.json] == ["heartbeat#us-east-1"]
    assert canvas_events("show", "2041", "--local").status == 0
