"""``send``: events from files to the queue or the stream."""

import argparse
from collections import Counter
from typing import Any

from cli.commands import check
from cli.errors import CommandError
from cli.redrive import event_files, publisher
from cli.redrive.dry_run import Judge, Verdict
from cli.redrive.publisher import Parcel
from cli.stack.stack import Stack, family, open_stack
from cli.ui import arguments
from cli.ui.output import out, plural, print_json, say
from handlers.outcome import Fate

EXAMPLES = """\
examples:
  canvas-events send events/samples/*.json            to the queue that Canvas sends to
  canvas-events send --to stream event.json --local   to the stream of the stack on this machine
  canvas-events send - < events.jsonl                 an event a line, from standard input
  canvas-events send --dry-run events.jsonl           what would be sent
"""

Judged = tuple[event_files.FileRecord, Verdict]


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = arguments.command(
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
    records = list(event_files.read(called.files))
    judge = Judge()
    judged = [(record, judge.judge(record.data)) for record in records]
    if not called.unchecked:
        _refuse(judged, judge, as_json=called.json)
    stack = open_stack(called)
    destination = publisher.queue(stack) if called.to == "queue" else publisher.stream(stack)
    if called.dry_run:
        if called.json:
            print_json([{"place": record.place, "id": None, "fault": None} for record in records])
        say(f"Dry run: {plural(len(records), 'record')} would go to {destination.name}.")
        _tell_ignored(judged, stack)
        return 0
    receipts = publisher.send(destination, [Parcel(record.data) for record in records])
    failed = [(record.place, receipt.fault) for record, receipt in zip(records, receipts, strict=True) if receipt.fault]
    if called.json:
        pairs = zip(records, receipts, strict=True)
        print_json([{"place": record.place, "id": receipt.id, "fault": receipt.fault} for record, receipt in pairs])
    for place, fault in failed:
        say(f"not sent: {place}: {fault}")
    if not called.json:
        out().print(f"{plural(len(records) - len(failed), 'record')} sent to {destination.name}.", soft_wrap=True)
    _tell_ignored(judged, stack)
    return 1 if failed else 0


def _tell_ignored(judged: list[Judged], stack: Stack) -> None:
    """Say what the stack will ignore, as it does with the events of families that it does not keep."""
    event_types = (stack.catalogue.get(verdict.outcome.event_name or "") for _, verdict in judged)
    tables = Counter(
        each.table_variable for each in event_types if each and each.table_variable not in stack.entity_tables
    )
    if tables:
        families = ", ".join(sorted(map(family, tables)))
        say(f"{tables.total():,} of them will be ignored: {stack.name} keeps no {families}.")


def _refuse(judged: list[Judged], judge: Judge, *, as_json: bool) -> None:
    """Raise ``CommandError`` where a record would be rejected, after it was shown why."""
    bad = [(record, verdict) for record, verdict in judged if verdict.outcome.fate is not Fate.STORED]
    if bad:
        if as_json:
            print_json([check.as_json(record, verdict, judge) for record, verdict in bad])
        else:
            check.show(bad, judge)
        raise CommandError(
            f"{len(bad)} of {plural(len(judged), 'record')} would be rejected, so none was sent."
            " --unchecked sends them all the same."
        )
