"""``person``: find what the tables hold about a person, and erase it."""

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.ui import arguments

if TYPE_CHECKING:
    from cli.personal_data.erasure import Counts, ErasureRecord
    from cli.personal_data.person import Person
    from cli.personal_data.search import PersonalItem
    from cli.stack.stack import Stack

EXAMPLES = """\
examples:
  canvas-events person find 4711                            counts by kind
  canvas-events person find 4711 --items                    every item
  canvas-events person erase 4711 --dry-run                 what would be done
  canvas-events person erase 4711                           erase, after asking
  canvas-events person erase 4711 --keep submission_grade   all but their grades

USER is the id in Canvas's URLs and REST API: 4711, 10150000000004711 or
1015~4711. Both commands read all tables whole. What to do before and after you
erase a person: docs/personal-data.md.
"""
REPEAT_AFTER_DAYS = 14  # the longest that a message lives: docs/personal-data.md


def add_parser(commands: Any) -> None:
    """Add the commands."""
    actions = arguments.group(
        commands, "person", "find or erase what the tables hold about a person", EXAMPLES,
        more="Everything that the tables hold about a user of Canvas: find it, or erase it.",
    )  # fmt: skip
    finding = arguments.command(
        actions, "find", "find every item about a person", EXAMPLES, _find,
        more="Items about or by the person, items that they changed or graded, their activity, what others viewed of"
        " them, and rejected records that name them. Changes nothing.",
    )  # fmt: skip
    finding.add_argument("--items", action="store_true", help="list every item, one per line")
    erasing = arguments.command(
        actions, "erase", "erase a person from the tables", EXAMPLES, _erase,
        more="Items about the person are emptied and marked as deleted; they keep their key and version, so that no"
        " event delivered late brings the data back. The person's id is removed from items about others. Their activity"
        " and the rejected records that name them are deleted. Safe to interrupt and to repeat.",
    )  # fmt: skip
    erasing.add_argument("--dry-run", action="store_true", help="only show what would be done")
    erasing.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    erasing.add_argument(
        "--keep", action="append", default=[], metavar="ENTITY",
        help="leave these as they are, such as submission_grade or submission_grade#771190; can be repeated, and is"
        " remembered in the erasure record",
    )  # fmt: skip
    for parser in (finding, erasing):
        parser.add_argument("user", metavar="USER", help="the user's id: 4711, 10150000000004711 or 1015~4711")
        parser.add_argument("--account", metavar="UUID", help="the root account's UUID, where there are several")
        parser.add_argument(
            "--also", action="append", default=[], metavar="TEXT",
            help="another login, SIS id or e-mail address of the person, to find in rejected records; can be repeated",
        )  # fmt: skip
        parser.add_argument(
            "--records", type=Path, default=Path(), metavar="FOLDER",
            help="the folder of erasure records, which `erase` writes and both commands read"
            " (default: the current folder)",
        )  # fmt: skip


def _find(args: argparse.Namespace) -> int:
    from cli.stack.stack import open_stack
    from cli.ui import output

    stack = open_stack(args)
    record, items, unreadable = _search(args, stack)
    if args.json:
        output.print_json(_found_as_json(record.person, items) | {"unreadable": unreadable})
    else:
        if items:
            output.stdout().print(_item_table(items) if args.items else _summary(items))
        output.stdout().print(f"{output.plural(len(items), 'item')} of user {record.person.user_id}.")
    return _report_unreadable(unreadable)


def _report_unreadable(unreadable: Sequence[str]) -> int:
    """Name the malformed items that may concern the person; return 1 if there are any, else 0."""
    from cli.ui import output

    for item in unreadable:
        output.info(f"Cannot be read: {item}.")
    if unreadable:
        output.info(
            "They may hold data of the person. Look at them in the DynamoDB console, delete or repair them, and run the"
            " command again; `canvas-events rejected purge RECORD` deletes a rejected record."
        )
    return 1 if unreadable else 0


def _search(args: argparse.Namespace, stack: "Stack") -> tuple["ErasureRecord", list["PersonalItem"], list[str]]:
    """The person's erasure record, their items, and the items that cannot be read.

    Of a global id the local form is used when nothing has the global one.
    """
    from cli.personal_data.erasure import ErasureRecord
    from cli.personal_data.person import Person, possible_user_ids
    from cli.personal_data.search import PersonSearch
    from cli.stack.root_account import only_root_account
    from cli.ui import output

    possible = possible_user_ids(args.user)
    account = args.account or only_root_account(stack)
    for user_id in possible:
        person = Person(account, user_id, set(args.also))
        record = ErasureRecord(args.records, person)
        with output.progress() as progress:
            search = PersonSearch(stack, person, progress)
            items = search.run()
        if items:
            break
    if user_id != possible[0]:
        output.info(f"Nothing has the id {possible[0]}: using {user_id}, its form on the root account's own shard.")
    return record, items, search.unreadable


def _erase(args: argparse.Namespace) -> int:
    from cli.personal_data.erasure import count_planned
    from cli.stack.stack import open_stack
    from cli.ui import output

    stack = open_stack(args)
    _check_kinds(args.keep, stack)
    record, items, unreadable = _search(args, stack)
    record.keep |= set(args.keep)
    planned = count_planned(items, record.keep)
    if args.dry_run or not items:
        _report(args, record, planned, unreadable)
        output.info("Dry run: nothing was changed." if items else "Nothing is left to erase.")
        return _report_unreadable(unreadable)
    if not args.yes:
        output.stderr().print(_counts_table(planned))
    person = record.person
    question = f"Permanently erase user {person.user_id} of the root account {person.root_account}?"
    if not output.confirmed(question, yes=args.yes):
        return 1
    return _apply(args, stack, record, items, unreadable)


def _apply(
    args: argparse.Namespace,
    stack: "Stack",
    record: "ErasureRecord",
    items: list["PersonalItem"],
    unreadable: list[str],
) -> int:
    from cli.personal_data.erased_people import add_to_erased_people
    from cli.personal_data.erasure import Action, Eraser
    from cli.ui import output

    # First: what names the person's work is gone once it is erased.
    record.save()
    add_to_erased_people(stack, record.person)
    eraser = Eraser(stack, record.person, record.keep)
    try:
        with output.progress() as progress:
            for _ in progress.track(eraser.run(items), total=len(items), description="erasing"):
                pass
    except BaseException:  # whatever ends it, what was done is reported
        _report(args, record, eraser.counts, unreadable)
        output.info("Stopped before the end. Run the same command again to erase the rest.")
        raise
    _report(args, record, eraser.counts, unreadable)
    output.info(
        f"Repeat this after {REPEAT_AFTER_DAYS} days, when no event from before can arrive any more. Keep"
        f" {record.path} until then: it holds the ids of the person's work. Not searched: queues, stream, failure"
        " bucket, backups (docs/personal-data.md)."
    )
    changed = sum(count for (_, _, action), count in eraser.counts.items() if action is Action.CHANGED)
    if changed:
        output.info(f"{output.plural(changed, 'item')} changed since the search and not erased: run the command again.")
    return _report_unreadable(unreadable) or (1 if changed else 0)


def _check_kinds(keep: Iterable[str], stack: "Stack") -> None:
    """Raise ``CommandError`` for a kind of entity that does not exist: it would keep nothing."""
    from cli.errors import CommandError

    kinds = {entity.name for event_type in stack.catalogue.values() for entity in event_type.entities}
    unknown = sorted({entity.partition("#")[0] for entity in keep} - kinds)
    if unknown:
        raise CommandError(
            f"--keep: there is no kind of entity {', '.join(unknown)}. There are {', '.join(sorted(kinds))}."
        )


def _report(args: argparse.Namespace, record: "ErasureRecord", counts: "Counts", unreadable: Sequence[str]) -> None:
    from cli.ui import output

    if args.json:
        person = record.person
        rows = [
            {"table": table, "kind": kind, "action": action, "items": count}
            for (table, kind, action), count in sorted(counts.items())
        ]
        output.print_json({
            "root_account": person.root_account, "user_id": person.user_id, "dry_run": args.dry_run, "counts": rows,
            "unreadable": unreadable, "record": str(record.path),
        })  # fmt: skip
    elif counts:
        output.stdout().print(_counts_table(counts))


def _counts_table(counts: "Counts") -> Any:
    from cli.stack.stack import family
    from cli.ui import output

    rows = ((family(table), kind, action, count) for (table, kind, action), count in sorted(counts.items()))
    return output.table(("table", "kind", "action", "items#"), (*rows, ("all", "", "", counts.total())))


def _summary(items: Iterable["PersonalItem"]) -> Any:
    from cli.stack.stack import family
    from cli.ui import output

    counts = Counter((family(item.table), item.kind, item.relation) for item in items)
    return output.table(("table", "kind", "why", "items#"), ((*row, count) for row, count in sorted(counts.items())))


def _item_table(items: Iterable["PersonalItem"]) -> Any:
    from cli.stack.stack import family
    from cli.ui import output

    rows = ((family(item.table), *item.key.values(), item.relation) for item in items)
    return output.table(("table", "context", "entity", "why"), rows)


def _found_as_json(person: "Person", items: Iterable["PersonalItem"]) -> dict[str, Any]:
    return {
        "root_account": person.root_account,
        "user_id": person.user_id,
        "items": [{"table": item.table, **item.key, "relation": item.relation.name.lower()} for item in items],
    }
