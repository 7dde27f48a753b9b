"""Malformed entries of the backlogs: each is named and stays, and its neighbours are listed and redriven."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.catalogue.samples import kinesis_event
from cli.redrive import rejected_item
from cli.redrive.failed_batches import MAX_OBJECT_BYTES, parse
from cli.redrive.publisher import OutgoingRecord, SendResult, Stream
from cli.redrive.rejected_item import MalformedItemError, decompress
from cli.stack.plain_values import plain_values
from cli.ui.output import visible
from handlers.intake.record import Record
from handlers.items.redact import redact
from handlers.items.rejection import rejection_item
from handlers.outcome import Rejection, RejectionReason
from tests.support.engines import EventFactory, as_boto3
from tests.support.local_stack import VIOLATION, Command, Local, eventually

DIGEST = "0" * 64
BOMB = gzip.compress(b"0" * 60_000_000, 1)
DEEP_LIST: dict[str, Any] = {"L": []}
for _ in range(30):
    DEEP_LIST = {"L": [DEEP_LIST]}

# Attributes that replace those of an item, in DynamoDB's form; None removes one. The text is in the message.
MALFORMED_ATTRIBUTES: dict[str, tuple[dict[str, Any], str]] = {
    "no source": ({"source": None}, "source is missing"),
    "a source of null": ({"source": {"NULL": True}}, "source is missing"),
    "a source of text": ({"source": {"S": "queue"}}, "source is not a map"),
    "a source without an ARN": ({"source": {"M": {"id": {"S": "1"}}}}, "source.arn is missing"),
    "a source whose ARN is a number": ({"source": {"M": {"arn": {"N": "1"}, "id": {"S": "1"}}}}, "source.arn is not"),
    "a source whose id is a set": ({"source": {"M": {"arn": {"S": ""}, "id": {"SS": ["1"]}}}}, "source.id is not"),
    "no errors": ({"errors": None}, "errors is missing"),
    "errors of text": ({"errors": {"S": "[]"}}, "errors is not a list"),
    "an error that is a number": ({"errors": {"L": [{"N": "7"}]}}, "errors holds something other than maps"),
    "an error without a rule": ({"errors": {"L": [{"M": {"path": {"S": "body"}}}]}}, "errors.rule is missing"),
    "deep errors": ({"errors": DEEP_LIST}, "errors holds something other than maps"),
    "an event name that is a number": ({"event_name": {"N": "7"}}, "event_name is not text"),
    "an event name that is a map": ({"event_name": {"M": {}}}, "event_name is not text"),
    "no time of rejection": ({"rejected_at": None}, "rejected_at is missing"),
    "a time of rejection that is a number": ({"rejected_at": {"N": "1"}}, "rejected_at is not text"),
    "a time of rejection that is not a time": ({"rejected_at": {"S": "yesterday"}}, "rejected_at is not a time"),
    "no expiry": ({"expires_at": None}, "expires_at is missing"),
    "an expiry of text": ({"expires_at": {"S": "2027-01-01"}}, "expires_at is not a number"),
    "an expiry beyond every calendar": ({"expires_at": {"N": "1E+125"}}, "expires_at is not a time"),
    "an expiry in milliseconds": ({"expires_at": {"N": "1800000000000"}}, "expires_at is not a time"),
    "an expiry that is a list": ({"expires_at": {"L": [{"N": "1"}]}}, "expires_at is not a number"),
}
MALFORMED_PAYLOADS: dict[str, tuple[dict[str, Any] | None, str]] = {
    "no payload": (None, "payload is missing"),
    "a payload of text": ({"S": "H4sIAAAAAAAA"}, "payload is not binary"),
    "a payload that is a number": ({"N": "7"}, "payload is not binary"),
    "a payload that is a set": ({"BS": [b"x"]}, "payload is not binary"),
    "a payload without gzip": ({"B": b'{"metadata": {}}'}, "payload is not valid gzip data"),
    "a payload in zlib's format": ({"B": zlib.compress(b"{}")}, "payload is not valid gzip data"),
    "a truncated payload": ({"B": gzip.compress(b"{}")[:-4]}, "payload is truncated"),
    "a payload with a wrong checksum": ({"B": gzip.compress(b"{}")[:-8] + b"\0" * 8}, "payload is not valid gzip data"),
    "a payload that is only a header": ({"B": gzip.compress(b"")[:10]}, "payload is truncated"),
    "a gzip bomb": ({"B": BOMB}, "payload holds more than 12,582,912 bytes"),
}
MALFORMED_KEYS = {
    "no time": f"at-noon#{DIGEST}",
    "no digest": "2026-09-07T12:00:00.000000Z",
    "a short digest": "2026-09-07T12:00:00.000000Z#0123",
    "an impossible time": f"2026-13-41T12:00:00.000000Z#{DIGEST}",
    "another alphabet": "学生",
    "a control character": "\x1b[2J#record",
    "only separators": "######",
}


def item(text: str, ago: timedelta = timedelta(hours=1)) -> dict[str, Any]:
    """An item as the functions write it, in DynamoDB's form."""
    record = Record("an-id", text.encode(), datetime.now(UTC) - ago, "arn:aws:sqs:eu-west-1:000000000000:queue")
    rejection = Rejection(RejectionReason.SCHEMA_VIOLATION, VIOLATION)
    written = rejection_item(record, rejection, "module_updated", datetime.now(UTC), timedelta(days=90))
    return as_boto3(written.attributes)


def changed(original: dict[str, Any], attributes: dict[str, Any]) -> dict[str, Any]:
    """An item with other attributes, without those that are None."""
    return {name: value for name, value in (original | attributes).items() if value is not None}


@pytest.fixture
def good(local: Local, event: EventFactory) -> list[str]:
    """Two good records, whose keys begin and end the partition of the malformed items."""
    return [
        local.reject(
            event("module_updated", module_id=str(number)), event_name="module_updated", ago=timedelta(hours=hours)
        )
        for number, hours in ((1, 3), (2, 0))
    ]


@pytest.fixture
def bad(local: Local, event: EventFactory) -> dict[str, str]:
    """One item of each malformed form: its sort key, and the message about it."""
    messages: dict[str, str] = {}
    forms = [
        *MALFORMED_ATTRIBUTES.values(),
        *(({"payload": payload}, message) for payload, message in MALFORMED_PAYLOADS.values()),
        *(({"record": {"S": key}}, "record is not a time and a digest") for key in MALFORMED_KEYS.values()),
    ]
    for number, (attributes, message) in enumerate(forms, 10):
        malformed = changed(item(event("module_updated", module_id=str(number))), attributes)
        local.dynamodb.put_item(TableName=local.stack.rejected_table, Item=malformed)
        messages[malformed["record"]["S"]] = message
    return messages


def is_about_payload(message: str) -> bool:
    """Whether a message is about the payload, which only `show` and `redrive` read."""
    return message.startswith("payload")


def assert_named(err: str, bad: dict[str, str]) -> None:
    """Each malformed item is named with what is wrong, and there is a remedy."""
    for key, message in bad.items():
        assert f"{visible(key)}: malformed item under schema_violation: {message}" in err
    assert "look at it in the DynamoDB console, then delete it with `canvas-events rejected purge RECORD`" in err
    assert "\x1b" not in err


def test_list_names_malformed_items_and_lists_the_others(
    canvas_events: Command, good: list[str], bad: dict[str, str]
) -> None:
    """What is malformed in attributes that `list` reads has an error, in the JSON too; exit status 1."""
    named = {key: message for key, message in bad.items() if not is_about_payload(message)}
    listed_as_good = 2 + len(bad) - len(named)
    for arguments in ([], ["--records"]):
        result = canvas_events("rejected", "list", "--local", *arguments)
        assert (result.status, f"{len(bad) + 2} records." in result.out) == (1, True)
        assert_named(result.err, named)
        assert (
            all(digest(key) in result.out for key in good) if arguments else f"{listed_as_good} records," in result.out
        )
    result = canvas_events("rejected", "list", "--local", "--json")
    errors = {record["record"]: record.get("error") for record in result.json}
    assert errors.keys() == {*good, *bad}
    assert {key for key, error in errors.items() if error} == named.keys()


def digest(key: str) -> str:
    """The beginning of the digest in a sort key, as tables show it."""
    return key.rpartition("#")[2][:12]


def test_show_names_malformed_items_and_shows_the_others(
    canvas_events: Command, good: list[str], bad: dict[str, str]
) -> None:
    """`show` reads payloads as well, so it names every malformed item; exit status 1."""
    for arguments in ([], ["--payload"]):
        result = canvas_events("rejected", "show", "--local", *arguments)
        assert result.status == 1
        assert_named(result.err, bad)
        assert [key for key in (*good, *bad) if key in result.out] == good
    result = canvas_events("rejected", "show", "--local", "--payload", "--json")
    shown = {record["record"]: record for record in result.json}
    assert shown.keys() == {*good, *bad}
    assert {key for key, record in shown.items() if "payload" in record} == set(good)
    assert all(message in shown[key]["error"] for key, message in bad.items())


def test_redrive_names_malformed_items_and_sends_the_others(
    local: Local, canvas_events: Command, good: list[str], bad: dict[str, str]
) -> None:
    """Good records before and after are sent and deleted; malformed ones count as failed, and stay; exit status 1."""
    preview = canvas_events("rejected", "redrive", "--dry-run", "--json", "--local")
    assert (preview.status, preview.json["totals"]) == (1, {"would_be_sent": 2, "held_back": 0, "failed": len(bad)})
    assert {record["id"] for record in preview.json["records"]} == {*good, *bad}
    result = canvas_events("rejected", "redrive", "--local")
    assert result.status == 1
    assert f"{len(bad) + 2} records: 2 sent, 0 held back, {len(bad)} failed." in result.out
    assert_named(result.err, bad)
    assert "Redrive again to retry it" not in result.err
    assert {item["record"]["S"] for item in local.rejected()} == bad.keys()
    eventually(lambda: local.entities() == ["module#1", "module#2"])


def test_purge_names_and_deletes_malformed_items(
    local: Local, canvas_events: Command, good: list[str], bad: dict[str, str]
) -> None:
    """A malformed item is purged by its sort key, or with the others of its reason; --dry-run exits with 1."""
    other = local.reject("not JSON", RejectionReason.MALFORMED_JSON)
    for options in ([], ["--json"]):
        planned = canvas_events("rejected", "purge", "--reason", "schema_violation", "--dry-run", "--local", *options)
        assert (planned.status, f"{len(bad) + 2} records would be permanently deleted" in planned.err) == (1, True)
        assert "What is malformed is deleted too." in planned.err
    one = next(key for key, message in bad.items() if message == "source is missing")
    assert canvas_events("rejected", "purge", one, "--yes", "--local").status == 0
    assert {item["record"]["S"] for item in local.rejected()} == {*good, *bad, other} - {one}
    result = canvas_events("rejected", "purge", "--reason", "schema_violation", "--yes", "--local")
    assert (result.status, f"{len(bad) + 1} records deleted." in result.err) == (0, True)
    assert [item["record"]["S"] for item in local.rejected()] == [other]


def test_draft_names_malformed_items_and_uses_the_others(
    local: Local, event: EventFactory, canvas_events: Command
) -> None:
    """A malformed payload among rejected events of an unknown type does not stop the draft."""
    reason = RejectionReason.UNKNOWN_EVENT_TYPE
    note = event("module_updated", metadata={"event_name": "zebra_created"}, zebra_id="7")
    local.reject(note, reason, event_name="zebra_created")
    malformed = changed(item(note), {"reason": {"S": reason.value}, "payload": {"S": "text"}})
    local.dynamodb.put_item(TableName=local.stack.rejected_table, Item=malformed)
    result = canvas_events("draft", "--rejected", "--local")
    assert (result.status, "[zebra]" in result.out) == (1, True)
    assert f"{malformed['record']['S']}: malformed item under unknown_event_type: payload is not binary" in result.err


def test_decompression_is_bounded() -> None:
    """Of a gzip bomb no more than a record can have is decompressed."""
    bomb = as_binary({"B": BOMB})
    tracemalloc.start()
    with pytest.raises(MalformedItemError, match="more than 12,582,912 bytes"):
        decompress(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * rejected_item.MAX_PAYLOAD_BYTES


def as_binary(value: dict[str, Any]) -> Any:
    """A value as boto3 gives it."""
    return plain_values({"value": value})["value"]


def test_longest_record_that_a_function_can_store_is_decompressed() -> None:
    """A record of an invocation of 6 MB, in which redaction replaced as much as it can, is within the bound."""
    shortest_secrets = b"verifier=x&" * (6 * 1024 * 1024 // 11)
    payload = gzip.compress(redact(shortest_secrets))
    assert len(decompress(as_binary({"B": payload}))) > 1.5 * len(shortest_secrets)


def object_with(record: object) -> bytes:
    """An object of the on-failure bucket whose batch has this record."""
    return json.dumps({"payload": json.dumps({"Records": [record]})}).encode()


def stream_record(**kinesis: object) -> dict[str, object]:
    """A record of the stream; a value of ``...`` leaves a member out."""
    members = {"data": "e30=", "partitionKey": "1"} | kinesis
    return {"kinesis": {name: value for name, value in members.items() if value is not ...}}


NO_JSON = "is not valid JSON, or is nested too deeply"
NO_PARTITION_KEY = "payload.Records[0].kinesis.partitionKey is not text of 1 to 256 characters"
NO_DATA = "payload.Records[0].kinesis has data or a partition key that cannot be read"
MALFORMED_OBJECTS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", f"it {NO_JSON}"),
    "text": (b"hello", f"it {NO_JSON}"),
    "bytes that are not text": (b"\xff\xfe", f"it {NO_JSON}"),
    "a truncated document": (b'{"payload": "{', f"it {NO_JSON}"),
    "a compressed document": (gzip.compress(b"{}"), f"it {NO_JSON}"),
    "deep JSON": (b"[" * 100_000, f"it {NO_JSON}"),
    "deep and complete JSON": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, f"it {NO_JSON}"),
    "an endless number": (b"9" * 10_000, f"it {NO_JSON}"),
    "null": (b"null", "it is not a JSON object"),
    "an array": (b"[]", "it is not a JSON object"),
    "no payload": (b"{}", "payload is not a JSON object"),
    "a payload that is a number": (b'{"payload": 1}', "payload is not a JSON object"),
    "a payload that is an array as text": (b'{"payload": "[]"}', "payload is not a JSON object"),
    "a payload that is not JSON": (b'{"payload": "none"}', f"payload {NO_JSON}"),
    "a deep payload": (json.dumps({"payload": "[" * 100_000}).encode(), f"payload {NO_JSON}"),
    "no records": (b'{"payload": "{}"}', "payload has no Records"),
    "an empty batch": (b'{"payload": {"Records": []}}', "payload has no Records"),
    "records that are a map": (b'{"payload": {"Records": {"0": {}}}}', "payload has no Records"),
    "records that are text": (b'{"payload": {"Records": "abc"}}', "payload has no Records"),
    "a record that is text": (object_with("kinesis"), "payload.Records[0] is not a JSON object"),
    "a message of a queue": (object_with({"body": "{}"}), "payload.Records[0].kinesis is not a JSON object"),
    "a record that is an array": (object_with({"kinesis": [1]}), "payload.Records[0].kinesis is not a JSON object"),
    "data that is not Base64": (object_with(stream_record(data="%")), NO_DATA),
    "data that is not ASCII": (object_with(stream_record(data="ünïcode")), NO_DATA),
    "data that is a number": (object_with(stream_record(data=7)), NO_DATA),
    "data that is null": (object_with(stream_record(data=None)), NO_DATA),
    "no partition key": (object_with(stream_record(partitionKey=...)), NO_PARTITION_KEY),
    "a partition key that is a number": (object_with(stream_record(partitionKey=7)), NO_PARTITION_KEY),
    "an empty partition key": (object_with(stream_record(partitionKey="")), NO_PARTITION_KEY),
    "a long partition key": (object_with(stream_record(partitionKey="k" * 257)), NO_PARTITION_KEY),
    "half a surrogate pair": (object_with(stream_record(partitionKey="\ud800")), NO_DATA),
    "batch information that is an array": (b'{"KinesisBatchInfo": [], "payload": {}}', "KinesisBatchInfo is not"),
    "a context that is text": (b'{"requestContext": "x", "payload": {}}', "requestContext is not a JSON object"),
    "more than Lambda writes": (b'"' + b" " * MAX_OBJECT_BYTES, "it has more than 16,777,216 bytes"),
}


@pytest.mark.parametrize(("body", "message"), MALFORMED_OBJECTS.values(), ids=MALFORMED_OBJECTS.keys())
def test_malformed_object_has_an_error_and_no_records(body: bytes, message: str) -> None:
    """The error says what is wrong with the object, and nothing is raised."""
    batch = parse("key", body)
    assert batch.error is not None
    assert batch.error.startswith(f"malformed object: {message}")
    assert batch.records == ()


def test_facts_about_a_batch_are_shown_only_where_they_are_text() -> None:
    """A batch whose records can be read is redriven, whatever else its object says."""
    document = {
        "requestContext": {"condition": [[7]]},
        "KinesisBatchInfo": {"shardId": 7, "approximateArrivalOfFirstRecord": {}},
        "payload": {"Records": [stream_record()]},
    }
    batch = parse("key", json.dumps(document).encode())
    assert (batch.error, batch.condition, batch.shard, batch.arrived_at) == (None, "", "", None)
    assert batch.records == (OutgoingRecord(b"{}", "1"),)


def test_malformed_objects_are_named_and_the_others_are_redriven(
    local: Local, event: EventFactory, canvas_events: Command
) -> None:
    """`failures list` and `redrive` name each with the remedy and exit with 1; only the good objects are deleted."""
    s3 = local.stack.client("s3")
    good = {
        key: json.dumps({"payload": json.dumps(kinesis_event([event("module_updated", module_id=number)]))}).encode()
        for key, number in (("a/first", "1"), ("z/last", "2"))
    }
    bad = {f"m/{number:03}": form for number, form in enumerate(MALFORMED_OBJECTS.values())}
    for key, body in (good | {key: body for key, (body, _) in bad.items()}).items():
        s3.put_object(Bucket=local.bucket, Key=key, Body=body)
    listed = canvas_events("failures", "list", "--local")
    assert (listed.status, f"2 records in {len(bad) + 2} objects." in listed.out) == (1, True)
    redriven = canvas_events("failures", "redrive", "--local")
    assert (redriven.status, f"2 sent, 0 held back, {len(bad)} failed." in redriven.out) == (1, True)
    for result in (listed, redriven):
        assert all(f"{key}: malformed object: {message}" in result.err for key, (_, message) in bad.items())
        assert f"delete it with `aws s3 rm s3://{local.bucket}/KEY`." in result.err
    assert set(local.objects()) == bad.keys()
    eventually(lambda: local.entities() == ["module#1", "module#2"])


def test_record_larger_than_the_stream_accepts_is_reported_and_the_others_are_sent(
    local: Local, event: EventFactory, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kinesis rejects the whole request for it; its object stays, and the other records go."""
    large = event("module_updated", module_id="3", name="x" * 300_000)
    keys = [
        keep_batch(local, "a/first", event("module_updated", module_id="1"), large),
        keep_batch(local, "z/last", event("module_updated", module_id="2")),
    ]
    put = Stream.put

    def put_small(self: Stream, records: Sequence[OutgoingRecord]) -> list[tuple[SendResult, bool]]:
        if any(len(record.data) > 300_000 for record in records):
            message = "Value at 'records.2.member.data'\nis too long"
            raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "PutRecords")
        return put(self, records)

    monkeypatch.setattr(Stream, "put", put_small)
    result = canvas_events("failures", "redrive", "--local")
    assert result.status == 1
    assert "3 records: 2 sent, 0 held back, 1 failed." in result.out
    assert "AWS rejected PutRecords: ValidationException Value at 'records.2.member.data' is too long" in result.out
    assert local.objects() == keys[:1]
    eventually(lambda: local.entities() == ["module#1", "module#2"])


def keep_batch(local: Local, key: str, *texts: str) -> str:
    """Put an object with a batch of these records into the on-failure bucket; return its key."""
    body = json.dumps({"payload": json.dumps(kinesis_event(list(texts)))}).encode()
    local.stack.client("s3").put_object(Bucket=local.bucket, Key=key, Body=body)
    return key


HOSTILE_MESSAGES: dict[str, str] = {
    "text": "not JSON",
    "deep JSON": "[" * 100_000,
    "deep and complete JSON": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "null": "null",
    "a number": "7",
    "an endless number": "9" * 10_000,
    "a number out of range": '{"metadata": {"event_name": "module_updated"}, "body": {"position": 1e999999999}}',
    "a truncated event": '{"metadata": {"event_name": "module_updated"',
    "no event name": '{"metadata": {}, "body": {}}',
    "an event name that is a number": '{"metadata": {"event_name": 7}, "body": {}}',
    "an event name that is an array": '{"metadata": {"event_name": [[]]}, "body": {}}',
    "an unknown event": '{"metadata": {"event_name": "\\u001b[2J[red]"}, "body": {}}',
    "half a surrogate pair": '{"metadata": {"event_name": "\\ud800"}, "body": {}}',
    "metadata that is an array": '{"metadata": [], "body": {}}',
    "a body that is text": '{"metadata": {"event_name": "module_updated"}, "body": "x"}',
    "a Caliper event": '{"sensor": "x", "data": []}',
    "not a number": '{"metadata": {"event_name": "module_updated"}, "body": {"position": NaN}}',
    "a null byte": '{"metadata": {"event_name": "module_updated"}, "body": {"name": "\\u0000"}}',
    "a name of 200 KB": json.dumps({"metadata": {"event_name": "x" * 200_000}, "body": {}}),
}


def test_hostile_messages_are_held_back_and_the_others_are_redriven(
    local: Local, event: EventFactory, canvas_events: Command
) -> None:
    """`dlq list` counts every message; `redrive` sends the good ones, and the others stay with their reasons."""
    texts = [event("module_updated", module_id="1"), *HOSTILE_MESSAGES.values(), event("module_updated", module_id="2")]
    sqs, url = local.stack.client("sqs"), local.stack.dead_letter_queue_url
    for text in texts:
        sqs.send_message(QueueUrl=url, MessageBody=text)
    listed = canvas_events("dlq", "list", "--json", "--local")
    assert (listed.status, len(listed.json)) == (0, len(texts))
    results = [message["dry_run_result"] for message in listed.json]
    assert results.count("stored") == 2
    assert sum(result.startswith("rejected: ") for result in results) == len(HOSTILE_MESSAGES)
    redriven = canvas_events("dlq", "redrive", "--local")
    assert redriven.status == 1
    assert f"2 sent, {len(HOSTILE_MESSAGES)} held back, 0 failed." in redriven.out
    assert "\x1b" not in listed.out + redriven.out
    assert local.visible_in(url) == len(HOSTILE_MESSAGES)
    eventually(lambda: local.entities() == ["module#1", "module#2"])
