"""Whole tables: read every item with progress, delete many items."""

from collections.abc import Iterable, Iterator
from typing import Any

from boto3.dynamodb.table import BatchWriter
from botocore.exceptions import ClientError
from rich.progress import Progress

from cli.errors import CommandError
from cli.stack.hierarchy import StoredItem
from cli.stack.plain_values import document_client
from cli.stack.stack import Stack


def describe(client: Any, table: str) -> Any:
    """DynamoDB's description of a table. Raises ``CommandError`` when there is none of that name."""
    try:
        return client.describe_table(TableName=table)["Table"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ResourceNotFoundException":
            raise
        region = client.meta.region_name
        raise CommandError(f"there is no table {table} in {region}. `aws dynamodb list-tables` lists them.") from None


def scan(client: Any, table: str, progress: Progress, description: str, **request: Any) -> Iterator[StoredItem]:
    """The items of a table that pass the filter of ``request``, in the form that ``client`` gives them.

    ``progress`` counts the items read, against the number that DynamoDB states: up to six hours old.
    """
    total = describe(client, table).get("ItemCount") or None
    task = progress.add_task(description, total=total)
    scanned = 0
    for page in client.get_paginator("scan").paginate(TableName=table, **request):
        yield from page["Items"]
        scanned += page["ScannedCount"]
        progress.update(task, completed=scanned)
    progress.update(task, completed=scanned, total=scanned)


def delete_items(stack: Stack, table: str, keys: Iterable[StoredItem]) -> None:
    """Delete the items with these keys, 25 per request; a key that is not there is no error."""
    with BatchWriter(table, document_client(stack)) as writer:
        for key in keys:
            writer.delete_item(Key=key)
