"""Sending batches to the queue and the stream, with responses that no emulator gives."""

import time
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from cli.redrive import publisher
from cli.redrive.publisher import OutgoingRecord, Queue, SendResult, Stream, send

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/canvas-live-events"
ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/canvas-live-events"


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the delays between attempts instead of sleeping."""
    noted: list[float] = []
    monkeypatch.setattr(time, "sleep", noted.append)
    return noted


def sqs() -> tuple[Any, Stubber]:
    """Return an SQS client with a stub that checks responses against SQS's API model."""
    client = boto3.client("sqs", region_name="eu-west-1")
    return client, Stubber(client)


def accepted(*numbers: int) -> list[dict[str, str]]:
    """Return the entries of a batch that SQS accepted."""
    return [{"Id": str(number), "MessageId": f"id-{number}", "MD5OfMessageBody": "0"} for number in numbers]


def failed(number: int, *, sender_fault: bool) -> dict[str, Any]:
    """Return an entry of a batch that SQS failed to accept, by the sender's fault or by its own."""
    return {
        "Id": str(number),
        "Code": "InvalidMessage" if sender_fault else "InternalError",
        "SenderFault": sender_fault,
    }


def test_partial_failure_retries_only_the_failed_messages(pauses: list[float]) -> None:
    """They are retried after a delay, and every record has its result."""
    client, stub = sqs()
    stub.add_response("send_message_batch", {"Successful": accepted(0, 2), "Failed": [failed(1, sender_fault=False)]})
    retry = {"QueueUrl": URL, "Entries": [{"Id": "0", "MessageBody": "b"}]}
    stub.add_response("send_message_batch", {"Successful": accepted(0), "Failed": []}, retry)
    with stub:
        results = send(Queue(client, URL), [OutgoingRecord(b"a"), OutgoingRecord(b"b"), OutgoingRecord(b"c")])
    stub.assert_no_pending_responses()
    assert results == [SendResult("id-0"), SendResult("id-0"), SendResult("id-2")]
    assert len(pauses) == 1


def test_a_sender_fault_is_not_retried() -> None:
    """A message that SQS will never accept fails at once; the others are sent."""
    client, stub = sqs()
    stub.add_response("send_message_batch", {"Successful": accepted(0), "Failed": [failed(1, sender_fault=True)]})
    with stub:
        results = send(Queue(client, URL), [OutgoingRecord(b"a"), OutgoingRecord(b"b")])
    assert results == [SendResult("id-0"), SendResult(error="InvalidMessage")]


def test_message_that_always_fails_is_given_up(pauses: list[float]) -> None:
    """The attempts are bounded, and the delays between them grow."""
    client, stub = sqs()
    for _ in range(publisher.MAX_ATTEMPTS):
        stub.add_response("send_message_batch", {"Successful": [], "Failed": [failed(0, sender_fault=False)]})
    with stub:
        assert send(Queue(client, URL), [OutgoingRecord(b"a")]) == [SendResult(error="InternalError")]
    stub.assert_no_pending_responses()
    assert pauses == sorted(pauses)
    assert len(pauses) == publisher.MAX_ATTEMPTS - 1


def test_an_entry_missing_from_the_response_is_retried() -> None:
    """A message that the response does not mention does not count as sent."""
    client, stub = sqs()
    stub.add_response("send_message_batch", {"Successful": accepted(0), "Failed": []})
    stub.add_response("send_message_batch", {"Successful": accepted(0), "Failed": []})
    with stub:
        results = send(Queue(client, URL), [OutgoingRecord(b"a"), OutgoingRecord(b"b")])
    stub.assert_no_pending_responses()
    assert results == [SendResult("id-0"), SendResult("id-0")]


def test_a_request_to_sqs_is_bounded_in_messages_and_bytes() -> None:
    """A request has at most ten messages and at most 1 MiB."""
    client, stub = sqs()
    records = [OutgoingRecord(b"a")] * 12 + [OutgoingRecord(b"b" * 600_000)] * 2
    for count in (10, 3, 1):
        entries = [{"Id": str(number), "MessageBody": ANY} for number in range(count)]
        stub.add_response(
            "send_message_batch",
            {"Successful": accepted(*range(count)), "Failed": []},
            {"QueueUrl": URL, "Entries": entries},
        )
    with stub:
        results = send(Queue(client, URL), records)
    stub.assert_no_pending_responses()
    assert all(result.id for result in results)


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x1b", "\ufffe".encode(), "\uffff".encode(), b"\xff", b"\xed\xa0\x80"]
)
def test_data_that_sqs_never_accepts_is_not_sent(data: bytes) -> None:
    """SQS rejects a whole batch for one invalid character, so such a record is kept out of it."""
    client, stub = sqs()
    stub.add_response("send_message_batch", {"Successful": accepted(0), "Failed": []})
    with stub:
        invalid, sent = send(Queue(client, URL), [OutgoingRecord(data), OutgoingRecord("\U0001f41f é\n".encode())])
    assert invalid.error is not None
    assert sent == SendResult("id-0")


def test_records_throttled_by_kinesis_are_retried() -> None:
    """After a partial failure the failed records are sent again with their partition keys."""
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
        results = send(Stream(client, ARN), [OutgoingRecord(b"a", "7"), OutgoingRecord(b"b")])
    stub.assert_no_pending_responses()
    assert results == [SendResult("1"), SendResult("2")]


@pytest.mark.parametrize("bad", [0, 2, 4])
def test_request_that_is_rejected_for_one_record_is_sent_in_halves(bad: int) -> None:
    """A record larger than the stream accepts fails with Kinesis's message, and the others are sent."""
    kinesis = FakeKinesis(max_record_bytes=10)
    records = [OutgoingRecord(b"x" * 11 if number == bad else b"x") for number in range(5)]
    results = send(Stream(kinesis, ARN), records)
    assert [number for number, result in enumerate(results) if result.error] == [bad]
    assert results[bad].error == "AWS rejected PutRecords: ValidationException Member must have length at most 10"
    assert kinesis.accepted == 4


def test_request_that_is_rejected_for_all_records_raises() -> None:
    """A stream that does not exist is reported once, and not for each record."""
    client = boto3.client("kinesis", region_name="eu-west-1")
    stub = Stubber(client)
    stub.add_client_error("put_records", "ResourceNotFoundException")
    with stub, pytest.raises(ClientError):
        send(Stream(client, ARN), [OutgoingRecord(b"a"), OutgoingRecord(b"b")])
    stub.assert_no_pending_responses()


def test_message_larger_than_sqs_accepts_is_not_sent() -> None:
    """A record of the stream may be larger than 1 MiB, and SQS would reject the batch that it is in."""
    client, stub = sqs()
    stub.add_response("send_message_batch", {"Successful": accepted(0), "Failed": []})
    with stub:
        large, sent = send(Queue(client, URL), [OutgoingRecord(b"x" * 1_048_577), OutgoingRecord(b"x" * 1_048_576)])
    assert large.error == "SQS accepts at most 1,048,576 bytes, and the record has 1,048,577"
    assert sent == SendResult("id-0")


class FakeKinesis:
    """A Kinesis client that rejects a request with too large a record, as the service does."""

    def __init__(self, max_record_bytes: int) -> None:
        self.accepted = 0
        self._max_record_bytes = max_record_bytes

    def put_records(self, **request: Any) -> dict[str, Any]:
        """Accept the records of a request, or none of them."""
        records = request["Records"]
        if any(len(record["Data"]) > self._max_record_bytes for record in records):
            message = f"Member must have length at most {self._max_record_bytes}"
            raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "PutRecords")
        self.accepted += len(records)
        return {"Records": [{"SequenceNumber": "1", "ShardId": "shardId-000000000000"} for _ in records]}
