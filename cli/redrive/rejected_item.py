"""The items of the table of rejected events, checked against what ``handlers.items.rejection`` writes.

Whoever may write to the table can leave other items there: another version of the functions, a script, a restored
backup. Such an item is malformed: its record has an ``error``, and nothing else of it is used.
"""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from boto3.dynamodb.types import Binary

from cli.redrive.publisher import OutgoingRecord
from cli.redrive.redrive import BacklogEntry
from handlers.items.timestamps import parse_datetime
from handlers.outcome import Violation

# Lambda invokes a function with at most 6 MB, whatever the source (Lambda Developer Guide, "How Lambda processes
# records from stream and queue-based event sources"); redaction makes a record longer, but never twice as long.
MAX_PAYLOAD_BYTES = 2 * 6 * 1024 * 1024

_RECORD = re.compile(r"([^#]+)#[0-9a-f]{64}")
_TYPES = {str: "text", dict: "a map", list: "a list", Decimal: "a number", Binary: "binary"}

ValueT = TypeVar("ValueT")


class MalformedItemError(Exception):
    """An item is not as the functions write it. The text names the attribute and what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class RejectedRecord(BacklogEntry):
    """A record of the table: ``id`` is its sort key, ``reason`` its partition key.

    ``source_arn`` is the ARN of the queue or stream that it came through, ``source_id`` its message id or sequence
    number there. ``payload`` is its data as DynamoDB holds it, where it was read: ``with_data`` decompresses it.
    """

    reason: str
    enqueued_at: datetime | None = None
    event_name: str | None = None
    rejected_at: str = ""
    violations: tuple[Violation, ...] = ()
    source_arn: str = ""
    source_id: str = ""
    expires_at: datetime | None = None
    payload: object = None


def parse(item: Mapping[str, Any]) -> RejectedRecord:
    """Return the record of an item, in plain values, without its data; one with an ``error`` if it is malformed."""
    reason, record = item["reason"], item["record"]
    try:
        source = _value(item, "source", dict)
        return RejectedRecord(
            id=record,
            reason=reason,
            enqueued_at=_enqueued_at(record),
            event_name=_value(item, "event_name", str) if "event_name" in item else None,
            rejected_at=_time(item, "rejected_at"),
            violations=tuple(map(_violation, _value(item, "errors", list))),
            source_arn=_value(source, "arn", str, "source."),
            source_id=_value(source, "id", str, "source."),
            expires_at=_expires_at(item),
            payload=item.get("payload"),
        )
    except MalformedItemError as error:
        return RejectedRecord(id=record, reason=reason, error=_error(reason, error))


def with_data(record: RejectedRecord) -> RejectedRecord:
    """Return the record with its data in ``records``; with an ``error`` if its payload is malformed."""
    if record.error:
        return record
    try:
        data = decompress(record.payload)
    except MalformedItemError as error:
        return RejectedRecord(id=record.id, reason=record.reason, error=_error(record.reason, error))
    return replace(record, records=(OutgoingRecord(data),), payload=None)


def decompress(payload: object) -> bytes:
    """Return the data in a ``payload``: the record as it came, except that secrets in URLs are redacted.

    Raises ``MalformedItemError`` for what is not gzip, and for more data than the functions can have received, of
    which no more than that is decompressed.
    """
    packed: Any = _value({"payload": payload}, "payload", Binary)
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)  # 16: gzip. Source: zlib's manual, "inflateInit2"
    try:
        data = stream.decompress(bytes(packed), MAX_PAYLOAD_BYTES + 1)
    except zlib.error:
        raise MalformedItemError("payload is not valid gzip data") from None
    if len(data) > MAX_PAYLOAD_BYTES:
        raise MalformedItemError(f"payload holds more than {MAX_PAYLOAD_BYTES:,} bytes, which no record has")
    if not stream.eof:
        raise MalformedItemError("payload is truncated")
    return data


def _error(reason: str, error: MalformedItemError) -> str:
    return f"malformed item under {reason}: {error}"


def _value(item: Mapping[str, Any], name: str, kind: type[ValueT], prefix: str = "") -> ValueT:
    value = item.get(name)
    if value is None:
        raise MalformedItemError(f"{prefix}{name} is missing")
    if not isinstance(value, kind):
        raise MalformedItemError(f"{prefix}{name} is not {_TYPES[kind]}")
    return value


def _violation(error: object) -> Violation:
    if not isinstance(error, dict):
        raise MalformedItemError("errors holds something other than maps")
    return Violation(*(_value(error, name, str, "errors.") for name in ("path", "rule", "expected")))


def _enqueued_at(record: str) -> datetime:
    parts = _RECORD.fullmatch(record)
    try:
        return parse_datetime(parts[1] if parts else "")
    except ValueError:
        raise MalformedItemError("record is not a time and a digest") from None


def _time(item: Mapping[str, Any], name: str) -> str:
    text = _value(item, name, str)
    try:
        parse_datetime(text)
    except ValueError:
        raise MalformedItemError(f"{name} is not a time") from None
    return text


def _expires_at(item: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromtimestamp(int(_value(item, "expires_at", Decimal)), UTC)
    except (ValueError, OverflowError, OSError):
        raise MalformedItemError("expires_at is not a time in seconds since 1970") from None
