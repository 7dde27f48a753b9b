"""What becomes of a record: exactly one fate, and for a rejection the facts, never the data that failed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Fate(StrEnum):
    """The ends of a record. All but RETRY are acknowledged."""

    STORED = "stored"
    SUPERSEDED = "superseded"
    IGNORED = "ignored"
    REJECTED = "rejected"
    RETRY = "retry"


class Reason(StrEnum):
    """Why a record can never be processed as it is: the partition keys of the table of rejected events."""

    MALFORMED_JSON = "malformed_json"
    CALIPER_FORMAT = "caliper_format"
    SCHEMA_VIOLATION = "schema_violation"
    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    FOREIGN_ACCOUNT = "foreign_account"
    UNROUTABLE = "unroutable"
    UNSTORABLE = "unstorable"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that was broken, where, and what the rule asks for: ``body.due_at``, ``format``, ``date-time``."""

    path: str
    rule: str
    expected: str


class Rejected(Exception):
    """The record can never be processed as it is, for ``reason``, having broken the rules ``violations``."""

    def __init__(self, reason: Reason, *violations: Violation) -> None:
        super().__init__(reason, violations)
        self.reason = reason
        self.violations = violations

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rejected) and self.args == other.args

    __hash__ = Exception.__hash__


class Drift(NamedTuple):
    """How a valid event differs from the catalogue.

    The fields of its body that the catalogue does not know, the states that it does not know, and the texts that
    Canvas cut.
    """

    unknown_fields: int = 0
    unknown_states: int = 0
    cut_fields: int = 0


NO_DRIFT = Drift()


class Outcome(NamedTuple):
    """The fate of the record ``record_id``.

    ``event_name`` is a type of the catalogue, or what looks like one, or None. ``cause`` is the reason of a
    rejection, or a short word for what a retry waits for. ``event_time`` is when the event happened, as the tables
    have it, and ``entered`` when the record entered the queue or stream, of an event that was taken. ``drift`` is how
    the event differs from the catalogue.
    """

    record_id: str
    fate: Fate
    event_name: str | None = None
    cause: str | None = None
    violations: tuple[Violation, ...] = ()
    event_time: str | None = None
    entered: datetime | None = None
    drift: Drift = NO_DRIFT
