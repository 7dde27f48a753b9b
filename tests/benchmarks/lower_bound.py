"""The floor: parse with orjson, send 25 hand-made PartiQL statements a request, and nothing else.

Nothing is validated, localised, compared or folded; the event is put as one string. No consumer of any use can be
cheaper by much, as long as it writes through boto3.
"""

from itertools import islice
from typing import Any

import boto3
import orjson

client = boto3.client("dynamodb")

INSERT = """INSERT INTO "entities" VALUE {'context': ?, 'entity': ?, 'body': ?}"""


def handler(event: dict[str, Any], _: Any) -> Any:
    """Take a batch and write it."""
    statements = (_statement(record["body"]) for record in event["Records"])
    while some := list(islice(statements, 25)):
        client.batch_execute_statement(Statements=some)  # type: ignore[arg-type]  # mypy knows no such literals
    return {"batchItemFailures": []}


def _statement(text: str) -> dict[str, Any]:
    metadata = orjson.loads(text)["metadata"]
    values = (metadata.get("root_account_uuid", ""), metadata["request_id"], text)
    return {"Statement": INSERT, "Parameters": [{"S": value} for value in values]}
