"""DynamoDB's items as plain Python values: text, ``Decimal``, lists, maps."""

from collections.abc import Mapping
from decimal import Rounded
from typing import Any

from boto3.dynamodb.types import DYNAMODB_CONTEXT, TypeDeserializer

from cli.stack.hierarchy import StoredItem
from cli.stack.stack import Stack

# DynamoDB returns 1e100 with all of its zeros, which boto3 would count as more than 38 digits, and fail:
# https://github.com/boto/boto3/issues/2500
DYNAMODB_CONTEXT.traps[Rounded] = False


def plain_values(item: Mapping[str, Any]) -> StoredItem:
    """Convert an item in DynamoDB's form to plain values; numbers become ``Decimal``."""
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}


def document_resource(stack: Stack) -> Any:
    """The DynamoDB resource of boto3, which takes and gives plain values."""
    return stack.session.resource("dynamodb", endpoint_url=stack.endpoint)
