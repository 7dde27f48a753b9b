"""Rejections and schema violations in words: what is wrong, what the field means, what to do."""

from collections.abc import Iterable, Mapping
from typing import Any

from cli.ui.output import plural
from handlers.items.canvas_ids import NULLABLE_ID_PATTERN
from handlers.items.event_types import EventType
from handlers.outcome import RejectionReason, Violation

# What to do about each reason; a test compares the keys with the reasons that exist.
REMEDIES: Mapping[str, str] = {
    RejectionReason.MALFORMED_JSON: "The record is not JSON in UTF-8. Check what else sends to the queue or stream.",
    RejectionReason.GZIP_COMPRESSED: "Send events uncompressed: the stream takes JSON text only.",
    RejectionReason.KPL_AGGREGATED: "Disable aggregation in the Kinesis Producer Library (AggregationEnabled=false).",
    RejectionReason.CALIPER_FORMAT: "Select the Canvas format instead of Caliper in Canvas Data Services.",
    RejectionReason.SCHEMA_VIOLATION: "If Canvas is right, fix the catalogue, deploy, and redrive.",
    RejectionReason.UNKNOWN_EVENT_TYPE: (
        "Add it to the catalogue, deploy and redrive; or unsubscribe from it, or add it to IgnoredEventTypes."
    ),
    RejectionReason.FOREIGN_ACCOUNT: "If the account is yours, add it to AllowedRootAccounts, deploy, and redrive.",
    RejectionReason.OTHER_ENVIRONMENT: (
        "Remove the subscription in Canvas's Beta or Test environment. For a stack of that environment, set"
        " AllowBetaAndTest to true."
    ),
    RejectionReason.UNROUTABLE: "The event does not identify its account or entity. Check which program sends it.",
    RejectionReason.UNSTORABLE: "DynamoDB cannot store this value. Check the field that the error names.",
    RejectionReason.TOO_LARGE: "The record exceeds 1 MiB, or its item DynamoDB's 400 KB. Read it from the payload.",
}

_RULES = {
    "required": "is missing",
    "type": "is not of type {expected}",
    "format": "is not a valid {expected}",
    "pattern": "does not match the pattern {expected}",
    "minLength": "is empty, but the key of the item needs it",
    "const": "is not {expected}",
    "enum": "is not {expected}",
    "minimum": "is less than {expected}",
    "maximum": "is more than {expected}",
    "anyOf": "has none of the allowed forms",
    "json": "is not {expected}",
    "encoding": "is not {expected}",
    "account": "is not {expected}",
    "environment": "is not {expected}",
    "size": "is too large: it must be {expected}",
    "nesting": "is nested too deeply ({expected})",
    "number": "has a number that is out of range: use {expected}",
}
_CALIPER = "is in Caliper format; select the Canvas format in Canvas Data Services"


def describe_violation(violation: Violation, event_type: EventType | None) -> str:
    """A sentence about a violation: where, what is wrong, and how the catalogue describes the field.

    ``event_type`` is that of the event where the catalogue has it. The value itself is never included.
    """
    path = violation.path.removeprefix(".") or "the record"
    about = _description(path, event_type) if event_type else ""
    return f"{path} {_rule(violation)}.{f' Description: {about}' if about else ''}"


def list_violations(violations: Iterable[Violation]) -> str:
    """The violations of a rejected record in short, one a line."""
    return "\n".join(f"{v.path} {v.rule} {v.expected}".strip() for v in violations)


def unknown_fields(count: int) -> str:
    """A remark on fields that the catalogue does not know; empty where ``count`` is 0."""
    return f"{plural(count, 'field')} not in the catalogue, stored unchanged" if count else ""


def _rule(violation: Violation) -> str:
    if violation.rule == "format" and not violation.path:
        return _CALIPER
    if violation.rule == "pattern" and violation.expected == NULLABLE_ID_PATTERN:
        return "is not a valid Canvas id"
    sentence = _RULES.get(violation.rule, f"violates the rule {violation.rule}: {{expected}}")
    if violation.expected:
        return sentence.format(expected=violation.expected)
    return sentence.partition(": ")[0].partition(" ({")[0]


def _description(path: str, event_type: EventType) -> str:
    """The description that the event type's schema has for a path."""
    node: Any = event_type.schema
    for name in path.split("."):
        node = node.get("properties", {}).get(name)
        if node is None:
            return ""
    kind = event_type.field_kinds.get(name, "") if path.startswith("body.") else ""
    return f"{node.get('description', '')}{f' ({kind})' if kind else ''}"
