"""Batches to the queue and the stream, against answers that no emulator gives."""

import time
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from cli.redrive import publisher
from cli.redrive.publisher import Parcel, Queue, Receipt, Stream, send

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/canvas-live-events"
ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/canvas-live-events"


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, noted instead of taken."""
    noted: list[float] = []
    monkeypatch.setattr(time, "sleep", noted.append)
    return noted


def sqs() -> tuple[Any, Stubber]:
    """A client of SQS that answers what a test says, in the shapes of SQS's own API."""
    client = boto3.client("sqs", region_name="eu-west-1")
    return client, Stubber(client)


def taken(*numbers: int) -> list[dict[str, str]]:
    """Entries of a batch that SQS took."""
    return [{"Id": str(number), "MessageId": f"id-{number}", "MD5OfMessageBody": "0"} for number in numbers]


def failed(number: int, *, ours: bool) -> dict[str, Any]:
    """An entry of a batch that SQS did not take, by our fault or by its own."""
    return {"Id": str(number), "Code": "InvalidMessage" if ours else "InternalError", "SenderFault": ours}


def test_what_sqs_failed_to_take_is_sent_again_alone(pauses: list[float]) -> None:
    """After a partial failure only the failed ones are tried again, after a pause; every parcel has its receipt."""
    client, stub = sqs()
    stub.add_response("send_message_batch", {"Successful": taken(0, 2), "Failed": [failed(1, ours=False)]})
    again = {"QueueUrl": URL, "Entries": [{"Id": "0", "MessageBody": "b"}]}
    stub.add_response("send_message_batch", {"Successful": taken(0), "Failed": []}, again)
    with stub:
        receipts = send(Queue(client, URL), [Parcel(b"a"), Parcel(b"b"), Parcel(b"c")])
    stub.assert_no_pending_responses()
    assert receipts == [Receipt("id-0"), Receipt("id-0"), Receipt("id-2")]
    assert len(pauses) == 1


def test_what_is_our_fault_is_not_tried_again() -> None:
    """A message that SQS will never take is told at once; the others are sent."""
    client, stub = sqs()
    stub.add_response("send_message_batch", {"Successful": taken(0), "Failed": [failed(1, ours=True)]})
    with stub:
        receipts = send(Queue(client, URL), [Parcel(b"a"), Parcel(b"b")])
    assert receipts == [Receipt("id-0"), Receipt(fault="InvalidMessage")]


def test_what_fails_every_time_is_told(pauses: list[float]) -> None:
    """The attempts are bounded, and the pauses between them grow."""
    client, stub = sqs()
    for _ in range(publisher.MOST_ATTEMPTS):
        stub.add_response("send_message_batch", {"Successful": [], "Failed": [failed(0, ours=False)]})
    with stub:
        assert send(Queue(client, URL), [Parcel(b"a")]) == [Receipt(fault="InternalError")]
    stub.assert_no_pending_responses()
    assert pauses == sorted(pauses)
    assert len(pauses) == publisher.MOST_ATTEMPTS - 1


def test_an_entry_without_an_answer_is_tried_again() -> None:
    """What SQS says nothing of is not taken for sent."""
    client, stub = sqs()
    stub.add_response("send_message_batch", {"Successful": taken(0), "Failed": []})
    stub.add_response("send_message_batch", {"Successful": taken(0), "Failed": []})
    with stub:
        receipts = send(Queue(client, URL), [Parcel(b"a"), Parcel(b"b")])
    stub.assert_no_pending_responses()
    assert receipts == [Receipt("id-0"), Receipt("id-0")]


def test_a_request_to_sqs_is_bounded_in_messages_and_bytes() -> None:
    """At most ten messages, and at most 1 MiB together."""
    client, stub = sqs()
    parcels = [Parcel(b"a")] * 12 + [Parcel(b"b" * 600_000)] * 2
    for count in (10, 3, 1):
        entries = [{"Id": str(number), "MessageBody": ANY} for number in range(count)]
        stub.add_response(
            "send_message_batch",
            {"Successful": taken(*range(count)), "Failed": []},
            {"QueueUrl": URL, "Entries": entries},
        )
    with stub:
        receipts = send(Queue(client, URL), parcels)
    stub.assert_no_pending_responses()
    assert all(receipt.id for receipt in receipts)


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x1b", "\ufffe".encode(), "\uffff".encode(), b"\xff", b"\xed\xa0\x80"]
)
def test_what_sqs_never_takes_is_not_sent(data: bytes) -> None:
    """SQS refuses a whole batch for one such character, so it is kept out of it."""
    client, stub = sqs()
    stub.add_response("send_message_batch", {"Successful": taken(0), "Failed": []})
    with stub:
        refused, sent = send(Queue(client, URL), [Parcel(data), Parcel("\U0001f41f é\n".encode())])
    assert refused.fault is not None
    assert sent == Receipt("id-0")


def test_what_kinesis_throttled_is_put_again() -> None:
    """Of a request that Kinesis took in part the rest is put again; the partition key of a record is kept."""
    client = boto3.client("kinesis", region_name="eu-west-1")
    stub = Stubber(client)
    good = {"SequenceNumber": "1", "ShardId": "shardId-000000000000"}
    stub.add_response(
        "put_records", {"Records": [good, {"ErrorCode": "ProvisionedThroughputExceededException"}]},
        {"StreamARN": ARN, "Records": [{"Data": b"a", "PartitionKey": "7"}, {"Data": b"b", "PartitionKey": ANY}]},
    )  # fmt: skip
    stub.add_response(
        "put_records", {"Records": [good | {"SequenceNumber": "2"}]},
        {"StreamARN": ARN, "Records": [{"Data": b"b", "PartitionKey": ANY}]},
    )  # fmt: skip
    with stub:
        receipts = send(Stream(client, ARN), [Parcel(b"a", "7"), Parcel(b"b")])
    stub.assert_no_pending_responses()
    assert receipts == [Receipt("1"), Receipt("2")]
