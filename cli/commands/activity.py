"""``activity``: delete what happened before a date."""

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cli.ui import arguments
from cli.ui.arguments import time_argument

if TYPE_CHECKING:
    from cli.stack.old_activity import OldActivity

EXAMPLES = """\
examples:
  canvas-events activity purge --before 2026-09-01 --dry-run  count it
  canvas-events activity purge --before 2026-09-01            delete it
  canvas-events activity purge --before 90d --yes             older than 90 days

New activity expires by itself, after ActivityRetentionDays.
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    actions = arguments.group(
        commands, "activity", "delete page views and logins from before a date", EXAMPLES,
        more="The page views and logins of everybody.",
    )  # fmt: skip
    purging = arguments.command(
        actions, "purge", "permanently delete what happened before a date", EXAMPLES, _purge,
        more="Reads the whole table. Safe to interrupt and to repeat.",
    )  # fmt: skip
    purging.add_argument(
        "--before",
        type=time_argument,
        required=True,
        metavar="TIME",
        help="2026-09-01, 2026-09-01T12:00Z, 90d (ago), …; UTC",
    )
    purging.add_argument("--dry-run", action="store_true", help="only count what would be deleted")
    purging.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def _purge(args: argparse.Namespace) -> int:
    from cli.errors import CommandError
    from cli.stack.old_activity import OldActivity
    from cli.stack.stack import open_stack
    from cli.ui import output

    if args.before > datetime.now(UTC):
        raise CommandError(f"--before {args.before:%Y-%m-%d %H:%M} UTC is in the future: choose an earlier time.")
    activity = OldActivity(open_stack(args), args.before)
    if args.dry_run or not args.yes:
        with output.progress() as progress:
            activity.count(progress)
        if args.dry_run:
            _report(args, activity)
            output.info("Dry run: nothing was deleted.")
            return 0
        items = output.plural(activity.counts.total(), "item")
        if not output.confirmed(f"Delete {items} of activity before {args.before:%Y-%m-%d %H:%M %Z}?", yes=False):
            return 1
    try:
        with output.progress() as progress:
            activity.delete(progress)
    except BaseException:  # whatever ends it, what was done is reported
        output.info(
            f"Stopped after about {output.plural(activity.counts.total(), 'item')}. Run the same command again."
        )
        raise
    _report(args, activity)
    return 0


def _report(args: argparse.Namespace, activity: "OldActivity") -> None:
    from cli.stack.stack import family
    from cli.ui import output
    from handlers.items.timestamps import format_utc

    rows = [(family(variable), event, count) for (variable, event), count in sorted(activity.counts.items())]
    if args.json:
        counts = [dict(zip(("table", "event_type", "items"), row, strict=True)) for row in rows]
        output.print_json({"before": format_utc(args.before), "dry_run": args.dry_run, "counts": counts})
    else:
        rows.append(("all", "", activity.counts.total()))
        output.stdout().print(output.table(("table", "event type", "items#"), rows))
