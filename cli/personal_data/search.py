"""Find everything that the tables of a stack hold about a person.

A person is named by fields of bodies, by keys, and by the items under their submissions and enrollments, which may
name only who wrote them.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from boto3.dynamodb.conditions import Attr, ConditionBase, Key
from rich.progress import Progress

from cli.personal_data.payloads import names_person
from cli.personal_data.person import Person
from cli.redrive.rejected_item import MalformedItemError, decompress
from cli.stack.hierarchy import StoredItem, malformation
from cli.stack.plain_values import document_client
from cli.stack.stack import Stack, family
from cli.stack.table_scan import scan
from handlers.items import rejection
from handlers.items.people import GRADER, SUBJECT_FIELDS, UUID_FIELD

_WORK_TABLES = ("SUBMISSIONS_TABLE", "ENROLLMENTS_TABLE")

# Scanned first: they have the person's UUID, and results of outcomes have nothing else.
_SCANNED_FIRST = ("USERS_TABLE", "ENROLLMENTS_TABLE")

REQUEST_CONTEXT = "request_context"  # the attribute of an activity item with the context of the request
VIEWED_FIELDS = ("asset_id", "asset_name", "display_name", "filename")  # what names whom, or whose work, was viewed

MAX_CONCURRENT_QUERIES = 8


class Relation(StrEnum):
    """How an item concerns the person."""

    ABOUT = "about or by the person"
    ACTED = "changed or graded by the person"
    ACTIVITY = "the person's activity"
    VIEWED = "viewed by others"
    REJECTED = "rejected record"


@dataclass(frozen=True)
class PersonalItem:
    """An item that concerns the person. ``table`` is the environment variable of its table.

    ``item`` is whole for an entity or for what others viewed; of activity and rejected records it is the key.
    """

    table: str
    relation: Relation
    item: StoredItem

    @property
    def key(self) -> StoredItem:
        """Its primary key."""
        names = ("reason", "record") if self.relation is Relation.REJECTED else ("context", "entity")
        return {name: self.item[name] for name in names}

    @property
    def kind(self) -> str:
        """The kind of entity, such as ``submission_grade``; of a rejected record the reason."""
        return str(self.key.get("reason") or self.item["entity"].partition("#")[0])


class PersonSearch:
    """Searches all tables of a stack for a person.

    ``unreadable`` names the malformed items that may concern the person, each with what is wrong.
    """

    def __init__(self, stack: Stack, person: Person, progress: Progress) -> None:
        self.unreadable: list[str] = []
        self._stack, self._person, self._progress = stack, person, progress
        self._client = document_client(stack)
        self._found: dict[tuple[str, str, str], PersonalItem] = {}

    def run(self) -> list[PersonalItem]:
        """What concerns the person and is not erased yet, by table and key; rejected records last.

        Reads every table whole. The person learns their other names and their work on the way.
        """
        self._found.clear()
        self.unreadable.clear()
        occurrences = self._stack.append_only_tables
        entities = [variable for variable in self._stack.entity_tables if variable not in occurrences]
        for variable in sorted(entities, key=lambda name: (name not in _SCANNED_FIRST, name)):
            self._search_entities(variable)
        self._search_work()
        for variable in sorted(occurrences & self._stack.entity_tables.keys()):
            self._search_activity(variable)
        items = [self._found[key] for key in sorted(self._found)]
        return items + list(self._rejected())

    def _scan(self, variable: str, condition: ConditionBase) -> Iterator[StoredItem]:
        condition = Attr("context").begins_with(f"{self._person.root_account}#") & condition
        table = self._stack.entity_tables[variable]
        return scan(self._client, table, self._progress, f"reading {variable}", FilterExpression=condition)

    def _search_entities(self, variable: str) -> None:
        for item in self._readable(variable, self._scan(variable, self._entity_condition())):
            if self._person.is_subject(item):
                self._person.learn(item)
                self._add(variable, Relation.ABOUT, item)
            elif self._person.is_actor(item):
                self._add(variable, Relation.ACTED, item)

    def _entity_condition(self) -> ConditionBase:
        person = self._person
        condition: ConditionBase = Attr("context").eq(person.context)
        condition |= Attr("entity").eq(f"course_progress#{person.user_id}")
        for name in ("user_id", *(f"body.{name}" for name in (*SUBJECT_FIELDS, GRADER))):
            condition |= Attr(name).eq(person.user_id)
        for identifier in sorted(person.identifiers):
            condition |= Attr(f"body.{UUID_FIELD}").eq(identifier)
        return condition

    def _search_work(self) -> None:
        """What stands under the person's submissions and enrollments is about them, whoever wrote it."""
        tables = [variable for variable in _WORK_TABLES if variable in self._stack.entity_tables]
        queries = [(variable, context) for context in sorted(self._person.work) for variable in tables]
        with ThreadPoolExecutor(MAX_CONCURRENT_QUERIES) as pool:
            answers = pool.map(lambda query: self._query(*query), queries)
            watched = self._progress.track(answers, total=len(queries), description="reading the person's work")
            for (variable, _), items in zip(queries, watched, strict=True):
                for item in self._readable(variable, items):
                    self._add(variable, Relation.ABOUT, item)

    def _query(self, variable: str, context: str) -> list[StoredItem]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._stack.entity_tables[variable],
            KeyConditionExpression=Key("context").eq(f"{self._person.root_account}#{context}"),
        )
        return [item for page in pages for item in page["Items"]]

    def _search_activity(self, variable: str) -> None:
        person = self._person
        viewed: ConditionBase = Attr(REQUEST_CONTEXT).eq(f"User#{person.user_id}")
        viewed |= Attr("body.asset_type").is_in(["user", "submission", "enrollment"])
        for item in self._scan(variable, Attr("context").eq(person.context) | viewed):
            if item["context"] == person.context:
                self._add(variable, Relation.ACTIVITY, {name: item[name] for name in ("context", "entity")})
                continue
            for readable in self._readable(variable, [item]):
                in_profile = readable.get(REQUEST_CONTEXT) == f"User#{person.user_id}"
                if in_profile or self._shows_the_person(readable["body"]):
                    self._add(variable, Relation.VIEWED, readable)

    def _readable(self, variable: str, items: Iterable[StoredItem]) -> Iterator[StoredItem]:
        """Yield the items that can be read, and note the others."""
        for item in items:
            has_version = variable in self._stack.append_only_tables or isinstance(item.get("version"), str)
            problem = malformation(item) or (None if has_version else "version is not text")
            if problem:
                self._note(f"{family(variable)} {item['context']} {item['entity']}: {problem}")
            else:
                yield item

    def _note(self, problem: str) -> None:
        if problem not in self.unreadable:  # an item may be found twice
            self.unreadable.append(problem)

    def _shows_the_person(self, body: StoredItem) -> bool:
        asset_type, asset_id = body.get("asset_type"), body.get("asset_id")
        if not (isinstance(asset_type, str) and isinstance(asset_id, str)):
            return False
        asset = f"{asset_type.title()}#{asset_id}"
        return asset == f"User#{self._person.user_id}" or asset in self._person.work

    def _rejected(self) -> Iterator[PersonalItem]:
        table = self._stack.rejected_table
        names = {"#reason": "reason", "#record": "record", "#payload": "payload"}
        request = {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
        for item in scan(self._client, table, self._progress, f"reading {rejection.TABLE_VARIABLE}", **request):
            try:
                data = decompress(item.get("payload"))
            except MalformedItemError as error:
                self._note(f"{family(rejection.TABLE_VARIABLE)} {item['reason']} {item['record']}: {error}")
                continue
            if names_person(data, self._person):
                key = {name: item[name] for name in ("reason", "record")}
                yield PersonalItem(rejection.TABLE_VARIABLE, Relation.REJECTED, key)

    def _add(self, variable: str, relation: Relation, item: StoredItem) -> None:
        if relation in (Relation.ABOUT, Relation.ACTED):
            is_erased = not item["body"] and item.get("user_id") != self._person.user_id
            if is_erased:
                return
        key = (variable, item["context"], item["entity"])
        # An item under the person's work may have been found before, as one that they changed.
        if key not in self._found or relation is Relation.ABOUT:
            self._found[key] = PersonalItem(variable, relation, item)
