"""Questions to the tables of a stack about a course or a user, and names for the ids in the answers."""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from boto3.dynamodb.conditions import Attr, Key

from canvas_tables import Course, Tables, TablesError, User
from canvas_tables.entities import KINDS
from canvas_tables.read import query
from cli.errors import CommandError
from cli.stack.hierarchy import Hierarchy, StoredItem
from cli.stack.plain_values import document_client
from cli.stack.root_account import only_root_account
from cli.stack.stack import Stack
from cli.stack.table_scan import scan
from cli.ui import output
from handlers.items.canvas_ids import ID_PATTERN
from handlers.items.timestamps import format_utc

MAX_CONCURRENT_QUERIES = 8
MAX_RELATED = 200  # items of a kind


def open_tables(stack: Stack, account: str | None) -> Tables:
    """The reader of a stack's tables, for the account given or the only one that they hold."""
    return Tables(
        stack.entity_tables,
        root_account=account or only_root_account(stack),
        session=stack.session,
        endpoint_url=stack.endpoint,
    )


def owner(tables: Tables, course: str | None, user: str | None) -> Course | User:
    """The course or the user with this id. Raises ``CommandError`` for what is not an id."""
    try:
        return tables.course(course) if course else tables.user(user or "")
    except ValueError as error:
        raise CommandError(f"{error}.") from None


def items_of(of: Course | User, kind: str, *, deleted: bool, since: datetime | None, newest: int) -> list[StoredItem]:
    """The items of a kind that belong to a course or a user; of activity the ``newest``.

    Raises ``CommandError`` where the tables cannot answer.
    """
    found: Iterable[Any]
    try:
        if kind in ("submission", "submission_grade") and isinstance(of, Course):
            method = of.submissions if kind == "submission" else of.submission_grades
            found = method(deleted=deleted, since=since)
        elif kind == "course" and isinstance(of, User):
            found = of.courses(deleted=deleted, since=since)
        else:
            limit = newest if kind in KINDS and KINDS[kind].is_append_only else None
            found = of.items(kind, deleted=deleted, since=since, limit=limit)
        result: list[Any] = list(found)
    except TablesError as error:
        raise CommandError(str(error)) from error
    return result


def scan_kind(stack: Stack, tables: Tables, kind: str, *, deleted: bool, since: datetime | None) -> list[StoredItem]:
    """All items of a kind in the account: reads the whole table. Raises ``CommandError`` for an unknown kind."""
    try:
        table = tables.table(kind)
    except TablesError as error:
        raise CommandError(str(error)) from error
    of_kind = Attr("context").begins_with(f"{tables.root_account}#") & Attr("entity").begins_with(f"{kind}#")
    with output.progress() as progress:
        found = list(scan(document_client(stack), table, progress, f"reading {table}", FilterExpression=of_kind))
    earliest = format_utc(since) if since else ""
    return [
        item for item in found if (deleted or not item.get("deleted")) and str(item.get("event_time", "")) >= earliest
    ]


def names_of_users(of: Course) -> dict[str, str]:
    """The names of the people in a course, by user id, as its enrollments have them."""
    enrollments = of.enrollments(deleted=True) if "enrollment" in of.kinds else ()
    return {item["body"]["user_id"]: item["body"].get("user_name", "") for item in enrollments if _names_user(item)}


def names_of_courses(of: User) -> dict[str, str]:
    """The names of the courses of a user, by course id."""
    if not {"enrollment", "course_progress"} <= set(of.kinds):  # these are in the two tables that are read
        return {}
    return {item["entity"].partition("#")[2]: item["body"].get("name", "") for item in of.courses(deleted=True)}


def related(stack: Stack, context: str, left_out: list[str]) -> list[StoredItem]:
    """What indexes find for a course or a user, and the courses of a user: the first ``MAX_RELATED`` of each kind.

    ``context`` is a partition key; for what is neither a course nor a user there is nothing. ``left_out`` gets a
    sentence about each kind of which there is more, and about an index that does not exist.
    """
    account, class_name, number = context.split("#", 2)
    if class_name not in ("Course", "User") or not re.fullmatch(ID_PATTERN, number):
        return []
    tables = Tables(stack.entity_tables, root_account=account, session=stack.session, endpoint_url=stack.endpoint)
    of = tables.course(number) if class_name == "Course" else tables.user(number)
    questions: dict[str, Iterator[Any]] = {
        kind: (item for item in of.items(kind, deleted=True) if item["context"] != context)
        for kind in of.kinds
        if not KINDS[kind].is_append_only
    }
    if isinstance(of, User) and {"enrollment", "course_progress"} <= set(of.kinds):
        questions["courses"] = of.courses(deleted=True)
    found: list[StoredItem] = []
    for kind, items in questions.items():
        try:
            first = list(itertools.islice(items, MAX_RELATED + 1))
        except TablesError as error:
            left_out.append(str(error))
            continue
        if len(first) > MAX_RELATED:
            listed = f"canvas-events list {kind} --{class_name.lower()} {number} --deleted"
            left_out.append(f"There are more {kind} items than these {MAX_RELATED}: `{listed}`.")
        found += first[:MAX_RELATED]
    return found


def changes(tables: Tables, of: Course | User, hierarchy: Hierarchy, since: datetime) -> list[StoredItem]:
    """The items of a course or a user, and of all contexts below, with a newest event since then, newest first.

    Activity is left out. Whatever is below is read to find them: one query for each kind, and one for each table that
    may have items of a context below.
    """
    kinds = (kind for kind in of.kinds if not KINDS[kind].is_append_only)
    owned: Iterator[Any] = (item for kind in kinds for item in of.items(kind, deleted=True))
    found = {_key(item): item for item in owned}
    level, seen = list(found.values()), set(of.contexts)
    with ThreadPoolExecutor(MAX_CONCURRENT_QUERIES) as pool:
        while level:
            below = {pair: None for item in level for pair in _below(tables, hierarchy, item) if pair[0] not in seen}
            seen |= {context for context, _ in below}
            level = list(itertools.chain.from_iterable(pool.map(lambda pair: _in_context(tables, *pair), below)))
            found |= {_key(item): item for item in level}
    earliest = format_utc(since)
    changed = [item for item in found.values() if str(item.get("event_time", "")) >= earliest]
    return sorted(changed, key=lambda item: (str(item["event_time"]), *_key(item)), reverse=True)


def _below(tables: Tables, hierarchy: Hierarchy, item: StoredItem) -> Iterator[tuple[str, str]]:
    """The contexts below an item, each with the name of a table that may have its items."""
    names: Mapping[str, str] = tables.names
    for context, variables in hierarchy.below(item["entity"]):
        for variable in sorted(variables & names.keys()):
            yield f"{item['context'].partition('#')[0]}#{context}", names[variable]


def _in_context(tables: Tables, context: str, table: str) -> list[StoredItem]:
    return list(query(tables.client, table, Key("context").eq(context)))


def _key(item: Any) -> tuple[str, str]:
    return str(item["context"]), str(item["entity"])


def _names_user(item: Any) -> bool:
    return isinstance(item.get("body"), dict) and "user_id" in item["body"]
