"""``rejected``: list, show, redrive and delete rejected records."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cli.errors import CommandError
from cli.ui import arguments

if TYPE_CHECKING:
    from cli.redrive.rejected_item import RejectedRecord
    from cli.redrive.rejected_records import RejectedTable
    from cli.redrive.selection import Selection
    from cli.stack.stack import Stack

EXAMPLES = """\
examples:
  canvas-events rejected list                                   counts by reason, event type and broken rule
  canvas-events rejected list --records --since 2d              one record per line, of the last two days
  canvas-events rejected show d4b53d5bd3fd                      why the record with this digest was rejected
  canvas-events rejected show d4b53d5bd3fd --payload            and the record itself
  canvas-events rejected redrive --dry-run                      what would be sent, and what held back
  canvas-events rejected redrive --reason unknown_event_type    send these again, after the catalogue was fixed
  canvas-events rejected purge --reason malformed_json --yes    delete these permanently

--since and --until refer to when a record entered the queue or the stream.
"""
SHORT_DIGEST_LENGTH = 12
MIN_DIGEST_PREFIX = 6


def add_parser(commands: Any) -> None:
    """Add the commands."""
    from cli.redrive import selection

    actions = arguments.group(
        commands, "rejected", "list, show, redrive or purge rejected records", EXAMPLES,
        more="The records that cannot be processed as they are. Each is kept whole, with the reason.",
    )  # fmt: skip
    list_parser = _add_action(actions, "list", "count rejected records, or list them one per line", _list)
    list_parser.add_argument("--records", action="store_true", dest="one_per_line", help="one record per line")
    show_parser = _add_action(actions, "show", "explain why each record was rejected", _show)
    show_parser.add_argument(
        "--payload", action="store_true", help="also print the record, which may hold personal data"
    )
    redrive_parser = _add_action(
        actions, "redrive", "send records back to the queue or stream they came from", _redrive,
        more="Records that would be rejected again are held back. A record is deleted only after it was sent, so this"
        " is safe to interrupt, to repeat, and to run twice at once.",
    )  # fmt: skip
    selection.add_redrive_options(redrive_parser)
    purge_parser = _add_action(actions, "purge", "delete records permanently", _purge)
    purge_parser.add_argument("--dry-run", action="store_true", help="show what would be deleted; delete nothing")
    purge_parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    purge_parser.add_argument("--all", action="store_true", help="required with --yes when no record is selected")


def _add_action(actions: Any, name: str, about: str, run: Any, *, more: str = "") -> Any:
    from cli.redrive import selection
    from handlers.outcome import RejectionReason

    parser = arguments.command(actions, name, about, EXAMPLES, run, more=more)
    group = selection.add_options(parser)
    group.add_argument("ids", nargs="*", metavar="RECORD", help="a digest, its beginning, or a whole sort key")
    group.add_argument("--type", metavar="EVENT_TYPE", help="only this event type")
    reasons = [reason.value for reason in RejectionReason]
    group.add_argument("--reason", choices=reasons, metavar="REASON", help=f"only this reason: {', '.join(reasons)}")
    return parser


def _selection(args: argparse.Namespace) -> "Selection":
    from cli.redrive.selection import Selection

    for record in args.ids:
        if len(record) < MIN_DIGEST_PREFIX:
            raise CommandError(f"{record} is too short: use at least {MIN_DIGEST_PREFIX} characters of the digest.")
    return Selection.from_args(args)


def _read(table: "RejectedTable", selection: "Selection", *, payloads: bool = False) -> "list[RejectedRecord]":
    from cli.ui import output

    with output.progress() as progress:
        records = table.read(selection, payloads=payloads)
        return list(progress.track(records, description="reading rejected records"))


def _list(args: argparse.Namespace) -> int:
    from cli.redrive.rejected_records import RejectedTable
    from cli.stack.stack import open_stack
    from cli.ui import render
    from cli.ui.output import plural, print_json, stdout

    selection = _selection(args)
    table = RejectedTable(open_stack(args))
    records = _read(table, selection)
    if args.json:
        print_json([_as_json(record) for record in records])
    elif not records:
        stdout().print("No matching rejected records.")
    else:
        stdout().print(_record_table(records) if args.one_per_line else render.rejections(records))
        stdout().print(f"{plural(len(records), 'record')}.")
    return _report_malformed(records, table.malformed_remedy)


def _report_malformed(records: "Iterable[RejectedRecord]", remedy: str) -> int:
    """Name the malformed records; return 1 if there are any, else 0."""
    from cli.redrive.report import print_malformed

    malformed = [record for record in records if record.error]
    print_malformed(malformed, remedy)
    return 1 if malformed else 0


def _record_table(records: "Iterable[RejectedRecord]") -> Any:
    from cli.ui import messages, output

    rows = (
        (
            f"{record.enqueued_at:%Y-%m-%d %H:%M:%S}" if record.enqueued_at else "",
            record.reason,
            record.event_name,
            record.error or messages.list_violations(record.violations),
            record.id.rpartition("#")[2][:SHORT_DIGEST_LENGTH],
        )
        for record in records
    )
    return output.table(("enqueued at.", "reason.", "event type", "broken rules", "digest."), rows)


def _show(args: argparse.Namespace) -> int:
    from cli.redrive.rejected_item import with_data
    from cli.redrive.rejected_records import RejectedTable
    from cli.stack.stack import open_stack
    from cli.ui.output import info, print_json

    selection = _selection(args)
    stack = open_stack(args)
    table = RejectedTable(stack)
    compressed = _read(table, selection, payloads=True)
    malformed: list[RejectedRecord] = []
    documents: list[dict[str, Any]] = []
    for record in map(with_data, compressed):
        if record.error:
            malformed.append(record)
        if args.json:
            documents.append(_as_json(record, with_payload=args.payload))
        elif not record.error:
            _print_record(record, stack, with_payload=args.payload)
    if args.json:
        print_json(documents)
    if not compressed:
        info("No matching rejected records.")
    return _report_malformed(malformed, table.malformed_remedy) or (0 if compressed else 1)


def _print_record(record: "RejectedRecord", stack: "Stack", *, with_payload: bool) -> None:
    from rich.text import Text

    from cli.ui import messages, output
    from handlers.items.timestamps import format_utc

    console = output.stdout()
    event_type = stack.catalogue.get(record.event_name or "")
    data = record.records[0].data
    facts = {
        "record": record.id,
        "source": f"{record.source_arn} {record.source_id}",
        "rejected at": record.rejected_at,
        "expires at": format_utc(record.expires_at) if record.expires_at else "",
        "remedy": messages.REMEDIES.get(record.reason, ""),
        "payload": f"{len(data):,} bytes"
        + ("" if with_payload else "; --payload prints it: it may hold personal data"),
    }
    console.print(output.text(f"{record.reason} {record.event_name or ''}", "bold red"), soft_wrap=True)
    for violation in record.violations:
        console.print(output.text(f"  {messages.describe_violation(violation, event_type)}"), soft_wrap=True)
    for name, fact in facts.items():
        console.print(output.text(f"  {name:<11} {fact}"), soft_wrap=True)
    if with_payload:
        console.print(Text(output.visible_lines(data.decode(errors="replace"))), soft_wrap=True)
    console.print()


def _redrive(args: argparse.Namespace) -> int:
    from cli.redrive import report
    from cli.redrive.rejected_records import RejectedTable
    from cli.stack.stack import open_stack

    selection = _selection(args)
    stack = open_stack(args)
    return report.run(RejectedTable(stack), selection, stack, force=args.force, preview=args.dry_run, as_json=args.json)


def _purge(args: argparse.Namespace) -> int:
    from cli.redrive.rejected_records import RejectedTable
    from cli.redrive.selection import Selection
    from cli.stack.stack import open_stack
    from cli.ui import output, render
    from cli.ui.output import info, plural, print_json

    selection = _selection(args)
    if args.yes and selection == Selection() and not args.all:
        raise CommandError("no record is selected and --yes skips the confirmation: add --all to delete all records.")
    table = RejectedTable(open_stack(args))
    records = _read(table, selection)
    if args.json:
        print_json([_as_json(record) for record in records])
    elif records:
        output.stdout().print(render.rejections(records))
    if not records:
        info("No matching rejected records, so there is nothing to delete.")
        return 0
    status = _report_malformed(records, "What is malformed is deleted too.")
    if args.dry_run:
        info(f"Dry run: {plural(len(records), 'record')} would be permanently deleted.")
        return status
    if not output.confirmed(f"Permanently delete {plural(len(records), 'record')}?", yes=args.yes):
        return 1
    table.delete(records)
    info(f"{plural(len(records), 'record')} deleted.")
    return 0


def _as_json(record: "RejectedRecord", *, with_payload: bool = False) -> dict[str, Any]:
    key = {"reason": record.reason, "record": record.id}
    if record.error or record.expires_at is None:
        return key | {"error": record.error}
    return {
        **key,
        **({"event_name": record.event_name} if record.event_name is not None else {}),
        "rejected_at": record.rejected_at,
        "errors": [{"path": v.path, "rule": v.rule, "expected": v.expected} for v in record.violations],
        "source": {"arn": record.source_arn, "id": record.source_id},
        "expires_at": int(record.expires_at.timestamp()),
        **({"payload": record.records[0].data.decode(errors="replace")} if with_payload else {}),
    }
