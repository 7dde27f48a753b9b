"""Items for people: a tree of entities, the fields of one, and rejected records in groups."""

import contextlib
import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cli.stack.hierarchy import Hierarchy, StoredItem, malformation, strip_account
from cli.ui import output
from cli.ui.messages import describe_violation
from handlers.items.timestamps import parse_datetime

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.padding import Padding
    from rich.text import Text
    from rich.tree import Tree

    from cli.redrive.rejected_item import RejectedRecord

_HEADLINES = (
    *("title", "name", "group_name", "group_category_name", "display_name", "asset_name", "subject", "user_name"),
    *("text", "body", "syllabus_body", "type"),
)
MAX_HEADLINE_LENGTH = 60
MAX_ROUNDED_EXPONENT = 20
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
    "position": "position {}",
    "due_at": "due {}",
    "user_id": "of user {}",
    "submission_id": "submission {}",
}

# Entities whose user_id is their author; of the others it is the person whom they are about.
_AUTHORED = frozenset({"attachment", "discussion_entry", "discussion_submission", "submission_comment"})


def contents(
    context: str, items: Iterable[StoredItem], hierarchy: Hierarchy, related: Iterable[StoredItem] = ()
) -> "Tree":
    """What the tables hold for a context such as ``Course#2041``, each entity below what contains it.

    ``related`` are those of the items that are shown although they are in other contexts, as an index finds them.
    """
    from rich.tree import Tree

    by_context: dict[str, list[StoredItem]] = {}
    for item in items:
        by_context.setdefault(strip_account(item["context"]), []).append(item)
    tree = Tree(output.text(context.replace("#", " "), "bold").append(" in the tables", "not bold"))
    _add_items(tree, context, by_context, hierarchy)
    for item in related:
        _add_items(tree, strip_account(item["context"]), by_context, hierarchy)
    return tree


def rejections(records: Iterable["RejectedRecord"]) -> "Group":
    """The rejected records, in groups with the same reason, event type and errors; without malformed ones."""
    from rich.console import Group

    counts: Counter[tuple[str, str, tuple[str, ...]]] = Counter()
    newest: dict[tuple[str, str, tuple[str, ...]], datetime] = {}
    for record in records:
        if record.enqueued_at is None:
            continue
        errors = tuple(describe_violation(violation, None) for violation in record.violations)
        group = (record.reason, record.event_name or "", errors)
        counts[group] += 1
        newest[group] = max(newest.get(group, record.enqueued_at), record.enqueued_at)
    parts: list[RenderableType] = []
    for group in sorted(counts):
        parts += _rejection(*group, counts[group], newest[group])
    return Group(*parts)


def fields(title: str, rows: Iterable[tuple[str, object, str]]) -> "Group":
    """Names with their meanings, and below each its value, which may be as long as a key."""
    from rich.console import Group

    parts: list[RenderableType] = [output.text(title, "bold")]
    for name, value, meaning in rows:
        parts += [output.text(name, "cyan").append(f"  {output.visible(meaning)}", "dim"), _indented(value)]
    return Group(*parts)


def _rejection(
    reason: str, event_name: str, errors: tuple[str, ...], count: int, newest: datetime
) -> Iterator["RenderableType"]:
    heading = output.text(reason, "bold")
    if event_name:
        heading.append(f" · {output.visible(event_name)}", "not bold")
    yield heading.append(f" · {output.plural(count, 'record')}, newest {output.age(newest)} ago", "not bold")
    for error in errors:
        yield _indented(error)


def _indented(value: object) -> "Padding":
    from rich.padding import Padding

    return Padding(output.text(value), (0, 0, 0, 4), expand=False)


def _add_items(tree: "Tree", context: str, by_context: dict[str, list[StoredItem]], hierarchy: Hierarchy) -> None:
    # Each context only once: a syllabus has the context of its own course.
    for item in hierarchy.in_order(by_context.pop(context, ())):
        branch = tree.add(_line(item, append_only=hierarchy.is_append_only(item["entity"])))
        for below, _ in hierarchy.below(item["entity"]):
            _add_items(branch, below, by_context, hierarchy)


def headline(item: StoredItem) -> str:
    """The name, title or first words of an item; empty where it has none."""
    body = item.get("body")
    if not isinstance(body, dict):
        return ""
    return next((_headline(str(body[name])) for name in _HEADLINES if name in body), "")


def _line(item: StoredItem, *, append_only: bool) -> "Text":
    from boto3.dynamodb.types import Binary

    problem = malformation(item)
    if problem:
        return output.text(item["entity"], "cyan").append(f" malformed item: {problem}", "red")
    # No event has binary values, and boto3's cannot be converted to text.
    body = {name: value for name, value in item["body"].items() if not isinstance(value, Binary)}
    headline = next((_headline(str(body[name])) for name in _HEADLINES if name in body), "")
    details = ", ".join(_details(item["entity"], body))
    context = f" in {item['request_context']}" if "request_context" in item else ""
    line = output.text(_activity_label(item["entity"]) if append_only else item["entity"], "cyan")
    if headline:
        line.append(f" {output.visible(headline)}", "default")
    remarks = " · ".join(filter(None, (details, f"{item['event_name']}{context}")))
    line.append(f" {output.visible(remarks)}", "dim")
    if item.get("deleted"):
        line.stylize("strike")
        line.append(" deleted", "red")
    return line


def _activity_label(key: str) -> str:
    """``activity 7 Sep 2026, 19:05 UTC`` for ``activity#2026-09-07T19:05:17.904000Z#<digest>``."""
    kind, _, rest = key.partition("#")
    return f"{kind} {_time(rest.partition('#')[0])}"


def _details(entity: str, body: Mapping[str, Any]) -> Iterator[str]:
    kind = entity.partition("#")[0]
    for name, form in _DETAILS.items():
        # The key has the entity's own id already.
        if name in body and not entity.endswith(f"#{body[name]}"):
            with contextlib.suppress(LookupError, TypeError):  # an object without the expected members
                text = form.format(_value(name, body[name]))
                yield text.replace("of user", "by user") if name == "user_id" and kind in _AUTHORED else text


def _value(name: str, value: Any) -> Any:
    if name.endswith("_at"):
        return _time(str(value))
    if not isinstance(value, Decimal):
        return value
    is_large = value.adjusted() > MAX_ROUNDED_EXPONENT  # rounding would need more digits than Decimal has
    return output.readable(value if is_large else round(value, 2))


def _time(value: str) -> str:
    """``7 Sep 2026, 19:05 UTC``; any other text unchanged."""
    try:
        time = parse_datetime(value)
    except ValueError:
        return value
    return f"{time.day} {time:%b %Y, %H:%M} UTC"


def _headline(markup: str) -> str:
    """The first words of a text, without its markup."""
    words = html.unescape(re.sub(r"<[^<>]*>", " ", markup)).split()
    text = " ".join(words)
    if len(text) <= MAX_HEADLINE_LENGTH:
        return text
    return f"{text[:MAX_HEADLINE_LENGTH].rpartition(' ')[0] or text[:MAX_HEADLINE_LENGTH]} …"
