"""Items as a person sees them: one line each."""

from decimal import Decimal
from typing import Any

import pytest

from cli.ui import render

GRADE = {"workflow_state": "active", "user_id": "8123", "current_score": Decimal("84.17"), "final_score": Decimal(31)}


def line(entity: str, **body: Any) -> str:
    """The line of an entity with this body."""
    item = {"context": "Rk3f#Course#2041", "entity": entity, "event_name": "told", "body": body}
    return render._line(item, append_only=False).plain


@pytest.mark.parametrize(
    ("entity", "said"),
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
def test_whom_it_is_about_is_told_from_who_made_it(entity: str, said: str) -> None:
    """A grade is the student's, and not by the student; a comment is by who wrote it."""
    assert f"{said} · told" in line(entity, user_id="8123")


@pytest.mark.parametrize(
    ("entity", "body", "said"),
    [
        ("course_grade#8123", GRADE, "active, score 84.17 so far, final score 31 · told"),
        ("grade_override#5", {"override_score": Decimal("87.5"), "user_id": "8"}, "override 87.5, of user 8 · told"),
        ("final_grade_custom_status#5", {"override_status": "Withdrawn"}, "status Withdrawn · told"),
        ("submission_custom_status#5", {"submission_status": "Excused"}, "status Excused · told"),
        (
            "course_progress#8123",
            {"progress": {"requirement_count": Decimal(12), "requirement_completed_count": Decimal(3)}},
            "3 of 12 requirements · told",
        ),
        ("course_progress#8123", {"progress": {"error": {"message": "no progress"}}}, "course_progress#8123 told"),
    ],
)
def test_what_matters_of_it_is_in_its_line(entity: str, body: dict[str, Any], said: str) -> None:
    """A grade shows its scores, progress how far it is; an object without these shows nothing."""
    assert line(entity, **body).endswith(said)
