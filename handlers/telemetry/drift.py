"""How a valid event differs from the catalogue: Canvas has changed, and the catalogue has to follow."""

from handlers.intake.decode import LiveEvent
from handlers.items.event_types import EventType
from handlers.outcome import NO_DRIFT, Drift

# Canvas truncates a text to 8192 characters, at a word boundary, and ends it with "...". Source: canvas-lms,
# gems/live_events/lib/live_events.rb, ``truncate``. The last word is hardly longer than the difference.
CANVAS_TEXT_LIMIT = 8192
_MIN_TRUNCATED_LENGTH = 7680


def detect_drift(event: LiveEvent, event_type: EventType) -> Drift:
    """Compare an event that its schema accepts with the catalogue; ``NO_DRIFT`` itself if nothing differs."""
    body = event.body
    unknown_fields = unknown_states = truncated = 0  # loops, not generators: nearly every event has no drift
    if not event_type.known_field_names.issuperset(body):
        unknown_fields = sum(body[name] is not None for name in body.keys() - event_type.known_field_names)
    for name, known in event_type.known_states.items():
        state = body.get(name)
        unknown_states += state is not None and state not in known
    for name in event_type.text_fields:
        text = body.get(name)
        truncated += text is not None and is_truncated(text)
    if unknown_fields or unknown_states or truncated:
        return Drift(unknown_fields, unknown_states, truncated)
    return NO_DRIFT


def is_truncated(text: str) -> bool:
    """Whether Canvas seems to have truncated a text; a complete text of that length and ending seems so too."""
    return _MIN_TRUNCATED_LENGTH < len(text) <= CANVAS_TEXT_LIMIT and text.endswith("...")
