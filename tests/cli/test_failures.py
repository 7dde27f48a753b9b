"""``failures``: list and redrive failed batches of the stream."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.catalogue.samples import as_self_hosted, kinesis_event
from cli.errors import CommandError
from cli.redrive import publisher
from cli.redrive.failed_batches import FailureBucket, parse
from cli.redrive.publisher import OutgoingRecord, SendResult, Stream
from cli.redrive.selection import Selection
from tests.support.engines import EventFactory
from tests.support.local_stack import Command, Local, eventually

KEY = "aws/lambda/de4d97e6-6584-4b87-92e3-677d97265b9a/shardId-000000000001/2026/09/07/2026-09-07T12.00.{:02}-5a7f"


def invocation_record(*texts: str) -> dict[str, Any]:
    """Return what Lambda writes to the bucket when it gives up on a batch.

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
    """Put an object into the on-failure bucket; return its key."""
    key = KEY.format(number)
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    local.stack.client("s3").put_object(Bucket=local.bucket, Key=key, Body=body)
    return key


def test_list_shows_each_failed_batch(local: Local, event: EventFactory, canvas_events: Command) -> None:
    """Each object is a row: why Lambda gave it up, its shard, how many records; their content is not shown.

    One that Lambda did not write is named with the remedy, and the exit status is 1.
    """
    key = keep(local, 1, invocation_record(*(event("module_updated", name="Jane Doe") for _ in range(3))))
    broken = keep(local, 2, b"{")
    result = canvas_events("failures", "list", "--local")
    assert result.status == 1
    for shown in (
        key,
        broken,
        "RetryAttemptsExhausted",
        "shardId-000000000001",
        "malformed object: it is not valid JSON",
        "3 records in 2 objects.",
    ):
        assert shown in result.out
    assert f"{broken}: malformed object" in result.err
    assert f"`aws s3 rm s3://{local.bucket}/KEY`" in result.err
    listed = canvas_events("failures", "list", "--json", "--local")
    assert listed.status == 1
    assert [batch["records"] for batch in listed.json] == [3, 0]
    assert listed.json[0]["arrived_at"] == "2026-09-03T12:00:04.835000+00:00"
    assert "Jane Doe" not in result.out + listed.out


def test_redriven_batches_are_stored(local: Local, event: EventFactory, canvas_events: Command) -> None:
    """All records of all batches are stored, and the bucket is empty; a second time there is nothing to do."""
    keep(local, 1, invocation_record(*(as_self_hosted(event("module_updated", module_id=str(n))) for n in (1, 2, 3))))
    keep(local, 2, invocation_record(event("module_updated", module_id="9")))
    result = canvas_events("failures", "redrive", "--local")
    assert result.status == 0
    assert "4 records: 4 sent, 0 held back, 0 failed." in result.out
    assert local.objects() == []
    eventually(lambda: local.entities() == ["module#1", "module#2", "module#3", "module#9"])
    assert canvas_events("failures", "redrive", "--local", "--json").json["records"] == []


def test_failures_redrive_selects_by_key(local: Local, event: EventFactory, canvas_events: Command) -> None:
    """It selects by key or key prefix; a key without an object is an error."""
    first = keep(local, 1, invocation_record(event("module_updated")))
    second = keep(local, 2, invocation_record(event("module_updated")))
    assert canvas_events("failures", "redrive", first, "--local").status == 0
    assert local.objects() == [second]
    missing = canvas_events("failures", "redrive", first, "--local")
    assert (missing.status, "has no object" in missing.err) == (1, True)


def test_failed_batches_are_selected_by_arrival_time_and_limit(local: Local, event: EventFactory) -> None:
    """A batch counts by the arrival time of its first record; the limit is a number of objects."""
    keep(local, 1, invocation_record(event("module_updated")))
    keep(local, 2, invocation_record(event("module_updated")))
    bucket = FailureBucket(local.stack)
    day_after = datetime(2026, 9, 4, tzinfo=UTC)
    assert list(bucket.batches(Selection(since=day_after))) == []
    assert len(list(bucket.batches(Selection(until=day_after)))) == 2
    assert len(list(bucket.batches(Selection(limit=1)))) == 1


def test_dry_run_changes_nothing(local: Local, event: EventFactory, canvas_events: Command) -> None:
    """The records are counted, and their object stays."""
    key = keep(local, 1, invocation_record(event("module_updated"), event("assignment_updated")))
    result = canvas_events("failures", "redrive", "--dry-run", "--local")
    assert (result.status, "2 records: 2 would be sent, 0 held back" in result.out) == (0, True)
    assert local.objects() == [key]
    assert local.entities() == []


def test_object_with_a_held_back_record_stays(local: Local, event: EventFactory, canvas_events: Command) -> None:
    """The other records are sent all the same; --force sends all of them and deletes the object."""
    key = keep(local, 1, invocation_record(event("module_updated", module_id="1"), "not JSON"))
    result = canvas_events("failures", "redrive", "--local", "--json")
    assert result.status == 1
    assert result.json["totals"] == {"sent": 1, "held_back": 1, "failed": 0}
    assert local.objects() == [key]
    assert canvas_events("failures", "redrive", "--force", "--local").status == 0
    assert local.objects() == []
    eventually(lambda: local.entities() == ["module#1"] and len(local.rejected()) == 1)


def test_object_stays_until_all_of_its_records_are_sent(
    local: Local, event: EventFactory, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When Kinesis fails to accept one record, the whole object stays, and the next redrive sends all its records."""
    key = keep(local, 1, invocation_record(*(event("module_updated", module_id=str(n)) for n in (1, 2, 3))))
    put = Stream.put

    def put_two(self: Stream, records: Sequence[OutgoingRecord]) -> list[tuple[SendResult, bool]]:
        error = "ProvisionedThroughputExceededException"
        return [*put(self, records[:2]), *((SendResult(error=error), True) for _ in records[2:])]

    with monkeypatch.context() as throttled:
        throttled.setattr(Stream, "put", put_two)
        throttled.setattr(publisher, "MAX_ATTEMPTS", 1)
        result = canvas_events("failures", "redrive", "--local")
    assert result.status == 1
    assert "ProvisionedThroughputExceededException" in result.out
    assert local.objects() == [key]
    assert canvas_events("failures", "redrive", "--local").status == 0
    assert local.objects() == []
    eventually(lambda: local.entities() == ["module#1", "module#2", "module#3"])


def test_object_not_written_by_lambda_fails_and_stays(local: Local, canvas_events: Command) -> None:
    """A foreign object in the bucket is reported and not deleted."""
    key = keep(local, 1, {"requestContext": {}, "payload": "none"})
    result = canvas_events("failures", "redrive", "--local", "--json")
    assert result.status == 1
    (record,) = result.json["records"]
    assert (record["id"], record["status"]) == (key, "failed")
    assert local.objects() == [key]


@pytest.mark.parametrize("as_text", [True, False])
def test_payload_is_read_as_json_text_and_as_an_object(as_text: bool) -> None:
    """Lambda writes the invocation as JSON text; an object is accepted too, and partition keys are preserved."""
    document = invocation_record("a", "b")
    if not as_text:
        document["payload"] = json.loads(document["payload"])
    batch = parse("key", json.dumps(document).encode())
    assert batch.error is None
    assert batch.records == (
        OutgoingRecord(b"a", "10150000000004711"), OutgoingRecord(b"b", "10150000000004711"),
    )  # fmt: skip


def test_failures_without_a_stream_is_an_error(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says that the stack has no stream."""
    monkeypatch.setattr(local.stack, "resources", {})
    with pytest.raises(CommandError, match="has no stream"):
        FailureBucket(local.stack)
