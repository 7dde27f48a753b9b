"""A typical hand-written handler, as the documentation of Powertools and boto3 shows it.

It takes one record at a time: validates it against its schema, compiled once, and sends one conditional ``put_item``.
"""

import json
from decimal import Decimal
from typing import Any

import boto3
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError
from jsonschema import Draft202012Validator, FormatChecker

from handlers.items.event_types import SCHEMAS_DIR

processor = BatchProcessor(event_type=EventType.SQS)
table = boto3.resource("dynamodb").Table("entities")
validators = {
    path.stem: Draft202012Validator(json.loads(path.read_text()), format_checker=FormatChecker())
    for path in SCHEMAS_DIR.glob("*.json")
}


def record_handler(record: SQSRecord) -> None:
    """Validate one event and put its body, unless the table has a newer version."""
    event = json.loads(record.body, parse_float=Decimal)
    metadata, body = event["metadata"], event["body"]
    validators[metadata["event_name"]].validate(event)
    entity_id = next((value for name, value in body.items() if name.endswith("_id")), metadata.get("request_id"))
    item = {
        "context": f"{metadata.get('root_account_uuid')}#{body.get('context_type')}#{body.get('context_id')}",
        "entity": f"{metadata['event_name']}#{entity_id}",
        "version": metadata["event_time"],
        "body": body,
    }
    try:
        table.put_item(
            Item=item, ConditionExpression=Attr("context").not_exists() | Attr("version").lt(item["version"])
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise


def handler(event: dict[str, Any], context: Any) -> Any:
    """Process a batch and return its failures."""
    return process_partial_response(event, record_handler, processor, context)
