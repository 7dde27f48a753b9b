"""DynamoDB's items as plain Python values: text, ``Decimal``, lists, maps."""

from collections.abc import Mapping
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from canvas_tables import read
from cli.stack.hierarchy import StoredItem
from cli.stack.stack import Stack


def plain_values(item: Mapping[str, Any]) -> StoredItem:
    """Convert an item in DynamoDB's form to plain values; numbers become ``Decimal``."""
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}


def document_client(stack: Stack) -> Any:
    """A DynamoDB client that takes and gives plain Python values, and conditions of ``boto3.dynamodb.conditions``."""
    return read.document_client(stack.session, stack.endpoint)
