"""The hierarchy of contexts that the catalogue defines: overrides belong to their assignment."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cli.catalogue.model import EventTypeDefinition, names

StoredItem = dict[str, Any]


class Hierarchy:
    """Which contexts are below an entity: those whose template consists of the entity's id alone.

    ``discussion_topic`` has the id ``discussion_topic_id``, and the context of a reply is
    ``DiscussionTopic#{discussion_topic_id}``, so replies are below their topic. Append-only entities, such as activity,
    are below nothing: there may be any number of them, so they are read only on request.
    """

    def __init__(self, event_types: Mapping[str, EventTypeDefinition]) -> None:
        by_name = {entity.name: entity for event_type in event_types.values() for entity in event_type.entities}
        self._append_only = {entity.kind for entity in by_name.values() if not entity.id_templates}
        self._entities = {name: entity for name, entity in by_name.items() if entity.id_templates}
        self.kinds = sorted({entity.kind for entity in by_name.values()})
        self._templates: dict[str, dict[str, set[str]]] = {}
        # The tables of entities that may be in any context: "{context_type}#{context_id}".
        self._in_any_context: set[str] = set()
        for entity in self._entities.values():
            for template in entity.context_templates:
                fields = names(template)
                if len(fields) == 1:
                    self._templates.setdefault(fields[0], {}).setdefault(template, set()).add(entity.table_variable)
                else:
                    self._in_any_context.add(entity.table_variable)

    def below(self, entity: str) -> Iterator[tuple[str, frozenset[str]]]:
        """The contexts below ``assignment#9001``, without the account, each with the tables that may have its items."""
        kind, _, number = entity.partition("#")
        known = self._entities.get(kind)
        # A syllabus or a grade has the id of a course or a person, whose contexts are not below it too.
        if known is None or known.id != f"{kind}_id":
            return
        for template, tables in self._templates.get(known.id, {}).items():
            yield template.replace(f"{{{known.id}}}", number), frozenset(tables | self._in_any_context)

    def is_append_only(self, entity: str) -> bool:
        """Whether a sort key or its prefix belongs to an append-only entity: ``activity#2026-09-03T09:15…``."""
        return entity.partition("#")[0] in self._append_only

    def in_order(self, items: Iterable[StoredItem]) -> list[StoredItem]:
        """Items in reading order: entities by their sort keys, then append-only items, the newest first."""
        by_key = sorted(items, key=lambda item: str(item["entity"]))
        entities = [item for item in by_key if not self.is_append_only(item["entity"])]
        return entities + [item for item in reversed(by_key) if self.is_append_only(item["entity"])]


def malformation(item: StoredItem) -> str | None:
    """What is wrong with an entity's item that the functions cannot have written; None if it is as they write it."""
    if not isinstance(item.get("body"), dict):
        return "body is not a map"
    if not isinstance(item.get("event_name"), str):
        return "event_name is not text"
    return None


def strip_account(context: str) -> str:
    """A context without its root account: ``Course#2041``."""
    return context.partition("#")[2]


def class_name(kind: str) -> str:
    """The class of an entity as contexts have it: ``DiscussionTopic`` for ``discussion_topic``."""
    return "".join(word.capitalize() for word in kind.split("_"))
