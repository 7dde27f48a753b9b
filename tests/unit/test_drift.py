"""What tells that Canvas has changed, or has cut a text."""

from typing import Any

import pytest

from handlers.intake.decode import decode
from handlers.items.event_types import load
from handlers.outcome import NO_DRIFT, Drift
from handlers.telemetry.drift import detect_drift, is_truncated
from tests.support.engines import Change

CATALOGUE = load()


def drift_of(text: str) -> Drift:
    """The drift of an event as it comes."""
    live_event = decode(text.encode())
    return detect_drift(live_event, CATALOGUE[live_event.name])


@pytest.mark.parametrize("event_name", CATALOGUE)
def test_a_sample_does_not_differ(event: Change, event_name: str) -> None:
    """Whoever keeps to the catalogue is told of nothing."""
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
def test_what_differs_is_counted(event: Change, fields: dict[str, Any], expected: Drift) -> None:
    """Fields and states that the catalogue does not know count, and texts as Canvas cuts them; nulls do not."""
    assert drift_of(event("assignment_updated", **fields)) == expected


def test_a_text_is_cut_as_canvas_cuts_it() -> None:
    """The longest text that Canvas sends ends in three dots, within a word's length of its limit."""
    assert is_truncated("x" * 8189 + "...")
    assert not is_truncated("x" * 8192)
    assert not is_truncated("x" * 8190 + "...")
    assert not is_truncated("x" * 4000 + "...")
