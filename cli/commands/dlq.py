"""``dlq``: list and redrive the messages of a dead-letter queue."""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cli.ui import arguments

if TYPE_CHECKING:
    from datetime import datetime

    from cli.redrive.dead_letters import DeadLetter, DeadLetterQueue
    from cli.redrive.dry_run import Evaluation, Evaluator
    from cli.stack.stack import Stack

EXAMPLES = """\
examples:
  canvas-events dlq list                              count the messages by event type, and show their age
  canvas-events dlq list --limit 100                  read only a hundred of them
  canvas-events dlq redrive --dry-run                 show what would be sent and what would be held back
  canvas-events dlq redrive                           send the messages back to the queue
  canvas-events dlq redrive --type module_updated     only messages of this event type
  canvas-events dlq redrive --objects                 the objects of a replay or of other bulk work

Reading a message hides it from other readers for at most two minutes and increases its receive count. Neither matters
in a dead-letter queue.
"""
LIST_LIMIT = 1_000


def add_parser(commands: Any) -> None:
    """Add the commands."""
    from cli.redrive import selection

    actions = arguments.group(
        commands, "dlq", "list or redrive the messages of the dead-letter queue", EXAMPLES,
        more="The messages of the queue that failed on every attempt, for example because of an outage or a bug.",
    )  # fmt: skip
    list_parser = arguments.command(actions, "list", "count the messages by event type", EXAMPLES, _list)
    redrive_parser = arguments.command(
        actions, "redrive", "send messages back to the queue", EXAMPLES, _redrive,
        more="Messages that would not be stored are held back, and those whose object is gone. A message is deleted"
        " only after it was sent, so this is safe to interrupt and to repeat.",
    )  # fmt: skip
    for parser, default_limit in ((list_parser, LIST_LIMIT), (redrive_parser, None)):
        group = selection.add_options(parser, default_limit=default_limit)
        group.add_argument("--type", metavar="EVENT_TYPE", help="only this event type")
        parser.add_argument(
            "--objects", action="store_true",
            help="the dead-letter queue of the messages that name objects, of a replay or other bulk work",
        )  # fmt: skip
    selection.add_redrive_options(redrive_parser)


def _list(args: argparse.Namespace) -> int:
    from cli.redrive.selection import Selection
    from cli.stack.stack import open_stack
    from cli.ui import output
    from cli.ui.output import plural, print_json, stdout

    queue, dry_run = _queue(args, open_stack(args))
    count = queue.count()
    with output.progress() as progress:
        batches = progress.track(queue.batches(Selection.from_args(args)), description=f"reading {queue.name}")
        # Without their data, which together may be large.
        found = [_as_json(letter, dry_run.evaluate(letter.records[0].data)) for batch in batches for letter in batch]
    if args.json:
        print_json(found)
    else:
        if found:
            stdout().print(_table(found))
        stdout().print(f"About {plural(count, 'message')} in {queue.name} ({len(found):,} shown).")
    return 0


def _queue(args: argparse.Namespace, stack: "Stack") -> tuple["DeadLetterQueue", "Evaluator"]:
    """Return the queue that the options choose, and what evaluates its messages."""
    from cli.errors import CommandError
    from cli.redrive.dead_letters import DeadLetterQueue, ObjectsDeadLetterQueue
    from cli.redrive.dry_run import DryRun, ObjectDryRun

    if not args.objects:
        return DeadLetterQueue(stack), DryRun(stack.catalogue, stack.environment)
    if args.type:
        raise CommandError("--type cannot be used with --objects: an object has events of many types.")
    return ObjectsDeadLetterQueue(stack), ObjectDryRun(stack)


def _as_json(letter: "DeadLetter", evaluation: "Evaluation") -> dict[str, Any]:
    return {
        "id": letter.id,
        "enqueued_at": letter.enqueued_at,
        "event_name": evaluation.outcome.event_name,
        "dry_run_result": evaluation.result,
    }


def _table(found: Sequence[Mapping[str, Any]]) -> Any:
    from cli.ui.output import age, table

    groups: dict[tuple[str, str], list[datetime]] = {}
    for message in found:
        group = (message["event_name"] or "", message["dry_run_result"])
        groups.setdefault(group, []).append(message["enqueued_at"])
    rows = (
        (*group, f"{age(min(times))} ago", f"{age(max(times))} ago", len(times))
        for group, times in sorted(groups.items())
    )
    return table(("event type", "dry-run result", "oldest.", "newest.", "messages#"), rows)


def _redrive(args: argparse.Namespace) -> int:
    from cli.redrive import report
    from cli.redrive.selection import Selection
    from cli.stack.stack import open_stack

    stack = open_stack(args)
    queue, evaluator = _queue(args, stack)
    return report.run(
        queue, Selection.from_args(args), stack,
        force=args.force, preview=args.dry_run, as_json=args.json, evaluator=evaluator,
    )  # fmt: skip
