"""A line of an object: a record with its id, source and time, as JSON.

An event has the members ``id``, ``source``, ``enqueued_at``, ``metadata`` and ``body``; of the metadata only
``METADATA`` is kept. Any other record has, in place of the last two, ``payload``: its text with the secrets in URLs
redacted, or ``payload_base64``: its bytes, where they are not text. A rejected record has its ``digest``, too.

A line gives the same items as its record did: numbers keep their digits, and the body keeps all its members.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, NamedTuple

from handlers.intake.decode import LiveEvent, parse_json
from handlers.intake.record import Record
from handlers.items.redact import may_hold_secrets, redact_text, redact_value
from handlers.items.timestamps import parse_datetime
from handlers.outcome import Rejection

# All that the pipeline reads of the metadata. Canvas sends much more, most of it about people.
METADATA = (
    "event_name",
    "event_time",
    "root_account_uuid",
    "root_account_id",
    "hostname",
    "user_id",
    "context_type",
    "context_id",
    "request_id",
)

# The members of an event that has all of these.
_USUAL_EVENT = f'"metadata":{{{",".join([f"{encode_basestring(name)}:%s" for name in METADATA])}}},"body":%s'

# Letters, "%" and "=" that JSON need not escape, and that would hide a secret's name from a look at the text.
_NEEDLESS_ESCAPE = re.compile(r"\\u00(?:25|3[dD]|[4-7])")

# A line as ``format_line`` writes it, up to what distinguishes an event from a payload.
_HEADER = re.compile(
    r'\{"id":("[^"\\]*"),"source":"([a-z]+)","enqueued_at":"([0-9T:.-]+Z)",(?:"digest":"([0-9a-f]{64})",)?(?="metadata":)'
)


class LineError(Exception):
    """A line that is not as ``format_line`` writes it; the text says what is wrong, and nothing of its content."""


class Line(NamedTuple):
    """A record, and the name of the source that it once came through."""

    record: Record
    source: str


def format_line(record: Record, source: str, event: LiveEvent | None, *, is_rejected: bool = False) -> str:
    """Return the line of a record, with the line feed at its end.

    ``event`` is None for a record that could not be decoded. The digest of a rejected record identifies its item in the
    table of rejected events, although the line does not contain all of the record.
    """
    digest = f'"digest":"{hashlib.sha256(record.data).hexdigest()}",' if is_rejected else ""
    content = _event(event) if event else _payload(record.data)
    return (
        f'{{"id":{encode_basestring_ascii(record.id)},"source":"{source}",'
        f'"enqueued_at":"{_format(record.enqueued_at)}",{digest}{content}}}\n'
    )


def parse_line(text: str, source_arn: str) -> Line:
    """Return the record of a line. Its data is the event as the line has it, or the payload.

    Raises ``LineError`` for a line that is not as ``format_line`` writes it, in whatever notation.
    """
    header = _HEADER.match(text)
    if not header:
        return _parse_any_line(text, source_arn)
    data = f"{{{text[header.end() :]}".encode()
    try:
        enqueued_at = datetime.fromisoformat(header[3])
    except ValueError:
        return _parse_any_line(text, source_arn)
    return Line(Record(header[1][1:-1], data, enqueued_at, source_arn, header[4]), header[2])


def _format(time: datetime) -> str:
    """``format_utc`` for a time that is in UTC, as those of records are, in half of the time."""
    parts = (time.year, time.month, time.day, time.hour, time.minute, time.second, time.microsecond)
    return "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ" % parts  # noqa: UP031  # faster than format specifiers


def _event(event: LiveEvent) -> str:
    """Return the members of an event: its body as it came, unless it may hold secrets or is not in one line."""
    text = event.body_text
    values: Iterable[Any] = map(event.metadata.get, METADATA)
    try:
        content = _USUAL_EVENT % (*map(encode_basestring_ascii, values), text)
    except TypeError:  # a member is missing, null or a number
        members = [f'"{name}":{to_json(value)}' for name, value in _kept_metadata(event).items()]
        content = f'"metadata":{{{",".join(members)}}},"body":{text}'
    if not text or may_hold_secrets(content) or ("\\u00" in text and _NEEDLESS_ESCAPE.search(content)):
        metadata, body = redact_value(_kept_metadata(event)), redact_value(event.body)
        return f'"metadata":{to_json(metadata)},"body":{to_json(body)}'
    # JSON allows line feeds between values, never in them.
    return content.replace("\n", " ").replace("\r", " ") if "\n" in text or "\r" in text else content


def _kept_metadata(event: LiveEvent) -> dict[str, Any]:
    return {name: event.metadata[name] for name in METADATA if name in event.metadata}


def _payload(data: bytes) -> str:
    try:
        return f'"payload":{encode_basestring(redact_text(data.decode()))}'
    except UnicodeDecodeError:
        return f'"payload_base64":"{base64.b64encode(data).decode()}"'


def to_json(value: Any) -> str:
    """Serialize a decoded value without rounding its numbers."""
    if isinstance(value, str):
        return encode_basestring_ascii(value) if value.isascii() else _text(value)
    if isinstance(value, dict):
        return f"{{{','.join([f'{to_json(name)}:{to_json(member)}' for name, member in value.items()])}}}"
    if isinstance(value, list):
        return f"[{','.join(map(to_json, value))}]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair has no other form
        return encode_basestring_ascii(text)
    return encode_basestring(text)  # no longer than it came: escaped, an event could exceed the largest record


def _parse_any_line(text: str, source_arn: str) -> Line:
    line = _object(text)
    try:
        record_id, source, digest = (_string(line, name) for name in ("id", "source", "digest"))
        enqueued_at = _enqueued_at(_string(line, "enqueued_at"))
        return Line(Record(record_id, _data(line), enqueued_at, source_arn, digest or None), source)
    except (KeyError, TypeError, ValueError):
        raise LineError("it lacks a member, or has one of another type") from None


def _object(text: str) -> dict[str, Any]:
    try:
        line = parse_json(text.encode())
    except Rejection as rejection:
        raise LineError(f"it cannot be read: {rejection.reason}") from None
    if not isinstance(line, dict):
        raise LineError("it is not a JSON object")
    return line


def _string(line: Mapping[str, Any], name: str) -> str:
    value = line.get(name, "") if name == "digest" else line[name]
    if not isinstance(value, str):
        raise TypeError
    return value


def _data(line: Mapping[str, Any]) -> bytes:
    if "metadata" in line:
        return to_json({"metadata": line["metadata"], "body": line["body"]}).encode()
    if "payload_base64" in line:
        return base64.b64decode(_string(line, "payload_base64"), validate=True)
    return _string(line, "payload").encode("utf-8", "surrogatepass")


def _enqueued_at(text: str) -> datetime:
    try:
        return parse_datetime(text)
    except ValueError:
        raise LineError("enqueued_at is not a date-time") from None
