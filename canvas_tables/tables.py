"""The tables of a stack, and what they hold about a course or a user."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Generic, NotRequired, TypedDict, TypeVar, cast

import boto3
from boto3.dynamodb.conditions import ConditionBase, Key
from botocore.exceptions import ClientError

from canvas_tables import entities
from canvas_tables.entities import KINDS, Kind
from canvas_tables.read import StoredItem, TablesError, batch_get, document_client, query

if TYPE_CHECKING:
    from typing import Self

Body = TypeVar("Body")


class Item(TypedDict, Generic[Body]):
    """An item as it is stored, such as ``{"entity": "enrollment#46010", "body": {"user_id": "8123", …}, …}``.

    ``event_time`` and ``event_name`` are those of the newest event; ``user_id`` is the user who acted in it.
    ``course`` and ``user`` are the keys of the indexes. Append-only items have ``expires_at`` (seconds since 1970) and
    ``request_context`` and no ``version``.
    """

    context: str
    entity: str
    event_name: str
    event_time: str
    body: Body
    version: NotRequired[str]
    deleted: NotRequired[bool]
    user_id: NotRequired[str]
    course: NotRequired[str]
    user: NotRequired[str]
    request_context: NotRequired[str]
    expires_at: NotRequired[Any]


class Tables:
    """The entity tables of one stack, and one root account in them.

    ``tables`` are names by environment variable, as the functions have them: ``{"ENROLLMENTS_TABLE": "…"}``.
    ``root_account`` is the account's uuid; without it, the account of the first items of the tables is used.
    ``endpoint_url`` is that of a local DynamoDB. ``names`` are the tables as given, ``client`` the DynamoDB client.
    """

    def __init__(
        self,
        tables: Mapping[str, str],
        *,
        root_account: str | None = None,
        session: boto3.Session | None = None,
        endpoint_url: str | None = None,
    ) -> None:
        self.names = dict(tables)
        self._given_account = root_account
        self.client = document_client(session or boto3.Session(), endpoint_url)

    @classmethod
    def of_stack(
        cls,
        name: str,
        *,
        root_account: str | None = None,
        session: boto3.Session | None = None,
        endpoint_url: str | None = None,
    ) -> "Self":
        """Find the tables in the outputs of a CloudFormation stack (permission ``cloudformation:DescribeStacks``).

        Raises botocore's ``ClientError`` when there is no such stack.
        """
        session = session or boto3.Session()
        cloudformation = session.client("cloudformation", endpoint_url=endpoint_url)
        outputs = cloudformation.describe_stacks(StackName=name)["Stacks"][0].get("Outputs", [])
        tables = {
            _variable(output["OutputKey"]): output["OutputValue"]
            for output in outputs
            if output["OutputKey"].endswith("TableName")
        }
        return cls(tables, root_account=root_account, session=session, endpoint_url=endpoint_url)

    @classmethod
    def from_environment(cls, *, root_account: str | None = None) -> "Self":
        """Take the tables from environment variables such as ``ENROLLMENTS_TABLE``, as a Lambda function has them."""
        variables = {kind.table for kind in KINDS.values()}
        tables = {variable: os.environ[variable] for variable in sorted(variables) if os.environ.get(variable)}
        return cls(tables, root_account=root_account)

    def course(self, course_id: str | int) -> "Course":
        """A course by its id: local (``2041``) or global (``21070000000002041``, ``2107~2041``).

        Raises ``ValueError`` for what is not an id.
        """
        return Course(self, course_id)

    def user(self, user_id: str | int) -> "User":
        """A user by an id in one of the same forms. Raises ``ValueError`` for what is not an id."""
        return User(self, user_id)

    @cached_property
    def root_account(self) -> str:
        """The uuid of the root account.

        Where none was given, one item of each table is read to find it. Raises ``TablesError`` when the tables are
        empty, or when these items belong to several accounts.
        """
        if self._given_account:
            return self._given_account
        found = set()
        for table in self.names.values():
            page = self.client.scan(TableName=table, Limit=1)
            found |= {str(item.get("context", "")).partition("#")[0] for item in page["Items"]}
        accounts = sorted(found - {""})
        if not accounts:
            raise TablesError("The tables are empty, so no root account was found. Pass root_account.")
        if len(accounts) > 1:
            raise TablesError(f"There are several root accounts: {', '.join(accounts)}. Pass root_account.")
        return accounts[0]

    def table(self, kind: str) -> str:
        """The name of the table of a kind. Raises ``TablesError`` for an unknown kind, or a family not deployed."""
        if kind not in KINDS:
            raise TablesError(f"{kind!r} is not a kind of entity. The kinds are {', '.join(sorted(KINDS))}.")
        variable = KINDS[kind].table
        if variable not in self.names:
            raise TablesError(
                f"There is no table of {kind} items ({variable}). Add its family to the parameter Families."
            )
        return self.names[variable]

    def has_table(self, kind: str) -> bool:
        """Whether the stack has the table of a kind."""
        return KINDS[kind].table in self.names

    def in_context(
        self, context: str, kind: str, *, since: datetime | None = None, limit: int | None = None
    ) -> Iterator[StoredItem]:
        """The items of a kind in a partition such as ``<account>#Assignment#9001``, deleted ones among them.

        Append-only items come newest first; ``since`` and ``limit`` are for them.
        """
        return self._read(kind, Key("context").eq(context), None, since, limit)

    def by_index(
        self, attribute: str, value: str, kind: str, *, since: datetime | None = None, limit: int | None = None
    ) -> Iterator[StoredItem]:
        """The items of a kind that the index ``by_course`` or ``by_user`` finds, deleted ones among them.

        ``attribute`` is ``course`` or ``user``, ``value`` such as ``<account>#Course#2041``. An index follows its table
        by some milliseconds: an item that has moved meanwhile is left out.
        """
        keys = self.index_keys(attribute, value, kind, since=since, limit=limit)
        for item in batch_get(self.client, self.table(kind), keys):
            if item.get(attribute) == value:
                yield item

    def index_keys(
        self, attribute: str, value: str, kind: str, *, since: datetime | None = None, limit: int | None = None
    ) -> Iterator[StoredItem]:
        """The keys (``context`` and ``entity``) of the items that an index finds; raises ``TablesError`` without it."""
        try:
            yield from self._read(kind, Key(attribute).eq(value), f"by_{attribute}", since, limit)
        except ClientError as error:
            if "index" not in error.response.get("Error", {}).get("Message", ""):
                raise
            remedy = "Deploy the stack with IndexActivityByCourse=true" if KINDS[kind].is_append_only else "Deploy it"
            raise TablesError(f"The table {self.table(kind)} has no index by_{attribute}. {remedy}.") from error

    def get(self, kind: str, keys: Iterable[tuple[str, str]]) -> Iterator[StoredItem]:
        """The items of one kind with these contexts and entities, as far as they exist; keys must not repeat."""
        return batch_get(
            self.client, self.table(kind), ({"context": context, "entity": entity} for context, entity in keys)
        )

    def _read(
        self, kind: str, condition: ConditionBase, index: str | None, since: datetime | None, limit: int | None
    ) -> Iterator[StoredItem]:
        table, is_append_only = self.table(kind), KINDS[kind].is_append_only
        if is_append_only and since:
            # "~" sorts after every character of a time.
            condition &= Key("entity").between(f"{kind}#{_utc(since)}", f"{kind}#~")
        else:
            condition &= Key("entity").begins_with(f"{kind}#")
        return query(self.client, table, condition, index=index, newest_first=is_append_only, limit=limit)


class _Owner:
    """A course or a user, and the items that belong to it."""

    class_name: str

    def __init__(self, tables: Tables, owner_id: str | int) -> None:
        self._tables = tables
        self._number = _parse_id(owner_id)

    @property
    def contexts(self) -> tuple[str, ...]:
        """The keys that it may have, such as ``<account>#Course#2041``: the one of a global id, then the local one.

        An id of another shard is global in keys, and one of the institution's own shard is local.
        """
        numbers = dict.fromkeys((self._number, self._number % _IDS_PER_SHARD or self._number))
        return tuple(f"{self._tables.root_account}#{self.class_name}#{number}" for number in numbers)

    @property
    def kinds(self) -> list[str]:
        """The kinds of items that are found by it, of the families that the stack has."""
        return [name for name, kind in KINDS.items() if self._is_found(kind) and self._tables.has_table(name)]

    def items(
        self, kind: str, *, deleted: bool = False, since: datetime | None = None, limit: int | None = None
    ) -> Iterator[Item[Any]]:
        """The items of a kind, such as ``enrollment``, that belong to it.

        Deleted ones are left out unless ``deleted``. With ``since``, only those whose newest event is not older. Of
        append-only items the newest come first, and ``limit`` bounds their number. A global id is looked up as it is,
        and if that finds nothing, in its local form.

        Raises ``TablesError`` for a kind that does not belong to a course or a user by its key or by an index, or whose
        table or index the stack does not have.
        """
        if kind in KINDS and not self._is_found(KINDS[kind]):
            raise TablesError(f"{kind} items are not found by {self.class_name.lower()}: see docs/query.md.")
        return cast("Iterator[Item[Any]]", self._select(self._stored(kind, since, limit), deleted, since))

    def _stored(self, kind: str, since: datetime | None, limit: int | None) -> Iterator[StoredItem]:
        for context in self.contexts:
            is_found = False
            for item in self._in_one_form(kind, context, since, limit):
                is_found = True
                yield item
            if is_found:
                return

    def _in_one_form(self, kind: str, context: str, since: datetime | None, limit: int | None) -> Iterator[StoredItem]:
        definition = KINDS.get(kind)
        parts: list[Iterator[StoredItem]] = []
        if definition is None or self._is_context_of(definition):
            parts.append(self._tables.in_context(context, kind, since=since, limit=limit))
        if definition and self._has_index(definition):
            attribute = self.class_name.lower()
            found = self._tables.by_index(attribute, context, kind, since=since, limit=limit)
            parts.append(item for item in found if item["context"] != context)
        # Append-only items come newest first from either, and all others in the order of their sort keys.
        is_append_only = definition is not None and definition.is_append_only
        return islice(merge(*parts, key=itemgetter("entity"), reverse=is_append_only), limit)

    def _is_found(self, kind: Kind) -> bool:
        return self._is_context_of(kind) or self._has_index(kind)

    def _is_context_of(self, kind: Kind) -> bool:
        return not kind.contexts.isdisjoint({"", self.class_name})

    def _has_index(self, kind: Kind) -> bool:
        return kind.by_course if self.class_name == "Course" else kind.by_user

    @staticmethod
    def _select(items: Iterable[StoredItem], deleted: bool, since: datetime | None) -> Iterator[StoredItem]:
        earliest = _utc(since) if since else ""
        for item in items:
            if (deleted or not item.get("deleted")) and str(item.get("event_time", "")) >= earliest:
                yield item


class Course(_Owner):
    """A course. Each method takes one query, and one read of a hundred keys for each hundred items of an index."""

    class_name = "Course"

    def details(self) -> Item[entities.CourseBody] | None:
        """The course itself; None where the table does not have it."""
        return next(self.items("course", deleted=True), None)

    def enrollments(self, *, deleted: bool = False) -> Iterator[Item[entities.EnrollmentBody]]:
        """Who takes part, and as what."""
        return self.items("enrollment", deleted=deleted)

    def sections(self, *, deleted: bool = False) -> Iterator[Item[entities.CourseSectionBody]]:
        """Its sections."""
        return self.items("course_section", deleted=deleted)

    def assignments(self, *, deleted: bool = False) -> Iterator[Item[entities.AssignmentBody]]:
        """Its assignments."""
        return self.items("assignment", deleted=deleted)

    def modules(self, *, deleted: bool = False) -> Iterator[Item[entities.ModuleBody]]:
        """Its modules."""
        return self.items("module", deleted=deleted)

    def discussion_topics(self, *, deleted: bool = False) -> Iterator[Item[entities.DiscussionTopicBody]]:
        """Its discussions and announcements."""
        return self.items("discussion_topic", deleted=deleted)

    def groups(self, *, deleted: bool = False) -> Iterator[Item[entities.GroupBody]]:
        """Its groups."""
        return self.items("group", deleted=deleted)

    def grades(self, *, deleted: bool = False) -> Iterator[Item[entities.CourseGradeBody]]:
        """The grade of each student in the course, as Canvas computes it."""
        return self.items("course_grade", deleted=deleted)

    def progress(self) -> Iterator[Item[entities.CourseProgressBody]]:
        """How far each student is through the modules."""
        return self.items("course_progress")

    def submissions(
        self, *, deleted: bool = False, since: datetime | None = None
    ) -> Iterator[Item[entities.SubmissionBody]]:
        """The work on its assignments: one query for each of ``assignment_contexts``."""
        return self._of_assignments("submission", deleted, since)

    def submission_grades(
        self, *, deleted: bool = False, since: datetime | None = None
    ) -> Iterator[Item[entities.SubmissionGradeBody]]:
        """The newest change of each grade: one query for each of ``assignment_contexts``."""
        return self._of_assignments("submission_grade", deleted, since)

    def assignment_contexts(self, *, deleted: bool = False) -> list[str]:
        """The contexts of the submissions: its assignments, and those of which only a custom status is known.

        A submission does not say its course. That of an assignment without an item is found only by a custom status.
        """
        known = {
            f"{item['context'].partition('#')[0]}#{_class_key('Assignment', item['entity'])}": item.get("deleted")
            for item in self.items("assignment", deleted=True)
        }
        contexts = dict.fromkeys(context for context, is_deleted in known.items() if deleted or not is_deleted)
        for own in self.contexts:
            for key in self._tables.index_keys("course", own, "submission_custom_status"):
                if key["context"] not in known:
                    contexts[key["context"]] = None
        return list(contexts)

    def activity(
        self, *, since: datetime | None = None, limit: int | None = None
    ) -> Iterator[Item[entities.AssetAccessedBody]]:
        """What was viewed in it, newest first; at most ``limit``.

        Raises ``TablesError`` unless the stack has the parameter ``IndexActivityByCourse``.
        """
        return self.items("activity", since=since, limit=limit)

    def _of_assignments(self, kind: str, deleted: bool, since: datetime | None) -> Iterator[Item[Any]]:
        for context in self.assignment_contexts(deleted=deleted):
            items = self._tables.in_context(context, kind)
            yield from cast("Iterator[Item[Any]]", self._select(items, deleted, since))


class User(_Owner):
    """A user. Each method takes one query, and one read of a hundred keys for each hundred items of an index."""

    class_name = "User"

    def details(self) -> Item[entities.UserBody] | None:
        """The user; None where the table does not have them."""
        return next(self.items("user", deleted=True), None)

    def enrollments(self, *, deleted: bool = False) -> Iterator[Item[entities.EnrollmentBody]]:
        """In which courses the user takes part, and as what."""
        return self.items("enrollment", deleted=deleted)

    def courses(self, *, deleted: bool = False, since: datetime | None = None) -> Iterator[Item[entities.CourseBody]]:
        """The courses that the user is enrolled in, as far as the table has them; each once."""
        contexts = dict.fromkeys(item["course"] for item in self.enrollments(deleted=deleted) if "course" in item)
        keys = ((context, f"course#{context.rpartition('#')[2]}") for context in contexts)
        return cast("Iterator[Item[Any]]", self._select(self._tables.get("course", keys), deleted, since))

    def submissions(
        self, *, deleted: bool = False, since: datetime | None = None
    ) -> Iterator[Item[entities.SubmissionBody]]:
        """The user's work, in all courses."""
        return self.items("submission", deleted=deleted, since=since)

    def submission_grades(
        self, *, deleted: bool = False, since: datetime | None = None
    ) -> Iterator[Item[entities.SubmissionGradeBody]]:
        """The newest change of each grade of the user's work."""
        return self.items("submission_grade", deleted=deleted, since=since)

    def grades(self, *, deleted: bool = False) -> Iterator[Item[entities.CourseGradeBody]]:
        """The user's grade in each course, as Canvas computes it."""
        return self.items("course_grade", deleted=deleted)

    def memberships(self, *, deleted: bool = False) -> Iterator[Item[entities.GroupMembershipBody]]:
        """In which groups the user is."""
        return self.items("group_membership", deleted=deleted)

    def discussion_entries(self, *, deleted: bool = False) -> Iterator[Item[entities.DiscussionEntryBody]]:
        """The user's replies."""
        return self.items("discussion_entry", deleted=deleted)

    def comments(self, *, deleted: bool = False) -> Iterator[Item[entities.SubmissionCommentBody]]:
        """The user's comments on submissions."""
        return self.items("submission_comment", deleted=deleted)

    def activity(
        self, *, since: datetime | None = None, limit: int | None = None
    ) -> Iterator[Item[entities.AssetAccessedBody]]:
        """What the user viewed, and the user's logins, newest first; at most ``limit``."""
        return self.items("activity", since=since, limit=limit)


_IDS_PER_SHARD = 10**13  # a global id of Canvas is shard * 10**13 + local id; also written shard~local
_ID = re.compile(r"[1-9][0-9]{0,18}|[1-9][0-9]{0,5}~[1-9][0-9]{0,12}")


def _parse_id(text: str | int) -> int:
    if not _ID.fullmatch(str(text)):
        raise ValueError(f"{text!r} is not a Canvas id: use 2041, 21070000000002041 or 2107~2041")
    shard, tilde, local = str(text).partition("~")
    return int(shard) * _IDS_PER_SHARD + int(local) if tilde else int(text)


def _class_key(class_name: str, entity: str) -> str:
    """``Assignment#9001`` for ``assignment#9001``."""
    return f"{class_name}#{entity.partition('#')[2]}"


def _utc(time: datetime) -> str:
    """A time as items have it; one without an offset is taken as UTC."""
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _variable(output: str) -> str:
    """``ENROLLMENTS_TABLE`` for ``EnrollmentsTableName``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", output.removesuffix("Name")).upper()
