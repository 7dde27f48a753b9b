"""Items as a person would want to see them."""

import contextlib
import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from cli.stack.hierarchy import Item, Nesting, tail
from cli.ui import output
from cli.ui.messages import rules
from handlers.items.timestamps import parse_datetime

_HEADLINES = (
    *("title", "name", "group_name", "group_category_name", "display_name", "asset_name", "subject"),
    *("text", "body", "syllabus_body", "type"),
)
_DETAILS = {
    "workflow_state": "{}",
    "state": "{}",
    "grade": "grade {}",
    "score": "score {}",
    "current_score": "score {} so far",
    "final_score": "final score {}",
    "override_score": "override {}",
    "override_status": "status {}",
    "submission_status": "status {}",
    "progress": "{0[requirement_completed_count]} of {0[requirement_count]} requirements",
    "points_possible": "{} points",
    "group_weight": "{} %",
    "position": "place {}",
    "due_at": "due {}",
    "user_id": "of user {}",
    "submission_id": "submission {}",
}

# Entities whose user_id is who made them; of the others it is the person whom they are about.
_MADE_BY = frozenset({"attachment", "discussion_entry", "discussion_submission", "submission_comment"})


def contents(context: str, items: Iterable[Item], nesting: Nesting) -> Tree:
    """What the tables hold of a context such as ``Course#2041``, each entity below what contains it."""
    by_context: dict[str, list[Item]] = {}
    for item in items:
        by_context.setdefault(tail(item["context"]), []).append(item)
    tree = Tree(output.text(context.replace("#", " "), "bold").append(", as the tables hold it", "not bold"))
    _grow(tree, context, by_context, nesting)
    return tree


def rejections(items: Iterable[Item]) -> Table:
    """The rejected records, counted where reason and rules are the same."""
    rows: Counter[tuple[str, str, str]] = Counter()
    newest: dict[tuple[str, str, str], str] = {}
    for item in items:
        row = (item["reason"], item.get("event_name", ""), rules(item["errors"]))
        rows[row] += 1
        newest[row] = max(newest.get(row, ""), item["record"].partition("#")[0])
    columns = ("reason.", "event type", "broken rules", "newest.", "records#")
    return output.table(
        columns, ((*row, f"{output.age(parse_datetime(newest[row]))} ago", rows[row]) for row in sorted(rows))
    )


def _grow(tree: Tree, context: str, by_context: dict[str, list[Item]], nesting: Nesting) -> None:
    # Each context but once: that of a syllabus is the course that it stands in.
    for item in nesting.in_order(by_context.pop(context, ())):
        branch = tree.add(_line(item, occurred=nesting.is_occurrence(item["entity"])))
        for below, _ in nesting.below(item["entity"]):
            _grow(branch, below, by_context, nesting)


def _line(item: Item, *, occurred: bool) -> Text:
    body = item["body"]
    # The end of an occurrence's key says nothing to a person.
    key = item["entity"].rpartition("#")[0] if occurred else item["entity"]
    headline = next((_headline(str(body[name])) for name in _HEADLINES if name in body), "")
    details = ", ".join(_details(item["entity"], body))
    line = output.text(key, "cyan").append(f" {output.visible(headline)} ", "default")
    where = f" in {item['request_context']}" if "request_context" in item else ""
    line.append(output.visible(f"{details} · {item['event_name']}{where}".removeprefix(" · ")), "dim")
    if item.get("deleted"):
        line.stylize("strike")
        line.append(" deleted", "red")
    return line


def _details(entity: str, body: Mapping[str, Any]) -> Iterator[str]:
    kind = entity.partition("#")[0]
    for name, form in _DETAILS.items():
        # Its own id is in its key.
        if name in body and not entity.endswith(f"#{body[name]}"):
            with contextlib.suppress(LookupError, TypeError):  # an object without the members that are shown
                text = form.format(body[name])
                yield text.replace("of user", "by user") if name == "user_id" and kind in _MADE_BY else text


def _headline(markup: str) -> str:
    words = html.unescape(re.sub(r"<[^>]*>", " ", markup)).split()
    return " ".join(words)[:60]
