"""The commands: one module each, none of which imports another.

A command's module is imported only when that command is run, so its help and its start cost what it needs itself.
"""

import argparse
from collections.abc import Container, Mapping
from importlib import import_module
from typing import Any

# Each command, which is a module here, with its help. A test compares both with what the module itself says.
COMMANDS: Mapping[str, str] = {
    "doctor": "health check: what is wrong with a stack and how to fix it",
    "show": "show what the tables hold for a course, a group, an assignment, a person …",
    "list": "list the enrollments, submissions, grades … of a course or a user",
    "changes": "show what changed in a course, or about a user, newest first",
    "rejected": "list, show, redrive or purge rejected records",
    "dlq": "list or redrive the messages of the dead-letter queue",
    "failures": "list or redrive the failed batches of the stream",
    "replay": "process archived events again",
    "reconcile": "compare the tables with Canvas, and repair them",
    "send": "send events from files to the queue or the stream",
    "person": "find or erase what the tables hold about a person",
    "activity": "delete page views and logins from before a date",
    "tables": "copy a table, or list the fields that the catalogue does not know",
    "check": "validate events from files and explain every problem",
    "cost": "estimate what a deployment costs a month",
    "draft": "draft a catalogue entry from events, or show differences from the present one",
    "event": "print a Lambda invocation with the sample events of some types",
    "run": "deploy the template on this machine and process sample events",
    "dashboard": "write the template's dashboard, with the data of the last run, as an HTML page",
    "invoke": "invoke a handler with an event file and show its response and items",
    "generate": "update the files that are generated from the catalogue, the template and the commands",
    "completion": "print a completion script for bash or zsh",
}

EXAMPLES = """\
operate a stack (--stack, --region, --profile; or --local for the stack
that `make run KEEP=1` keeps running on this machine):
  canvas-events doctor               health check: problems and remedies
  canvas-events show 2041            what the tables hold for a course
  canvas-events list enrollments --course 2041
                                     who is in a course
  canvas-events changes --course 2041 --since 1d
                                     what changed since yesterday
  canvas-events rejected list        which events were rejected, and why
  canvas-events rejected redrive     send them again after a fix
  canvas-events dlq list             dead-letter messages
  canvas-events failures list        failed batches of the stream
  canvas-events replay --from 2d     process archived events again
  canvas-events reconcile --canvas-data DIR --repair
                                     load or repair the tables
  canvas-events send events.jsonl    send your own events
  canvas-events person find 4711     what the tables hold about a user
  canvas-events activity purge --before 2026-09-01
                                     delete old page views and logins
  canvas-events tables unknown-fields
                                     fields that the catalogue lacks

without AWS:
  canvas-events check event.json     would it be stored, and if not, why
  canvas-events run                  the whole system on this machine
  canvas-events run --keep           the same, kept running until Ctrl-C
  canvas-events run --redeploy       update that running stack
  canvas-events dashboard            the dashboard of the last run
  canvas-events invoke events/sqs/mixed.json
                                     one invocation of a handler
  canvas-events event grade_change   print a Lambda invocation
  canvas-events draft captured.jsonl draft a catalogue entry
  canvas-events cost --students 20000
                                     estimate of the monthly bill
  canvas-events generate             update generated files

exit status: 0 success, 1 problem found, 2 usage error
"""


class _Version(argparse.Action):
    """Print the version and exit; reading the package metadata takes longer than any help."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,  # noqa: ARG002  # as argparse calls it
        values: object,  # noqa: ARG002  # as argparse calls it
        option_string: str | None = None,  # noqa: ARG002  # as argparse calls it
    ) -> None:
        print(f"{parser.prog} {version()}")
        parser.exit()


def parser(commands: Container[str] = COMMANDS) -> argparse.ArgumentParser:
    """The parser of the command line, in which ``commands`` take their arguments and others have only their help."""
    root = argparse.ArgumentParser(
        prog="canvas-events",
        description="Operate the Canvas Live Events consumer, or try and extend it without an AWS account.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    subparsers: Any = root.add_subparsers(required=True, metavar="COMMAND")
    for name, about in COMMANDS.items():
        if name in commands:
            import_module(f"cli.commands.{name}").add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=about)
    return root


def version() -> str:
    """The version of the installed package; that of pyproject.toml where the package is not installed."""
    from importlib import metadata

    try:
        return metadata.version("canvas-live-events")
    except metadata.PackageNotFoundError:
        import tomllib

        from cli.catalogue.generated import ROOT

        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return str(project["version"])
