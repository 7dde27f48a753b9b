"""Detecting that Canvas has changed or has truncated a text."""

from typing import Any

import pytest

from handlers.intake.decode import decode
from handlers.items.event_types import load
from handlers.outcome import NO_DRIFT, Drift
from handlers.telemetry.drift import detect_drift, is_truncated
from tests.support.engines import EventFactory

CATALOGUE = load()


def drift_of(text: str) -> Drift:
    """Return the drift of a raw event."""
    live_event = decode(text.encode())
    return detect_drift(live_event, CATALOGUE[live_event.name])


@pytest.mark.parametrize("event_name", CATALOGUE)
def test_sample_has_no_drift(event: EventFactory, event_name: str) -> None:
    """An event that follows the catalogue has no drift."""
    assert drift_of(event(event_name)) is NO_DRIFT


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"this": 1, "that": "x", "nothing": None}, Drift(unknown_field_count=2)),
        ({"assignment_id_duplicated__from": "5", "assignment_id_duplicated_from": ...}, NO_DRIFT),
        ({"workflow_state": "post_delayed"}, Drift(unknown_state_count=1)),
        ({"workflow_state": "failed_to_clone_outcome_alignment"}, NO_DRIFT),
        ({"workflow_state": None}, NO_DRIFT),
        ({"workflow_state": ...}, NO_DRIFT),
        ({"description": "word " * 1637 + "..."}, Drift(truncated_field_count=1)),
        ({"description": "word " * 1637 + "...", "title": "y" * 8189 + "...", "x": 1}, Drift(1, 0, 2)),
        ({"description": "And so on ..."}, NO_DRIFT),
        ({"description": "word " * 1638}, NO_DRIFT),
        ({"description": None}, NO_DRIFT),
    ],
)
def test_unknown_fields_and_states_and_truncated_texts_are_counted(
    event: EventFactory, fields: dict[str, Any], expected: Drift
) -> None:
    """Unknown fields, unknown states and truncated texts count; nulls do not."""
    assert drift_of(event("assignment_updated", **fields)) == expected


def test_truncated_text_is_recognised() -> None:
    """A truncated text ends in three dots, within a word's length of Canvas's limit."""
    assert is_truncated("x" * 8189 + "...")
    assert not is_truncated("x" * 8192)
    assert not is_truncated("x" * 8190 + "...")
    assert not is_truncated("x" * 4000 + "...")
