"""The least work that a handler which writes through boto3 can do.

It parses with orjson and sends 25 PartiQL statements a request. It validates, normalizes, compares and compacts
nothing, and stores the event as one string.
"""

from itertools import islice
from typing import Any

import boto3
import orjson

client = boto3.client("dynamodb")

INSERT = """INSERT INTO "entities" VALUE {'context': ?, 'entity': ?, 'body': ?}"""


def handler(event: dict[str, Any], _: Any) -> Any:
    """Write a batch."""
    statements = (_statement(record["body"]) for record in event["Records"])
    while request := list(islice(statements, 25)):
        client.batch_execute_statement(Statements=request)  # type: ignore[arg-type]  # mypy knows no such literals
    return {"batchItemFailures": []}


def _statement(text: str) -> dict[str, Any]:
    metadata = orjson.loads(text)["metadata"]
    values = (metadata.get("root_account_uuid", ""), metadata["request_id"], text)
    return {"Statement": INSERT, "Parameters": [{"S": value} for value in values]}
