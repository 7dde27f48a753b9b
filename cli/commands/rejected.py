"""``rejected``: the records that were refused; look at them, send them again, delete them."""

import argparse
import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from boto3.dynamodb.types import Binary
from rich.text import Text

from cli.errors import CommandError
from cli.local.invocation import plain
from cli.redrive import rejected_records
from cli.stack.stack import Stack, open_stack
from cli.ui import arguments, messages, output, render
from cli.ui.output import Json, out, plural, print_json, say
from cli.ui.time_argument import moment
from handlers.items.timestamps import format_utc, parse_datetime
from handlers.outcome import RejectionReason, Violation

EXAMPLES = """\
examples:
  canvas-events rejected list                                   counted by reason, event type and broken rule
  canvas-events rejected list --records --since 2d              one a line, of the last two days
  canvas-events rejected show d4b53d5bd3fd                      why this one was refused, by its digest
  canvas-events rejected show d4b53d5bd3fd --payload            and the record itself
  canvas-events rejected redrive --dry-run                      which would be stored now, and which not
  canvas-events rejected redrive --reason unknown_event_type    send these again, after the catalogue was mended
  canvas-events rejected purge --reason malformed_json --yes    delete these for good

--since and --until mean when a record entered the queue or the stream.
"""
SHORT_DIGEST = 12
LEAST_DIGEST = 6

Item = dict[str, Any]


@dataclass(frozen=True)
class Selection:
    """Which rejected records are meant. ``records`` are keys, digests, or the beginnings of digests."""

    records: tuple[str, ...] = ()
    reason: str | None = None
    event_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def add_to(commands: Any) -> None:
    """Add the commands."""
    actions = arguments.group(
        commands, "rejected", "list, show, redrive or purge what was rejected", EXAMPLES,
        more="The records that can never be processed as they are, each kept whole with the reason.",
    )  # fmt: skip
    listing = _action(actions, "list", "count them, or list them one a line", _list)
    listing.add_argument("--records", action="store_true", dest="one_a_line", help="one record a line")
    showing = _action(actions, "show", "say why each was refused; show the record itself only when asked to", _show)
    showing.add_argument("--payload", action="store_true", help="the record itself, which may hold personal data")
    sending = _action(
        actions, "redrive", "send them back to where they came from", _redrive,
        more="Those that would be rejected again, by the schemas that are here, are left out. Each is deleted from the"
        " table of rejected events when it is seen in its own. Safe to interrupt, to repeat, and to run twice at once.",
    )  # fmt: skip
    sending.add_argument("--dry-run", action="store_true", help="only say what would become of each")
    sending.add_argument(
        "--wait", type=arguments.natural, default=120, metavar="SECONDS", help="for them to be stored (default 120)"
    )
    purging = _action(actions, "purge", "delete them for good", _purge)
    purging.add_argument("--dry-run", action="store_true", help="only say which")
    purging.add_argument("--yes", action="store_true", help="do not ask")
    purging.add_argument("--all", action="store_true", help="with --yes and nothing selected: really all of them")


def _action(actions: Any, name: str, about: str, run: Any, *, more: str = "") -> Any:
    parser = arguments.command(actions, name, about, EXAMPLES, run, more=more)
    which = parser.add_argument_group("which (default: all)")
    which.add_argument("records", nargs="*", metavar="RECORD", help="a digest, its beginning, or a whole sort key")
    reasons = [reason.value for reason in RejectionReason]
    which.add_argument("--reason", choices=reasons, metavar="REASON", help=f"one of {', '.join(reasons)}")
    which.add_argument("--type", metavar="EVENT_TYPE", help="only those of an event type")
    which.add_argument("--since", type=moment, metavar="TIME", help="only those since then: 2d, 12h, 2026-09-07, …")
    which.add_argument("--until", type=moment, metavar="TIME", help="only those until then")
    return parser


def read(stack: Stack, selection: Selection, *, payloads: bool) -> Iterator[Item]:
    """The rejected records that are meant, by reason, the oldest first; with their payloads or without.

    What has expired and DynamoDB has not deleted yet is left out.
    """
    names = {"#reason": "reason", "#record": "record", "#source": "source", "#errors": "errors", "#at": "rejected_at"}
    names |= {"#event": "event_name", "#until": "expires_at", **({"#payload": "payload"} if payloads else {})}
    conditions = ["#until > :now", *(["#event = :event"] if selection.event_type else [])]
    values: Json = {
        ":from": {"S": format_utc(selection.since) if selection.since else "0"},
        # "~" sorts behind all that a key begins with.
        ":to": {"S": (format_utc(selection.until) if selection.until else "") + "~"},
        ":now": {"N": str(int(datetime.now(UTC).timestamp()))},
        **({":event": {"S": selection.event_type}} if selection.event_type else {}),
    }
    for reason in [selection.reason] if selection.reason else [reason.value for reason in RejectionReason]:
        pages = stack.client("dynamodb").get_paginator("query").paginate(
            TableName=stack.rejected_table,
            KeyConditionExpression="#reason = :reason AND #record BETWEEN :from AND :to",
            FilterExpression=" AND ".join(conditions),
            ProjectionExpression=", ".join(names),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values | {":reason": {"S": reason}},
        )  # fmt: skip
        for page in pages:
            yield from (item for item in map(plain, page["Items"]) if _is_meant(item["record"], selection.records))


def _read_all(stack: Stack, selection: Selection, *, payloads: bool = False) -> list[Item]:
    with output.progress() as progress:
        return list(progress.track(read(stack, selection, payloads=payloads), description="reading what was rejected"))


def _is_meant(record: str, asked: tuple[str, ...]) -> bool:
    digest = record.rpartition("#")[2]
    return not asked or any(record == each or digest.startswith(each) for each in asked)


def _selection(called: argparse.Namespace) -> Selection:
    for record in called.records:
        if len(record) < LEAST_DIGEST:
            raise CommandError(f"{record} is too short for a digest: give at least {LEAST_DIGEST} characters of it.")
    return Selection(tuple(called.records), called.reason, called.type, called.since, called.until)


def _list(called: argparse.Namespace) -> int:
    items = _read_all(open_stack(called), _selection(called))
    if called.json:
        print_json([_for_machines(item) for item in items])
    elif not items:
        out().print("Nothing of that was rejected.")
    else:
        out().print(_one_a_line(items) if called.one_a_line else render.rejections(items))
        out().print(plural(len(items), "record"))
    return 0


def _one_a_line(items: Iterable[Item]) -> Any:
    rows = (
        (
            _entered(item),
            item["reason"],
            item.get("event_name"),
            messages.rules(item["errors"]),
            _digest(item)[:SHORT_DIGEST],
        )
        for item in items
    )
    return output.table(("entered.", "reason.", "event type", "broken rules", "digest."), rows)


def _show(called: argparse.Namespace) -> int:
    stack = open_stack(called)
    items = _read_all(stack, _selection(called), payloads=True)
    if called.json:
        print_json([_for_machines(item) | (_payload_for_machines(item) if called.payload else {}) for item in items])
    else:
        for item in items:
            _show_one(item, stack, with_payload=called.payload)
    if not items:
        say("Nothing of that was rejected.")
    return 0 if items else 1


def _show_one(item: Item, stack: Stack, *, with_payload: bool) -> None:
    console = out()
    event_type = stack.catalogue.get(item.get("event_name", ""))
    data = payload(item)
    console.print(output.text(f"{item['reason']} {item.get('event_name', '')}", "bold red"), soft_wrap=True)
    facts = {
        "record": item["record"],
        "source": f"{item['source']['arn']} {item['source']['id']}",
        "rejected": item["rejected_at"],
        "kept until": format_utc(datetime.fromtimestamp(int(item["expires_at"]), UTC)),
        "what to do": messages.REMEDIES.get(item["reason"], ""),
        "payload": f"{len(data):,} bytes" + ("" if with_payload else "; --payload shows it: it may hold personal data"),
    }
    for error in item["errors"]:
        violation = Violation(error["path"], error["rule"], error["expected"])
        console.print(output.text(f"  {messages.fault(violation, event_type)}"), soft_wrap=True)
    for name, fact in facts.items():
        console.print(output.text(f"  {name:<11} {fact}"), soft_wrap=True)
    if with_payload:
        console.print(Text(output.visible_lines(data.decode(errors="replace"))), soft_wrap=True)
    console.print()


def _redrive(called: argparse.Namespace) -> int:
    stack = open_stack(called)
    selection = _selection(called)
    runner = rejected_records.Redrive(stack, called.wait)
    records = map(record_of, read(stack, selection, payloads=True))
    return rejected_records.report(
        runner.run(records, dry_run=called.dry_run), dry_run=called.dry_run, as_json=called.json
    )


def _purge(called: argparse.Namespace) -> int:
    selection = _selection(called)
    if called.yes and selection == Selection() and not called.all:
        raise CommandError("nothing is selected, and nobody would be asked: add --all to delete all that was rejected.")
    stack = open_stack(called)
    items = _read_all(stack, selection)
    if called.json:
        print_json([_for_machines(item) for item in items])
    elif items:
        out().print(render.rejections(items))
    if not items:
        say("Nothing of that was rejected, so there is nothing to delete.")
        return 0
    if called.dry_run:
        say(f"Dry run: {plural(len(items), 'record')} would be deleted for good.")
        return 0
    if not output.confirmed(f"Delete {plural(len(items), 'record')} for good?", yes=called.yes):
        return 1
    rejected_records.delete(stack, ((item["reason"], item["record"]) for item in items))
    say(f"{plural(len(items), 'record')} deleted.")
    return 0


def record_of(item: Item) -> rejected_records.RejectedRecord:
    """What a redrive needs to know of a rejected record."""
    return rejected_records.RejectedRecord(
        item["reason"], item["record"], item["source"]["arn"], item.get("event_name"), payload(item)
    )


def payload(item: Item) -> bytes:
    """The record itself, as it came but for the secrets in its URLs."""
    packed: Binary = item["payload"]
    return gzip.decompress(bytes(packed))  # type: ignore[call-overload]  # boto3's types say that it gives text, which it does not


def _entered(item: Item) -> str:
    return f"{parse_datetime(item['record'].partition('#')[0]):%Y-%m-%d %H:%M:%S}"


def _digest(item: Item) -> str:
    return str(item["record"].rpartition("#")[2])


def _for_machines(item: Item) -> Json:
    return {name: value for name, value in item.items() if name != "payload"}


def _payload_for_machines(item: Item) -> Json:
    return {"payload": payload(item).decode(errors="replace")}
