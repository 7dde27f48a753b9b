"""The entries of a discussion topic, from the view that Canvas prepares, or from the lists where that is not current.

The view has all entries in one answer, but is made later and from a replica: it may answer 503, or lack entries.
(canvas-lms, app/models/discussion_topic/materialized_view.rb.)
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cli.canvas.rest import CanvasApi, RefusedError

_VIEW_ATTEMPTS = 3  # the lists have the same

Entry = dict[str, Any]


def entries(api: CanvasApi, course_path: str, topic: dict[str, Any]) -> Iterator[tuple[Entry, datetime]]:
    """Yield the entries of a topic, replies included, each with a time at which it was right.

    A deleted entry has ``deleted: true`` in the view, and is missing from the lists. Raises ``RefusedError`` where
    Canvas gives neither, as with ``require_initial_post``.
    """
    path = f"{course_path}/discussion_topics/{topic['id']}"
    view = _view(api, path)
    if view is None or _is_behind(view[0], topic):
        yield from _lists(api, path)
    else:
        found, as_of = view
        yield from ((entry, as_of) for entry in found)


def _view(api: CanvasApi, path: str) -> tuple[list[Entry], datetime] | None:
    try:
        answer = api.get(f"{path}/view", [("include_new_entries", "1")], attempts=_VIEW_ATTEMPTS)
    except RefusedError as error:
        if error.status >= 500:
            return None
        raise
    if answer.status != 200 or not isinstance(answer.content, dict):
        return None
    found = {str(entry["id"]): entry for entry in _flat(answer.content.get("view") or [])}
    # Newer than the view: entries that were added or edited since it was made.
    found |= {str(entry["id"]): entry for entry in _flat(answer.content.get("new_entries") or [])}
    return list(found.values()), answer.as_of


def _flat(tree: list[Entry]) -> Iterator[Entry]:
    stack = list(reversed(tree))
    while stack:
        entry = stack.pop()
        yield {name: value for name, value in entry.items() if name != "replies"}
        stack += reversed(entry.get("replies") or [])


def _is_behind(found: list[Entry], topic: dict[str, Any]) -> bool:
    return sum(not entry.get("deleted") for entry in found) < (topic.get("discussion_subentry_count") or 0)


def _lists(api: CanvasApi, path: str) -> Iterator[tuple[Entry, datetime]]:
    for page, as_of in api.pages(f"{path}/entries"):
        for entry in page:
            replies = entry.pop("recent_replies", None) or []
            has_more = entry.pop("has_more_replies", False)
            yield entry, as_of
            if not has_more:
                yield from ((reply, as_of) for reply in replies)
                continue
            for reply_page, reply_as_of in api.pages(f"{path}/entries/{entry['id']}/replies"):
                yield from ((reply, reply_as_of) for reply in reply_page)
