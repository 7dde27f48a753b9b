"""``check``: validate events from files without sending them."""

import argparse
from typing import Any

from cli.redrive import event_files
from cli.redrive.dry_run import Judge, Verdict
from cli.redrive.event_files import FileRecord
from cli.ui import messages
from cli.ui.output import Json, out, plural, print_json, text
from handlers.outcome import Fate

EXAMPLES = """\
examples:
  canvas-events check event.json                      one event, an array of them, or an event a line
  canvas-events check events/sqs/mixed.json           the records of a Lambda invocation
  canvas-events check --json - < events.jsonl         for machines, from standard input
"""


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "check",
        help="validate events from files, and explain each fault",
        description="Validate events from files, by the handlers' own code and the schemas that are here. Nothing is"
        " sent, and no AWS is needed. Exit status 1 when an event would be rejected.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="- for standard input")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """The command: 0 when every record would be stored, 1 otherwise."""
    judge = Judge()
    judged = [(record, judge.judge(record.data)) for record in event_files.read(options.files)]
    if options.json:
        print_json([as_json(record, verdict, judge) for record, verdict in judged])
    else:
        show(judged, judge)
    return 0 if all(verdict.outcome.fate is Fate.STORED for _, verdict in judged) else 1


def show(judged: list[tuple[FileRecord, Verdict]], judge: Judge) -> None:
    """Show each record with its items, or with what is wrong with it."""
    console = out()
    for record, verdict in judged:
        good = verdict.outcome.fate is Fate.STORED
        line = text(record.place, "bold").append(
            f"  {'ok' if good else verdict.outcome.reason}  ", "green" if good else "red"
        )
        console.print(line.append_text(text(verdict.outcome.event_name or "")), soft_wrap=True)
        for remark in _remarks(verdict, judge):
            console.print(text(f"    {remark}"), soft_wrap=True)
    bad = sum(verdict.outcome.fate is not Fate.STORED for _, verdict in judged)
    console.print(f"\n{plural(len(judged), 'record')}, {bad or 'none'} of which would be rejected.")


def as_json(record: FileRecord, verdict: Verdict, judge: Judge) -> Json:
    """A record's verdict for machines."""
    stored = verdict.outcome.fate is Fate.STORED
    return {
        "place": record.place,
        "event_name": verdict.outcome.event_name,
        "fate": verdict.outcome.fate,
        "reason": verdict.outcome.reason,
        "faults": _faults(verdict, judge),
        "items": [{"table": item.table_variable, **dict(item.key)} for item in verdict.items] if stored else [],
    }


def _remarks(verdict: Verdict, judge: Judge) -> list[str]:
    if verdict.outcome.fate is Fate.STORED:
        items = [f"{item.table_variable}: {' '.join(value for _, value in item.key)}" for item in verdict.items]
        unknown = messages.unknown(verdict.outcome.drift.unknown_field_count)
        return [*items, *([unknown] if unknown else [])]
    remedy = messages.REMEDIES.get(verdict.outcome.reason or "", "")
    return [*_faults(verdict, judge), *([remedy] if remedy else [])]


def _faults(verdict: Verdict, judge: Judge) -> list[str]:
    event_type = judge.event_types.get(verdict.outcome.event_name or "")
    return [messages.fault(violation, event_type) for violation in verdict.outcome.violations]
