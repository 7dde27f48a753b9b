"""Route a valid event: to which entities, tables and keys it belongs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from handlers.intake.decode import LiveEvent
from handlers.items.canvas_ids import shard_of
from handlers.items.event_types import EntityMapping, EventType
from handlers.items.keys import key_variables, render, render_first, render_reference
from handlers.items.normalize import normalize_body
from handlers.outcome import Rejection, RejectionReason, Violation


class Destination(NamedTuple):
    """Where an item belongs: the mapping names the entity and the table.

    ``context`` and ``id`` are those parts of the primary key, without the root account. An append-only entity has no
    id, and no context if the event names none. ``course`` and ``user`` are the keys of the indexes, such as
    ``Course#2041`` and ``User#8123``; None where the event names none.
    """

    entity: EntityMapping
    context: str | None
    id: str | None
    course: str | None
    user: str | None


class RoutedEvent(NamedTuple):
    """A valid event with its normalized body and a destination for each entity that it describes.

    ``root_account`` is the uuid of the root account, empty for the few events of none; ``shard`` is its shard, if it
    is known.
    """

    event: LiveEvent
    event_type: EventType
    body: Mapping[str, Any]
    root_account: str
    shard: int | None
    destinations: tuple[Destination, ...]


def route(event: LiveEvent, event_type: EventType) -> RoutedEvent:
    """Find the destinations of an event that its schema accepts.

    Raises ``Rejection`` for an event that cannot be keyed.
    """
    root_account = event.metadata.get("root_account_uuid")
    if root_account is None and event_type.requires_root_account:
        violation = Violation("metadata.root_account_uuid", "required", "to key the item")
        raise Rejection(RejectionReason.UNROUTABLE, violation)
    shard = shard_of(event.metadata.get("root_account_id"))
    body = normalize_body(event.body, event_type, shard)
    variables = key_variables(event, body, event_type, shard)
    destinations = tuple(
        [
            _destination(entity, variables)
            for entity in event_type.entities
            if entity.requires is None or entity.requires in body
        ]
    )
    return RoutedEvent(event, event_type, body, root_account or "", shard, destinations)


def _destination(entity: EntityMapping, variables: Mapping[str, Any]) -> Destination:
    if entity.append_only:
        context, entity_id = render_first(entity.context_templates, variables), None
    else:
        context, entity_id = render(entity.context_templates, variables), render(entity.id_templates, variables)
    course = render_reference("Course", entity.course_templates, variables) if entity.course_templates else None
    user = render_reference("User", entity.user_templates, variables) if entity.user_templates else None
    return Destination(entity, context, entity_id, course, user)
