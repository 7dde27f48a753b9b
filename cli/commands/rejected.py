"""``rejected``: list, show, redrive and delete rejected records."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cli.errors import CommandError
from cli.ui import arguments

if TYPE_CHECKING:
    from cli.redrive.rejected_records import RejectedItem, RejectedTable
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
  canvas-events rejected purge --reason malformed_json --yes    delete these for good

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
    purge_parser = _add_action(actions, "purge", "delete records for good", _purge)
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


def _read(table: "RejectedTable", selection: "Selection", *, payloads: bool = False) -> "list[RejectedItem]":
    from cli.ui import output

    with output.progress() as progress:
        items = table.read(selection, payloads=payloads)
        return list(progress.track(items, description="reading rejected records"))


def _list(args: argparse.Namespace) -> int:
    from cli.redrive.rejected_records import RejectedTable
    from cli.stack.stack import open_stack
    from cli.ui import render
    from cli.ui.output import plural, print_json, stdout

    selection = _selection(args)
    items = _read(RejectedTable(open_stack(args)), selection)
    if args.json:
        print_json([_as_json(item) for item in items])
    elif not items:
        stdout().print("No matching rejected records.")
    else:
        stdout().print(_record_table(items) if args.one_per_line else render.rejections(items))
        stdout().print(f"{plural(len(items), 'record')}.")
    return 0


def _record_table(items: "Iterable[RejectedItem]") -> Any:
    from cli.ui import messages, output

    rows = (
        (
            item["record"][: len("2026-09-07T12:00:00")].replace("T", " "),
            item["reason"],
            item.get("event_name"),
            messages.list_violations(item["errors"]),
            item["record"].rpartition("#")[2][:SHORT_DIGEST_LENGTH],
        )
        for item in items
    )
    return output.table(("enqueued at.", "reason.", "event type", "broken rules", "digest."), rows)


def _show(args: argparse.Namespace) -> int:
    from cli.redrive.rejected_records import RejectedTable, payload
    from cli.stack.stack import open_stack
    from cli.ui.output import info, print_json

    selection = _selection(args)
    stack = open_stack(args)
    items = _read(RejectedTable(stack), selection, payloads=True)
    if args.json:
        print_json([
            _as_json(item) | ({"payload": payload(item).decode(errors="replace")} if args.payload else {})
            for item in items
        ])  # fmt: skip
    else:
        for item in items:
            _print_record(item, stack, with_payload=args.payload)
    if not items:
        info("No matching rejected records.")
    return 0 if items else 1


def _print_record(item: "RejectedItem", stack: "Stack", *, with_payload: bool) -> None:
    from datetime import UTC, datetime

    from rich.text import Text

    from cli.redrive.rejected_records import payload
    from cli.ui import messages, output
    from handlers.items.timestamps import format_utc
    from handlers.outcome import Violation

    console = output.stdout()
    event_type = stack.catalogue.get(item.get("event_name", ""))
    data = payload(item)
    facts = {
        "record": item["record"],
        "source": f"{item['source']['arn']} {item['source']['id']}",
        "rejected at": item["rejected_at"],
        "expires at": format_utc(datetime.fromtimestamp(int(item["expires_at"]), UTC)),
        "remedy": messages.REMEDIES.get(item["reason"], ""),
        "payload": f"{len(data):,} bytes"
        + ("" if with_payload else "; --payload prints it: it may hold personal data"),
    }
    console.print(output.text(f"{item['reason']} {item.get('event_name', '')}", "bold red"), soft_wrap=True)
    for error in item["errors"]:
        violation = Violation(error["path"], error["rule"], error["expected"])
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
    items = _read(table, selection)
    if args.json:
        print_json([_as_json(item) for item in items])
    elif items:
        output.stdout().print(render.rejections(items))
    if not items:
        info("No matching rejected records, so there is nothing to delete.")
        return 0
    if args.dry_run:
        info(f"Dry run: {plural(len(items), 'record')} would be deleted for good.")
        return 0
    if not output.confirmed(f"Delete {plural(len(items), 'record')} for good?", yes=args.yes):
        return 1
    table.delete_keys((item["reason"], item["record"]) for item in items)
    info(f"{plural(len(items), 'record')} deleted.")
    return 0


def _as_json(item: "RejectedItem") -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "payload"}
