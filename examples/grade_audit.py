"""List the grade changes of a course, newest first: when, which work, from what to what, by whom.

    python examples/grade_audit.py 2041
    python examples/grade_audit.py 2041 --local

It takes one query for the assignments and one for each of them. What the tables cannot say:

- They hold the newest change of each submission's grade. Earlier ones were replaced: the archive (parameter
  ``ArchiveDays``) has each ``grade_change`` event as it came, for as long as it is kept.
- Changes from before the subscription in Canvas, and events that Canvas did not send, are in neither. Canvas's own
  gradebook history is the record to decide a dispute by.
- Submissions of assignments that are not in the tables yet are not found.
"""

import argparse
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from connect import add_stack_options, connect

from canvas_tables import Tables


class GradeChange(NamedTuple):
    """A change of a grade; "" for a grade that there was not, or a grader whom the event does not name."""

    time: str
    assignment: str
    student_id: str
    before: str
    after: str
    grader_id: str


def grade_changes(tables: Tables, course_id: str) -> Iterator[GradeChange]:
    """Yield the newest change of each submission's grade in a course."""
    for item in tables.course(course_id).submission_grades():
        body = item["body"]
        yield GradeChange(
            time=item["event_time"],
            assignment=body.get("assignment_name", ""),
            student_id=body.get("student_id") or body.get("user_id", ""),
            before=body.get("old_grade", ""),
            after=body.get("grade", ""),
            grader_id=body.get("grader_id") or item.get("user_id", ""),
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each change."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("course", help="id of the course, such as 2041")
    add_stack_options(parser)
    options = parser.parse_args(arguments)
    for change in sorted(grade_changes(connect(options), options.course), reverse=True):
        print(
            f"{change.time}  {change.assignment}, student {change.student_id}:"
            f" {change.before or 'no grade'} → {change.after or 'no grade'}, by {change.grader_id or 'nobody named'}"
        )


if __name__ == "__main__":
    main()
