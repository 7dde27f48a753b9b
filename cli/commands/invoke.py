"""``invoke``: one invocation of a handler on this machine."""

import argparse
from pathlib import Path
from typing import Any

EXAMPLES = """\
examples:
  canvas-events invoke events/sqs/mixed.json          response, log and items
  canvas-events invoke --json events/sqs/mixed.json   print JSON
  canvas-events event grade_change | canvas-events invoke -
                                                      any sample event
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "invoke",
        help="invoke a handler with an event file and show its response and items",
        description="Invoke the SQS or Kinesis handler with a Lambda event in this process, with its tables in"
        " MiniStack; show its log, its response and the items that it wrote.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "event",
        type=Path,
        metavar="FILE",
        help="a Lambda event as JSON, such as events/sqs/mixed.json; - for standard input",
    )
    parser.add_argument("--json", action="store_true", help="print JSON; the log goes to standard error")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Invoke the handler; returns 0."""
    from cli.local import invocation

    return invocation.run(args.event, as_json=args.json)
