"""The reader for programs: what it finds by course and by user, and what that costs."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import boto3
import pytest

from canvas_tables import Tables, TablesError
from canvas_tables.tables import _variable
from cli.catalogue.generated import ROOT
from tests.support import engines
from tests.support.engines import TABLES, Consumer, EventFactory

ACCOUNT = "Rk3fXcVbqZ7TnWm2LhY8sDpAe5JgU1oK9iC4wQxB"  # of the samples
NAMES = {variable: table for variable, table in TABLES.items() if variable != "REJECTED_TABLE"}


def reader(engine: engines.Tables, **options: Any) -> Tables:
    """Return the reader of the tables in an engine."""
    return Tables(NAMES, endpoint_url=engine.endpoint, **({"root_account": ACCOUNT} | options))


def names(items: Iterator[Any]) -> list[str]:
    """Return the sort keys of items."""
    return [item["entity"] for item in items]


@contextmanager
def read_units(tables: Tables) -> Iterator[dict[str, float]]:
    """Count the read units that requests of a reader consume, and the requests, by operation."""
    totals: dict[str, float] = {"units": 0.0}
    events = tables.client.meta.events

    def ask(params: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"

    def count(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        consumed = parsed["ConsumedCapacity"]
        consumed = consumed if isinstance(consumed, list) else [consumed]
        totals["units"] += sum(each["CapacityUnits"] for each in consumed)
        totals[model.name] = totals.get(model.name, 0) + 1

    for operation in ("Query", "BatchGetItem", "Scan"):
        events.register(f"before-parameter-build.dynamodb.{operation}", ask, unique_id=f"ask-{operation}")
        events.register(f"after-call.dynamodb.{operation}", count, unique_id=f"count-{operation}")
    yield totals
    for operation in ("Query", "BatchGetItem", "Scan"):
        events.unregister(f"before-parameter-build.dynamodb.{operation}", unique_id=f"ask-{operation}")
        events.unregister(f"after-call.dynamodb.{operation}", unique_id=f"count-{operation}")


@pytest.fixture
def course(engine: engines.Tables, event: EventFactory) -> engines.Tables:
    """A course with two people, two assignments with work, and what belongs to it in other partitions."""
    consumer = Consumer(engine)
    of_course = {"course_id": "10150000000002041"}
    consumer.deliver(
        event("course_created", **of_course, name="Biology 101"),
        event("enrollment_created", **of_course, enrollment_id="1", user_id="8123"),
        event("enrollment_created", **of_course, enrollment_id="2", user_id="4711", workflow_state="active"),
        event("enrollment_updated", **of_course, enrollment_id="3", user_id="4712", workflow_state="deleted"),
        event("course_section_created", course_id="2041", course_section_id="5"),
        event("assignment_created", assignment_id="9001", context_id="2041", points_possible=12.5),
        event("assignment_created", assignment_id="9002", context_id="2041"),
        event("submission_created", submission_id="71", assignment_id="9001", user_id="8123"),
        event("submission_created", submission_id="72", assignment_id="9002", user_id="4711"),
        event("submission_created", submission_id="73", assignment_id="9099", user_id="8123"),
        event("course_grade_change", course_id="2041", user_id="8123"),
        event("group_membership_created", group_membership_id="6", user_id="8123"),
        event("discussion_entry_created", discussion_entry_id="30", user_id="8123"),
        event("submission_comment_created", submission_comment_id="40", user_id="8123"),
    )
    return engine


def add_other_courses(engine: engines.Tables, count: int) -> None:
    """Store an enrollment, an assignment and a submission in each of so many other courses, by other users."""

    def items(number: int) -> Iterator[tuple[str, dict[str, str]]]:
        course, user = f"{ACCOUNT}#Course#{number}", f"{ACCOUNT}#User#{number}"
        enrollment = {"context": f"{ACCOUNT}#Enrollment#{number}", "entity": f"enrollment#{number}"}
        yield "enrollments", enrollment | {"course": course, "user": user}
        yield "assignments", {"context": course, "entity": f"assignment#{number}"}
        submission = {"context": f"{ACCOUNT}#Assignment#{number}", "entity": f"submission#{number}"}
        yield "submissions", submission | {"user": user}

    resource: Any = boto3.resource("dynamodb", endpoint_url=engine.endpoint)
    writers = {table: resource.Table(table).batch_writer() for table in ("enrollments", "assignments", "submissions")}
    for number in range(100_000, 100_000 + count):
        for table, item in items(number):
            writers[table].put_item(Item=item)
    for writer in writers.values():
        writer.__exit__(None, None, None)


def test_course_and_user_are_found_in_every_table(course: engines.Tables) -> None:
    """What belongs to a course or a user is found by its key or an index, and deleted items only on request."""
    tables = reader(course)
    biology, student = tables.course("2041"), tables.user("8123")
    assert names(biology.enrollments()) == ["enrollment#1", "enrollment#2"]
    assert names(biology.enrollments(deleted=True)) == ["enrollment#1", "enrollment#2", "enrollment#3"]
    assert names(biology.sections()) == ["course_section#5"]
    assert names(biology.assignments()) == ["assignment#9001", "assignment#9002"]
    assert names(biology.submissions()) == ["submission#71", "submission#72"]
    assert names(biology.grades()) == ["course_grade#8123"]
    assert names(student.submissions()) == ["submission#71", "submission#73"]
    assert names(student.grades()) == ["course_grade#8123"]
    assert names(student.memberships()) == ["group_membership#6"]
    assert names(student.discussion_entries()) == ["discussion_entry#30"]
    assert names(student.comments()) == ["submission_comment#40"]
    assert [item["body"]["name"] for item in student.courses()] == ["Biology 101"]
    assert next(biology.assignments())["body"]["points_possible"] * 2 == 25


@pytest.mark.parametrize("course_id", ["2041", 2041, "10150000000002041", "1015~2041"])
def test_every_form_of_an_id_finds_the_course(course: engines.Tables, course_id: str | int) -> None:
    """Canvas and its users write a local id, or a global one in two forms."""
    assert names(reader(course).course(course_id).enrollments()) == ["enrollment#1", "enrollment#2"]


@pytest.mark.parametrize("wrong", ["", "0", "abc", "2107~", "-1", "20 41"])
def test_what_is_not_an_id_is_refused(wrong: str) -> None:
    """A mistyped id is an error and not an empty answer."""
    with pytest.raises(ValueError, match="is not a Canvas id"):
        Tables({}, root_account=ACCOUNT).course(wrong)


def test_assignment_without_an_item_is_found_by_a_custom_status(course: engines.Tables, event: EventFactory) -> None:
    """Work on an assignment whose own event has not come yet is found where a status names its course."""
    Consumer(course).deliver(
        event("submission_custom_grade_status", submission_id="73", assignment_id="9099", course_id="2041")
    )
    assert names(reader(course).course("2041").submissions()) == ["submission#71", "submission#72", "submission#73"]


QUESTIONS: dict[str, tuple[Callable[[Tables], Iterator[Any]], dict[str, int]]] = {
    "who is in the course": (lambda t: t.course("2041").enrollments(), {"Query": 1, "BatchGetItem": 1}),
    "its assignments": (lambda t: t.course("2041").assignments(), {"Query": 1}),
    "its grades": (lambda t: t.course("2041").grades(), {"Query": 1}),
    # Assignments, custom statuses, and one query for each of two assignments.
    "its work": (lambda t: t.course("2041").submissions(), {"Query": 4}),
    "the work of a student": (lambda t: t.user("8123").submissions(), {"Query": 1, "BatchGetItem": 1}),
    "the courses of a student": (lambda t: t.user("8123").courses(), {"Query": 1, "BatchGetItem": 2}),
}


def test_cost_of_a_question_does_not_grow_with_other_courses(course: engines.Tables) -> None:
    """Read units and requests are the same with 10 and with 1,000 other courses in the tables, and few."""
    tables = reader(course)
    costs = []
    for others in (10, 1_000):
        add_other_courses(course, others)
        cost = {}
        for question, (ask, requests) in QUESTIONS.items():
            with read_units(tables) as totals:
                assert list(ask(tables)), question
            cost[question] = totals.pop("units")
            assert totals == requests, question
        costs.append(cost)
    assert costs[0] == costs[1]
    assert max(costs[0].values()) <= 4


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_moved_enrollment_leaves_the_index_of_the_old_course(
    engine: engines.Tables, event: EventFactory, order: tuple[int, ...]
) -> None:
    """In any order of the events, only the newest course finds the enrollment, and the cleared user finds nothing."""
    states = [{"course_id": "2041", "user_id": "8123"}, {"course_id": "2042", "user_id": "8123"}]
    states.append({"course_id": "2043", "user_id": ...})  # type: ignore[dict-item]  # leaves the field out
    events = [
        event("enrollment_updated", {"event_time": f"2026-09-0{day}T08:00:00Z"}, enrollment_id="1", **state)
        for day, state in enumerate(states, 1)
    ]
    consumer = Consumer(engine)
    for number in order:
        consumer.deliver(events[number])
    tables = reader(engine)
    found = {number: names(tables.course(number).enrollments()) for number in ("2041", "2042", "2043")}
    assert found == {"2041": [], "2042": [], "2043": ["enrollment#1"]}
    assert list(tables.index_keys("course", f"{ACCOUNT}#Course#2041", "enrollment")) == []
    assert list(tables.index_keys("user", f"{ACCOUNT}#User#8123", "enrollment")) == []


def test_activity_is_bounded_and_newest_first(engine: engines.Tables, event: EventFactory) -> None:
    """Of a user, and of a course with the visits of people without a login among them."""
    consumer = Consumer(engine)
    in_course = {"context_type": "Course", "context_id": "2041"}
    for hour in range(6):
        visitor = {"user_id": None} if hour % 2 else {"user_id": "8123"}
        consumer.deliver(event("asset_accessed", in_course | visitor | {"event_time": f"2026-09-03T0{hour}:00:00Z"}))
    tables = reader(engine)
    times = [item["event_time"][11:13] for item in tables.course("2041").activity(limit=5)]
    assert times == ["05", "04", "03", "02", "01"]
    since = datetime(2026, 9, 3, 2, tzinfo=UTC)
    assert [item["event_time"][11:13] for item in tables.user("8123").activity(since=since)] == ["04", "02"]
    assert [item["event_time"][11:13] for item in tables.course("2041").activity(since=since)] == [
        "05", "04", "03", "02",
    ]  # fmt: skip


def test_all_pages_and_unprocessed_keys_are_read(
    engine: engines.Tables, event: EventFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer of several pages, whose batch reads DynamoDB processes in parts, is complete and in order."""
    Consumer(engine).deliver(
        *(event("enrollment_created", course_id="2041", enrollment_id=str(number)) for number in range(1000, 1250))
    )
    monkeypatch.setattr("canvas_tables.read.time.sleep", lambda _: None)
    tables = reader(engine)
    query, batch_get_item = tables.client.query, tables.client.batch_get_item

    def partly(RequestItems: Any) -> Any:  # noqa: N803  # boto3's name
        ((table, request),) = RequestItems.items()
        first, others = request["Keys"][:40], request["Keys"][40:]
        response = batch_get_item(RequestItems={table: {"Keys": first}})
        return response | {"UnprocessedKeys": {table: {"Keys": others}} if others else {}}

    monkeypatch.setattr(tables.client, "query", lambda **request: query(**request | {"Limit": 60}))
    monkeypatch.setattr(tables.client, "batch_get_item", partly)
    assert names(tables.course("2041").enrollments()) == [f"enrollment#{number}" for number in range(1000, 1250)]


def test_throttled_batch_read_ends_with_an_error(course: engines.Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where DynamoDB processes no key at all, the answer is an error and not a part of the items."""
    monkeypatch.setattr("canvas_tables.read.time.sleep", lambda _: None)
    tables = reader(course)
    nothing: Any = lambda RequestItems: {"Responses": {}, "UnprocessedKeys": RequestItems}  # noqa: E731, N803
    monkeypatch.setattr(tables.client, "batch_get_item", nothing)
    with pytest.raises(TablesError, match="DynamoDB throttles reads of enrollments"):
        list(tables.course("2041").enrollments())


def test_root_account_is_found_or_asked_for(course: engines.Tables, event: EventFactory) -> None:
    """One account needs no argument; with several, or none, the error says what to pass."""
    assert reader(course, root_account=None).root_account == ACCOUNT
    Consumer(course).deliver(event("module_created", {"root_account_uuid": "Other"}))
    with pytest.raises(TablesError, match=f"several root accounts: Other, {ACCOUNT}"):
        _ = reader(course, root_account=None).root_account
    course.empty()
    with pytest.raises(TablesError, match="The tables are empty"):
        _ = reader(course, root_account=None).root_account


def test_what_cannot_be_answered_is_an_error() -> None:
    """A family that is not deployed, and kinds that do not exist or do not belong to a course, are named."""
    tables = Tables({}, root_account=ACCOUNT)
    with pytest.raises(TablesError, match="no table of enrollment items"):
        list(tables.course("2041").enrollments())
    with pytest.raises(TablesError, match="'enrolment' is not a kind of entity"):
        list(tables.course("2041").items("enrolment"))
    with pytest.raises(TablesError, match="wiki_page items are not found by course"):
        list(tables.course("2041").items("wiki_page"))


def test_tables_are_named_by_outputs_of_the_stack() -> None:
    """The outputs of the template become the variables that the functions have."""
    assert _variable("EnrollmentsTableName") == "ENROLLMENTS_TABLE"
    assert _variable("FieldTripsTableName") == "FIELD_TRIPS_TABLE"


def test_package_imports_nothing_of_the_project() -> None:
    """A program can copy the folder and needs nothing else than boto3."""
    code = "import sys, canvas_tables; print([m for m in sys.modules if m.split('.')[0] in ('cli', 'handlers')])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
