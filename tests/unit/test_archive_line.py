"""Lines of the archive: an event read back gives the same items, and holds nothing that nobody asked for."""

import gzip
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.archive.errors import ObjectError
from handlers.archive.line import METADATA, LineError, format_line, parse_line
from handlers.archive.message import ObjectMessage, parse_message
from handlers.archive.reader import MAX_BYTES, MAX_LINES, read_lines
from handlers.archive.writer import object_key
from handlers.intake.admit import admit
from handlers.intake.decode import LiveEvent, decode
from handlers.intake.record import Record
from handlers.intake.validate import validate
from handlers.items.build import build_items
from handlers.items.event_types import load
from handlers.items.item import Item
from handlers.items.rejection import rejection_item
from handlers.items.route import route
from handlers.outcome import Rejection
from handlers.settings import Settings
from tests.guarantees.events import events
from tests.support.engines import NOW, SAMPLES, TABLES

KNOWN = load()
SETTINGS = Settings.from_env(TABLES, frozenset(TABLES) - {"REJECTED_TABLE"})
SECRET = "an-open-door"  # noqa: S105  # in URLs of the tests


def a_record(text: str | bytes) -> Record:
    """Return a record with this text."""
    return Record("19dd0b57", text.encode() if isinstance(text, str) else text, NOW, "arn:aws:sqs:eu-west-1:1:queue")


def items_of(data: bytes) -> tuple[Item, ...]:
    """Return the items of a valid event."""
    event = decode(data)
    event_type = admit(event, KNOWN, SETTINGS)
    validate(event, event_type)
    return build_items(route(event, event_type))


def replayed(record: Record, event: LiveEvent | None, *, is_rejected: bool = False) -> Record:
    """Return a record as it comes back from its line."""
    line = format_line(record, "sqs", event, is_rejected=is_rejected)
    assert line.count("\n") == 1
    assert line.endswith("\n")
    parsed = parse_line(line[:-1], "arn:aws:s3:::bucket/key")
    rewritten = parse_line(json.dumps(json.loads(line), indent=1, sort_keys=True), "arn:aws:s3:::bucket/key")
    assert (rewritten.record.id, rewritten.record.enqueued_at) == (parsed.record.id, parsed.record.enqueued_at)
    assert parsed.source == rewritten.source == "sqs"
    return parsed.record


@given(text=events())
def test_a_line_gives_the_same_items_as_its_record(text: str) -> None:
    """Whatever the event, in whatever notation, its items are the same after the archive, digest included."""
    data = text.encode()
    record = replayed(a_record(data), decode(data))
    assert (record.id, record.enqueued_at) == ("19dd0b57", NOW)
    assert items_of(record.data) == items_of(data)
    assert SECRET not in record.data.decode()


NUMBERS = ["1.0", "1.50", "-0", "-0.0", "1e2", "1E-7", "12345678901234567890123456789012345678", "0.1", "100"]
BODIES = [
    *(f'{{"a":{number}}}' for number in NUMBERS),
    '{"a": 1,\n  "a": 2,\r\n "b": [1, {"c": null}]}',
    '{"a":"\\u0041\\u00e9\\n\\/\\ud83d\\ude00"}',
    '{"a":"ü😀"}',
    f'{{"a":"https://x.example/?verifier={SECRET}&b=1","b":1.50}}',
    f'{{"a":"https://x.example/?to\\u006ben\\u003d{SECRET}"}}',
    f'{{"a":"https://x.example/?token\\u00253D{SECRET}\\u0026b=1"}}',
]
ENVELOPES = [
    '{"metadata":%s,"body":%s}',
    '{"attributes":%s,"body":%s}',
    ' { "metadata" : %s ,\n "body" : %s } ',
    '{"extra":{"user_agent":"x"},"metadata":%s,"body":%s}',
    '{"metadata":%s,"body":{"a":"lost"},"body":%s}',
    '{"metadata":%s,"body":%s,"client_ip":"192.0.2.1"}',
]


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize("body", BODIES)
def test_the_body_keeps_its_values_in_any_envelope(envelope: str, body: str) -> None:
    """Numbers keep their digits, the last of two equal members counts, and secrets in URLs are redacted."""
    event = decode((envelope % ('{"event_name":"x","user_id":1.50,"user_agent":"me"}', body)).encode())
    line = replayed(a_record("{}"), event)
    again = decode(line.data)
    assert again.metadata == {"event_name": "x", "user_id": event.metadata["user_id"]}
    assert str(again.metadata["user_id"]) == "1.50"
    text = line.data.decode()
    assert SECRET not in json.dumps(json.loads(text))
    assert "192.0.2.1" not in text
    if SECRET not in json.dumps(json.loads(body)):
        assert repr(again.body) == repr(event.body)
    assert set(json.loads(text)) == {"metadata", "body"}


def test_the_metadata_is_all_that_the_pipeline_reads() -> None:
    """No stage reads a member of the metadata that a line does not keep, and each of them is read for some event."""
    read: set[str] = set()

    class Watched(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return super().get(name, default)

        def __getitem__(self, name: str) -> Any:
            read.add(name)
            return super().__getitem__(name)

    for name, text in SAMPLES.items():
        event = decode(text.encode())
        watched = event._replace(metadata=Watched({**event.metadata, "context_type": "Course", "context_id": "1"}))
        admit(watched, KNOWN, SETTINGS)
        build_items(route(watched, KNOWN[name]))
    assert read | {"event_name"} == set(METADATA)


@pytest.mark.parametrize(
    "data",
    [
        b"not JSON",
        b"",
        b'"text with \xc3\xbc, \\" and \n"',
        b"\x1f\x8b\x08\x00binary",
        b'{"data":[],"sensor":"x"}',
        b'{"metadata":{"event_name":1},"body":{}}',
        "\ud800".encode("utf-8", "surrogatepass"),
    ],
)
def test_what_is_not_an_event_comes_back_as_it_was(data: bytes) -> None:
    """A record that cannot be decoded is archived whole, and is rejected again into the same item."""
    record = a_record(data)
    with pytest.raises(Rejection) as first:
        decode(record.data)
    again = replayed(record, None, is_rejected=True)
    assert again.data == data
    with pytest.raises(Rejection) as second:
        decode(again.data)
    assert first.value == second.value
    keys = [rejection_item(r, first.value, None, NOW, SETTINGS.rejected_retention).key for r in (record, again)]
    assert keys[0] == keys[1]


def test_a_rejected_event_keeps_its_key() -> None:
    """The line of a rejected event lacks most of its metadata, and still gives the same key in the table."""
    text = '{"metadata":{"event_name":"no_such_type","client_ip":"192.0.2.1"},"body":{}}'
    record, event = a_record(text), decode(text.encode())
    again = replayed(record, event, is_rejected=True)
    assert b"192.0.2.1" not in again.data
    with pytest.raises(Rejection) as rejection:
        admit(event, KNOWN, SETTINGS)
    keys = [rejection_item(r, rejection.value, None, NOW, SETTINGS.rejected_retention).key for r in (record, again)]
    assert keys[0] == keys[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        "{}",
        '{"id":"1","source":"sqs","enqueued_at":"yesterday","metadata":{},"body":{}}',
        '{"id":"1", "source":"sqs","enqueued_at":"2026-09-07T12:00:00Z","metadata":{}}',
        '{"id":"1","source":"sqs","enqueued_at":"2026-09-07T12:00:00Z","payload":1}',
        '{"id":"1","source":"sqs","enqueued_at":"2026-09-07T12:00:00Z","payload_base64":"ä"}',
        '{"id":1,"source":"sqs","enqueued_at":"2026-09-07T12:00:00Z","payload":""}',
    ],
)
def test_a_line_of_another_program_is_an_error(text: str) -> None:
    """A line that lacks something is an error that does not repeat its content."""
    with pytest.raises(LineError) as error:
        parse_line(text, "")
    assert "yesterday" not in str(error.value)


def stream(*parts: bytes) -> io.BytesIO:
    """Return an object's stream."""
    return io.BytesIO(b"".join(parts))


def test_objects_of_several_members_are_read_line_by_line() -> None:
    """Lines come whole, however the object is compressed, and empty lines are skipped."""
    lines = [json.dumps({"n": number, "x": "ü" * 3_000}) for number in range(500)]
    halves = ["\n".join(lines[:250]) + "\n", "\n\n" + "\n".join(lines[250:]) + "\n"]
    assert list(read_lines(stream(*(gzip.compress(half.encode()) for half in halves)))) == lines


WHOLE = gzip.compress(b"a\nb\n")
BROKEN: dict[str, tuple[Sequence[bytes], str]] = {
    "empty": ([], "Truncated"),
    "not gzip": ([b"a\nb\n"], "NotGzip"),
    "something behind it": ([WHOLE, b"more"], "NotGzip"),
    "truncated": ([WHOLE[:-1]], "Truncated"),
    "truncated to its header": ([WHOLE[:10]], "Truncated"),
    "second member truncated": ([WHOLE, WHOLE[:-9]], "Truncated"),
    "damaged": ([WHOLE[:-6], b"\x00\x00", WHOLE[-4:]], "NotGzip"),
    "no last line feed": ([gzip.compress(b"a\nb")], "Truncated"),
    "not text": ([gzip.compress(b"a\n\xff\n")], "NotText"),
    "too many lines": ([gzip.compress(b"a\n" * (MAX_LINES + 1))], "TooLarge"),
    "a bomb": ([gzip.compress(b" " * (MAX_BYTES + 1), 1)], "TooLarge"),
}


@pytest.mark.parametrize(("parts", "code"), BROKEN.values(), ids=BROKEN)
def test_an_object_that_is_not_whole_is_a_clear_error(parts: Sequence[bytes], code: str) -> None:
    """An object that is no archive, not whole or too large ends in an error of its own."""
    with pytest.raises(ObjectError) as error:
        list(read_lines(stream(*parts)))
    assert error.value.code == code


MESSAGE = {"bucket": "ours", "key": "events/dt=2026-09-07/hour=12/sqs-1.ndjson.gz", "run": "20260907T120000Z-4f2a"}


def test_a_message_names_an_object_and_what_to_do_with_it() -> None:
    """Filters and the rewrite may be left out."""
    assert parse_message(json.dumps(MESSAGE), "ours") == ObjectMessage(MESSAGE["key"], MESSAGE["run"])
    everything = MESSAGE | {"families": ["groups"], "types": ["group_created"], "rewrite": True}
    assert parse_message(json.dumps(everything), "ours") == ObjectMessage(
        MESSAGE["key"], MESSAGE["run"], frozenset({"groups"}), frozenset({"group_created"}), True
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not JSON", "MalformedMessage"),
        ("[]", "MalformedMessage"),
        (json.dumps(MESSAGE | {"bucket": "another"}), "OtherBucket"),
        (json.dumps(MESSAGE | {"key": "results/x"}), "OtherPrefix"),
        (json.dumps(MESSAGE | {"key": 1}), "MalformedMessage"),
        (json.dumps(MESSAGE | {"run": "../x"}), "MalformedMessage"),
        (json.dumps(MESSAGE | {"families": "groups"}), "MalformedMessage"),
        (json.dumps(MESSAGE | {"types": [1]}), "MalformedMessage"),
        (json.dumps(MESSAGE | {"rewrite": "yes"}), "MalformedMessage"),
        (json.dumps(MESSAGE | {"familes": ["groups"]}), "MalformedMessage"),
        (json.dumps({"Records": [{"s3": {}}]}), "MalformedMessage"),
    ],
)
def test_a_message_of_another_program_is_refused(text: str, code: str) -> None:
    """A message that names another bucket or prefix, or that nobody here sent, is refused by a clear error."""
    with pytest.raises(ObjectError) as error:
        parse_message(text, "ours")
    assert error.value.code == code
    assert "another" not in str(error.value).replace("another bucket", "")


@given(body=st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3))
def test_any_text_survives_a_line(body: dict[str, str]) -> None:
    """Text of any characters is the same after the archive, unless it has a secret of a URL."""
    data = json.dumps({"metadata": {"event_name": "x"}, "body": body}, ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
    try:
        event = decode(data)
    except Rejection:
        assert replayed(a_record(data), None, is_rejected=True).data == data
    else:
        assert decode(replayed(a_record(data), event).data).body == event.body


def test_a_batch_of_now_has_a_key_by_its_time() -> None:
    """The key has day and hour in UTC, the source and the request id."""
    now = datetime(2026, 11, 21, 14, 3, tzinfo=UTC)
    assert object_key("sqs", "8f3c", now) == "events/dt=2026-11-21/hour=14/sqs-8f3c.ndjson.gz"
