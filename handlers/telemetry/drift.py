"""How a valid event differs from what the catalogue says: Canvas has changed, and the contract has to follow."""

from handlers.intake.decode import LiveEvent
from handlers.items.event_types import EventType
from handlers.outcome import NO_DRIFT, Drift

# Canvas cuts a text at 8192 characters, on a word boundary, and ends it with "...". Source: canvas-lms,
# gems/live_events/lib/live_events.rb, ``truncate``. The last word is hardly longer than the difference.
MOST_CHARACTERS = 8192
_LEAST_CHARACTERS_OF_CUT_TEXT = 7680


def drift(event: LiveEvent, event_type: EventType) -> Drift:
    """How an event that its schema accepts differs; ``NO_DRIFT`` itself when it does not."""
    body = event.body
    unknown = states = cut = 0  # and no generator where one look suffices, as it does for nearly every event
    if not event_type.known_names.issuperset(body):
        unknown = sum(body[name] is not None for name in body.keys() - event_type.known_names)
    for name, known in event_type.states.items():
        state = body.get(name)
        states += state is not None and state not in known
    for name in event_type.texts:
        text = body.get(name)
        cut += text is not None and is_cut(text)
    return Drift(unknown, states, cut) if unknown or states or cut else NO_DRIFT


def is_cut(text: str) -> bool:
    """Whether Canvas seems to have cut a text; a whole one that is as long and ends in the same way seems so too."""
    return _LEAST_CHARACTERS_OF_CUT_TEXT < len(text) <= MOST_CHARACTERS and text.endswith("...")
