"""The sources: how each service delivers records, and what response it understands.

Processing and responding are two things. The pipeline turns records into outcomes and knows nothing of responses;
each source names the response that its service acts on.
"""

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, TypedDict

from handlers.intake.record import ReadRecord, Record
from handlers.items.timestamps import from_epoch_ms
from handlers.outcome import Fate, Outcome


class BatchItemFailure(TypedDict):
    """A record that Lambda is to deliver again: a message id, or a sequence number."""

    itemIdentifier: str


class PartialBatchResponse(TypedDict):
    """The response of a function whose event source mapping has ``ReportBatchItemFailures``."""

    batchItemFailures: list[BatchItemFailure]


class RecordsToRetry(Exception):
    """Some records of an invocation must be delivered again; raised where only an error makes the service do so."""


def partial_batch_response(outcomes: Sequence[Outcome]) -> PartialBatchResponse:
    """Name the records to deliver again.

    Only event source mappings of SQS, Kinesis, DynamoDB Streams, MSK and Kafka read it, and only with
    ``FunctionResponseTypes: [ReportBatchItemFailures]``. Everything else takes any response as a success. Source: AWS
    Lambda Developer Guide, "Error handling" of each event source.
    """
    retried = dict.fromkeys(outcome.record_id for outcome in outcomes if outcome.fate is Fate.RETRIED)
    return {"batchItemFailures": [{"itemIdentifier": record_id} for record_id in retried]}


def raise_on_retry(outcomes: Sequence[Outcome]) -> None:
    """Fail the invocation if any record must be delivered again.

    What was stored is delivered again too, and is superseded then. Raises ``RecordsToRetry``.
    """
    retried = sum(outcome.fate is Fate.RETRIED for outcome in outcomes)
    if retried:
        raise RecordsToRetry(f"{retried} of {len(outcomes)} records must be delivered again")


class Source(NamedTuple):
    """A service that delivers records to a function.

    ``name`` is its value of the dimension ``source`` of the metrics, and the module of its entry point.
    ``read`` takes an invocation's event, or the records of an object, and yields, for each record, its id and a
    function that decodes it; that function may raise, which retries this record alone. ``respond`` turns the outcomes
    of an invocation into what the service acts on. Its default suits every service, so a new source cannot lose events:
    services that push (EventBridge, SNS, a function URL) deliver again only after an error.
    """

    name: str
    read: Callable[[Any], Iterator[tuple[str, ReadRecord]]]
    respond: Callable[[Sequence[Outcome]], Any] = raise_on_retry


def _read_sqs(event: dict[str, Any]) -> Iterator[tuple[str, ReadRecord]]:
    for message in event["Records"]:
        yield message["messageId"], partial(_from_message, message)


def _from_message(message: dict[str, Any]) -> Record:
    """Convert a message. ``SentTimestamp`` is in milliseconds: Amazon SQS API Reference, ``ReceiveMessage``."""
    return Record(
        id=message["messageId"],
        # "surrogatepass": half a surrogate pair is no reason to crash; decoding rejects the bytes.
        data=message["body"].encode("utf-8", "surrogatepass"),
        enqueued_at=from_epoch_ms(int((message.get("attributes") or {}).get("SentTimestamp", 0))),
        source_arn=message.get("eventSourceARN") or "",
    )


def _read_kinesis(event: dict[str, Any]) -> Iterator[tuple[str, ReadRecord]]:
    for stream_record in event["Records"]:
        yield stream_record["kinesis"]["sequenceNumber"], partial(_from_stream_record, stream_record)


def _from_stream_record(stream_record: dict[str, Any]) -> Record:
    """Convert a stream record. Its timestamp is in seconds: Amazon Kinesis API Reference, ``Record``."""
    kinesis = stream_record["kinesis"]
    seconds = float(kinesis.get("approximateArrivalTimestamp") or 0)
    return Record(
        id=kinesis["sequenceNumber"],
        data=base64.b64decode(kinesis["data"]),
        # To the millisecond, as Kinesis has it: a float of seconds has no exact microseconds.
        enqueued_at=from_epoch_ms(round(seconds * 1000)),
        source_arn=stream_record.get("eventSourceARN") or "",
    )


def _read_object(records: Iterable[Record]) -> Iterator[tuple[str, ReadRecord]]:
    for record in records:
        yield record.id, partial(_itself, record)


def _itself(record: Record) -> Record:
    return record


SOURCES = {
    source.name: source
    for source in (
        Source("sqs", _read_sqs, partial_batch_response),
        # Lambda goes back to the lowest sequence number reported and delivers everything from there again.
        Source("kinesis", _read_kinesis, partial_batch_response),
        # A record to retry brings its object back.
        Source("objects", _read_object, raise_on_retry),
    )
}
