"""List the students of a course who have neither submitted work in it nor used Canvas for a week.

    python examples/early_alert.py 2041
    python examples/early_alert.py 2041 --since 2026-09-14 --local

It takes one query for the students, one for each assignment, and one for each student. Somebody is seen with a login or
a page view, so the family activity must be deployed. What happened before the subscription in Canvas is unknown: in the
first week after it everybody may be listed.
"""

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from connect import add_stack_options, connect

from canvas_tables import Tables


class Student(NamedTuple):
    """A student, with the times of the newest submission in the course and the newest activity; "" for never."""

    id: str
    name: str
    submitted: str
    seen: str


def students(tables: Tables, course_id: str) -> Iterator[Student]:
    """Yield the active students of a course."""
    course = tables.course(course_id)
    newest: dict[str, str] = {}
    for submission in course.submissions():
        user_id, time = submission["body"].get("user_id", ""), submission["body"].get("submitted_at", "")
        newest[user_id] = max(time, newest.get(user_id, ""))
    names = {
        enrollment["body"]["user_id"]: enrollment["body"].get("user_name", "")
        for enrollment in course.enrollments()
        if enrollment["body"].get("type") == "StudentEnrollment"
        and enrollment["body"].get("workflow_state") == "active"
        and "user_id" in enrollment["body"]
    }
    for user_id, name in names.items():
        seen = [item["event_time"] for item in tables.user(user_id).activity(limit=1)]  # the newest comes first
        yield Student(user_id, name, newest.get(user_id, ""), max(seen, default=""))


def _midnight(date: str) -> datetime:
    return datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=UTC)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each student who has been quiet, longest unseen first."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("course", help="id of the course, such as 2041")
    parser.add_argument(
        "--since", metavar="DATE", type=_midnight, help="a day, from midnight UTC (default: a week ago)"
    )
    add_stack_options(parser)
    options = parser.parse_args(arguments)
    since = (options.since or datetime.now(UTC) - timedelta(days=7)).isoformat()
    quiet = [student for student in students(connect(options), options.course) if max(student[2:]) < since]
    for student in sorted(quiet, key=lambda student: student.seen):
        print(f"{student.id}  {student.name}: submitted {student.submitted or 'never'}, seen {student.seen or 'never'}")


if __name__ == "__main__":
    main()
