"""``check``: validate events from files without sending them."""

import argparse
from typing import Any

EXAMPLES = """\
examples:
  canvas-events check event.json                      an event, an array of events, or one event per line
  canvas-events check events/sqs/mixed.json           the records of a Lambda invocation
  canvas-events check --json - < events.jsonl         print JSON for each event of standard input
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "check",
        help="validate events from files and explain every problem",
        description="Validate events from files with the handlers' own code and the local schemas, and print every"
        " problem. Nothing is sent, and no AWS account is needed. Exit status 1 when an event would be rejected.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a file, or - for standard input")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Validate the files; return 0 when every record would be stored or ignored, else 1."""
    from cli.redrive import check_report, event_files
    from cli.redrive.dry_run import DryRun
    from cli.ui.output import plural, print_json, stdout

    dry_run = DryRun()
    evaluated = check_report.evaluate(event_files.read(args.files), dry_run)
    ignored = sum(evaluation.is_ignored for _, evaluation in evaluated)
    invalid = sum(not evaluation.is_storable for _, evaluation in evaluated) - ignored
    if args.json:
        print_json(check_report.as_json(evaluated, dry_run))
    else:
        check_report.print_problems(evaluated, dry_run)
        unknown = sum(evaluation.outcome.drift.unknown_field_count > 0 for _, evaluation in evaluated)
        drift = f" {unknown:,} of them have fields that are not in the catalogue." if unknown else ""
        rejected = f"{invalid:,}" if invalid else "none"
        not_kept = f" {ignored:,} would be ignored: the catalogue does not keep their event types." if ignored else ""
        summary = f"{plural(len(evaluated), 'record')}: {rejected} would be rejected.{not_kept}{drift}"
        stdout().print(summary, soft_wrap=True)
    return 1 if invalid else 0
