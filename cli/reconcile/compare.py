"""Comparing the item of a row with the one that a table has."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from cli.reconcile.maps import Source
from cli.reconcile.snapshot import Snapshot
from handlers.items.timestamps import format_utc
from handlers.telemetry.drift import CANVAS_TEXT_LIMIT, is_truncated

_TIMES = frozenset({"time", "ruby_time"})
_SECONDS = len("2026-11-21T04:00:00")


class State(StrEnum):
    """How a row and the tables compare. ``NEWER_HERE`` is an item that an event wrote after the row was right."""

    EQUAL = "equal"
    MISSING = "missing"
    DIFFERENT = "different"
    NEWER_HERE = "newer_here"
    DELETED_IN_CANVAS = "deleted_in_canvas"
    NOT_COMPARABLE = "not_comparable"


class Comparison(NamedTuple):
    """The state of a row, and the fields that differ."""

    state: State
    fields: tuple[str, ...] = ()


def compare(snapshot: Snapshot, stored: Mapping[str, Any] | None, source: Source) -> Comparison:
    """Compare a snapshot with the item under its key: None, or plain ``version``, ``body`` and ``deleted``.

    Time proves nothing: equal fields are equal at any time. Only where they differ, an item whose newest event is later
    than the row is right.
    """
    if stored is None:
        gone = snapshot.is_deleted or snapshot.body.get("workflow_state") == "deleted"
        return Comparison(State.EQUAL if gone else State.MISSING)
    fields = tuple(name for name in snapshot.compared_fields if not _is_equal(name, snapshot, stored["body"], source))
    is_gone_here, is_gone = bool(stored.get("deleted")), "deleted" in snapshot.item.attributes
    if not fields and is_gone_here == is_gone:
        return Comparison(State.EQUAL)
    if _right_since(stored["version"]) > format_utc(snapshot.as_of):
        return Comparison(State.NEWER_HERE, fields)
    if is_gone and not is_gone_here:
        return Comparison(State.DELETED_IN_CANVAS, fields)
    return Comparison(State.DIFFERENT, fields)


def _right_since(version: str) -> str:
    """Return the time of the last event, or of the last correction, of an item."""
    event, is_corrected, correction = version.partition("~")
    return (correction if is_corrected else event).partition("#")[0]


def _is_equal(name: str, snapshot: Snapshot, stored: Mapping[str, Any], source: Source) -> bool:
    row_value, value = snapshot.body.get(name), stored.get(name)
    if row_value == value:
        return True
    if not (isinstance(row_value, str) and isinstance(value, str)):
        return False
    kind = snapshot.event_type.field_kinds[name]
    if kind in _TIMES and (source == "rest" or kind == "ruby_time"):
        return row_value[:_SECONDS] == value[:_SECONDS]  # the other side has whole seconds
    # The event has the text up to Canvas's limit.
    return len(row_value) > CANVAS_TEXT_LIMIT and is_truncated(value) and row_value.startswith(value[:-3])
