"""How a valid event differs from what the catalogue says: Canvas has changed, and the contract has to follow."""

from handlers.catalogue import EventType
from handlers.decode import LiveEvent
from handlers.fates import NO_DRIFT, Drift

# Canvas cuts a text at 8192 characters, on a word boundary, and ends it with "...". Source: canvas-lms,
# gems/live_events/lib/live_events.rb, ``truncate``. The last word is hardly longer than the difference.
MOST_CHARACTERS = 8192
_LEAST_CHARACTERS_OF_CUT_TEXT = 7680


def drift(event: LiveEvent, event_type: EventType) -> Drift:
    """How an event that its schema accepts differs; ``NO_DRIFT`` itself when it does not."""
    body = event.body
    unknown = 0
    if not body.keys() <= event_type.known_names:
        unknown = sum(body[name] is not None for name in body.keys() - event_type.known_names)
    states = sum(
        body.get(name) is not None and body[name] not in known for name, known in event_type.known_states.items()
    )
    cut = sum(is_cut(body[name]) for name in event_type.texts if body.get(name) is not None)
    return Drift(unknown, states, cut) if unknown or states or cut else NO_DRIFT


def is_cut(text: str) -> bool:
    """Whether Canvas seems to have cut a text; a whole one that is as long and ends in the same way seems so too."""
    return _LEAST_CHARACTERS_OF_CUT_TEXT < len(text) <= MOST_CHARACTERS and text.endswith("...")
