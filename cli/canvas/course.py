"""The rows of one course, from the REST API.

The tables are the resources of the REST API: ``modules``, ``module_items`` and so on. To the values of a row are added
the ids that only its URL says: ``course_id``, ``module_id``, ``discussion_topic_id``; to an entry also the
``assignment_id`` of its topic, where the topic is graded.
"""

from collections.abc import Iterator, Set
from datetime import datetime
from typing import Any

from cli.canvas import discussion
from cli.canvas.rest import CanvasApi, Parameters, RefusedError
from cli.canvas.unread import without_secrets
from cli.errors import CommandError
from cli.reconcile.row import Row

TABLES = frozenset(
    {
        *("accounts", "courses", "sections", "enrollments", "users"),
        *("assignment_groups", "assignments", "assignment_overrides", "submissions"),
        *("modules", "module_items", "discussion_topics", "discussion_entries"),
    }
)

# Without states, Canvas leaves out what has ended. (Canvas's REST API, "List enrollments", "List users in course".)
_ENROLLMENT_STATES = ("active", "invited", "creation_pending", "deleted", "rejected", "completed", "inactive")
_USER_STATES = ("active", "invited", "rejected", "completed", "inactive")

# Lists in which an element is a row.
_PLAIN_LISTS: dict[str, tuple[str, Parameters]] = {
    "sections": ("/sections", ()),
    "enrollments": ("/enrollments", [("state[]", state) for state in _ENROLLMENT_STATES]),
    "users": ("/users", [("enrollment_state[]", state) for state in _USER_STATES]),
    "assignment_groups": ("/assignment_groups", ()),
    "submissions": ("/students/submissions", [("student_ids[]", "all"), ("include[]", "group")]),
}

Values = dict[str, Any]


class Course:
    """What Canvas says of a course now. ``skipped`` names what could not be read, and is complete after ``rows``."""

    def __init__(self, api: CanvasApi, course_id: str) -> None:
        if not course_id.isdecimal():
            raise CommandError(f"{course_id!r} is not a valid course id: it must be the number in the course's URL.")
        self._api = api
        self._id = course_id
        self._path = f"/courses/{course_id}"
        self.skipped: list[str] = []

    def rows(self, tables: Set[str] = TABLES) -> Iterator[Row]:
        """Yield the rows of these tables; of a course that is gone, only that it is.

        ``accounts`` are the course's own and its root account. What is added, moved or deleted while pages are read
        may be missing from them, or there twice. Raises ``CommandError`` where a list of the course cannot be read.
        """
        answer = self._api.get(self._path, [("include[]", "syllabus_body")])
        if answer.status == 404:
            yield Row("courses", {"id": self._id}, "D", answer.as_of)
            return
        if "courses" in tables:
            if "syllabus_body" not in answer.content:
                self.skipped.append(
                    f"The syllabus of course {self._id}: Canvas left it out. A scoped developer key needs the setting"
                    " Allow Include Parameters."
                )
            yield _row("courses", answer.content, answer.as_of)
        if "accounts" in tables:
            yield from self._accounts(answer.content)
        for table, (path, parameters) in _PLAIN_LISTS.items():
            if table in tables:
                yield from (_row(table, values, as_of) for values, as_of in self._elements(path, parameters))
        if tables & {"assignments", "assignment_overrides"}:
            yield from (row for row in self._assignments() if row.table in tables)
        if tables & {"modules", "module_items"}:
            yield from (row for row in self._modules(tables) if row.table in tables)
        if tables & {"discussion_topics", "discussion_entries"}:
            yield from (row for row in self._topics(tables) if row.table in tables)

    def _elements(self, path: str, parameters: Parameters = ()) -> Iterator[tuple[Values, datetime]]:
        """The elements of a list of the course, each with the course's id."""
        for page, as_of in self._api.pages(f"{self._path}{path}", parameters):
            yield from (({"course_id": self._id} | values, as_of) for values in page)

    def _accounts(self, course: Values) -> Iterator[Row]:
        ids = [course[name] for name in ("account_id", "root_account_id") if course.get(name) is not None]
        for account_id in dict.fromkeys(ids):
            try:
                answer = self._api.get(f"/accounts/{account_id}")
            except RefusedError as error:
                self.skipped.append(str(error))
            else:
                if answer.status == 200:
                    yield _row("accounts", answer.content, answer.as_of)

    def _assignments(self) -> Iterator[Row]:
        # Without the first parameter, the dates are those of the token's owner.
        parameters = [("override_assignment_dates", "false"), ("include[]", "overrides")]
        for values, as_of in self._elements("/assignments", parameters):
            overrides = values.pop("overrides", None)
            yield _row("assignments", values, as_of)
            if overrides is not None:
                yield from (_row("assignment_overrides", override, as_of) for override in overrides)
            elif values.get("has_overrides"):
                for override, override_as_of in self._elements(f"/assignments/{values['id']}/overrides"):
                    yield _row("assignment_overrides", override, override_as_of)

    def _modules(self, tables: Set[str]) -> Iterator[Row]:
        for values, as_of in self._elements("/modules", [("include[]", "items")]):
            items = values.pop("items", None)
            yield _row("modules", values, as_of)
            if "module_items" not in tables:
                continue
            module_id = {"course_id": self._id, "module_id": values["id"]}
            # Canvas leaves out the items of a module that has more of them than a page.
            if items is not None and len(items) >= (values.get("items_count") or 0):
                yield from (_row("module_items", module_id | item, as_of) for item in items)
            else:
                for item, item_as_of in self._elements(f"/modules/{values['id']}/items"):
                    yield _row("module_items", module_id | item, item_as_of)

    def _topics(self, tables: Set[str]) -> Iterator[Row]:
        for is_announcement in (False, True):
            parameters = [("only_announcements", "true")] if is_announcement else []
            for values, as_of in self._elements("/discussion_topics", parameters):
                topic = {"is_announcement": is_announcement} | values
                yield _row("discussion_topics", topic, as_of)
                if "discussion_entries" in tables:
                    yield from self._entries(topic)

    def _entries(self, topic: Values) -> Iterator[Row]:
        ids = {"course_id": self._id, "discussion_topic_id": topic["id"], "assignment_id": topic.get("assignment_id")}
        try:
            for entry, as_of in discussion.entries(self._api, self._path, topic):
                yield _row("discussion_entries", ids | entry, as_of)
        except RefusedError as error:
            if error.status >= 500:
                raise
            # Of one topic: it was deleted meanwhile, or is closed to those who have not posted.
            self.skipped.append(str(error))


def _row(table: str, values: Values, as_of: datetime) -> Row:
    return Row(table, without_secrets(table, values), "U", as_of)
