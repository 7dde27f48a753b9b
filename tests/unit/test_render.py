"""How items are shown: one line each."""

import time
from decimal import Decimal
from typing import Any

import pytest

from cli.ui import render

GRADE = {"workflow_state": "active", "user_id": "8123", "current_score": Decimal("84.17"), "final_score": Decimal(31)}


def line(entity: str, **body: Any) -> str:
    """Return the line of an entity with this body."""
    item = {"context": "Rk3f#Course#2041", "entity": entity, "event_name": "event", "body": body}
    return render._line(item, append_only=False).plain


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        ("submission#771190", "of user 8123"),
        ("submission_grade#771190", "of user 8123"),
        ("enrollment#46010", "of user 8123"),
        ("user_account_association#12", "of user 8123"),
        ("submission_comment#198120", "by user 8123"),
        ("discussion_entry#30021", "by user 8123"),
        ("discussion_submission#30021", "by user 8123"),
        ("attachment#7405", "by user 8123"),
    ],
)
def test_line_distinguishes_subject_and_author(entity: str, expected: str) -> None:
    """A grade is about the student; a comment is by its author."""
    assert f"{expected} · event" in line(entity, user_id="8123")


def test_number_with_many_digits_is_shown() -> None:
    """DynamoDB holds numbers that cannot be rounded to two decimals with Python's usual precision."""
    assert "1" + "0" * 100 + " points" in line("assignment#9", points_possible=Decimal("1E+100"))


def test_text_of_angle_brackets_is_shown_at_once() -> None:
    """A text of the largest item does not take time that grows with its square."""
    start = time.process_time()
    assert "<<<" in line("assignment#9", title="<" * 400_000)
    assert time.process_time() - start < 10  # it took minutes


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({"body": None}, "body is not a map"),
        ({"body": "text"}, "body is not a map"),
        ({"event_name": None}, "event_name is not text"),
        ({"event_name": Decimal(7)}, "event_name is not text"),
    ],
)
def test_malformed_item_has_a_line(attributes: dict[str, Any], problem: str) -> None:
    """An item that the functions cannot have written is shown as such among the others."""
    item = {"context": "Rk3f#Course#2041", "entity": "assignment#9", "event_name": "event", "body": {}} | attributes
    assert render._line(item, append_only=False).plain == f"assignment#9 malformed item: {problem}"


@pytest.mark.parametrize(
    ("entity", "body", "expected"),
    [
        ("course_grade#8123", GRADE, "active, score 84.17 so far, final score 31 · event"),
        ("grade_override#5", {"override_score": Decimal("87.5"), "user_id": "8"}, "override 87.5, of user 8 · event"),
        ("final_grade_custom_status#5", {"override_status": "Withdrawn"}, "status Withdrawn · event"),
        ("submission_custom_status#5", {"submission_status": "Excused"}, "status Excused · event"),
        (
            "course_progress#8123",
            {"progress": {"requirement_count": Decimal(12), "requirement_completed_count": Decimal(3)}},
            "3 of 12 requirements · event",
        ),
        ("course_progress#8123", {"progress": {"error": {"message": "no progress"}}}, "course_progress#8123 event"),
    ],
)
def test_line_shows_the_important_fields(entity: str, body: dict[str, Any], expected: str) -> None:
    """A grade shows its scores and progress its percentage; an object without these shows nothing."""
    assert line(entity, **body).endswith(expected)
