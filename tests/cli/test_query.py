"""``list`` and ``changes``: what belongs to a course or a user, and what changed there."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest

from canvas_tables import TablesError
from tests.support.local_stack import Command, Local

ACCOUNT = "Rk3fXc"
COURSE, STUDENT = f"{ACCOUNT}#Course#2041", f"{ACCOUNT}#User#8123"


def put(local: Local, variable: str, context: str, entity: str, keys: dict[str, str], **body: str) -> None:
    """Put an item with the keys of indexes."""
    local.put(variable, context, entity, **body)
    for name, value in keys.items():
        local.dynamodb.update_item(
            TableName=local.stack.entity_tables[variable],
            Key={"context": {"S": context}, "entity": {"S": entity}},
            UpdateExpression="SET #name = :value",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": {"BOOL": True} if name == "deleted" else {"S": value}},
        )


@pytest.fixture
def course(local: Local) -> Local:
    """A course with an assignment and a student, and one who has left."""
    keys = {"course": COURSE, "user": STUDENT, "event_time": "2026-09-02T08:00:00.000000Z"}
    people = {"course_id": "2041", "user_id": "8123", "user_name": "Mara Quill", "type": "StudentEnrollment"}
    put(local, "ENROLLMENTS_TABLE", f"{ACCOUNT}#Enrollment#1", "enrollment#1", keys, **people)
    put(local, "ENROLLMENTS_TABLE", f"{ACCOUNT}#Enrollment#2", "enrollment#2", keys | {"deleted": ""}, user_id="4711")
    put(local, "COURSES_TABLE", COURSE, "course#2041", {}, name="Biology 201")
    put(local, "ASSIGNMENTS_TABLE", COURSE, "assignment#9001", {}, title="Lab report")
    assignment, work = f"{ACCOUNT}#Assignment#9001", {"assignment_id": "9001", "user_id": "8123"}
    submitted = {"user": STUDENT, "event_time": "2026-09-03T08:00:00.000000Z"}
    put(local, "SUBMISSIONS_TABLE", assignment, "submission#71", submitted, **work)
    put(local, "SUBMISSIONS_TABLE", COURSE, "course_grade#8123", {"user": STUDENT}, course_id="2041", user_id="8123")
    put(local, "MODULES_TABLE", f"{ACCOUNT}#Course#7", "module#1", {}, name="Of another course")
    return local


@pytest.mark.usefixtures("course")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["enrollments", "--course", "2041"], ["enrollment#1"]),
        (["enrollments", "--course", "2041", "--deleted"], ["enrollment#1", "enrollment#2"]),
        (["submissions", "--course", "2107~2041"], ["submission#71"]),
        (["submissions", "--user", "8123"], ["submission#71"]),
        (["submissions", "--user", "8123", "--since", "2026-09-04"], []),
        (["grades", "--course", "2041"], ["course_grade#8123"]),
        (["courses", "--user", "8123"], ["course#2041"]),
        (["module", "--scan"], ["module#1"]),
    ],
)
def test_list_finds_what_belongs_to_a_course_or_user(
    canvas_events: Command, arguments: list[str], expected: list[str]
) -> None:
    """Each kind is found by course and by user, by its plural or its own name."""
    result = canvas_events("list", *arguments, "--local", "--json")
    assert [item["entity"] for item in result.json] == expected
    assert result.status == (0 if expected else 1)


@pytest.mark.usefixtures("course")
def test_list_is_readable_and_has_names(canvas_events: Command) -> None:
    """A table and CSV have the same columns, with the names that enrollments and courses know."""
    assert "Mara Quill" in canvas_events("list", "submissions", "--course", "2041", "--local").out
    result = canvas_events("list", "grades", "--user", "8123", "--local", "--csv")
    (row,) = csv.DictReader(io.StringIO(result.out))
    assert (row["entity"], row["course"]) == ("course_grade#8123", "Biology 201")


@pytest.mark.usefixtures("course")
def test_absence_of_submissions_is_reported(canvas_events: Command) -> None:
    """Work on an assignment that the tables do not have yet cannot be found by course, and a remark says so."""
    assert "may be missing" in canvas_events("list", "submissions", "--course", "2041", "--local").err


@pytest.mark.usefixtures("course")
def test_list_names_what_it_cannot_answer(canvas_events: Command) -> None:
    """A wrong kind, a kind that no course has, and a wrong id are errors that say what to use."""
    errors = [
        canvas_events("list", kind, "--course", number, "--local").err
        for kind, number in (("enrolments", "2041"), ("wiki_page", "2041"), ("grades", "abc"))
    ]
    for error, part in zip(errors, ("is not a kind", "not found by course", "is not a Canvas id"), strict=True):
        assert part in error


@pytest.mark.usefixtures("course")
def test_changes_reach_below_the_course_newest_first(canvas_events: Command) -> None:
    """People and the work on assignments are part of a course; what is older, or elsewhere, is left out."""
    result = canvas_events("changes", "--course", "2041", "--since", "2026-09-02", "--local", "--json")
    assert [item["entity"] for item in result.json] == ["submission#71", "enrollment#2", "enrollment#1"]
    shown = canvas_events("changes", "--user", "8123", "--since", "2026-09-03", "--local")
    assert ("submission#71" in shown.out, "enrollment#1" in shown.out) == (True, False)


@pytest.mark.usefixtures("course")
def test_show_includes_people_and_courses(canvas_events: Command) -> None:
    """A course is shown with its people and grades, and a person with their courses, work and grades."""
    course = [item["entity"] for item in canvas_events("show", "2041", "--local", "--json").json]
    assert {"assignment#9001", "submission#71", "course_grade#8123", "enrollment#1", "enrollment#2"} <= set(course)
    assert len(course) == len(set(course))
    shown = canvas_events("show", "User#8123", "--local").out
    assert all(text in shown for text in ("course#2041 Biology 201", "enrollment#1 Mara Quill", "submission#71"))


def test_csv_holds_no_formula(local: Local, canvas_events: Command) -> None:
    """A name that a spreadsheet would calculate is text in CSV, and control characters are escaped."""
    for number, name in enumerate(("=HYPERLINK(1)", "+1", "@x", "Biology\x1b[31m"), 1):
        put(local, "GROUPS_TABLE", COURSE, f"group#{number}", {}, group_name=name)
    result = canvas_events("list", "groups", "--course", "2041", "--local", "--csv", "--account", ACCOUNT)
    names = [row["group_name"] for row in csv.DictReader(io.StringIO(result.out))]
    assert names == ["'=HYPERLINK(1)", "'+1", "'@x", "Biology\\x1b[31m"]


@pytest.mark.usefixtures("course")
def test_show_says_what_indexes_did_not_give(canvas_events: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """More items than are shown, or an index that is missing, is a remark; everything else is shown all the same."""
    monkeypatch.setattr("cli.stack.questions.MAX_RELATED", 1)
    shown = canvas_events("show", "2041", "--local")
    assert "There are more enrollment items than these 1: `canvas-events list enrollment --course 2041" in shown.err
    assert shown.out.count("enrollment#") == 1

    def missing(*_: object, **__: object) -> Iterator[Any]:
        raise TablesError("The table t has no index by_course. Deploy it.")
        yield

    monkeypatch.setattr("canvas_tables.tables.Tables.index_keys", missing)
    shown = canvas_events("show", "2041", "--local")
    assert "no index by_course" in shown.err
    assert (shown.status, "assignment#9001" in shown.out) == (0, True)
