"""Bytes to a Live Event: JSON, the envelope, and the name of the event."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from handlers.fates import Reason, Rejected, Violation


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """A Canvas Live Event. ``metadata`` and ``body`` are as they came; numbers are int or Decimal."""

    name: str
    metadata: Mapping[str, Any]
    body: Mapping[str, Any]


def decode(data: bytes) -> LiveEvent:
    """Read a record's data as ``{"metadata": {...}, "body": {...}}``.

    A Canvas that an institution hosts itself calls the first part ``attributes``.

    Raises ``Rejected`` for what is not JSON, comes in the Caliper format, or is no Canvas event.
    """
    document = _json(data)
    if not isinstance(document, dict):
        raise _no_event("", "type", "object")
    if "sensor" in document and "data" in document and "body" not in document:
        raise Rejected(
            Reason.CALIPER_FORMAT,
            Violation("", "format", "the Canvas format: choose it in Canvas Data Services instead of Caliper"),
        )
    metadata = _part(document, "metadata" if "metadata" in document else "attributes")
    body = _part(document, "body")
    if "event_name" not in metadata:
        raise _no_event("metadata.event_name", "required", "")
    if not isinstance(metadata["event_name"], str):
        raise _no_event("metadata.event_name", "type", "string")
    return LiveEvent(metadata["event_name"], metadata, body)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8"), parse_float=Decimal, parse_constant=_refuse_constant)
    except RecursionError:
        raise Rejected(Reason.MALFORMED_JSON, Violation("", "nesting", "JSON of less depth")) from None
    except (ValueError, InvalidOperation):
        raise Rejected(Reason.MALFORMED_JSON, Violation("", "json", "JSON text in UTF-8")) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if name not in document:
        raise _no_event("metadata" if name == "attributes" else name, "required", "")
    part = document[name]
    if not isinstance(part, dict):
        raise _no_event("metadata" if name == "attributes" else name, "type", "object")
    return part


def _no_event(path: str, rule: str, expected: str) -> Rejected:
    return Rejected(Reason.SCHEMA_VIOLATION, Violation(path, rule, expected))
