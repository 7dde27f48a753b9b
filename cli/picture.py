"""Items as a person would want to see them."""

import html
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

Item = dict[str, Any]

_HEADLINES = ("title", "name", "text", "syllabus_body", "type")
_DETAILS = {
    "workflow_state": "{}",
    "points_possible": "{} points",
    "group_weight": "{} %",
    "position": "place {}",
    "due_at": "due {}",
    "user_id": "by user {}",
    "submission_id": "submission {}",
}


def course(course_id: str, items: Iterable[Item]) -> Tree:
    """What the tables hold of a course, each entity below what contains it."""
    by_context: dict[str, list[Item]] = {}
    for item in items:
        by_context.setdefault(_tail(item["context"]), []).append(item)
    tree = Tree(f"\n[bold]Course {course_id}[/bold], as the tables hold it")
    _grow(tree, f"Course#{course_id}", by_context)
    return tree


def rejections(items: Iterable[Item]) -> Table:
    """The rejected records, counted where reason and rules are the same."""
    table = Table("reason", "event type", "broken rules", title="\nWhat was rejected, and why", title_justify="left")
    table.add_column("records", justify="right")
    rows = Counter((item["reason"], item.get("event_name", ""), _rules(item)) for item in items)
    for (reason, event_name, rules), count in sorted(rows.items()):
        table.add_row(reason, escape(event_name), escape(rules), str(count))
    return table


def _grow(tree: Tree, context: str, by_context: dict[str, list[Item]]) -> None:
    for item in sorted(by_context.get(context, ()), key=lambda item: str(item["entity"])):
        branch = tree.add(_line(item))
        kind, _, entity_id = item["entity"].partition("#")
        # The context of an override is Assignment#9001, of an entry DiscussionTopic#640.
        _grow(branch, f"{kind.title().replace('_', '')}#{entity_id}", by_context)


def _line(item: Item) -> str:
    body = item["body"]
    headline = next((_text(body[name]) for name in _HEADLINES if name in body), "")
    details = ", ".join(form.format(body[name]) for name, form in _DETAILS.items() if name in body)
    line = f"[cyan]{item['entity']}[/cyan] {escape(headline)} [dim]{escape(details)} · {item['event_name']}[/dim]"
    return f"[strike]{line}[/strike]" if item.get("deleted") else line


def _text(markup: str) -> str:
    text = html.unescape(re.sub(r"<[^>]*>", " ", markup)).split()
    return " ".join(text)[:60]


def _tail(context: str) -> str:
    """The context without the root account: ``Course#2041``."""
    return context.partition("#")[2]


def _rules(item: Item) -> str:
    errors = (f"{error['path']} {error['rule']} {error['expected']}".strip() for error in item["errors"])
    return "\n".join(errors)
