"""Decoding bytes to a Live Event."""

import gzip
import hashlib
import json
from decimal import Decimal

import pytest

from handlers.intake import decode as module
from handlers.intake.decode import MAX_RECORD_BYTES, LiveEvent, decode
from handlers.outcome import Rejection, RejectionReason, Violation


def rejection_of(data: bytes) -> Rejection:
    """Return the rejection of the data."""
    with pytest.raises(Rejection) as caught:
        decode(data)
    return caught.value


@pytest.mark.parametrize("name", ["metadata", "attributes"])
def test_both_envelopes_decode_to_the_same_event(name: str) -> None:
    """Hosted Canvas uses `metadata`, self-hosted Canvas `attributes`; the event is the same."""
    data = f'{{"{name}": {{"event_name": "module_created"}}, "body": {{"position": 1.50}}}}'.encode()
    assert decode(data) == LiveEvent(
        "module_created", {"event_name": "module_created"}, {"position": Decimal("1.5")}, '{"position": 1.50}'
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not JSON",
        b'{"metadata": {}, "body": ',
        b'{"metadata": {"x": NaN}}',
        b'{"x": -Infinity}',
        b"\xff\xfe{}",
        '{"x": "ü"}'.encode("latin-1"),
        b"\xef\xbb\xbf{}",
        b"\xed\xa0\x80",
    ],
)
def test_invalid_json_is_malformed(data: bytes) -> None:
    """Text that is not JSON in UTF-8 is rejected without a crash."""
    assert rejection_of(data).reason is RejectionReason.MALFORMED_JSON


def aggregated(data: bytes) -> bytes:
    """A record of the Kinesis Producer Library that contains one event of less than 120 bytes."""
    user_record = b"\x08\x00\x1a" + bytes([len(data)]) + data  # partition_key_index, data
    message = b"\x0a\x04key1" + b"\x1a" + bytes([len(user_record)]) + user_record  # partition_key_table, records
    return b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message, usedforsecurity=False).digest()


@pytest.mark.parametrize(
    ("data", "rejection"),
    [
        (
            gzip.compress(b'{"metadata": {"event_name": "x"}, "body": {}}'),
            Rejection(RejectionReason.GZIP_COMPRESSED, Violation("", "encoding", "JSON text, uncompressed")),
        ),
        (
            aggregated(b'{"metadata": {"event_name": "x"}, "body": {}}'),
            Rejection(RejectionReason.KPL_AGGREGATED, Violation("", "encoding", "one event, without aggregation")),
        ),
    ],
    ids=["gzip", "KPL"],
)
def test_compressed_or_aggregated_record_has_its_own_reason(data: bytes, rejection: Rejection) -> None:
    """A record that a producer compressed or aggregated says so, rather than that it is not JSON."""
    assert rejection_of(data) == rejection


@pytest.mark.parametrize(
    ("text", "body_text"),
    [
        ('{"metadata":{"event_name":"x"},"body":{"a": 1}}', '{"a": 1}'),
        (' { "metadata" : {"event_name":"x"} ,\n"body" : {"a":1} } \n', '{"a":1}'),
        ('{"body":{"a":1},"metadata":{"event_name":"x"}}', ""),
        ('{"metadata":{"event_name":"x"},"body":{"a":1},"more":1}', ""),
        ('{"metadata":{"event_name":"x"},"body":2,"body":{"a":1}}', ""),
        ('{"metadata":{"body":{"a":2}},"metadata":{"event_name":"x"},"body":{"a":1}}', ""),
    ],
)
def test_body_text_is_that_of_the_usual_envelope(text: str, body_text: str) -> None:
    """The text is given only where the document has nothing but its metadata and its body, in this order."""
    event = decode(text.encode())
    assert event == LiveEvent("x", {"event_name": "x"}, {"a": 1}, body_text)


def test_record_over_the_limit_is_rejected_unparsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record of one byte more than the limit is too large, whatever it contains, and nothing parses it."""
    event = b'{"metadata": {"event_name": "x"}, "body": {}}'
    assert decode(event.ljust(MAX_RECORD_BYTES)).name == "x"
    monkeypatch.setattr(module, "_parse_json", pytest.fail)
    violation = Violation("", "size", "a record of at most 1048576 bytes")
    assert rejection_of(event.ljust(MAX_RECORD_BYTES + 1)) == Rejection(RejectionReason.TOO_LARGE, violation)


@pytest.mark.parametrize("depth", [101, 950, 985, 1_500, 5_000, 100_000])
def test_json_beyond_the_maximum_depth_is_rejected(depth: int) -> None:
    """JSON nested too deeply for an item is rejected, both below Python's own limit and far above it."""
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        data = b'{"metadata": {"event_name": "x"}, "body": {"x": ' + opening * depth + b"1" + closing * depth + b"}}"
        assert rejection_of(data) == Rejection(
            RejectionReason.UNSTORABLE, Violation("", "nesting", "at most 100 levels")
        )


def test_wide_json_is_accepted() -> None:
    """However many members a body has, only their depth counts."""
    body: dict[str, object] = {str(n): [[{}]] for n in range(10_000)}
    data = json.dumps({"metadata": {"event_name": "x"}, "body": body}).encode()
    assert decode(data).body == body


@pytest.mark.parametrize("number", [b"9" * 5_000, b"1e9999999999999999999"])
def test_number_beyond_pythons_digit_limit_is_unstorable(number: bytes) -> None:
    """A number too long for Python is valid JSON, and is rejected as a value that no table can hold."""
    violation = Violation("", "number", "numbers within DynamoDB's range")
    assert rejection_of(b'{"x": ' + number + b"}") == Rejection(RejectionReason.UNSTORABLE, violation)


def test_caliper_format_is_recognised() -> None:
    """The rejection says that the Caliper format is selected in Canvas Data Services."""
    assert rejection_of(b'{"sensor": "s", "sendTime": "t", "dataVersion": "v", "data": []}') == Rejection(
        RejectionReason.CALIPER_FORMAT,
        Violation("", "format", "the Canvas format; select it in Canvas Data Services instead of Caliper"),
    )


def test_canvas_event_with_caliper_fields_is_not_caliper() -> None:
    """Only `sensor` and `data` together, without `body`, are the Caliper format."""
    data = b'{"metadata": {"event_name": "x"}, "body": {}, "sensor": "s", "data": []}'
    assert decode(data) == LiveEvent("x", {"event_name": "x"}, {})
    for one in (b'{"sensor": "s"}', b'{"data": []}'):
        assert rejection_of(one).reason is RejectionReason.SCHEMA_VIOLATION


@pytest.mark.parametrize(
    ("data", "violation"),
    [
        (b"[]", Violation("", "type", "object")),
        (b"17", Violation("", "type", "object")),
        (b"{}", Violation("metadata", "required", "")),
        (b'{"metadata": 1, "body": {}}', Violation("metadata", "type", "object")),
        (b'{"attributes": 1, "body": {}}', Violation("metadata", "type", "object")),
        (b'{"attributes": {}}', Violation("body", "required", "")),
        (b'{"metadata": {}, "body": []}', Violation("body", "type", "object")),
        (b'{"metadata": {}, "body": {}}', Violation("metadata.event_name", "required", "")),
        (b'{"metadata": {"event_name": 7}, "body": {}}', Violation("metadata.event_name", "type", "string")),
    ],
)
def test_json_without_the_envelope_is_rejected_with_the_missing_part(data: bytes, violation: Violation) -> None:
    """JSON that is not a Canvas event is rejected with the part that is missing."""
    assert rejection_of(data) == Rejection(RejectionReason.SCHEMA_VIOLATION, violation)
