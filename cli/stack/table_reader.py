"""Reading the entity tables of a stack: a context, and what stands below it, and not more than a person meant."""

import itertools
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from boto3.dynamodb.conditions import ConditionBase, Key

from cli.stack.hierarchy import Item, Nesting, tail
from cli.stack.stack import Stack
from cli.ui import output
from cli.ui.output import Json

AT_ONCE = 8  # queries under way at once
NEWEST = 20  # occurrences of a context, where nobody says how many
MOST_BELOW = 20  # items of each table in a context below
MOST_CONTEXTS_BELOW = 200


class Reader:
    """Reads the entity tables; of occurrences, which have no end, only the ``newest`` of a context.

    ``left_out`` says in sentences what there is beside what was read.
    """

    def __init__(self, stack: Stack, nesting: Nesting, newest: int = NEWEST) -> None:
        self.left_out: list[str] = []
        self._tables = stack.entity_tables
        self._occurrences = stack.occurrence_tables
        self._nesting = nesting
        self._newest = newest
        resource = stack.session.resource("dynamodb", endpoint_url=stack.endpoint)
        self._handles: dict[str, Any] = {name: resource.Table(table) for name, table in self._tables.items()}

    def read(self, context: str, entity: str = "") -> list[Item]:
        """The items of a context in all tables, entities before occurrences.

        ``entity`` is a kind, a kind and an id, or for occurrences a kind and the beginning of a time.
        """
        found: list[Item] = []
        for name in self._tables:
            if name not in self._occurrences:
                found += self._query(name, _of(context, entity))
            elif not entity or self._nesting.is_occurrence(entity):
                found += self._read_newest(name, context, entity)
        return self._nesting.in_order(found)

    def read_below(self, items: Iterable[Item]) -> list[Item]:
        """What stands below these items, and below that: the first items of each context, of some hundred contexts."""
        seen = {item["context"] for item in items}
        room = MOST_CONTEXTS_BELOW
        found: list[Item] = []
        level = list(items)
        with ThreadPoolExecutor(AT_ONCE) as pool, output.progress() as progress:
            while level:
                new = {context: tables for context, tables in self._below(level).items() if context not in seen}
                seen |= new.keys()
                looked_into = dict(itertools.islice(new.items(), room))
                room -= len(looked_into)
                self._tell_unread([*new][len(looked_into) :])
                answers = pool.map(lambda each: self._read_first(*each), looked_into.items())
                watched = progress.track(answers, total=len(looked_into), description="looking below")
                level = [item for answer in watched for item in answer]
                found += level
        return found

    def _below(self, items: Iterable[Item]) -> Mapping[str, frozenset[str]]:
        """The contexts below items, each with the tables that it may be in."""
        return {
            f"{item['context'].partition('#')[0]}#{below}": tables
            for item in items
            for below, tables in self._nesting.below(item["entity"])
        }

    def _tell_unread(self, contexts: list[str]) -> None:
        if contexts:
            self.left_out.append(
                f"Not looked into, beyond the first {MOST_CONTEXTS_BELOW}: {_some(contexts)}."
                f" `canvas-events show {tail(contexts[0])}` does."
            )

    def _read_first(self, context: str, tables: Iterable[str]) -> list[Item]:
        found: list[Item] = []
        for name in tables:
            if name in self._tables:
                items = self._query(name, _of(context), most=MOST_BELOW + 1)
                if len(items) > MOST_BELOW:
                    self.left_out.append(
                        f"{tail(context)} has more than these {MOST_BELOW}: `canvas-events show {tail(context)}`."
                    )
                found += items[:MOST_BELOW]
        return self._nesting.in_order(found)

    def _read_newest(self, name: str, context: str, entity: str) -> list[Item]:
        condition: ConditionBase = Key("context").eq(context)
        if entity:
            condition &= Key("entity").begins_with(entity if "#" in entity else f"{entity}#")
        # One more than is shown, to know whether there is more.
        items = self._query(name, condition, most=self._newest + 1, newest_first=True)
        if len(items) > self._newest:
            said = entity or items[0]["entity"].partition("#")[0]
            self.left_out.append(
                f"There is more {said} than the newest {self._newest}:"
                f" `canvas-events show {tail(context)} {said} --newest {10 * self._newest}`."
            )
        return items[: self._newest]

    def _query(
        self, name: str, condition: ConditionBase, *, most: int | None = None, newest_first: bool = False
    ) -> list[Item]:
        asked: Json = {"KeyConditionExpression": condition, "ScanIndexForward": not newest_first}
        items: list[Item] = []
        while True:
            if most:
                asked["Limit"] = most - len(items)
            page = self._handles[name].query(**asked)
            items += page["Items"]
            if "LastEvaluatedKey" not in page or len(items) == most:
                return items
            asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _of(context: str, entity: str = "") -> ConditionBase:
    """The items of a context; those of a kind, or one."""
    condition: ConditionBase = Key("context").eq(context)
    if entity:
        condition &= Key("entity").eq(entity) if "#" in entity else Key("entity").begins_with(f"{entity}#")
    return condition


def _some(contexts: list[str]) -> str:
    named = ", ".join(map(tail, contexts[:3]))
    return named if len(contexts) <= 3 else f"{named} and {len(contexts) - 3:,} more"
