"""The Lambda entry point for the queue: each message's body is an event."""

from functools import partial
from typing import TYPE_CHECKING, Any

from handlers.intake.record import Record
from handlers.items.timestamps import since_epoch
from handlers.runtime import Function, Response

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

function = Function("sqs")


def handler(event: dict[str, Any], context: "LambdaContext") -> Response:
    """Take a batch of messages and answer with those that SQS is to deliver again."""
    return function.answer(((message["messageId"], partial(unwrap, message)) for message in event["Records"]), context)


def unwrap(message: dict[str, Any]) -> Record:
    """The record in a message."""
    return Record(
        id=message["messageId"],
        # "surrogatepass": half a surrogate pair is no reason to crash; the decoding then refuses the bytes.
        data=message["body"].encode("utf-8", "surrogatepass"),
        entered=since_epoch(int((message.get("attributes") or {}).get("SentTimestamp", 0))),
        source=message.get("eventSourceARN") or "",
    )
