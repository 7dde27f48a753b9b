"""The command line: ``python -m cli --help``."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from cli import dashboard, demo, generate, invoke
from cli.ministack import LocalStackError

EXAMPLES = """\
examples:
  python -m cli run                                  the whole system on this machine, with sample events
  python -m cli run --keep                           the same, and leave it up to look around
  python -m cli dashboard                            the dashboard of the template, with that run's numbers
  python -m cli invoke events/sqs_mixed.json         one handler, one event file, here and now
  python -m cli generate                             schemas and sample invocations after a change of the catalogue
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status."""
    # Whoever ends this also ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _parser().parse_args(arguments)
    try:
        status: int = options.command(options)
    except (LocalStackError, invoke.EventFileError, dashboard.NoRunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cli",
        description="Try and build the consumer of Canvas Live Events, without an AWS account.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="deploy the template into MiniStack here and send sample events through it")
    run.add_argument("--keep", action="store_true", help="leave it up until Ctrl-C, and say how to look around")
    run.set_defaults(command=lambda options: demo.run(keep=options.keep))

    see = commands.add_parser("dashboard", help="show the template's dashboard with the numbers of the last run")
    see.set_defaults(command=lambda _: dashboard.run())

    call = commands.add_parser("invoke", help="invoke the handler for an event file; show its response and the items")
    call.add_argument("event", type=Path, help="a Lambda invocation as JSON, such as events/sqs_mixed.json")
    call.set_defaults(command=lambda options: invoke.run(options.event))

    make = commands.add_parser("generate", help="write schemas/*.json and events/*.json anew from their sources")
    make.add_argument("--check", action="store_true", help="change nothing; fail when a file is out of step")
    make.set_defaults(command=lambda options: generate.run(check=options.check))
    return parser


if __name__ == "__main__":
    sys.exit(main())
