"""The hierarchy of entities, derived from the catalogue alone."""

from pathlib import Path

import pytest

from cli.catalogue.model import load
from cli.stack.hierarchy import Hierarchy

ENTITY = """
[{name}]
about = "{name}"
events = ["{name}_created"]
id = "{id}"
context = "{context}"
[{name}.fields]
{fields}
"""


def entity(name: str, id: str, context: str, *fields: str) -> str:  # noqa: A002  # as the catalogue calls it
    """Return an entity as a catalogue file defines it."""
    lines = "\n".join(f'{field} = "lid A field."' for field in dict.fromkeys((id, *fields)))
    return ENTITY.format(name=name, id=id, context=context, fields=lines)


@pytest.fixture
def hierarchy(tmp_path: Path) -> Hierarchy:
    """A catalogue with a course in an account, assignments in a course, submissions and overrides below those."""
    (tmp_path / "a.toml").write_text(
        'about = "A"\ntable = "A_TABLE"\n'
        + entity("course", "course_id", "Account#{account_id}", "account_id")
        + entity("syllabus", "course_id", "Course#{course_id}")
        + entity("assignment", "assignment_id", "{context_type}#{context_id}", "context_type", "context_id")
    )
    (tmp_path / "b.toml").write_text(
        'about = "B"\ntable = "B_TABLE"\n'
        + entity("submission", "submission_id", "Assignment#{assignment_id}", "assignment_id")
        + entity("override", "override_id", "Assignment#{assignment_id}", "assignment_id")
        + entity("mark", "submission_id", "Grader#{grader_id}", "grader_id")
    )
    return Hierarchy(load(tmp_path))


@pytest.mark.parametrize(
    ("entity", "below"),
    [
        ("assignment#9", [("Assignment#9", {"A_TABLE", "B_TABLE"})]),
        ("course#7", [("Course#7", {"A_TABLE"})]),
        ("syllabus#7", []),  # what is below the course is not below its syllabus too
        ("submission#1", []),
        ("mark#1", []),
        ("no_such_entity#1", []),
    ],
)
def test_entity_is_placed_below_the_entity_in_its_context(
    hierarchy: Hierarchy, entity: str, below: list[tuple[str, set[str]]]
) -> None:
    """A new family is placed by its catalogue entry, without code."""
    assert [(context, set(tables)) for context, tables in hierarchy.below(entity)] == below


APPEND_ONLY = """
about = "What people did."
table = "ACTIVITY_TABLE"
[page_view]
about = "A page that somebody saw."
events = ["page_viewed"]
append_only = "activity"
context = ["User#{metadata.user_id}", "{metadata.context_type}#{metadata.context_id}"]
[page_view.fields]
url = "str The page."
"""


def test_append_only_entities_have_no_parent_and_come_last(tmp_path: Path) -> None:
    """Their number is unbounded, so they are not read with a person, and the newest comes first."""
    (tmp_path / "activity.toml").write_text(APPEND_ONLY)
    (tmp_path / "users.toml").write_text(
        'about = "People."\ntable = "USERS_TABLE"\n'
        + entity("user", "user_id", "User#{user_id}")
        + entity("grade", "user_id", "Course#{course_id}", "course_id")
        + entity("login", "login_id", "User#{user_id}", "user_id")
    )
    hierarchy = Hierarchy(load(tmp_path))
    assert list(hierarchy.below("user#1")) == [("User#1", frozenset({"USERS_TABLE"}))]
    assert list(hierarchy.below("grade#1")) == []  # a person is not a child of their grades
    assert list(hierarchy.below("activity#2026-09-03T09:15:27.004000Z#aa")) == []
    assert hierarchy.is_append_only("activity")
    assert hierarchy.is_append_only("activity#2026")
    assert not hierarchy.is_append_only("user#1")
    keys = ["activity#2026-09-01#b", "user#1", "activity#2026-09-02#a", "login#2"]
    assert [item["entity"] for item in hierarchy.in_order([{"entity": key} for key in keys])] == [
        "login#2", "user#1", "activity#2026-09-02#a", "activity#2026-09-01#b",
    ]  # fmt: skip


def test_hierarchy_of_the_shipped_catalogue() -> None:
    """Overrides are below their assignment, replies below their topic, each in its own table."""
    hierarchy = Hierarchy(load())
    ((context, tables),) = hierarchy.below("assignment#9001")
    assert (context, "ASSIGNMENTS_TABLE" in tables) == ("Assignment#9001", True)
    ((context, tables),) = hierarchy.below("discussion_topic#640")
    assert (context, "DISCUSSIONS_TABLE" in tables) == ("DiscussionTopic#640", True)
