"""Bytes to a Live Event: JSON, the envelope, and the name of the event."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, NoReturn

from handlers.outcome import Reason, Rejected, Violation

MOST_LEVELS = 100  # of a whole record: DynamoDB takes some thirty in an item, Python some hundreds in a call


class LiveEvent(NamedTuple):
    """A Canvas Live Event. ``metadata`` and ``body`` are as they came; numbers are int or Decimal."""

    name: str
    metadata: Mapping[str, Any]
    body: Mapping[str, Any]


def decode(data: bytes) -> LiveEvent:
    """Read a record's data as ``{"metadata": {...}, "body": {...}}``.

    A Canvas that an institution hosts itself calls the first part ``attributes``.

    Raises ``Rejected`` for what is not JSON, comes in the Caliper format, or is no Canvas event, and for JSON
    that is nested deeper, or has larger numbers, than any table could hold.
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
        document = _DECODER.decode(data.decode("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise Rejected(Reason.MALFORMED_JSON, Violation("", "json", "JSON text in UTF-8")) from None
    except (ValueError, InvalidOperation):
        raise Rejected(Reason.UNSTORABLE, Violation("", "number", "numbers within DynamoDB's range")) from None
    except RecursionError:
        raise _too_deep() from None
    # Nothing is deeper than it has brackets, and nearly nothing has as many.
    if data.count(b"[") + data.count(b"{") > MOST_LEVELS and _is_deeper(document, MOST_LEVELS):
        raise _too_deep()
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError("not JSON", name, 0)


# Not orjson: it would round numbers that DynamoDB keeps whole.
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)


def _too_deep() -> Rejected:
    return Rejected(Reason.UNSTORABLE, Violation("", "nesting", f"at most {MOST_LEVELS} levels"))


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether a value has more levels; without recursion, whose own limit differs between versions of Python."""
    level = [value]
    for _ in range(levels):
        containers = [each for each in level if isinstance(each, dict | list)]
        level = [each for one in containers for each in (one.values() if isinstance(one, dict) else one)]
    return any(isinstance(each, dict | list) for each in level)


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if name not in document:
        raise _no_event("metadata" if name == "attributes" else name, "required", "")
    part = document[name]
    if not isinstance(part, dict):
        raise _no_event("metadata" if name == "attributes" else name, "type", "object")
    return part


def _no_event(path: str, rule: str, expected: str) -> Rejected:
    return Rejected(Reason.SCHEMA_VIOLATION, Violation(path, rule, expected))
