"""``list``: the enrollments, submissions, grades … of a course or a user."""

import argparse
import csv
import sys
from typing import TYPE_CHECKING, Any

from cli.ui import arguments
from cli.ui.arguments import positive_int, time_argument

if TYPE_CHECKING:
    from canvas_tables import Course, User

EXAMPLES = """\
examples:
  canvas-events list enrollments --course 2041    who is in the course
  canvas-events list submissions --course 2041    the work on its assignments
  canvas-events list grades --course 2041 --csv   grades, for a spreadsheet
  canvas-events list courses --user 8123          the courses of a user
  canvas-events list activity --user 8123 --since 7d
                                                  page views and logins
  canvas-events list wiki_page --scan             reads the whole table
"""

DEFAULT_NEWEST = 200  # items of activity

# What people call the kinds of entities; every kind of the catalogue can be listed by its own name.
_KINDS = {
    "enrollments": "enrollment",
    "sections": "course_section",
    "courses": "course",
    "assignments": "assignment",
    "submissions": "submission",
    "submission-grades": "submission_grade",
    "grades": "course_grade",
    "modules": "module",
    "discussions": "discussion_topic",
    "replies": "discussion_entry",
    "comments": "submission_comment",
    "groups": "group",
    "memberships": "group_membership",
    "progress": "course_progress",
}

# The fields of a body that a row shows, after the entity; those of other kinds are in the default.
_FIELDS = {
    "enrollment": ("course_id", "user_id", "type", "workflow_state"),
    "submission": ("assignment_id", "user_id", "workflow_state", "score", "submitted_at"),
    "submission_grade": ("assignment_id", "student_id", "score", "old_score", "grader_id"),
    "course_grade": ("course_id", "user_id", "current_score", "final_score"),
    "activity": ("asset_type", "asset_id", "asset_name"),
    "group_membership": ("group_id", "group_name", "user_id", "workflow_state"),
    "assignment": ("title", "points_possible", "due_at", "workflow_state"),
}
_DEFAULT_FIELDS = ("name", "group_name", "title", "user_id", "workflow_state")


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = arguments.command(
        commands, "list", "list the enrollments, submissions, grades … of a course or a user", EXAMPLES, run,
        more=f"KIND is one of {', '.join(_KINDS)}, activity, or another kind of entity. Deleted ones are left out."
        " Each list takes a query or two; submissions of a course take one for each of its assignments.",
    )  # fmt: skip
    parser.add_argument("kind", metavar="KIND", help="what to list, such as enrollments")
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--course", metavar="ID", help="that of this course")
    whose.add_argument("--user", metavar="ID", help="that of this user")
    whose.add_argument("--scan", action="store_true", help="all of it: reads the whole table")
    parser.add_argument("--deleted", action="store_true", help="deleted ones too")
    parser.add_argument("--since", metavar="TIME", type=time_argument, help="only what changed since 2d, 12h or a date")
    parser.add_argument(
        "--newest", metavar="N", type=positive_int, default=DEFAULT_NEWEST,
        help=f"maximum number of activity items (default: {DEFAULT_NEWEST})",
    )  # fmt: skip
    parser.add_argument("--csv", action="store_true", help="print CSV")
    parser.add_argument("--account", metavar="UUID", help="uuid of the root account, if there are several")


def run(args: argparse.Namespace) -> int:
    """List items; returns 0 when there are any, 1 otherwise."""
    from canvas_tables import Course
    from cli.stack import questions
    from cli.stack.stack import open_stack
    from cli.ui.output import info, plural, print_json

    stack = open_stack(args)
    tables = questions.open_tables(stack, args.account)
    kind = _KINDS.get(args.kind, args.kind)
    owner = None if args.scan else questions.owner(tables, args.course, args.user)
    if kind == "group" and args.user:
        kind = "group_membership"
    if owner is None:
        items = questions.scan_kind(stack, tables, kind, deleted=args.deleted, since=args.since)
    else:
        items = questions.items_of(owner, kind, deleted=args.deleted, since=args.since, newest=args.newest)
    if args.json:
        print_json(items)
    else:
        _print(kind, items, owner, as_csv=args.csv)
    info(f"{plural(len(items), 'item')}.")
    if kind in ("submission", "submission_grade") and isinstance(owner, Course):
        info("A submission does not name its course: those of assignments without an item here may be missing.")
    if kind == "activity" and len(items) == args.newest:
        info(f"Only the newest {args.newest} are shown: pass --newest for more.")
    return 0 if items else 1


def _print(kind: str, items: list[dict[str, Any]], owner: "Course | User | None", *, as_csv: bool) -> None:
    from canvas_tables import Course, User
    from cli.stack import questions
    from cli.ui import output

    fields = _FIELDS.get(kind, tuple(name for name in _DEFAULT_FIELDS if any(name in _body(item) for item in items)))
    users = questions.names_of_users(owner) if isinstance(owner, Course) else {}
    courses = questions.names_of_courses(owner) if isinstance(owner, User) else {}
    names = {"user_id": users, "student_id": users, "course_id": courses}
    columns = ["entity", *fields, "changed"]
    named = [field for field in fields if names.get(field)]
    for field in named:
        columns.insert(columns.index(field) + 1, field.removesuffix("_id"))
    rows = []
    for item in items:
        body = _body(item)
        cells = {**{field: _cell(body.get(field)) for field in fields}, "changed": item.get("event_time", "")}
        cells["entity"] = item["entity"] + (" (deleted)" if item.get("deleted") else "")
        cells |= {field.removesuffix("_id"): names[field].get(str(body.get(field)), "") for field in named}
        rows.append([cells[column] for column in columns])
    if as_csv:
        csv.writer(sys.stdout).writerows([columns, *(map(_csv_cell, row) for row in rows)])
    elif rows:
        output.stdout(whole_lines=True).print(output.table(columns, rows))


def _csv_cell(value: object) -> object:
    """A cell that a spreadsheet shows and does not calculate: the text of an event is written by strangers.

    Source: OWASP, "CSV Injection".
    """
    from cli.ui.output import visible

    if not isinstance(value, str):
        return value
    return visible(f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value)


def _body(item: dict[str, Any]) -> dict[str, Any]:
    body = item.get("body")
    return body if isinstance(body, dict) else {}


def _cell(value: Any) -> Any:
    from cli.ui.output import readable

    return "" if value is None else value if isinstance(value, str | bool) else readable(value)
