"""The Lambda entry point for the stream: each record's data is an event, in Base64."""

import base64
from functools import partial
from typing import TYPE_CHECKING, Any

from handlers.intake.record import Record
from handlers.items.timestamps import since_epoch
from handlers.runtime import Function, Response

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

function = Function("kinesis")


def handler(event: dict[str, Any], context: "LambdaContext") -> Response:
    """Take a batch of records and answer with those that failed.

    Lambda goes back to the lowest sequence number among them and delivers everything from there again.
    """
    records = event["Records"]
    return function.answer(
        ((record["kinesis"]["sequenceNumber"], partial(unwrap, record)) for record in records), context
    )


def unwrap(record: dict[str, Any]) -> Record:
    """The record in a record of the stream."""
    kinesis = record["kinesis"]
    seconds = float(kinesis.get("approximateArrivalTimestamp") or 0)
    return Record(
        id=kinesis["sequenceNumber"],
        data=base64.b64decode(kinesis["data"]),
        # To the millisecond, as Kinesis has it: a float of seconds has no exact microseconds.
        entered=since_epoch(round(seconds * 1000)),
        source=record.get("eventSourceARN") or "",
    )
