"""A stand-in for the REST API of Canvas, with one course.

It does what makes reading one hard, as Canvas documents it: pages with opaque links, lists without what has ended,
dates of the caller, modules without their items, and a quota.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.http_server import Reply, Request, http_server

TOKEN = "1~canvas-token"  # noqa: S105  # of no Canvas
PAGE_SIZE = 2
NOT_FOUND = Reply({"errors": [{"message": "The specified resource does not exist."}]}, 404)
FORBIDDEN = Reply(
    {"status": "unauthorized", "errors": [{"message": "user not authorized to perform that action"}]}, 403
)
THROTTLED = Reply(b"403 Forbidden (Rate Limit Exceeded)\n", 403)

_COURSE = Path(__file__).with_name("canvas_course.json").read_text(encoding="utf-8")


@dataclass
class CanvasServer:
    """``resources`` has the content by path. ``faults`` are replies, each given once to the next request that matches.

    A fault is a pattern of the path after ``/api/v1``, and a reply.
    """

    url: str = ""
    resources: dict[str, Any] = field(default_factory=lambda: json.loads(_COURSE))
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    faults: list[tuple[str, Reply]] = field(default_factory=list)

    def answer(self, request: Request) -> Reply:
        """Answer as Canvas does."""
        self.requests.append(request)
        parts = urlsplit(request.target)
        path, query = parts.path.removeprefix("/api/v1"), parse_qs(parts.query)
        for fault in self.faults:
            if re.fullmatch(fault[0], path):
                self.faults.remove(fault)
                return fault[1]
        if request.headers["Authorization"] != f"Bearer {TOKEN}":
            return Reply({"errors": [{"message": "Invalid access token."}]}, 401)
        announcements = "?only_announcements=true" if "only_announcements" in query else ""
        resource = self.resources.get(path + announcements)
        if resource is None:
            return self._element(path)
        if isinstance(resource, dict):
            return Reply(resource, headers=self.headers)
        return self._page(path, parts.query, self._visible(path, resource, query), query)

    def _element(self, path: str) -> Reply:
        """Return an element of a list by its id."""
        parent, _, id_ = path.rpartition("/")
        found = [element for element in self.resources.get(parent, ()) if str(element["id"]) == id_]
        return Reply(found[0], headers=self.headers) if found else NOT_FOUND

    def _visible(self, path: str, elements: list[Any], query: dict[str, list[str]]) -> list[Any]:
        kind = path.rpartition("/")[2]
        if kind == "enrollments":
            states = query.get("state[]", ["active", "invited"])
            return [element for element in elements if element["enrollment_state"] in states]
        if kind == "assignments":
            caller_dates = (
                {} if query.get("override_assignment_dates") == ["false"] else {"due_at": "2026-09-29T12:00:00Z"}
            )
            overrides = self._children(path, elements, "overrides") if "overrides" in query.get("include[]", ()) else {}
            return [element | caller_dates | overrides.get(element["id"], {}) for element in elements]
        if kind == "modules" and "items" in query.get("include[]", ()):
            items = self._children(path, elements, "items")
            return [
                element | (items[element["id"]] if len(items[element["id"]]["items"]) <= PAGE_SIZE else {})
                for element in elements
            ]
        if kind == "submissions" and query.get("student_ids[]") != ["all"]:
            return []
        return elements

    def _children(self, path: str, elements: list[Any], name: str) -> dict[int, dict[str, Any]]:
        return {element["id"]: {name: self.resources.get(f"{path}/{element['id']}/{name}", [])} for element in elements}

    def _page(self, path: str, query_text: str, elements: list[Any], query: dict[str, list[str]]) -> Reply:
        assert query["per_page"] == ["100"]
        start = int(query.get("page", ["bookmark:0"])[0].removeprefix("bookmark:"))
        base = f"{self.url}/api/v1{path}?{re.sub('&?page=bookmark:[0-9]+', '', query_text)}"
        link = f'<{base}&page=bookmark:{start}>; rel="current",<{base}&page=bookmark:0>; rel="first"'
        if start + PAGE_SIZE < len(elements):
            link += f',<{base}&page=bookmark:{start + PAGE_SIZE}>; rel="next"'
        return Reply(elements[start : start + PAGE_SIZE], headers=self.headers | {"link": link})


@contextmanager
def canvas_server(server: CanvasServer) -> Iterator[CanvasServer]:
    """Run the stand-in."""
    with http_server(server.answer) as server.url:
        yield server
