"""``reconcile``: compare the tables with Canvas, and write what is missing or different."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.ui import arguments

if TYPE_CHECKING:
    from cli.reconcile.reconcile import Totals
    from cli.reconcile.repair import Repair
    from cli.reconcile.snapshot import Account
    from cli.reconcile.sources import Part
    from cli.stack.stack import Stack

EXAMPLES = """\
examples:
  canvas-events reconcile --canvas-data DIR
                              compare with downloaded tables of Canvas Data 2
  canvas-events reconcile --canvas-data-api STATE --repair
                              load or repair from its API; STATE is a folder
                              that keeps how far it was read
  canvas-events reconcile --canvas https://canvas.example.edu --course 2041
                              compare one course with the REST API

DIR has a folder for each table, such as DIR/assignments/*.jsonl.gz. The API of
Canvas Data 2 needs DAP_CLIENT_ID and DAP_CLIENT_SECRET, REST CANVAS_API_TOKEN.
On a new deployment everything is missing: --repair is the initial load. It is
safe to interrupt, to repeat, and to run twice at once.

exit status: 0 equal, or repaired; 1 differences; 2 trouble
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = arguments.command(
        commands, "reconcile", "compare the tables with Canvas, and repair them", EXAMPLES, _reconcile
    )
    group = parser.add_argument_group("source").add_mutually_exclusive_group(required=True)
    group.add_argument("--canvas-data", type=Path, metavar="DIR", help="downloaded tables of Canvas Data 2")
    group.add_argument("--canvas-data-api", type=Path, metavar="STATE", help="the API of Canvas Data 2")
    group.add_argument("--canvas", metavar="URL", help="the REST API of this Canvas")
    parser.add_argument("--course", nargs="+", metavar="ID", help="with --canvas: the courses to compare")
    parser.add_argument("--families", metavar="FAMILY,…", help="only entities of these families")
    parser.add_argument("--account", metavar="UUID", help="the root account (default: the only one of the tables)")
    parser.add_argument("--account-id", metavar="ID", help="its global id, where rows name other shards")
    writing = parser.add_mutually_exclusive_group()
    writing.add_argument("--repair", action="store_true", help="write what is missing or different")
    writing.add_argument("--dry-run", action="store_true", help="only compare (the default)")


def _reconcile(args: argparse.Namespace) -> int:
    from botocore.exceptions import BotoCoreError, ClientError

    from cli.errors import CommandError
    from cli.ui import aws_errors
    from cli.ui.output import info

    try:
        return _run(args)
    except CommandError as error:
        info(f"error: {error}")
    except (BotoCoreError, ClientError) as error:
        info(f"error: {aws_errors.describe(error)}")
    return 2  # not 1, which means differences


def _run(args: argparse.Namespace) -> int:
    from cli.errors import CommandError
    from cli.reconcile.reconcile import Reconciliation
    from cli.stack.stack import open_stack
    from cli.ui import output
    from handlers.items.snapshot import snapshot_types

    if bool(args.canvas) != bool(args.course):
        raise CommandError("--canvas and --course belong together: --canvas https://… --course 2041.")
    stack = open_stack(args)
    types = snapshot_types(stack.catalogue.values())
    tables = _tables(args, stack)
    reconciliation = Reconciliation(
        stack.client("dynamodb"), tables, types, _account(args, stack), "rest" if args.canvas else "canvas_data"
    )
    repair = _repair(stack, reconciliation.totals) if args.repair else None
    if repair:
        reconciliation.on_difference = repair.add
    is_repaired, skipped = True, list[str]()
    with output.progress(rate=True) as progress:
        for part in _parts(args, types, tables):
            before = reconciliation.totals.differences
            task = progress.add_task(part.name, total=None)
            for count in reconciliation.compare(part.rows):
                progress.advance(task, count)
            skipped += part.skipped
            if repair:
                is_repaired &= repair.finish()
            if is_repaired and (repair or reconciliation.totals.differences == before):
                part.done()
    _print(args, reconciliation.totals, repair, skipped)
    if not is_repaired:
        return 2
    return 0 if repair or not reconciliation.totals.differences else 1


def _tables(args: argparse.Namespace, stack: "Stack") -> dict[str, str]:
    from cli.stack.stack import family

    if not args.families:
        return stack.entity_tables
    names = arguments.family_names(args.families)
    return {variable: table for variable, table in stack.entity_tables.items() if family(variable) in names}


def _account(args: argparse.Namespace, stack: "Stack") -> "Account":
    from cli.reconcile.snapshot import Account
    from cli.stack.root_account import only_root_account

    return Account(args.account or only_root_account(stack), args.account_id)


def _parts(args: argparse.Namespace, types: Any, tables: dict[str, str]) -> "Iterator[Part]":
    from cli.reconcile import maps, sources

    wanted = [
        table
        for table, entity_maps in maps.load("rest" if args.canvas else "canvas_data").items()
        if any(types[f"{entity_map.entity}_snapshot"].table_variable in tables for entity_map in entity_maps)
    ]
    if args.canvas:
        return sources.from_rest(args.canvas, args.course, wanted)
    if args.canvas_data:
        return sources.from_folder(args.canvas_data, wanted)
    return sources.from_data_api(args.canvas_data_api, wanted)


def _repair(stack: "Stack", totals: "Totals") -> "Repair":
    from cli.reconcile.repair import Repair
    from cli.replay.replay import find_queues

    queues = find_queues(stack)
    return Repair(stack.client("s3"), stack.resource("Bucket", "bucket"), queues, totals)


def _print(args: argparse.Namespace, totals: "Totals", repair: "Repair | None", skipped: list[str]) -> None:
    from cli.reconcile.compare import State
    from cli.ui import output
    from cli.ui.output import info, print_json, stdout

    if args.json:
        run = {"run": repair.run.id, "unfinished": repair.unfinished, "rejected": repair.rejected} if repair else {}
        print_json({**totals.as_json(), "skipped": skipped, **run})
        return
    columns = ("entity.", "rows#", *(f"{state.value.replace('_', ' ')}#" for state in State), "repaired#")
    rows = [
        (entity, found.rows, *(found.states[state] for state in State), found.repaired)
        for entity, found in sorted(totals.entities.items())
    ]
    stdout().print(output.table(columns, rows))
    for entity, found in sorted(totals.entities.items()):
        if found.fields:
            fields = ", ".join(f"{name} ({count:,})" for name, count in found.fields.most_common(5))
            stdout().print(f"{entity} differs in {fields}", soft_wrap=True)
        for state, keys in found.examples.items():
            for key in keys:
                stdout().print(f"{entity} {state.value.replace('_', ' ')}: {key}", soft_wrap=True)
        if found.excluded:
            stdout().print(f"{entity}: {found.excluded:,} rows left out on purpose (docs/reconcile.md)", soft_wrap=True)
    if totals.completeness is not None:
        stdout().print(f"Complete: {totals.completeness:.2%} of the comparable rows before any repair.")
    for sentence in skipped:
        info(f"Not compared: {sentence}")
    if repair and (repair.unfinished or repair.rejected):
        info(
            f"{len(repair.unfinished):,} objects did not finish and {repair.rejected:,} snapshots were rejected: see"
            " the function's log and `canvas-events rejected list`, fix the cause, and run the command again."
        )
