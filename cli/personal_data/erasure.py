"""Erase a person from the tables, so that no event delivered late or again brings the data back.

An item keeps its key and its version, since anything is newer than an item that is not there. A newer event replaces
the item as it would have replaced the original, so the tables agree on every later event. Only activity is deleted:
no event will ever replace it.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Any

from cli.errors import CommandError
from cli.personal_data.person import Person
from cli.personal_data.search import REQUEST_CONTEXT, VIEWED_FIELDS, PersonalItem, Relation
from cli.stack.hierarchy import StoredItem
from cli.stack.plain_values import document_client
from cli.stack.stack import Stack
from cli.stack.table_scan import delete_items
from handlers.items import rejection
from handlers.items.people import GRADER

MAX_CONCURRENT_UPDATES = 8

# What an erased item keeps: its key, its place in the order of versions, and what the erasure itself sets.
_RETAINED = frozenset({"context", "entity", "version", "event_name", "event_time", "body", "deleted"})


class Action(StrEnum):
    """What is done with an item."""

    EMPTIED = "emptied"
    UNLINKED = "id removed"
    DELETED = "deleted"
    KEPT = "kept"
    CHANGED = "changed meanwhile"


_ACTIONS = {
    Relation.ABOUT: Action.EMPTIED,
    Relation.ACTED: Action.UNLINKED,
    Relation.VIEWED: Action.UNLINKED,
    Relation.ACTIVITY: Action.DELETED,
    Relation.REJECTED: Action.DELETED,
}

Counts = Counter[tuple[str, str, Action]]  # items by table variable, kind of entity and what was done


class ErasureRecord:
    """The file that remembers a person's other names and work, and what must be kept, for the next run.

    It is in ``folder``, one file per person. ``keep`` are kinds of entities, such as ``submission_grade``, and single
    ones, such as ``submission_grade#771190``. Raises ``CommandError`` for a file that cannot be read.
    """

    def __init__(self, folder: Path, person: Person) -> None:
        name = re.sub(r"[^\w.-]", "_", f"erasure-{person.root_account}-{person.user_id}.json")
        self.path, self.person = folder / name, person
        self.keep: set[str] = set()
        if self.path.exists():
            self._read()

    def _read(self) -> None:
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            identifiers, work, keep = (set(map(str, document[name])) for name in ("identifiers", "work", "keep"))
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            raise CommandError(
                f"{self.path} is not an erasure record: restore it, or move it away and erase once more."
            ) from None
        self.person.identifiers |= identifiers
        self.person.work |= work
        self.keep |= keep

    def save(self) -> None:
        """Write the file, readable by its owner only; never half of it. Raises ``CommandError`` when that fails."""
        document = {
            "root_account": self.person.root_account,
            "user_id": self.person.user_id,
            "identifiers": sorted(self.person.identifiers),
            "work": sorted(self.person.work),
            "keep": sorted(self.keep),
        }
        unfinished = self.path.with_name(f"{self.path.name}.new")
        try:
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(document, file, indent=2)
            unfinished.replace(self.path)
        except OSError as error:
            raise CommandError(
                f"{self.path} cannot be written: {error.strerror}. Choose another folder with --records."
            ) from None


def planned_action(found: PersonalItem, keep: Iterable[str]) -> Action:
    """What an erasure does with an item."""
    entity = found.item.get("entity")
    return Action.KEPT if entity is not None and {entity, found.kind} & set(keep) else _ACTIONS[found.relation]


def count_planned(items: Iterable[PersonalItem], keep: Iterable[str]) -> Counts:
    """What an erasure would do."""
    return Counter((item.table, item.kind, planned_action(item, keep)) for item in items)


class Eraser:
    """Erases the items of a person. ``counts`` is what was done so far, also after an interruption."""

    def __init__(self, stack: Stack, person: Person, keep: Iterable[str]) -> None:
        self.counts: Counts = Counter()
        self._stack, self._person, self._keep = stack, person, frozenset(keep)
        self._client = document_client(stack)
        self._tables = {**stack.entity_tables, rejection.TABLE_VARIABLE: stack.rejected_table}

    def run(self, items: Iterable[PersonalItem]) -> Iterator[PersonalItem]:
        """Erase items; gives each one when it is done."""
        deleted: dict[str, list[PersonalItem]] = {}
        updated: list[PersonalItem] = []
        for item in items:
            action = planned_action(item, self._keep)
            if action is Action.DELETED:
                deleted.setdefault(item.table, []).append(item)
            elif action is Action.KEPT:
                yield self._done(item, action)
            else:
                updated.append(item)
        with ThreadPoolExecutor(MAX_CONCURRENT_UPDATES) as pool:
            for item, action in zip(updated, pool.map(self._update, updated), strict=True):
                yield self._done(item, action)
        for variable, doomed in deleted.items():
            delete_items(self._stack, self._tables[variable], (item.key for item in doomed))
            for item in doomed:
                yield self._done(item, Action.DELETED)

    def _done(self, item: PersonalItem, action: Action) -> PersonalItem:
        self.counts[item.table, item.kind, action] += 1
        return item

    def _update(self, found: PersonalItem) -> Action:
        match found.relation:
            case Relation.ABOUT:
                return Action.EMPTIED if self._empty(found) else Action.CHANGED
            case Relation.VIEWED:
                self._forget_viewed(found)
            case _:
                self._forget_actor(found)
        return Action.UNLINKED

    def _empty(self, found: PersonalItem) -> bool:
        """Empty the version that was found: whoever acted stays, if it is someone else."""
        retained = _RETAINED | ({"user_id"} if found.item.get("user_id") != self._person.user_id else set())
        surplus = sorted(found.item.keys() - retained)
        names = {f"#{number}": name for number, name in enumerate(surplus)}
        change = "SET #body = :empty, #deleted = :true" + (f" REMOVE {', '.join(names)}" if names else "")
        return self._change(
            found, change, "#version = :version",
            names | {"#body": "body", "#deleted": "deleted", "#version": "version"},
            {":empty": {}, ":true": True, ":version": found.item["version"]},
        )  # fmt: skip

    def _forget_actor(self, found: PersonalItem) -> None:
        """Remove the person's id where the item still has it."""
        user = {":user": self._person.user_id}
        self._change(found, "REMOVE #user", "#user = :user", {"#user": "user_id"}, user)
        grader = {"#body": "body", "#grader": GRADER}
        self._change(found, "REMOVE #body.#grader", "#body.#grader = :user", grader, user)

    def _forget_viewed(self, found: PersonalItem) -> None:
        """Remove whom, or whose work, someone else viewed; that they viewed something stays."""
        names = {f"#{number}": name for number, name in enumerate(VIEWED_FIELDS)}
        change = f"REMOVE {', '.join(f'#body.{name}' for name in names)}"
        self._change(found, change, "attribute_exists(#body)", names | {"#body": "body"}, {})
        here = {":here": f"User#{self._person.user_id}"}
        self._change(found, "REMOVE #request", "#request = :here", {"#request": REQUEST_CONTEXT}, here)

    def _change(
        self, found: PersonalItem, change: str, condition: str, names: dict[str, str], values: StoredItem
    ) -> bool:
        """Change an item on a condition; whether it held."""
        request: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
        try:
            self._client.update_item(
                TableName=self._tables[found.table], Key=found.key, UpdateExpression=change,
                ConditionExpression=condition, ExpressionAttributeNames=names, **request,
            )  # fmt: skip
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True
