"""``dashboard``: write the dashboard of the template, with the data of a run on this machine, as an HTML page."""

import argparse
import json
from pathlib import Path
from typing import Any

from cli.errors import CommandError
from cli.local.dashboard import RunMetrics, latest_snapshot

EXAMPLES = """\
examples:
  canvas-events dashboard                             writes dashboard.html into the current folder
  canvas-events dashboard --output before.html        under another name, such as to compare two runs
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "dashboard",
        help="write the template's dashboard, with the data of the last run, as an HTML page",
        description="Write the dashboard of the template as one HTML page that needs no network, with the data of the"
        " stack that is running on this machine, or else of the last `make run`.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--output", type=Path, default=Path("dashboard.html"), metavar="FILE", help="default: dashboard.html"
    )
    parser.add_argument("--json", action="store_true", help="print the path and URL of the page as JSON")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Write the page and print where it is.

    Raises ``CommandError`` when there was no run yet, or when the file cannot be written.
    """
    metrics = RunMetrics(latest_snapshot())
    from cli.local.dashboard_page import render_page  # here, since no other command needs a plotting library

    page: Path = args.output.resolve()
    try:
        page.write_text(render_page(metrics), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"Could not write {page}: {error.strerror}. Choose another file with --output.") from error
    if args.json:
        print(json.dumps({"path": str(page), "url": page.as_uri()}))
        return 0
    print(f"Wrote the dashboard to {page}\nOpen it in a browser: {page.as_uri()}")
    return 0
