"""What stands under what, by the catalogue alone."""

from pathlib import Path

import pytest

from cli.nesting import Nesting
from handlers.catalogue import load

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
    """An entity as a catalogue file says it."""
    lines = "\n".join(f'{field} = "lid A field."' for field in dict.fromkeys((id, *fields)))
    return ENTITY.format(name=name, id=id, context=context, fields=lines)


@pytest.fixture
def nesting(tmp_path: Path) -> Nesting:
    """A catalogue with a course in an account, assignments in a course, submissions and overrides below those."""
    (tmp_path / "a.toml").write_text(
        'table = "A_TABLE"\n'
        + entity("course", "course_id", "Account#{account_id}", "account_id")
        + entity("syllabus", "course_id", "Course#{course_id}")
        + entity("assignment", "assignment_id", "{context_type}#{context_id}", "context_type", "context_id")
    )
    (tmp_path / "b.toml").write_text(
        'table = "B_TABLE"\n'
        + entity("submission", "submission_id", "Assignment#{assignment_id}", "assignment_id")
        + entity("override", "override_id", "Assignment#{assignment_id}", "assignment_id")
        + entity("mark", "submission_id", "Grader#{grader_id}", "grader_id")
    )
    return Nesting(load(tmp_path))


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
def test_what_names_an_entity_in_its_context_stands_below_it(
    nesting: Nesting, entity: str, below: list[tuple[str, set[str]]]
) -> None:
    """A new family finds its place by its catalogue entry, and no code."""
    assert [(context, set(tables)) for context, tables in nesting.below(entity)] == below


def test_the_catalogue_that_is_here() -> None:
    """Overrides stand below their assignment, replies below their topic; each is looked for in its own table."""
    nesting = Nesting(load())
    ((context, tables),) = nesting.below("assignment#9001")
    assert (context, "ASSIGNMENTS_TABLE" in tables) == ("Assignment#9001", True)
    ((context, tables),) = nesting.below("discussion_topic#640")
    assert (context, "DISCUSSIONS_TABLE" in tables) == ("DiscussionTopic#640", True)
