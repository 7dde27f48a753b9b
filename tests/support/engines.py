"""The engines that the tests run against, their tables, and the pipeline over them."""

import base64
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import boto3
import urllib3
from botocore.exceptions import ClientError

from cli.catalogue.model import families
from cli.catalogue.samples import samples
from cli.catalogue.template_families import index_keys
from cli.local.ministack import LocalAws
from handlers.deadline import Deadline
from handlers.intake.record import Record
from handlers.items.event_types import load
from handlers.outcome import Fate, Outcome
from handlers.pipeline import Pipeline
from handlers.settings import Settings
from handlers.storage.writer import Writer

# The handlers make their client and read their settings when they are imported.
EVENT_TYPES = load()
TABLES = {
    variable: variable.removesuffix("_TABLE").lower()
    for variable in (*sorted({event_type.table_variable for event_type in EVENT_TYPES.values()}), "REJECTED_TABLE")
}
INDEX_KEYS = {family.name: index_keys(family) for family in families()}  # of the indexes of each table
# Nothing that this machine is configured for: no AWS account, no proxy, no setting of the functions.
for name in list(os.environ):
    if name.startswith(("AWS_", "POWERTOOLS_")) or name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
        del os.environ[name]
os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
os.environ.update(TABLES)
os.environ.update(AWS_DEFAULT_REGION="eu-west-1", AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")  # noqa: S106  # no engine here asks for real ones
_SETTINGS = ("ALLOWED_ROOT_ACCOUNTS", "ALLOW_BETA_AND_TEST", "IGNORED_EVENT_TYPES")
for name in (*_SETTINGS, "REJECTED_RETENTION_DAYS", "ACTIVITY_RETENTION_DAYS"):
    os.environ.pop(name, None)
# Read once: there are many, and some tests make thousands of events of them.
SAMPLES = samples()
NOW = datetime(2026, 9, 7, 12, 0, tzinfo=UTC)
KEY_NAMES = ("context", "entity", "reason", "record")  # of the entities, and of rejected records
MAX_DELETIONS = 25  # of one BatchWriteItem request
# A request without boto3. The engines look at the names in the signature, and not whether it is right.
_HTTP = urllib3.PoolManager(retries=urllib3.Retry(3, allowed_methods=None))  # a server may close an idle connection
_CREDENTIAL = "Credential=test/20260907/eu-west-1/dynamodb/aws4_request"
_SCAN = {
    "Authorization": f"AWS4-HMAC-SHA256 {_CREDENTIAL}, SignedHeaders=host, Signature=none",
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "DynamoDB_20120810.Scan",
}
DYNAMODB_LOCAL = Path(__file__).parents[2] / ".cache" / "dynamodb-local"


def scan(endpoint: str, table: str) -> list[dict[str, Any]]:
    """Return all items of a table of an engine, in DynamoDB's form.

    It does not use boto3, which took most of the time of tests that read all tables after each step.
    """
    items: list[dict[str, Any]] = []
    request: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
    while True:
        answer = _HTTP.request("POST", endpoint, body=json.dumps(request), headers=_SCAN)
        assert answer.status == 200, answer.data
        page = json.loads(answer.data, object_hook=_with_bytes)
        items += page["Items"]
        if "LastEvaluatedKey" not in page:
            return items
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def delete_all(client: Any, endpoint: str, table: str) -> None:
    """Delete all items of a table of an engine."""
    keys = [{name: item[name] for name in KEY_NAMES if name in item} for item in scan(endpoint, table)]
    for start in range(0, len(keys), MAX_DELETIONS):
        batch = [{"DeleteRequest": {"Key": key}} for key in keys[start : start + MAX_DELETIONS]]
        assert not client.batch_write_item(RequestItems={table: batch})["UnprocessedItems"]


class Tables:
    """The tables of the template in an engine."""

    def __init__(self, client: Any, endpoint: str) -> None:
        self.client = client
        self.endpoint = endpoint

    def reset(self) -> None:
        """Create the missing tables, and empty the others, which is much faster than creating all of them."""
        present = self.client.list_tables()["TableNames"]
        for table in TABLES.values():
            if table in present:
                self._empty(table)
            else:
                self.create(table)

    def empty(self) -> None:
        """Delete all items."""
        for table in TABLES.values():
            self._empty(table)

    def create(self, table: str) -> None:
        """Create a table, with its indexes."""
        keys = ("reason", "record") if table == "rejected" else ("context", "entity")
        self.client.create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": keys[0], "KeyType": "HASH"},
                {"AttributeName": keys[1], "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in (*keys, *INDEX_KEYS.get(table, ()))
            ],
            BillingMode="PAY_PER_REQUEST",
            **_indexes(table),
        )

    def _empty(self, table: str) -> None:
        try:
            delete_all(self.client, self.endpoint, table)
        except ClientError:  # MiniStack takes keys of any length, and does not delete all of them
            self.client.delete_table(TableName=table)
            self.create(table)

    def items(self, table: str) -> list[dict[str, Any]]:
        """Return all items of a table, in DynamoDB's form, in key order."""
        return sorted(scan(self.endpoint, table), key=_key)

    def entities(self) -> dict[str, list[dict[str, Any]]]:
        """Return all items of all entity tables."""
        return {table: self.items(table) for table in TABLES.values() if table != "rejected"}


def _indexes(table: str) -> Any:
    """The indexes of a table in the template, as an argument; that of activity among them."""
    indexes = [
        {
            "IndexName": f"by_{name}",
            "KeySchema": [
                {"AttributeName": name, "KeyType": "HASH"},
                {"AttributeName": "entity", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
        for name in INDEX_KEYS.get(table, ())
    ]
    return {"GlobalSecondaryIndexes": indexes} if indexes else {}


def as_boto3(attributes: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Convert attributes from DynamoDB JSON to the form of boto3, in which bytes are not in Base64."""
    return {name: json.loads(text, object_hook=_with_bytes) for name, text in attributes.items()}


def _with_bytes(value: dict[str, Any]) -> dict[str, Any]:
    # A map's members are values themselves, so only a value can be text under "B".
    return {"B": base64.b64decode(value["B"])} if isinstance(value.get("B"), str) else value


def _key(item: dict[str, Any]) -> list[str]:
    return [item[name]["S"] for name in KEY_NAMES if name in item]


EventFactory = Callable[..., str]


def _without_ellipses(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not ...}


@cache
def _tables_in(aws: LocalAws) -> Tables:
    return Tables(aws.client("dynamodb"), aws.endpoint)


def empty_tables(aws: LocalAws) -> Tables:
    """Return the empty tables of an engine, reusing those of the test before."""
    tables = _tables_in(aws)
    tables.reset()
    return tables


def client_of(tables: Tables) -> Any:
    """Return a client for the engine of the tables."""
    return _client_at(tables.endpoint)


@cache
def _client_at(endpoint: str) -> Any:
    return boto3.client("dynamodb", endpoint_url=endpoint)


class Consumer:
    """The pipeline over the tables of an engine."""

    def __init__(
        self,
        tables: Tables,
        allowed: frozenset[str] | None = None,
        deployed: dict[str, str] = TABLES,
        settings: Settings | None = None,
    ) -> None:
        settings = settings or Settings(deployed, allowed, timedelta(days=90))
        writer = Writer(client_of(tables), settings.tables)
        self.pipeline = Pipeline(settings, EVENT_TYPES, writer, lambda: NOW)

    def deliver(self, *texts: str | bytes, remaining_ms: Callable[[], int] = lambda: 60_000) -> list[Outcome]:
        """Deliver a batch of records with these texts; their ids are "0", "1" and so on."""
        records = [
            Record(str(number), text.encode() if isinstance(text, str) else text, NOW, "arn:aws:sqs:eu-west-1:1:queue")
            for number, text in enumerate(texts)
        ]
        batch = [(record.id, partial(_identity, record)) for record in records]
        return self.pipeline.process(batch, Deadline(remaining_ms))

    def fates(self, *texts: str | bytes) -> list[Fate]:
        """Deliver a batch; return only the fates."""
        return [outcome.fate for outcome in self.deliver(*texts)]


def _identity(record: Record) -> Record:
    return record
