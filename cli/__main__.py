"""The command line: ``canvas-events --help``, or ``python -m cli --help``."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from cli import errors
from cli.catalogue import generated
from cli.commands import (
    activity,
    check,
    dashboard,
    dlq,
    doctor,
    draft,
    event,
    failures,
    person,
    rejected,
    send,
    show,
    tables,
)
from cli.errors import CommandError
from cli.local import invocation, local_run, redeploy
from cli.ui import output
from handlers.items.event_types import SchemaFileError
from handlers.settings import SettingsError

EXAMPLES = """\
look at a stack, and mend it:
  canvas-events doctor                               is it well formed
  canvas-events show 2041                            what the tables hold of a course
  canvas-events rejected list                        what was refused, and why
  canvas-events rejected redrive                     send it again, after the cause was mended
  canvas-events dlq list                             what failed for good, from the queue
  canvas-events failures list                        what failed for good, from the stream
  canvas-events send events.jsonl                    send events of one's own
  canvas-events person find 4711                     everything that the tables hold about a user
  canvas-events person erase 4711                    erase it
  canvas-events activity purge --before 2026-09-01   delete page views and logins from before a date
  canvas-events tables unknown-fields                fields that Canvas sends and the catalogue lacks
  canvas-events tables copy OLD-TABLE modules        copy what is missing or older in another table

Each takes --stack, --region and --profile; or --local, for the stack that `make run KEEP=1` leaves up here.

without AWS:
  canvas-events check event.json                     would it be stored, and if not, why
  canvas-events run                                  the whole system on this machine, with sample events
  canvas-events run --keep                           the same, and leave it up to look around
  canvas-events run --redeploy                       let that stack take what was changed since
  canvas-events dashboard                            the dashboard of the template as a page, with that run's data
  canvas-events invoke events/sqs/mixed.json         one handler, one event file, here and now
  canvas-events draft captured.jsonl                 a catalogue entry, from captured events
  canvas-events event grade_change                   a Lambda invocation with a sample event
  canvas-events generate                             update all that is generated from the catalogue

Exit status: 0 well, 1 something is wrong or was refused, 2 the command was called wrongly.
"""


RUN_EXAMPLES = """\
examples:
  canvas-events run                                   all of it
  canvas-events run --families submissions,activity   as with this parameter Families
  canvas-events run --keep                            and leave it up; in another terminal, after `make generate`:
  canvas-events run --redeploy                        the stack that is up takes what was changed, and keeps its items
  canvas-events run --redeploy --families all         and another choice of families
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status."""
    # Whoever ends this also ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = parser().parse_args(arguments)
    try:
        status: int = options.command(options)
        sys.stdout.flush()
    except (CommandError, SettingsError, SchemaFileError) as error:
        return _fail(str(error))
    except (BotoCoreError, ClientError) as error:
        return _fail(errors.sentence(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever reads has seen enough; Python must not complain of it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


def _fail(text: str) -> int:
    print(f"error: {output.visible_lines(text)}", file=sys.stderr)
    return 1


def _run(options: argparse.Namespace) -> int:
    return redeploy.run(options.families) if options.redeploy else local_run.run(options.families, keep=options.keep)


def parser() -> argparse.ArgumentParser:
    """The commands and what they take."""
    made = argparse.ArgumentParser(
        prog="canvas-events",
        description="Operate the consumer of Canvas Live Events; try it and build it without an AWS account.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for module in (
        doctor,
        show,
        rejected,
        dlq,
        failures,
        send,
        person,
        activity,
        tables,
        check,
        draft,
        event,
        dashboard,
    ):
        module.add_to(commands)

    run = commands.add_parser(
        "run",
        help="deploy the template into MiniStack here and send sample events through it",
        epilog=RUN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = run.add_mutually_exclusive_group()
    what.add_argument("--keep", action="store_true", help="leave it up until Ctrl-C, and say how to look around")
    what.add_argument(
        "--redeploy",
        action="store_true",
        help="send nothing: bring the stack that --keep left up to the template, the code and the schemas of now",
    )
    run.add_argument("--families", metavar="NAMES", help="keep these alone, as submissions,activity (default: all)")
    run.set_defaults(command=_run)

    call = commands.add_parser("invoke", help="invoke the handler for an event file; show its response and the items")
    call.add_argument("event", type=Path, help="a Lambda invocation as JSON, such as events/sqs/mixed.json; or -")
    call.set_defaults(command=lambda options: invocation.run(options.event))

    make = commands.add_parser(
        "generate", help="update the schemas, the blocks of template.yaml and the sample invocations"
    )
    make.add_argument("--check", action="store_true", help="change nothing; fail when a file is out of date")
    make.set_defaults(command=lambda options: generated.run(check=options.check))
    return made


if __name__ == "__main__":
    sys.exit(main())
