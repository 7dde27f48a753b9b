"""What a check finds."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import ClientError

# CloudFormation compares templates: it does not see by itself what was changed or deleted beside it.
DEPLOY = "Changed by hand: docs/runbook.md#changed-by-hand. Never deployed so: `make build && sam deploy`."
NO_TABLE = f"If this is not intended: {DEPLOY}"

_NOT_THERE = frozenset(
    {
        "ResourceNotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "NoSuchBucket",
        "NoSuchEntity",
        "NotFound",
    }
)


class State(StrEnum):
    """What a check finds."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    NOT_CHECKED = "not checked"
    INFO = "information"


@dataclass(frozen=True)
class Finding:
    """What was found, and what to do about it."""

    state: State
    text: str
    do: str = ""


Findings = Iterator[Finding]


def judged(well: bool, good: str, bad: str, do: str, state: State = State.FAULT) -> Finding:
    """The finding that something is well, or that it is not."""
    return Finding(State.OK, good) if well else Finding(state, bad, do)


def gone(error: Exception) -> Finding | None:
    """A fault, if AWS says that something of the stack is not there any more."""
    if not isinstance(error, ClientError) or error.response.get("Error", {}).get("Code") not in _NOT_THERE:
        return None
    text = f"something of the stack was deleted: {error.operation_name} does not find it"
    return Finding(State.FAULT, text, DEPLOY)
