"""``event``: print a Lambda invocation with sample events."""

import argparse
import difflib
import json
from typing import Any

from cli.catalogue.samples import INVOCATION_BUILDERS, sample_invocation, samples
from cli.errors import CommandError

EXAMPLES = """\
examples:
  canvas-events event grade_change                                  one SQS message
  canvas-events event grade_change --source kinesis                 one Kinesis record
  canvas-events event course_created course_updated                 a batch
  canvas-events event grade_change | canvas-events invoke -         invoke the handler in this process
  canvas-events event grade_change | sam local invoke SqsFunction -e -
  canvas-events event grade_change --source kinesis | sam local invoke KinesisFunction -e -
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "event",
        help="print a Lambda invocation with the sample events of some types",
        description="Print a Lambda invocation as JSON, with the sample event of each TYPE (events/samples).",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("event_types", nargs="+", metavar="TYPE", help="an event type, such as grade_change")
    parser.add_argument(
        "--source", choices=INVOCATION_BUILDERS, default="sqs", help="the service that delivers them (default: sqs)"
    )
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """The command. Raises ``CommandError`` for an event type without a sample event."""
    known = samples()
    for event_type in args.event_types:
        if event_type not in known:
            raise CommandError(_unknown(event_type, list(known)))
    # In ASCII, so that it can be printed whatever the encoding of standard output is.
    print(json.dumps(sample_invocation(args.source, args.event_types), indent=2))
    return 0


def _unknown(event_type: str, known: list[str]) -> str:
    matches = difflib.get_close_matches(event_type, known)
    hint = f"Did you mean {' or '.join(matches)}?" if matches else "docs/reference/index.md lists all event types."
    return f"{event_type} is not an event type with a sample event. {hint}"
