"""``cost``: what a deployment costs a month."""

import argparse
from typing import Any

EXAMPLES = """\
examples:
  canvas-events cost --students 20000
  canvas-events cost --events-per-second 300 --activity 0.85
  canvas-events cost --events-per-second 300 --archive-days 30 --json

Events per second are the mean over the month. Prices are those of
cli/cost/prices.toml; docs/cost.md has the assumptions.
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "cost",
        help="estimate what a deployment costs a month",
        description="Estimate what a deployment costs a month at list prices, line by line. Needs no AWS account.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument("--events-per-second", type=_positive, metavar="RATE", help="mean over the month")
    size.add_argument("--students", type=_positive, metavar="N", help="estimate the events from the number of students")
    parser.add_argument("--events-per-student-day", type=_positive, metavar="N",
                        help="with --students (default: 100, an assumption)")  # fmt: skip
    parser.add_argument("--activity", type=_share, default=0.85, metavar="SHARE",
                        help="share of page views and logins (default: 0.85)")  # fmt: skip
    parser.add_argument("--retention-days", type=_days, default=365, metavar="DAYS",
                        help="ActivityRetentionDays (default: 365)")  # fmt: skip
    parser.add_argument("--archive-days", type=_days, default=0, metavar="DAYS", help="ArchiveDays (default: 0)")
    parser.add_argument("--source", choices=("sqs", "kinesis"), default="sqs", help="default: sqs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=run)


def _positive(text: str) -> float:
    value = _number(text)
    if not 0 < value <= 1e9:
        raise argparse.ArgumentTypeError("must be a positive number, at most a billion")
    return value


def _share(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("must be between 0 and 1, such as 0.85")
    return value


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 3650:
        raise argparse.ArgumentTypeError("must be a whole number of days, at most 3650")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a number") from None


def run(args: argparse.Namespace) -> int:
    """Print the bill; returns 0."""
    from cli.cost import monthly
    from cli.errors import CommandError
    from cli.ui import output

    if args.events_per_student_day and not args.students:
        raise CommandError("--events-per-student-day needs --students.")
    rate = args.events_per_second or monthly.of_students(
        args.students, args.events_per_student_day or monthly.EVENTS_PER_STUDENT_DAY
    )
    load = monthly.Load(
        events_per_second=rate,
        activity=args.activity,
        retention_days=args.retention_days,
        archive_days=args.archive_days,
        source=args.source,
    )
    lines = monthly.bill(load)
    if args.json:
        output.print_json({
            "events_per_second": rate,
            "events_per_month": load.events,
            "prices": {"as_of": monthly.PRICES["as_of"], "region": monthly.PRICES["region"]},
            "lines": [line._asdict() for line in lines],
            "usd_per_month": monthly.total(lines),
        })  # fmt: skip
        return 0
    rows = [(line.item, line.arithmetic, f"{line.usd:,.2f}") for line in lines]
    rows.append(("together", "", f"{monthly.total(lines):,.2f}"))
    output.stdout().print(output.table(("a month", "arithmetic", "USD#"), rows))
    output.info(
        f"{rate:,.1f} events per second, {load.events / 1e6:,.1f} million a month; list prices of"
        f" {monthly.PRICES['region']}, {monthly.PRICES['as_of']}."
    )
    return 0
