"""The Lambda entry point for the stream: each record's data is an event, in Base64."""

from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamEvent, KinesisStreamRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.function import Function, Response
from handlers.instants import since_epoch
from handlers.record import Record

function = Function("kinesis")


def handler(event: dict[str, Any], context: LambdaContext) -> Response:
    """Take a batch of records and answer with those that failed.

    Lambda goes back to the lowest sequence number among them and delivers everything from there again.
    """
    records = KinesisStreamEvent(event).records
    return function.answer(((record.kinesis.sequence_number, partial(unwrap, record)) for record in records), context)


def unwrap(record: KinesisStreamRecord) -> Record:
    """The record in a record of the stream."""
    seconds = float(record.kinesis.get("approximateArrivalTimestamp") or 0)
    return Record(
        id=record.kinesis.sequence_number,
        data=record.kinesis.data_as_bytes(),
        # To the millisecond, as Kinesis has it: a float of seconds has no exact microseconds.
        entered=since_epoch(round(seconds * 1000)),
        source=record.get("eventSourceARN") or "",
    )
