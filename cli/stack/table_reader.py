"""Reading a context and the contexts below it from a stack's entity tables, with bounded cost."""

import itertools
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from cli.stack.hierarchy import Hierarchy, StoredItem, strip_account
from cli.stack.stack import Stack
from cli.ui import output

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

MAX_CONCURRENT_QUERIES = 8
DEFAULT_NEWEST = 20  # append-only items of a context
MAX_ITEMS_BELOW = 20  # of each table in a context below
MAX_CONTEXTS_BELOW = 200


class Reader:
    """Reads the entity tables; of append-only items, whose number is unbounded, only the ``newest`` of a context.

    ``left_out`` has sentences about what was not read.
    """

    def __init__(self, stack: Stack, hierarchy: Hierarchy, newest: int = DEFAULT_NEWEST) -> None:
        from cli.stack.plain_values import document_client  # boto3, which no help loads

        self.left_out: list[str] = []
        self._tables = stack.entity_tables
        self._append_only = stack.append_only_tables
        self._hierarchy = hierarchy
        self._newest = newest
        self._client = document_client(stack)

    def read(self, context: str, entity: str = "") -> list[StoredItem]:
        """The items of a context in all tables, append-only items last.

        ``entity`` is a kind, a kind and an id, or for append-only entities a kind and the beginning of a time.
        """
        found: list[StoredItem] = []
        for name in self._tables:
            if name not in self._append_only:
                found += self._query(name, _of(context, entity))
            elif not entity or self._hierarchy.is_append_only(entity):
                found += self._read_newest(name, context, entity)
        return self._hierarchy.in_order(found)

    def read_below(self, items: Iterable[StoredItem]) -> list[StoredItem]:
        """The items below these, and below those in turn: the first of each of ``MAX_CONTEXTS_BELOW`` contexts."""
        seen = {item["context"] for item in items}
        room = MAX_CONTEXTS_BELOW
        found: list[StoredItem] = []
        level = list(items)
        with ThreadPoolExecutor(MAX_CONCURRENT_QUERIES) as pool, output.progress() as progress:
            while level:
                new = {context: tables for context, tables in self._below(level).items() if context not in seen}
                seen |= new.keys()
                chosen = dict(itertools.islice(new.items(), room))
                room -= len(chosen)
                self._report_unread([*new][len(chosen) :])
                results = pool.map(lambda entry: self._read_first(*entry), chosen.items())
                tracked = progress.track(results, total=len(chosen), description="reading contexts below")
                level = [item for result in tracked for item in result]
                found += level
        return found

    def _below(self, items: Iterable[StoredItem]) -> Mapping[str, frozenset[str]]:
        """The contexts below items, each with the tables that may have its items."""
        return {
            f"{item['context'].partition('#')[0]}#{below}": tables
            for item in items
            for below, tables in self._hierarchy.below(item["entity"])
        }

    def _report_unread(self, contexts: list[str]) -> None:
        if contexts:
            self.left_out.append(
                f"Only the first {MAX_CONTEXTS_BELOW} contexts were read, without {_some(contexts)}."
                f" Read one with `canvas-events show {strip_account(contexts[0])}`."
            )

    def _read_first(self, context: str, tables: Iterable[str]) -> list[StoredItem]:
        found: list[StoredItem] = []
        for name in tables:
            if name in self._tables:
                items = self._query(name, _of(context), limit=MAX_ITEMS_BELOW + 1)
                if len(items) > MAX_ITEMS_BELOW:
                    self.left_out.append(
                        f"{strip_account(context)} has more than these {MAX_ITEMS_BELOW} items:"
                        f" `canvas-events show {strip_account(context)}`."
                    )
                found += items[:MAX_ITEMS_BELOW]
        return self._hierarchy.in_order(found)

    def _read_newest(self, name: str, context: str, entity: str) -> list[StoredItem]:
        from boto3.dynamodb.conditions import Key

        condition: ConditionBase = Key("context").eq(context)
        if entity:
            condition &= Key("entity").begins_with(entity if "#" in entity else f"{entity}#")
        # One more than is shown, to know whether there is more.
        items = self._query(name, condition, limit=self._newest + 1, newest_first=True)
        if len(items) > self._newest:
            kind = entity or items[0]["entity"].partition("#")[0]
            self.left_out.append(
                f"There is more {kind} than the newest {self._newest}:"
                f" `canvas-events show {strip_account(context)} {kind} --newest {10 * self._newest}`."
            )
        return items[: self._newest]

    def _query(
        self, name: str, condition: "ConditionBase", *, limit: int | None = None, newest_first: bool = False
    ) -> list[StoredItem]:
        from canvas_tables.read import query  # boto3, as above

        return list(query(self._client, self._tables[name], condition, limit=limit, newest_first=newest_first))


def _of(context: str, entity: str = "") -> "ConditionBase":
    """The condition for the items of a context, for those of a kind, or for one."""
    from boto3.dynamodb.conditions import Key

    condition: ConditionBase = Key("context").eq(context)
    if entity:
        condition &= Key("entity").eq(entity) if "#" in entity else Key("entity").begins_with(f"{entity}#")
    return condition


def _some(contexts: list[str]) -> str:
    first = ", ".join(map(strip_account, contexts[:3]))
    return first if len(contexts) <= 3 else f"{first} and {len(contexts) - 3:,} more"
