"""``show``: what the tables hold for a course, a group, an assignment, a person."""

import argparse
import json
import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from cli.catalogue import model
from cli.errors import CommandError
from cli.stack.hierarchy import Hierarchy, StoredItem, class_name, malformation, strip_account
from cli.stack.root_account import only_root_account
from cli.stack.stack import Stack, family, open_stack
from cli.stack.table_reader import DEFAULT_NEWEST, Reader
from cli.ui import arguments, output, render
from cli.ui.output import info, print_json, stdout
from handlers.items.canvas_ids import ID_PATTERN, IDS_PER_SHARD, parse_id

if TYPE_CHECKING:
    from rich.console import Group

EXAMPLES = """\
examples:
  canvas-events show 2041                   a course and its contents, as a tree
  canvas-events show Course#2041 assignment only its assignments
  canvas-events show Course#2041 assignment#9001
                                            one of them, with every field
  canvas-events show Assignment#9001        its overrides and submissions
  canvas-events show User#8123              a person and their newest activity
  canvas-events show User#8123 activity     more of their activity
  canvas-events show User#8123 activity#2026-09-03
                                            their activity on that day
  canvas-events show Group#12 --json        print JSON
  canvas-events show 2041 --account Rk3f…   if there are several root accounts
"""
DEFAULT_NEWEST_ALONE = 200  # append-only items, where only they are shown

# The attributes of an item beside its body.
_ATTRIBUTES = {
    "context": "What contains it: the partition key.",
    "event_name": "The event that it was last written from.",
    "event_time": "When Canvas sent that event.",
    "user_id": "The user who acted in that event.",
    "deleted": "Whether it was deleted.",
    "request_context": "The context of the request.",
    "expires_at": "When DynamoDB deletes it, in seconds since 1970.",
}


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = arguments.command(
        commands, "show", "show what the tables hold for a course, a group, an assignment, a person …", EXAMPLES, run,
        more="Each entity is shown below the entity that contains it; deleted ones are struck out. Of activity, which"
        " has no end, only the newest is shown.",
    )  # fmt: skip
    parser.add_argument("context", metavar="CONTEXT", help="a course id, or Course#2041, Group#12, Assignment#9001 …")
    parser.add_argument(
        "entity", nargs="?", metavar="ENTITY", help="only this kind (assignment), or only this entity (assignment#9001)"
    )
    parser.add_argument(
        "--newest", metavar="N", type=arguments.positive_int,
        help="maximum number of activity items"
        f" (default: {DEFAULT_NEWEST} in an overview, {DEFAULT_NEWEST_ALONE} alone)",
    )  # fmt: skip
    parser.add_argument("--account", metavar="UUID", help="uuid of the root account, if there are several")


def run(args: argparse.Namespace) -> int:
    """Show a context; returns 0 when there is something to show and nothing is malformed, 1 otherwise."""
    from cli.stack.questions import related  # boto3, which no help loads

    stack = open_stack(args)
    context = _context(args.context, args.account, stack)
    hierarchy = Hierarchy(model.load())
    only_activity = hierarchy.is_append_only(args.entity or "")
    reader = Reader(stack, hierarchy, args.newest or (DEFAULT_NEWEST_ALONE if only_activity else DEFAULT_NEWEST))
    items = reader.read(context, args.entity or "")
    if not items and _local_part(context) != context:
        # Keys have the local form of an id wherever there is one.
        context = _local_part(context)
        items = reader.read(context, args.entity or "")
    found: list[StoredItem] = []
    if not args.entity:
        items += reader.read_below(items)
        known = {(item["context"], item["entity"]) for item in items}
        found = [
            item for item in related(stack, context, reader.left_out) if (item["context"], item["entity"]) not in known
        ]
        items += found
    if not items:
        info(f"The tables hold nothing for {context}{f' {args.entity}' if args.entity else ''}.")
        for hint in _hints(args.context, args.entity or "", stack, hierarchy):
            info(hint)
    if args.json:
        print_json(items)
    elif args.entity and "#" in args.entity and len(items) == 1 and not malformation(items[0]):
        stdout().print(fields(items[0]))
    elif items:
        stdout(whole_lines=True).print(render.contents(strip_account(context), items, hierarchy, found))
    for sentence in reader.left_out:
        info(sentence)
    malformed = [item for item in items if malformation(item)]
    for item in malformed:
        info(f"Malformed item: {item['context']} {item['entity']}: {malformation(item)}.")
    return 0 if items and not malformed else 1


def fields(item: StoredItem) -> "Group":
    """Each field of an item with its value, and below it how the catalogue describes it."""
    event_type = model.load().get(item["event_name"])
    known = event_type.fields if event_type else {}
    rows = [(name, item[name], meaning) for name, meaning in _ATTRIBUTES.items() if name in item]
    for name, value in sorted(item["body"].items()):
        shown = value if isinstance(value, str) else json.dumps(value, default=output.readable, ensure_ascii=False)
        rows.append((name, shown, known[name].about if name in known else "(not in the catalogue)"))
    return render.fields(item["entity"], rows)


def _hints(asked: str, entity: str, stack: Stack, hierarchy: Hierarchy) -> Iterator[str]:
    """Why nothing may have been found."""
    kind = entity.partition("#")[0]
    if kind and kind not in hierarchy.kinds:
        close = get_close_matches(kind, hierarchy.kinds, n=1)
        yield f"{kind!r} is not a kind of entity.{f' Did you mean {close[0]}?' if close else ''}"
        yield f"The kinds are {', '.join(hierarchy.kinds)}."
        return
    for event_type in model.load().values():
        kinds = [each.kind for each in event_type.entities]
        if kind in kinds and event_type.table_variable not in stack.entity_tables:
            yield f"The stack {stack.name} has no table for {family(event_type.table_variable)}: it ignores them."
            return
    context_type, _, number = asked.rpartition("#")
    if not context_type:
        yield f"{number} was taken as a course id. For a person use User#{number}, for a group Group#{number}."
    elif "#" not in context_type and context_type.islower():
        yield f"Types are capitalized: {class_name(context_type)}#{number}."


def _context(asked: str, account: str | None, stack: Stack) -> str:
    """The partition key for what the user wrote. Raises ``CommandError`` where that is not clear."""
    if re.fullmatch(ID_PATTERN, asked):
        asked = f"Course#{parse_id(asked)}"
    parts = asked.split("#")
    if len(parts) == 3 and all(parts[1:]):
        return asked  # an event without an account has the key #Environment#production
    if len(parts) != 2 or not all(parts):
        raise CommandError(
            f'"{asked}" is not a valid key: use a course id, or Type#id such as Course#2041 or Group#12.'
        )
    if re.fullmatch(ID_PATTERN, parts[1]):
        parts[1] = str(parse_id(parts[1]))
    return "#".join((account or only_root_account(stack), *parts))


def _local_part(context: str) -> str:
    head, _, number = context.rpartition("#")
    return (
        f"{head}#{parse_id(number) % IDS_PER_SHARD}"
        if re.fullmatch(ID_PATTERN, number) and parse_id(number) > IDS_PER_SHARD
        else context
    )
