"""``show``: what the tables hold of a course, a group, an assignment, a person."""

import argparse
import json
import re
from collections.abc import Iterator
from typing import Any

from rich.table import Table

from cli.catalogue import model
from cli.draft.entry import class_name
from cli.errors import CommandError
from cli.stack.hierarchy import Item, Nesting, tail
from cli.stack.root_account import only_root_account
from cli.stack.stack import Stack, family, open_stack
from cli.stack.table_reader import NEWEST, Reader
from cli.ui import arguments, output, render
from cli.ui.output import out, print_json, say
from handlers.items.canvas_ids import ID_PATTERN, IDS_PER_SHARD, parse_id

EXAMPLES = """\
examples:
  canvas-events show 2041                             a course and what is in it, as a tree
  canvas-events show Course#2041 assignment           its assignments alone
  canvas-events show Course#2041 assignment#9001      one of them, every field
  canvas-events show Assignment#9001                  its overrides, and the work handed in
  canvas-events show User#8123                        a person, and the newest of what they did
  canvas-events show User#8123 activity               more of what they did
  canvas-events show User#8123 activity#2026-09-03    what they did on a day
  canvas-events show Group#12 --json                  for machines
  canvas-events show 2041 --account Rk3f…             where there are several institutions
"""
NEWEST_ALONE = 200  # occurrences, where they alone are asked for

# What an item has beside its body, and what that means.
_ATTRIBUTES = {
    "context": "What contains it: the partition key.",
    "event_name": "The event that told it last.",
    "event_time": "When Canvas made that event.",
    "user_id": "Who acted, in that event.",
    "deleted": "Whether it was deleted.",
    "request_context": "The context of the request.",
    "expires_at": "When it is deleted from the table, in seconds since 1970.",
}


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = arguments.command(
        commands, "show", "show what the tables hold of a course, a group, an assignment, a person …", EXAMPLES, run,
        more="What stands below an entity is shown below it; what was deleted is struck out. Of activity the newest is"
        " shown first, and not all: there is no end of it.",
    )  # fmt: skip
    parser.add_argument("context", metavar="CONTEXT", help="a course's id, or Course#2041, Group#12, Assignment#9001 …")
    parser.add_argument("entity", nargs="?", metavar="ENTITY", help="assignment, or assignment#9001: this alone")
    parser.add_argument(
        "--newest", metavar="N", type=arguments.natural,
        help=f"so much activity (default {NEWEST} beside what else there is, {NEWEST_ALONE} alone)",
    )  # fmt: skip
    parser.add_argument("--account", metavar="UUID", help="the root account's uuid, where there are several")


def run(called: argparse.Namespace) -> int:
    """The command: 0 when there is something to show, 1 otherwise."""
    stack = open_stack(called)
    context = _context(called.context, called.account, stack)
    nesting = Nesting(model.load())
    alone = nesting.is_occurrence(called.entity or "")
    reader = Reader(stack, nesting, called.newest or (NEWEST_ALONE if alone else NEWEST))
    items = reader.read(context, called.entity or "")
    if not items and _local_part(context) != context:
        # Keys have the local form of an id wherever there is one.
        context = _local_part(context)
        items = reader.read(context, called.entity or "")
    if not called.entity:
        items += reader.read_below(items)
    if not items:
        say(f"The tables hold nothing under {context}{f' {called.entity}' if called.entity else ''}.")
        for hint in _hints(called.context, called.entity or "", stack):
            say(hint)
    if called.json:
        print_json(items)
    elif called.entity and "#" in called.entity and len(items) == 1:
        out().print(fields(items[0]))
    elif items:
        out(whole_lines=True).print(render.contents(tail(context), items, nesting))
    for sentence in reader.left_out:
        say(sentence)
    return 0 if items else 1


def fields(item: Item) -> Table:
    """An item as a table of its fields, with what the catalogue says of each."""
    event_type = model.load().get(item["event_name"])
    known = event_type.fields if event_type else {}
    rows = [(name, item[name], meaning) for name, meaning in _ATTRIBUTES.items() if name in item]
    for name, value in sorted(item["body"].items()):
        shown = value if isinstance(value, str) else json.dumps(value, default=output.readable, ensure_ascii=False)
        rows.append((name, shown, known[name].about if name in known else "(not in the catalogue)"))
    return output.table(("field", "value", "meaning"), rows, title=item["entity"])


def _hints(asked: str, entity: str, stack: Stack) -> Iterator[str]:
    """Why there may be nothing, where that can be told."""
    kind = entity.partition("#")[0]
    for event_type in model.load().values():
        if kind in [each.kind for each in event_type.entities] and event_type.table_variable not in stack.entity_tables:
            yield f"The stack {stack.name} keeps no {family(event_type.table_variable)}: their events are ignored."
            return
    of_what, _, number = asked.rpartition("#")
    if not of_what:
        yield f"{number} was taken for a course. A person is User#{number}, a group Group#{number}, and so on."
    elif "#" not in of_what and of_what.islower():
        yield f"Types have capitals: {class_name(of_what)}#{number}."


def _context(asked: str, account: str | None, stack: Stack) -> str:
    """The partition key that a person means. Raises ``CommandError`` when nobody can tell."""
    if re.fullmatch(ID_PATTERN, asked):
        asked = f"Course#{parse_id(asked)}"
    parts = asked.split("#")
    if len(parts) == 3 and all(parts[1:]):
        return asked  # what Canvas sends of no account, as #Environment#production, has none
    if len(parts) != 2 or not all(parts):
        raise CommandError(
            f"{asked} is no context: say a course's id, or a type and an id, as Course#2041 or Group#12."
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
