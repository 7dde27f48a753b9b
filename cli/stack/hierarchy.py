"""What stands under what in the tables, as the catalogue says it: the overrides under their assignment."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cli.catalogue.model import EventTypeDefinition, names

Item = dict[str, Any]


class Nesting:
    """Which contexts stand below an entity: those whose template has the entity's id and nothing else.

    ``discussion_topic`` has the id ``discussion_topic_id``, and a reply's context is
    ``DiscussionTopic#{discussion_topic_id}``: so replies stand below their topic. Occurrences stand below nothing: of
    these there may be any number, and who wants them asks for them.
    """

    def __init__(self, event_types: Mapping[str, EventTypeDefinition]) -> None:
        everything = {entity.name: entity for event_type in event_types.values() for entity in event_type.entities}
        self._occurrences = {entity.kind for entity in everything.values() if not entity.id_templates}
        self._entities = {name: entity for name, entity in everything.items() if entity.id_templates}
        self._templates: dict[str, dict[str, set[str]]] = {}
        # Those of entities that can stand in any context, as "{context_type}#{context_id}".
        self._everywhere: set[str] = set()
        for entity in self._entities.values():
            for template in entity.context_templates:
                fields = names(template)
                if len(fields) == 1:
                    self._templates.setdefault(fields[0], {}).setdefault(template, set()).add(entity.table_variable)
                else:
                    self._everywhere.add(entity.table_variable)

    def below(self, entity: str) -> Iterator[tuple[str, frozenset[str]]]:
        """The contexts below ``assignment#9001``, without account, each with the tables that it may be in."""
        kind, _, number = entity.partition("#")
        known = self._entities.get(kind)
        # The id of a syllabus or a grade is that of a course or a person, and what is below these is not below it too.
        if known is None or known.id != f"{kind}_id":
            return
        for template, tables in self._templates.get(known.id, {}).items():
            yield template.replace(f"{{{known.id}}}", number), frozenset(tables | self._everywhere)

    def is_occurrence(self, entity: str) -> bool:
        """Whether a sort key, or its beginning, is that of an occurrence, as ``activity#2026-09-03T09:15…``."""
        return entity.partition("#")[0] in self._occurrences

    def in_order(self, items: Iterable[Item]) -> list[Item]:
        """Items as a person would read them: entities by their sort keys, then occurrences, the newest first."""
        by_key = sorted(items, key=lambda item: str(item["entity"]))
        entities = [item for item in by_key if not self.is_occurrence(item["entity"])]
        return entities + [item for item in reversed(by_key) if self.is_occurrence(item["entity"])]


def tail(context: str) -> str:
    """A context without its root account: ``Course#2041``."""
    return context.partition("#")[2]
