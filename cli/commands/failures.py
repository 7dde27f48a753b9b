"""``failures``: list and redrive the batches of the stream that Lambda gave up on."""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cli.ui import arguments

if TYPE_CHECKING:
    from cli.redrive.failed_batches import FailedBatch

EXAMPLES = """\
examples:
  canvas-events failures list                         the batches, why Lambda gave them up, how many records
  canvas-events failures redrive --dry-run            show what would be sent and what would be held back
  canvas-events failures redrive                      send their records back to the stream
  canvas-events failures redrive aws/lambda/de4d…     only objects whose key starts with this
"""


def add_parser(commands: Any) -> None:
    """Add the commands."""
    from cli.redrive import selection

    actions = arguments.group(
        commands, "failures", "list or redrive the failed batches of the stream", EXAMPLES,
        more="The batches of the stream that Lambda gave up on. The on-failure bucket keeps each as one object.",
    )  # fmt: skip
    list_parser = arguments.command(actions, "list", "list the batches", EXAMPLES, _list)
    redrive_parser = arguments.command(
        actions, "redrive", "send their records back to the stream", EXAMPLES, _redrive,
        more="Records that would not be stored are held back. An object is deleted only after all of its records were"
        " sent, so this is safe to interrupt and to repeat.",
    )  # fmt: skip
    for parser in (list_parser, redrive_parser):
        group = selection.add_options(parser)
        group.add_argument("ids", nargs="*", metavar="KEY", help="an object's key, or its beginning")
    selection.add_redrive_options(redrive_parser)


def _list(args: argparse.Namespace) -> int:
    from cli.redrive.failed_batches import FailureBucket
    from cli.redrive.redrive import BacklogEntry
    from cli.redrive.report import print_malformed
    from cli.redrive.selection import Selection
    from cli.stack.stack import open_stack
    from cli.ui import output
    from cli.ui.output import print_json

    bucket = FailureBucket(open_stack(args))
    with output.progress() as progress:
        batches = progress.track(bucket.batches(Selection.from_args(args)), description=f"reading {bucket.name}")
        # Without their records, which together may be large.
        found = [_as_json(batch) for entries in batches for batch in entries]
    malformed = [BacklogEntry(id=batch["id"], error=batch["error"]) for batch in found if batch["error"]]
    if args.json:
        print_json(found)
    else:
        _print_table(found)
    print_malformed(malformed, bucket.malformed_remedy)
    return 1 if malformed else 0


def _print_table(found: Sequence[Mapping[str, Any]]) -> None:
    from cli.ui import output
    from cli.ui.output import age, plural, stdout

    if found:
        columns = ("object", "given up because", "shard", "arrived.", "records#")
        rows = (
            (batch["id"], batch["error"] or batch["condition"], batch["shard"],
             f"{age(batch['arrived_at'])} ago" if batch["arrived_at"] else "", batch["records"])
            for batch in found
        )  # fmt: skip
        stdout().print(output.table(columns, rows))
    stdout().print(f"{plural(sum(batch['records'] for batch in found), 'record')} in {plural(len(found), 'object')}.")


def _as_json(batch: "FailedBatch") -> dict[str, Any]:
    return {
        "id": batch.id,
        "condition": batch.condition,
        "shard": batch.shard,
        "arrived_at": batch.arrived_at,
        "records": len(batch.records),
        "error": batch.error,
    }


def _redrive(args: argparse.Namespace) -> int:
    from cli.redrive import report
    from cli.redrive.failed_batches import FailureBucket
    from cli.redrive.selection import Selection
    from cli.stack.stack import open_stack

    stack = open_stack(args)
    return report.run(
        FailureBucket(stack), Selection.from_args(args), stack,
        force=args.force, preview=args.dry_run, as_json=args.json,
    )  # fmt: skip
