"""The Lambda entry point for the queue: each message's body is an event."""

from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSEvent, SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.function import Function, Response
from handlers.instants import since_epoch
from handlers.record import Record

function = Function("sqs")


def handler(event: dict[str, Any], context: LambdaContext) -> Response:
    """Take a batch of messages and answer with those that SQS is to deliver again."""
    messages = SQSEvent(event).records
    return function.answer(((message.message_id, partial(unwrap, message)) for message in messages), context)


def unwrap(message: SQSRecord) -> Record:
    """The record in a message."""
    return Record(
        id=message.message_id,
        # "surrogatepass": half a surrogate pair is no reason to crash; the decoding then refuses the bytes.
        data=message.body.encode("utf-8", "surrogatepass"),
        entered=since_epoch(int((message.get("attributes") or {}).get("SentTimestamp", 0))),
        source=message.get("eventSourceARN") or "",
    )
