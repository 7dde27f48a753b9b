"""Decode a record's bytes to a Live Event: JSON, the envelope, and the name of the event."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, NoReturn

from handlers.outcome import Rejection, RejectionReason, Violation

# A larger record is not parsed: that can take a hundred times its size in memory, and a stream whose limit was raised
# takes records of megabytes. The largest message of SQS and, by default, the largest record of Kinesis has this size.
# Sources: Amazon SQS Developer Guide, "Amazon SQS message quotas"; Amazon Kinesis API Reference, "UpdateMaxRecordSize".
MAX_RECORD_BYTES = 1024 * 1024

MAX_DEPTH = 100  # of a whole record: DynamoDB allows about thirty in an item, Python some hundreds in a call

# How records that are not text begin, none of which is valid UTF-8. Sources: RFC 1952, section 2.3.1; "KPL Aggregated
# Record Format" of amazon-kinesis-producer. Taking aggregated records apart needs protobuf at every cold start.
_GZIP_MAGIC = b"\x1f\x8b"
_KPL_MAGIC = b"\xf3\x89\x9a\xc2"


class LiveEvent(NamedTuple):
    """A Canvas Live Event. ``metadata`` and ``body`` are as received; numbers are int or Decimal.

    ``body_text`` is the JSON text of the body, empty where the event did not come in the usual envelope.
    """

    name: str
    metadata: Mapping[str, Any]
    body: Mapping[str, Any]
    body_text: str = ""


def decode(data: bytes) -> LiveEvent:
    """Decode ``{"metadata": {...}, "body": {...}}``.

    A self-hosted Canvas calls the first part ``attributes``.

    Raises ``Rejection`` for a record of more than ``MAX_RECORD_BYTES``, for what is not JSON, is in the Caliper format,
    or is not a Canvas event, and for JSON that is nested more deeply, or has larger numbers, than any table could hold.
    """
    if len(data) > MAX_RECORD_BYTES:
        expected = f"a record of at most {MAX_RECORD_BYTES} bytes"
        raise Rejection(RejectionReason.TOO_LARGE, Violation("", "size", expected))
    document, body_text = _parse_json(data)
    if not isinstance(document, dict):
        raise _envelope_violation("", "type", "object")
    if "sensor" in document and "data" in document and "body" not in document:
        raise Rejection(
            RejectionReason.CALIPER_FORMAT,
            Violation("", "format", "the Canvas format; select it in Canvas Data Services instead of Caliper"),
        )
    metadata = _envelope_part(document, "metadata" if "metadata" in document else "attributes")
    body = _envelope_part(document, "body")
    if "event_name" not in metadata:
        raise _envelope_violation("metadata.event_name", "required", "")
    if not isinstance(metadata["event_name"], str):
        raise _envelope_violation("metadata.event_name", "type", "string")
    return LiveEvent(metadata["event_name"], metadata, body, body_text)


def parse_json(data: bytes) -> Any:
    """Parse JSON text; numbers are int or Decimal. Raises ``Rejection`` as ``decode`` does."""
    return _parse_json(data)[0]


def _split_envelope(text: str) -> tuple[Any, str]:
    """Parse a document; return it and the text of its body, which is empty if it is not in the usual envelope."""
    start = _ENVELOPE.match(text)
    if start:
        metadata, end = _DECODER.raw_decode(text, start.end())
        separator = _BODY.match(text, end)
        if separator:
            body, end = _DECODER.raw_decode(text, separator.end())
            if _END.fullmatch(text, end):
                return {start[1]: metadata, "body": body}, text[separator.end() : end]
    return _DECODER.decode(text), ""


def _parse_json(data: bytes) -> tuple[Any, str]:
    try:
        document, body_text = _split_envelope(data.decode("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise _not_json(data) from None
    except (ValueError, InvalidOperation):
        expected = "numbers within DynamoDB's range"
        raise Rejection(RejectionReason.UNSTORABLE, Violation("", "number", expected)) from None
    except RecursionError:
        raise _too_deep() from None
    # A document is at most as deep as it has brackets, and hardly any document has that many.
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _exceeds_depth(document, MAX_DEPTH):
        raise _too_deep()
    return document, body_text


def _not_json(data: bytes) -> Rejection:
    if data.startswith(_GZIP_MAGIC):
        return Rejection(RejectionReason.GZIP_COMPRESSED, Violation("", "encoding", "JSON text, uncompressed"))
    if data.startswith(_KPL_MAGIC):
        return Rejection(RejectionReason.KPL_AGGREGATED, Violation("", "encoding", "one event, without aggregation"))
    return Rejection(RejectionReason.MALFORMED_JSON, Violation("", "json", "JSON text in UTF-8"))


def _reject_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError("not JSON", name, 0)


# Not orjson: it would round numbers that DynamoDB stores exactly.
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_reject_constant)

# The usual envelope, around its two values.
_ENVELOPE, _BODY, _END = (
    re.compile(pattern.replace(" ", r"[ \t\n\r]*"))
    for pattern in (r' \{ "(metadata|attributes)" : ', r' , "body" : ', r" \} ")
)


def _too_deep() -> Rejection:
    return Rejection(RejectionReason.UNSTORABLE, Violation("", "nesting", f"at most {MAX_DEPTH} levels"))


def _exceeds_depth(value: Any, depth: int) -> bool:
    """Whether a value is nested more deeply; without recursion, whose limit depends on the version of Python."""
    level = [value]
    for _ in range(depth):
        containers = [child for child in level if isinstance(child, dict | list)]
        level = [
            child
            for container in containers
            for child in (container.values() if isinstance(container, dict) else container)
        ]
    return any(isinstance(child, dict | list) for child in level)


def _envelope_part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    path = "metadata" if name == "attributes" else name
    if name not in document:
        raise _envelope_violation(path, "required", "")
    part = document[name]
    if not isinstance(part, dict):
        raise _envelope_violation(path, "type", "object")
    return part


def _envelope_violation(path: str, rule: str, expected: str) -> Rejection:
    return Rejection(RejectionReason.SCHEMA_VIOLATION, Violation(path, rule, expected))
