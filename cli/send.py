"""``send``: events from files to the queue or the stream."""

import argparse
from typing import Any

from cli import check, files, options, sending
from cli.errors import CommandError
from cli.output import out, plural, print_json, say
from cli.sending import Parcel
from cli.stack import open_stack
from cli.verdict import Judge
from handlers.fates import Fate

EXAMPLES = """\
examples:
  canvas-events send events/samples/*.json            to the queue that Canvas sends to
  canvas-events send --to stream event.json --local   to the stream of the stack on this machine
  canvas-events send - < events.jsonl                 an event a line, from standard input
  canvas-events send --dry-run events.jsonl           what would be sent
"""


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = options.command(
        commands, "send", "send events from files to the queue or the stream", EXAMPLES, run,
        more="Each goes as it stands in its file. They are checked first, and when one would be rejected none is sent."
        " Sending twice does no harm: the tables keep the newest version of each entity.",
    )  # fmt: skip
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="an event, an array, an event a line, an invocation; or -"
    )
    parser.add_argument("--to", choices=("queue", "stream"), default="queue", help="where to (default: queue)")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be sent")
    parser.add_argument("--unchecked", action="store_true", help="send also what would be rejected")


def run(called: argparse.Namespace) -> int:
    """The command: 0 when everything was sent, 1 otherwise."""
    records = list(files.read(called.files))
    if not called.unchecked:
        _check(records, as_json=called.json)
    stack = open_stack(called)
    destination = sending.queue(stack) if called.to == "queue" else sending.stream(stack)
    if called.dry_run:
        if called.json:
            print_json([{"place": record.place, "id": None, "fault": None} for record in records])
        say(f"Dry run: {plural(len(records), 'record')} would go to {destination.name}.")
        return 0
    receipts = sending.send(destination, [Parcel(record.data) for record in records])
    failed = [(record.place, receipt.fault) for record, receipt in zip(records, receipts, strict=True) if receipt.fault]
    if called.json:
        pairs = zip(records, receipts, strict=True)
        print_json([{"place": record.place, "id": receipt.id, "fault": receipt.fault} for record, receipt in pairs])
    for place, fault in failed:
        say(f"not sent: {place}: {fault}")
    if not called.json:
        out().print(f"{plural(len(records) - len(failed), 'record')} sent to {destination.name}.", soft_wrap=True)
    return 1 if failed else 0


def _check(records: list[files.FileRecord], *, as_json: bool) -> None:
    judge = Judge()
    judged = [(record, judge.judge(record.data)) for record in records]
    bad = [(record, verdict) for record, verdict in judged if verdict.outcome.fate is not Fate.STORED]
    if bad:
        if as_json:
            print_json([check.as_json(record, verdict, judge) for record, verdict in bad])
        else:
            check.show(bad, judge)
        raise CommandError(
            f"{len(bad)} of {plural(len(records), 'record')} would be rejected, so none was sent."
            " --unchecked sends them all the same."
        )
