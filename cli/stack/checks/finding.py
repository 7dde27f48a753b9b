"""What a check finds."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

# CloudFormation compares templates, so it does not repair a resource that was changed or deleted by hand.
DEPLOY = "Changed by hand: docs/runbook.md#changed-by-hand. Not deployed yet: `sam build && sam deploy`."
NO_TABLE = f"If this is not intended: {DEPLOY}"

_NOT_FOUND = frozenset(
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
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    NOT_CHECKED = "not checked"
    INFO = "information"


@dataclass(frozen=True)
class Finding:
    """A sentence about the stack, and what to do about it where something is wrong."""

    state: State
    text: str
    remedy: str = ""


Findings = Iterator[Finding]


def expect(condition: bool, good: str, bad: str, remedy: str, state: State = State.ERROR) -> Finding:
    """The finding ``good`` where the condition is met; otherwise ``bad`` with its state and remedy."""
    return Finding(State.OK, good) if condition else Finding(state, bad, remedy)


def missing_resource(error: Exception) -> Finding | None:
    """An error finding if AWS reports that a resource of the stack no longer exists."""
    from botocore.exceptions import ClientError

    if not isinstance(error, ClientError) or error.response.get("Error", {}).get("Code") not in _NOT_FOUND:
        return None
    return Finding(State.ERROR, f"a resource was deleted: {error.operation_name} does not find it", DEPLOY)
