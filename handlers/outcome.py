"""What became of a record: exactly one fate, and the facts of a rejection without the data that caused it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Fate(StrEnum):
    """The possible ends of a record. All but RETRIED are acknowledged to the source."""

    STORED = "stored"
    SUPERSEDED = "superseded"
    IGNORED = "ignored"
    REJECTED = "rejected"
    RETRIED = "retried"


class RejectionReason(StrEnum):
    """Why a record can never be processed as it is: the partition keys of the table of rejected events."""

    MALFORMED_JSON = "malformed_json"
    GZIP_COMPRESSED = "gzip_compressed"
    KPL_AGGREGATED = "kpl_aggregated"
    CALIPER_FORMAT = "caliper_format"
    SCHEMA_VIOLATION = "schema_violation"
    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    FOREIGN_ACCOUNT = "foreign_account"
    OTHER_ENVIRONMENT = "other_environment"
    UNROUTABLE = "unroutable"
    UNSTORABLE = "unstorable"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule: where, which, and what the rule expects, such as ``body.due_at``, ``format``, ``date-time``."""

    path: str
    rule: str
    expected: str


class Rejection(Exception):
    """The record can never be processed as it is. Compares equal to one with the same reason and violations."""

    def __init__(self, reason: RejectionReason, *violations: Violation) -> None:
        super().__init__(reason, violations)
        self.reason = reason
        self.violations = violations

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rejection) and self.args == other.args

    __hash__ = Exception.__hash__


class Drift(NamedTuple):
    """How far a valid event differs from the catalogue.

    The numbers of body fields that the catalogue does not know, of states that it does not know, and of texts that
    Canvas seems to have truncated.
    """

    unknown_field_count: int = 0
    unknown_state_count: int = 0
    truncated_field_count: int = 0


NO_DRIFT = Drift()


class Outcome(NamedTuple):
    """What became of the record ``record_id``.

    ``event_name`` is safe to log: a type of the catalogue, or a name that looks like one, or None. A rejected record
    has a ``reason`` and ``violations``. A retried one has an ``error``: an error code of DynamoDB or of the writer, or
    the type and place of a bug. Records that were processed have an ``event_time`` (as in the tables,
    ``2019-11-01T19:11:11.323000Z``), ``enqueued_at`` (UTC) and their ``drift``.
    """

    record_id: str
    fate: Fate
    event_name: str | None = None
    reason: RejectionReason | None = None
    error: str | None = None
    violations: tuple[Violation, ...] = ()
    event_time: str | None = None
    enqueued_at: datetime | None = None
    drift: Drift = NO_DRIFT
