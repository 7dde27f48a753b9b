"""What stands under what in the tables, as the catalogue says it: the overrides under their assignment."""

from collections.abc import Iterator, Mapping

from cli.catalogue import Entity, EventType, names


class Nesting:
    """Which contexts stand below an entity: those whose template has the entity's id and nothing else.

    ``discussion_topic`` has the id ``discussion_topic_id``, and a reply's context is
    ``DiscussionTopic#{discussion_topic_id}``: so replies stand below their topic.
    """

    def __init__(self, event_types: Mapping[str, EventType]) -> None:
        entities = {entity.name: entity for event_type in event_types.values() for entity in event_type.entities}
        self._entities = entities
        self._templates: dict[str, dict[str, set[str]]] = {}
        # Those of entities that can stand in any context, as "{context_type}#{context_id}".
        self._everywhere: set[str] = set()
        for entity in entities.values():
            for template in entity.contexts:
                fields = names(template)
                if len(fields) == 1:
                    self._templates.setdefault(fields[0], {}).setdefault(template, set()).add(entity.table)
                else:
                    self._everywhere.add(entity.table)

    def below(self, entity: str) -> Iterator[tuple[str, frozenset[str]]]:
        """The contexts below ``assignment#9001``, without account, each with the tables that it may be in."""
        kind, _, number = entity.partition("#")
        known = self._entities.get(kind)
        if known is None or known.id is None or not self._names_its_own(known):
            return
        for template, tables in self._templates.get(known.id, {}).items():
            yield template.replace(f"{{{known.id}}}", number), frozenset(tables | self._everywhere)

    def _names_its_own(self, entity: Entity) -> bool:
        """Whether the id is the entity's own: two entities under one id have what is below them but once."""
        owner = next(each for each in self._entities.values() if each.id == entity.id)
        return owner is entity


def tail(context: str) -> str:
    """A context without its root account: ``Course#2041``."""
    return context.partition("#")[2]
