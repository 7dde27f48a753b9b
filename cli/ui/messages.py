"""Rejections and broken rules in words: what is wrong, what Canvas sends there, what to do."""

from collections.abc import Mapping, Sequence
from typing import Any

from cli.ui.output import plural
from handlers.items.event_types import EventType
from handlers.outcome import RejectionReason, Violation

# What to do about each reason; a test holds it to all that there are.
REMEDIES: Mapping[str, str] = {
    RejectionReason.MALFORMED_JSON: "It is not JSON in UTF-8. See who else sends to the queue or stream.",
    RejectionReason.CALIPER_FORMAT: "Choose the Canvas format instead of Caliper in Canvas Data Services.",
    RejectionReason.SCHEMA_VIOLATION: "If Canvas is right, mend the catalogue, deploy, and redrive.",
    RejectionReason.UNKNOWN_EVENT_TYPE: "Add it to the catalogue, deploy and redrive, or unsubscribe from it.",
    RejectionReason.FOREIGN_ACCOUNT: "If it is yours, add the account to AllowedRootAccounts, deploy, and redrive.",
    RejectionReason.UNROUTABLE: "The event does not say whose it is. See who sends it.",
    RejectionReason.UNSTORABLE: "DynamoDB cannot hold it. See what it says there.",
    RejectionReason.TOO_LARGE: "It is over the 400 KB of a DynamoDB item. Read it from its payload.",
}

_RULES = {
    "required": "is missing",
    "type": "is not of the type: {expected}",
    "format": "is not of the format: {expected}",
    "pattern": "does not have the form: {expected}",
    "const": "is not {expected}",
    "enum": "is not {expected}",
    "minimum": "is less than {expected}",
    "maximum": "is more than {expected}",
    "anyOf": "is none of the forms that it may have",
    "json": "is not {expected}",
    "account": "is not of {expected}",
    "size": "is too large: {expected}",
    "nesting": "is nested too deep: {expected}",
    "number": "has a number out of bounds: {expected}",
}


def fault(violation: Violation, event_type: EventType | None) -> str:
    """A broken rule in a sentence: where, what is wrong, and what Canvas sends there.

    ``event_type`` is that of the event, where it is one of the catalogue. Of the value nothing is told.
    """
    place = violation.path.removeprefix(".") or "the record"
    broken = _RULES.get(violation.rule, f"breaks the rule {violation.rule}: {{expected}}")
    told = broken.format(expected=violation.expected) if violation.expected else broken.partition(": {")[0]
    about = _about(place, event_type) if event_type else ""
    return f"{place} {told}.{f' Canvas sends there: {about}' if about else ''}"


def rules(errors: Sequence[Mapping[str, str]]) -> str:
    """The broken rules of a rejected item, shortly, one a line."""
    return "\n".join(f"{error['path']} {error['rule']} {error['expected']}".strip() for error in errors)


def unknown(count: int) -> str:
    """A remark on fields that the catalogue does not know."""
    return f"{plural(count, 'field')} that the catalogue does not know; kept as it comes" if count else ""


def _about(path: str, event_type: EventType) -> str:
    """What the event type's schema says of a place."""
    node: Any = event_type.schema
    for step in path.split("."):
        node = node.get("properties", {}).get(step)
        if node is None:
            return ""
    kind = event_type.field_kinds.get(step, "") if path.startswith("body.") else ""
    return f"{node.get('description', '')}{f' ({kind})' if kind else ''}"
