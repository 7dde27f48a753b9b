"""Requests to DynamoDB: queries with all of their pages, and batch reads of keys."""

import random
import time
from collections.abc import Iterable, Iterator, Mapping
from decimal import Rounded
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import ConditionBase
from boto3.dynamodb.types import DYNAMODB_CONTEXT

if TYPE_CHECKING:
    import boto3

# DynamoDB returns 1e100 with all of its zeros, which boto3 would count as more than 38 digits, and fail:
# https://github.com/boto/boto3/issues/2500
DYNAMODB_CONTEXT.traps[Rounded] = False

StoredItem = dict[str, Any]

# Source: Amazon DynamoDB API Reference, "BatchGetItem".
MAX_KEYS_PER_REQUEST = 100

MAX_ATTEMPTS = 8
_BASE_DELAY_SECONDS = 0.05
_MAX_DELAY_SECONDS = 2.0


class TablesError(Exception):
    """The tables cannot answer: the message says what is missing, and what to do."""


def document_client(session: "boto3.Session", endpoint_url: str | None = None) -> Any:
    """Return a DynamoDB client that takes and returns plain values: text, ``Decimal``, lists, maps."""
    return session.resource("dynamodb", endpoint_url=endpoint_url).meta.client


def query(
    client: Any,
    table: str,
    condition: ConditionBase,
    *,
    index: str | None = None,
    newest_first: bool = False,
    limit: int | None = None,
) -> Iterator[StoredItem]:
    """Yield the items of a query, page by page as they are needed, at most ``limit``."""
    request: dict[str, Any] = {
        "TableName": table, "KeyConditionExpression": condition, "ScanIndexForward": not newest_first,
    }  # fmt: skip
    if index:
        request["IndexName"] = index
    remaining = limit
    while remaining is None or remaining > 0:
        if remaining is not None:
            request["Limit"] = remaining
        page = client.query(**request)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        remaining = None if remaining is None else remaining - len(page["Items"])


def batch_get(client: Any, table: str, keys: Iterable[StoredItem]) -> Iterator[StoredItem]:
    """Yield the items with these keys that exist, in the order of the keys; ``keys`` must not repeat.

    Raises ``TablesError`` when DynamoDB leaves keys unprocessed ``MAX_ATTEMPTS`` times.
    """
    remaining = iter(keys)
    while some := list(islice(remaining, MAX_KEYS_PER_REQUEST)):
        names = [{name: key[name] for name in ("context", "entity")} for key in some]
        read = read_batch(client, {table: {"Keys": names}})
        found = {(item["context"], item["entity"]): item for _, item in read}
        for key in names:
            if item := found.get((key["context"], key["entity"])):
                yield item


def read_batch(client: Any, request: Mapping[str, Any]) -> Iterator[tuple[str, StoredItem]]:
    """Yield table and item for each key of a batch read that exists, in the form that the client gives items.

    ``request`` are the ``RequestItems`` of a BatchGetItem: at most ``MAX_KEYS_PER_REQUEST`` keys in all. What DynamoDB
    leaves unprocessed is read again after a delay. Raises ``TablesError`` after ``MAX_ATTEMPTS``.
    """
    for attempt in count(1):
        response = client.batch_get_item(RequestItems=request)
        yield from ((table, item) for table, items in response["Responses"].items() for item in items)
        request = response.get("UnprocessedKeys") or {}
        if not request:
            return
        if attempt == MAX_ATTEMPTS:
            raise TablesError(
                f"DynamoDB throttles reads of {', '.join(request)}. Try again later, or read less at once."
            )
        delay = min(_MAX_DELAY_SECONDS, _BASE_DELAY_SECONDS * 2**attempt)
        time.sleep(random.uniform(0, delay))  # noqa: S311  # jitter is no secret
