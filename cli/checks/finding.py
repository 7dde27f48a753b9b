"""What a check finds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

DEPLOY = "Deploy template.yaml again: `sam build && sam deploy`."

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
    """A fault, if the error says that something of the stack is not there any more."""
    answer: Mapping[str, Any] = getattr(error, "response", {})
    if answer.get("Error", {}).get("Code") not in _NOT_THERE:
        return None
    operation = getattr(error, "operation_name", "")
    return Finding(State.FAULT, f"something of the stack was deleted: {operation} does not find it", DEPLOY)
