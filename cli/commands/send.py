"""``send``: send events from files to the queue or the stream."""

import argparse
from typing import TYPE_CHECKING, Any

from cli.errors import CommandError
from cli.ui import arguments

if TYPE_CHECKING:
    from cli.redrive.dry_run import DryRun, Evaluation
    from cli.redrive.event_files import FileRecord
    from cli.redrive.publisher import RecordDestination, SendResult
    from cli.stack.stack import Stack

EXAMPLES = """\
examples:
  canvas-events send events/samples/*.json            to the queue that Canvas sends to
  canvas-events send --to stream event.json --local   to the stream of the local stack
  canvas-events send - < events.jsonl                 one event per line, from standard input
  canvas-events send --dry-run events.jsonl           show what would be sent
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = arguments.command(
        commands, "send", "send events from files to the queue or the stream", EXAMPLES, run,
        more="Each event is sent exactly as it is written in its file. All of them are checked first; if any would be"
        " rejected, none is sent. Sending an event twice is harmless: the tables keep the newest version of each"
        " entity.",
    )  # fmt: skip
    parser.add_argument(
        "files", nargs="+", metavar="FILE",
        help="an event, an array of events, one event per line, or a Lambda invocation; - for standard input",
    )  # fmt: skip
    parser.add_argument("--to", choices=("queue", "stream"), default="queue", help="destination (default: queue)")
    parser.add_argument("--dry-run", action="store_true", help="show what would be sent; send nothing")
    parser.add_argument("--force", action="store_true", help="also send records that would be rejected")


def run(args: argparse.Namespace) -> int:
    """Send the records of the files; return 0 when all of them were sent, else 1."""
    from cli.redrive import check_report, event_files, publisher
    from cli.redrive.dry_run import DryRun
    from cli.redrive.publisher import SendResult
    from cli.stack.stack import open_stack

    records = list(event_files.read(args.files))
    stack = open_stack(args)
    destination = publisher.queue(stack) if args.to == "queue" else publisher.stream(stack)
    dry_run = DryRun(stack.catalogue, stack.environment)
    _check(check_report.evaluate(records, dry_run), dry_run, stack, args)
    results = [SendResult() for _ in records] if args.dry_run else _send(records, destination)
    return _report(records, results, destination, args)


def _check(
    evaluated: "list[tuple[FileRecord, Evaluation]]", dry_run: "DryRun", stack: "Stack", args: argparse.Namespace
) -> None:
    """Print what the functions would ignore; raise ``CommandError`` for what they would reject, unless forced."""
    from cli.redrive import check_report
    from cli.ui.output import info, plural, print_json

    invalid = [
        (record, evaluation)
        for record, evaluation in evaluated
        if not evaluation.is_storable and not evaluation.is_ignored
    ]
    if invalid and not args.force:
        if args.json:
            print_json(check_report.as_json(invalid, dry_run))
        else:
            check_report.print_problems(invalid, dry_run)
        raise CommandError(
            f"{len(invalid):,} of {plural(len(evaluated), 'record')} would be rejected, so nothing was sent."
            " Pass --force to send them anyway."
        )
    ignored = [evaluation.outcome.event_name or "" for _, evaluation in evaluated if evaluation.is_ignored]
    if ignored:
        listed = ", ".join(sorted({_not_kept(event_name, stack) for event_name in ignored}))
        info(f"{plural(len(ignored), 'record')} will be ignored: the stack {stack.name} does not keep {listed}.")


def _not_kept(event_name: str, stack: "Stack") -> str:
    """Return what the stack does not keep: the family of an ignored event, or its type alone."""
    from cli.stack.stack import family

    event_type = stack.catalogue.get(event_name)
    if event_type is None or event_type.table_variable in stack.entity_tables:
        return event_name
    return family(event_type.table_variable)


def _send(records: "list[FileRecord]", destination: "RecordDestination") -> "list[SendResult]":
    from cli.redrive import publisher
    from cli.redrive.publisher import OutgoingRecord
    from cli.ui import output

    with output.progress(long=len(records) > destination.max_records) as progress:
        task = progress.add_task(f"sending to {destination.name}", total=len(records))
        outgoing = [OutgoingRecord(record.data) for record in records]
        return publisher.send(destination, outgoing, lambda count: progress.advance(task, count))


def _report(
    records: "list[FileRecord]", results: "list[SendResult]", destination: "RecordDestination", args: argparse.Namespace
) -> int:
    from cli.ui.output import info, plural, print_json, stdout

    failed = sum(result.error is not None for result in results)
    if args.json:
        print_json([
            {"location": record.location, "id": result.id, "error": result.error}
            for record, result in zip(records, results, strict=True)
        ])  # fmt: skip
    else:
        done = "would be sent" if args.dry_run else "sent"
        stdout().print(f"{plural(len(records) - failed, 'record')} {done} to {destination.name}.", soft_wrap=True)
    for record, result in zip(records, results, strict=True):
        if result.error:
            info(f"Not sent: {record.location}: {result.error}.")
    return 1 if failed else 0
