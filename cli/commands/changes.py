"""``changes``: what changed in a course or about a user, newest first."""

import argparse
from typing import Any

from cli.ui import arguments
from cli.ui.arguments import time_argument

EXAMPLES = """\
examples:
  canvas-events changes --course 2041 --since 1d     since yesterday
  canvas-events changes --user 8123 --since 2026-09-01
  canvas-events changes --course 2041 --since 1d --json
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = arguments.command(
        commands, "changes", "show what changed in a course, or about a user, newest first", EXAMPLES, run,
        more="Each entity is shown once, with its newest event. Activity is left out. Reads everything that belongs to"
        " the course or the user, and nothing else.",
    )  # fmt: skip
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--course", metavar="ID", help="in this course, and in what it contains")
    whose.add_argument("--user", metavar="ID", help="of this user")
    parser.add_argument(
        "--since", metavar="TIME", type=time_argument, required=True, help="since 1d, 12h, 30m, or a date"
    )
    parser.add_argument("--account", metavar="UUID", help="uuid of the root account, if there are several")


def run(args: argparse.Namespace) -> int:
    """Show the changes; returns 0."""
    from cli.catalogue import model
    from cli.stack import questions
    from cli.stack.hierarchy import Hierarchy
    from cli.stack.stack import open_stack
    from cli.ui import output, render

    tables = questions.open_tables(open_stack(args), args.account)
    owner = questions.owner(tables, args.course, args.user)
    items = questions.changes(tables, owner, Hierarchy(model.load()), args.since)
    if args.json:
        output.print_json(items)
        return 0
    rows = [
        (item["event_time"], item["entity"], item.get("event_name"), render.headline(item), item.get("user_id"))
        for item in items
    ]
    if rows:
        columns = ("time.", "entity", "event", "name", "acting user")
        output.stdout(whole_lines=True).print(output.table(columns, rows))
    output.info(f"{output.plural(len(items), 'change')}.")
    return 0
