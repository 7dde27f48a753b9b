"""``show``: what the tables hold about a context."""

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
    """Store a course with an assignment and its override, a topic and its reply, and a module."""
    local.put("ASSIGNMENTS_TABLE", f"{account}#Course#2041", "assignment#9001", title="Lab report")
    local.put("ASSIGNMENTS_TABLE", f"{account}#Course#2041", "assignment_group#310", name="Labs")
    local.put("ASSIGNMENTS_TABLE", f"{account}#Assignment#9001", "assignment_override#52", type="CourseSection")
    local.put("DISCUSSIONS_TABLE", f"{account}#Course#2041", "discussion_topic#640", title="Introductions")
    local.put("DISCUSSIONS_TABLE", f"{account}#DiscussionTopic#640", "discussion_entry#30021", text="Hello")
    local.put("MODULES_TABLE", f"{account}#Course#2041", "module#77", name="Week 1")
    local.put("COURSES_TABLE", f"{account}#Course#2041", "syllabus#2041", syllabus_body="Labs")
    local.put("MODULES_TABLE", f"{account}#Course#7", "module#1", name="Of another course")


def test_course_is_found_by_its_id_alone(local: Local, canvas_events: Command) -> None:
    """All tables are searched, and children of an entity are shown below it."""
    fill(local)
    result = canvas_events("show", "2041", "--local")
    assert result.status == 0
    lines = [line.rstrip() for line in result.out.splitlines()]
    assert lines[0] == "Course 2041 in the tables"
    entities = [line[: line.index("#")].rsplit(" ", 1)[-1] for line in lines[1:]]
    assert entities == [
        "assignment", "assignment_override", "assignment_group", "discussion_topic", "discussion_entry", "module",
        "syllabus",
    ]  # fmt: skip
    assert lines[2].startswith("│   └── assignment_override#52")
    assert result.err == ""


def test_incomplete_account_search_reports_its_cost(
    local: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables that were not read completely may hold another account, so the output says what was read."""
    fill(local)
    monkeypatch.setattr(root_account, "MAX_ITEMS_TO_SCAN", 1)
    result = canvas_events("show", "2041", "--local")
    assert result.status == 0
    assert "up to 1 items of each table were scanned" in result.err
    assert "read units" in result.err


def test_lines_wrap_on_a_terminal_and_not_in_a_pipe(
    local: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is truncated: a terminal wraps lines at its width, and a pipe receives them unwrapped."""
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


def test_every_form_of_a_course_key_finds_it(local: Local, canvas_events: Command) -> None:
    """An id, a global id in either form, a type and an id, and the whole key are one course."""
    fill(local)
    ways = ["2041", "Course#2041", "21070000000002041", "2107~2041", f"{ACCOUNT}#Course#2041", "Course#2107~2041"]
    shown = [canvas_events("show", way, "--local", "--json").json for way in ways]
    assert len(shown[0]) == 7
    assert all(output == shown[0] for output in shown)


def test_show_filters_by_kind_or_entity(local: Local, canvas_events: Command) -> None:
    """A kind shows exactly its own entities; a kind and an id show every field with its meaning."""
    fill(local)
    kind = canvas_events("show", "2041", "assignment", "--local", "--json").json
    assert [item["entity"] for item in kind] == ["assignment#9001"]
    result = canvas_events("show", "2041", "assignment#9001", "--local")
    assert "Lab report" in result.out
    assert model.load()["assignment_updated"].fields["title"].about in result.out


def test_actor_and_subject_are_distinguished(local: Local, canvas_events: Command) -> None:
    """Both are called user_id: one in the event, the other in the body."""
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


def test_family_that_is_not_deployed_is_reported(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entities of a family that the stack ignores are missing, and the output says why."""
    tables = {name: table for name, table in local.stack.entity_tables.items() if name != "ASSIGNMENTS_TABLE"}
    monkeypatch.setattr(local.stack, "entity_tables", tables)
    hierarchy = Hierarchy(model.load())
    assert list(show._hints("Course#2041", "assignment#9001", local.stack, hierarchy)) == [
        "The stack canvas-live-events has no table for assignments: it ignores them."
    ]
    assert list(show._hints("Course#2041", "module", local.stack, hierarchy)) == []


def test_two_accounts_require_a_choice(local: Local, canvas_events: Command) -> None:
    """If two institutions share the tables, the command lists them and requires one to be named."""
    fill(local)
    fill(local, OTHER)
    result = canvas_events("show", "2041", "--local")
    assert result.status == 1
    assert f"--account {ACCOUNT}" in result.err
    assert f"--account {OTHER}" in result.err
    items = canvas_events("show", "2041", "--account", OTHER, "--local", "--json").json
    assert len(items) == 7
    assert {item["context"].partition("#")[0] for item in items} == {OTHER}


def test_missing_data_is_an_error_with_its_cause(local: Local, canvas_events: Command) -> None:
    """Empty tables, an unknown course and an invalid context have different messages and exit status 1."""
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


def test_unknown_kind_is_an_error_with_the_valid_kinds(local: Local, canvas_events: Command) -> None:
    """For a plural, the closest kind is suggested, and all kinds are listed."""
    fill(local)
    result = canvas_events("show", "2041", "assignments", "--local")
    assert (result.status, result.out) == (1, "")
    assert "'assignments' is not a kind of entity. Did you mean assignment?" in result.err
    assert "The kinds are account, account_notification, activity, assignment, " in result.err
    assert "was taken as a course id" not in result.err


def test_tombstone_is_shown_as_deleted(local: Local, canvas_events: Command) -> None:
    """A tombstone is listed and marked as deleted."""
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


def test_context_larger_than_one_response_is_read_completely(local: Local, canvas_events: Command) -> None:
    """A context larger than one response of DynamoDB is read completely."""
    for number in range(4):
        local.put("DISCUSSIONS_TABLE", f"{ACCOUNT}#DiscussionTopic#1", f"discussion_entry#{number}", text="x" * 390_000)
    items = canvas_events("show", "DiscussionTopic#1", "--local", "--json").json
    assert [item["entity"] for item in items] == [f"discussion_entry#{number}" for number in range(4)]


def test_show_escapes_text_for_the_terminal(local: Local, canvas_events: Command) -> None:
    """Escape sequences are shown as text, and markup stays as it is."""
    hostile = "[bold red]\x1b[2J\x9b31m\u202ereversed\r[/nothing]"
    local.put("MODULES_TABLE", f"{ACCOUNT}#Course#2041", "module#77", name=hostile)
    for arguments in (["2041"], ["2041", "module#77"], ["2041", "--json"]):
        shown = canvas_events("show", *arguments, "--local").out
        assert not {"\x1b", "\x9b", "\u202e", "\r"} & set(shown)
        assert "[bold red]" in shown
    assert "\\x1b[2J" in canvas_events("show", "2041", "--local").out


def test_single_allowed_account_avoids_the_scan(local: Local) -> None:
    """If the stack accepts one account only, named by its UUID, no scan is needed to find it."""
    local.stack.parameters = {"AllowedRootAccounts": ACCOUNT}
    assert root_account.only_root_account(local.stack) == ACCOUNT


@pytest.fixture
def person(local: Local) -> Local:
    """A person and 31 assets that they opened, one on each day of August."""
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
def test_person_is_shown_with_the_latest_activity(canvas_events: Command) -> None:
    """The last twenty activity items are shown, newest first, with a hint how to see the rest."""
    result = canvas_events("show", "User#8123", "--account", ACCOUNT, "--local")
    lines = [line.strip("├└─ ") for line in result.out.splitlines()[1:]]
    assert lines[0].startswith("user#8123 Grace Example")
    assert [line.partition(" Page")[0] for line in lines[1:]] == [
        f"activity {day} Aug 2026, 09:15 UTC" for day in range(31, 11, -1)
    ]
    assert lines[1].endswith("Page 31 asset_accessed in Course#2041")
    assert (
        "There is more activity than the newest 20: `canvas-events show User#8123 activity --newest 200`" in result.err
    )


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize(
    ("arguments", "days", "is_truncated"),
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
def test_activity_is_limited_by_kind_time_and_number(
    canvas_events: Command, arguments: list[str], days: list[int], *, is_truncated: bool
) -> None:
    """Kind, time prefix and number limit the activity, and the output says if something is left out."""
    result = canvas_events("show", "User#8123", *arguments, "--account", ACCOUNT, "--local", "--json")
    shown = [item["event_time"][8:10] for item in result.json if item["entity"].startswith("activity#")]
    assert shown == [f"{day:02}" for day in days]
    assert ("There is more activity" in result.err) is is_truncated


@pytest.mark.usefixtures("person")
def test_single_activity_item_is_shown_with_every_field(canvas_events: Command) -> None:
    """A time that identifies one item shows its fields with their meanings."""
    result = canvas_events("show", "User#8123", "activity#2026-08-07", "--account", ACCOUNT, "--local")
    assert model.load()["asset_accessed"].fields["asset_name"].about in result.out
    assert "Course#2041" in result.out


def test_no_more_activity_is_read_than_is_shown(person: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB is asked for one more item than is shown, not for years of activity."""
    reader = Reader(person.stack, Hierarchy(model.load()), newest=5)
    scanned_counts: list[int] = []
    activity = person.stack.entity_tables["ACTIVITY_TABLE"]
    query = reader._client.query

    def count(**request: Any) -> Any:
        response = query(**request)
        if request["TableName"] == activity:
            scanned_counts.append(response["ScannedCount"])
        return response

    monkeypatch.setattr(reader._client, "query", count)
    reader.read(f"{ACCOUNT}#User#8123")
    assert scanned_counts == [6]


def test_only_the_first_children_of_an_entity_are_read(local: Local, canvas_events: Command) -> None:
    """A topic with very many replies does not flood its course, and the output says how to see all of them."""
    local.put("DISCUSSIONS_TABLE", f"{ACCOUNT}#Course#2041", "discussion_topic#640", title="Introductions")
    for number in range(21):
        local.put("DISCUSSIONS_TABLE", f"{ACCOUNT}#DiscussionTopic#640", f"discussion_entry#{number:02}", text="Hello")
    result = canvas_events("show", "2041", "--account", ACCOUNT, "--local")
    assert result.out.count("discussion_entry#") == 20
    assert "DiscussionTopic#640 has more than these 20 items: `canvas-events show DiscussionTopic#640`." in result.err
    result = canvas_events("show", "DiscussionTopic#640", "--account", ACCOUNT, "--local")
    assert result.out.count("discussion_entry#") == 21


def test_number_of_searched_contexts_is_bounded(
    local: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A course with hundreds of assignments costs a bounded number of requests; the output says what is left out."""
    monkeypatch.setattr(cli_reader, "MAX_CONTEXTS_BELOW", 2)
    for number in range(1, 8):
        local.put("ASSIGNMENTS_TABLE", f"{ACCOUNT}#Course#2041", f"assignment#{number}", title="Lab")
        local.put("ASSIGNMENTS_TABLE", f"{ACCOUNT}#Assignment#{number}", f"assignment_override#{number}", type="Group")
    result = canvas_events("show", "2041", "--account", ACCOUNT, "--local")
    assert (result.out.count(" assignment#"), result.out.count("assignment_override#")) == (7, 2)
    assert (
        "Only the first 2 contexts were read, without Assignment#3, Assignment#4, Assignment#5 and 2 more."
        in result.err
    )


def test_item_without_account_is_found_and_is_not_an_institution(local: Local, canvas_events: Command) -> None:
    """A heartbeat belongs to no account: its key begins with #, and it does not count as a second institution."""
    local.put("MODULES_TABLE", "#Environment#production", "heartbeat#us-east-1", region="us-east-1")
    fill(local)
    result = canvas_events("show", "#Environment#production", "--local", "--json")
    assert [item["entity"] for item in result.json] == ["heartbeat#us-east-1"]
    assert canvas_events("show", "2041", "--local").status == 0
