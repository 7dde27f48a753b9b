"""``failures``: what failed for good in the stream."""

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest

from cli.catalogue.samples import as_self_hosted, kinesis_event
from cli.commands import failures
from cli.errors import CommandError
from cli.redrive import publisher
from cli.redrive.publisher import Parcel, Receipt, Stream
from tests.cli.conftest import Command, Local, eventually
from tests.conftest import Change

KEY = "aws/lambda/de4d97e6-6584-4b87-92e3-677d97265b9a/shardId-000000000001/2026/09/07/2026-09-07T12.00.{:02}-5a7f"


def invocation_record(*texts: str) -> dict[str, Any]:
    """What Lambda writes to a bucket when it gives a batch up.

    AWS Lambda Developer Guide, "Retain discarded batch records for a Kinesis Data Streams event source".
    """
    return {
        "requestContext": {
            "requestId": "c9b8fa9f-5a7f-4d2e-af9c-0c604cde93a5",
            "functionArn": "arn:aws:lambda:eu-west-1:000000000000:function:canvas-live-events-KinesisFunction",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 101,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": "2026-09-07T12:00:06.021Z",
        "KinesisBatchInfo": {
            "shardId": "shardId-000000000001",
            "startSequenceNumber": "49601189658422359378836298521827638475320189012309704722",
            "endSequenceNumber": "49601189658422359378836298522902373528957594348623495186",
            "approximateArrivalOfFirstRecord": "2026-09-03T12:00:04.835Z",
            "approximateArrivalOfLastRecord": "2026-09-03T12:00:05.580Z",
            "batchSize": len(texts),
            "streamArn": "arn:aws:kinesis:eu-west-1:000000000000:stream/canvas-live-events",
        },
        "payload": json.dumps(kinesis_event(list(texts))),
    }


def keep(local: Local, number: int, document: object) -> str:
    """Put an object into the on-failure bucket; its key."""
    key = KEY.format(number)
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    local.stack.client("s3").put_object(Bucket=local.bucket, Key=key, Body=body)
    return key


def test_list_says_which_batches_there_are(local: Local, event: Change, canvas_events: Command) -> None:
    """Each object is a line: why Lambda gave it up, its shard, how many records; what they say is not shown."""
    key = keep(local, 1, invocation_record(*(event("module_updated", name="Jane Doe") for _ in range(3))))
    broken = keep(local, 2, b"{")
    done = canvas_events("failures", "list", "--local")
    assert done.status == 0
    for shown in (
        key,
        broken,
        "RetryAttemptsExhausted",
        "shardId-000000000001",
        "no invocation record",
        "3 records in 2",
    ):
        assert shown in done.out
    listed = canvas_events("failures", "list", "--json", "--local")
    assert [each["records"] for each in listed.json] == [3, 0]
    assert "Jane Doe" not in done.out + listed.out


def test_redrive_puts_the_records_back_and_deletes_the_objects(
    local: Local, event: Change, canvas_events: Command
) -> None:
    """All records of all batches are stored, and the bucket is empty; a second time there is nothing to do."""
    keep(local, 1, invocation_record(*(as_self_hosted(event("module_updated", module_id=str(n))) for n in (1, 2, 3))))
    keep(local, 2, invocation_record(event("module_updated", module_id="9")))
    done = canvas_events("failures", "redrive", "--local")
    assert done.status == 0
    assert "4 records of 2 objects put back on the stream" in done.out
    assert local.objects() == []
    eventually(lambda: local.entities() == ["module#1", "module#2", "module#3", "module#9"])
    assert canvas_events("failures", "redrive", "--local", "--json").json == {"dry_run": False, "objects": []}


def test_only_the_named_objects_are_put_back(local: Local, event: Change, canvas_events: Command) -> None:
    """By a key or its beginning; one that is not there is said."""
    first = keep(local, 1, invocation_record(event("module_updated")))
    second = keep(local, 2, invocation_record(event("module_updated")))
    assert canvas_events("failures", "redrive", first, "--local").status == 0
    assert local.objects() == [second]
    missing = canvas_events("failures", "redrive", first, "--local")
    assert (missing.status, "has no object" in missing.err) == (1, True)


def test_a_dry_run_changes_nothing(local: Local, event: Change, canvas_events: Command) -> None:
    """What would be put back is counted, and stays."""
    key = keep(local, 1, invocation_record(event("module_updated"), event("assignment_updated")))
    done = canvas_events("failures", "redrive", "--dry-run", "--local")
    assert (done.status, "2 records of 1 object would be put back" in done.out) == (0, True)
    assert local.objects() == [key]
    assert local.entities() == []


def test_an_object_stays_until_all_of_its_records_are_on_the_stream(
    local: Local, event: Change, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When Kinesis does not take one record its whole object stays, and the next time all of them go."""
    key = keep(local, 1, invocation_record(*(event("module_updated", module_id=str(n)) for n in (1, 2, 3))))
    put = Stream.put

    def put_two(self: Stream, parcels: Sequence[Parcel]) -> list[tuple[Receipt, bool]]:
        fault = "ProvisionedThroughputExceededException"
        return [*put(self, parcels[:2]), *((Receipt(fault=fault), True) for _ in parcels[2:])]

    with monkeypatch.context() as throttled:
        throttled.setattr(Stream, "put", put_two)
        throttled.setattr(publisher, "MOST_ATTEMPTS", 1)
        done = canvas_events("failures", "redrive", "--local")
    assert done.status == 1
    assert "ProvisionedThroughputExceededException" in done.err
    assert local.objects() == [key]
    assert canvas_events("failures", "redrive", "--local").status == 0
    assert local.objects() == []
    eventually(lambda: local.entities() == ["module#1", "module#2", "module#3"])


def test_what_is_no_invocation_record_is_said_and_stays(local: Local, canvas_events: Command) -> None:
    """An object that somebody else put there is not deleted, and holds up no other."""
    key = keep(local, 1, {"requestContext": {}, "payload": "none"})
    done = canvas_events("failures", "redrive", "--local")
    assert done.status == 1
    assert f"stays in the bucket: {key}" in done.err
    assert local.objects() == [key]


@pytest.mark.parametrize("as_text", [True, False])
def test_the_payload_is_read_as_text_and_as_an_object(as_text: bool) -> None:
    """Lambda writes the invocation as JSON text; one that is an object is read too. Partition keys are kept."""
    document = invocation_record("a", "b")
    if not as_text:
        document["payload"] = json.loads(document["payload"])
    failure = failures.parse("key", json.dumps(document).encode())
    assert failure.problem is None
    assert failure.records == (Parcel(b"a", "10150000000004711"), Parcel(b"b", "10150000000004711"))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{}", b'{"payload": 1}', b'{"payload": "{}"}', b'{"payload": {"Records": [{}]}}', b"\xff",
     json.dumps({"payload": {"Records": [{"kinesis": {"data": "%", "partitionKey": "1"}}]}}).encode(),
     json.dumps({"payload": {"Records": [{"kinesis": {"data": base64.b64encode(b"a").decode()}}]}}).encode()],
)  # fmt: skip
def test_whatever_is_in_the_bucket_is_read_without_a_crash(body: bytes) -> None:
    """What cannot be read whole is named as a problem, and gives no records."""
    failure = failures.parse("key", body)
    assert failure.problem is not None
    assert failure.records == ()


def test_without_a_stream_there_are_no_failures(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack that reads no stream says so."""
    monkeypatch.setattr(local.stack, "resources", {})
    with pytest.raises(CommandError, match="reads no stream"):
        failures.Failures(local.stack)
