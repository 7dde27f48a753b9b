"""``tables``: copy one table to another, list the fields that the catalogue does not know."""

import argparse
from typing import TYPE_CHECKING, Any

from cli.ui import arguments

if TYPE_CHECKING:
    from cli.stack.stack import Stack
    from cli.stack.table_copy import TableCopy

EXAMPLES = """\
examples:
  canvas-events tables unknown-fields                    all tables
  canvas-events tables unknown-fields modules            those of one family
  canvas-events tables copy OLD-TABLE modules --dry-run  what would be written
  canvas-events tables copy OLD-TABLE modules            missing or older items

A table is a family of the stack, such as modules, or the name of any table in
DynamoDB.
"""


def add_parser(commands: Any) -> None:
    """Add the commands."""
    actions = arguments.group(
        commands, "tables", "copy a table, or list the fields that the catalogue does not know", EXAMPLES,
        more="Work on whole tables.",
    )  # fmt: skip
    copying = arguments.command(
        actions, "copy", "copy the items of one table to another", EXAMPLES, _copy,
        more="An item is written only if the other table does not have it, or has an older version, as when the"
        " functions write it. So nothing newer is overwritten, also while events arrive. Safe to interrupt and to"
        " repeat.",
    )  # fmt: skip
    copying.add_argument("source", metavar="FROM", help="the table to read")
    copying.add_argument("target", metavar="TO", help="the table to write to")
    copying.add_argument("--dry-run", action="store_true", help="only count what would be written")
    listing = arguments.command(
        actions, "unknown-fields", "list the fields of stored bodies that the catalogue does not know", EXAMPLES,
        _unknown_fields,
        more="Counts them by event type, and names one item that has each; never a value. Reads all tables whole.",
    )  # fmt: skip
    listing.add_argument("families", nargs="*", metavar="FAMILY", help="only these families (default: all)")
    listing.add_argument("--type", metavar="EVENT_TYPE", help="only items that this event type last wrote")


def _copy(args: argparse.Namespace) -> int:
    from cli.stack.stack import open_stack
    from cli.stack.table_copy import TableCopy, only_of_kinds
    from cli.stack.table_scan import scan
    from cli.ui import output

    stack = open_stack(args)
    client = stack.client("dynamodb")
    copy = TableCopy(client, _table(args.source, stack), _table(args.target, stack))
    try:
        with output.progress() as progress:
            items = scan(client, copy.source, progress, f"copying {args.source}")
            kinds = _kinds_in(copy.target, stack)
            copy.run(only_of_kinds(items, kinds, copy.target) if kinds else items, dry_run=args.dry_run)
    except BaseException:  # whatever ends it, what was done is reported
        _report(args, copy)
        output.info("Stopped before the end. Run the same command again to copy the rest.")
        raise
    _report(args, copy)
    if args.dry_run:
        output.info("Dry run: nothing was written.")
    return 0


def _table(name: str, stack: "Stack") -> str:
    """The table of a family of the stack; any other name is that of a table."""
    return stack.entity_tables.get(f"{name.upper()}_TABLE", name)


def _kinds_in(table: str, stack: "Stack") -> frozenset[str]:
    """The kinds of entities of the stack's family with this table; empty for another table."""
    variables = {variable for variable, name in stack.entity_tables.items() if name == table}
    event_types = [event_type for event_type in stack.catalogue.values() if event_type.table_variable in variables]
    return frozenset(entity.name for event_type in event_types for entity in event_type.entities)


def _report(args: argparse.Namespace, copy: "TableCopy") -> None:
    from cli.ui import output

    if args.json:
        counts = {result.name.lower(): count for result, count in copy.counts.items()}
        output.print_json({"from": copy.source, "to": copy.target, "dry_run": args.dry_run, **counts})
    else:
        rows = [*copy.counts.items(), ("all", copy.counts.total())]
        output.stdout().print(output.table(("item", "items#"), rows))


def _unknown_fields(args: argparse.Namespace) -> int:
    from cli.errors import CommandError
    from cli.stack.stack import family, open_stack
    from cli.stack.unknown_fields import list_unknown_fields
    from cli.ui import output

    stack = open_stack(args)
    deployed = {family(variable): variable for variable in stack.entity_tables}
    unknown = sorted(set(args.families) - deployed.keys())
    if unknown:
        raise CommandError(
            f"the stack {stack.name} has no table of {', '.join(unknown)}. It has {', '.join(sorted(deployed))}."
        )
    variables = [deployed[name] for name in args.families or sorted(deployed)]
    with output.progress() as progress:
        found, malformed = list_unknown_fields(stack, variables, args.type, progress)
    if args.json:
        output.print_json([entry._asdict() for entry in found])
    elif found:
        rows = [
            (entry.event_type, entry.kind, entry.field or "(no such event type)", entry.items, " ".join(entry.example))
            for entry in found
        ]
        output.stdout().print(output.table(("event type", "kind", "field", "items#", "for example"), rows))
        output.info("`canvas-events show CONTEXT ENTITY` shows an example.")
    else:
        output.stdout().print("The catalogue knows every field.")
    for item in malformed:
        output.info(f"Malformed item: {item}.")
    return 1 if malformed else 0
