"""What the tests share: the engines that they run against, and events made from the samples."""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli.generate import samples
from cli.ministack import LocalAws, free_port, ministack
from handlers.catalogue import load
from handlers.deadline import Deadline
from handlers.fates import Fate, Outcome
from handlers.pipeline import Pipeline
from handlers.record import Record
from handlers.settings import Settings
from handlers.write import Writer

# The handlers make their client and read their settings when they are imported.
TABLES = {
    variable: variable.removesuffix("_TABLE").lower()
    for variable in (*sorted({event_type.table for event_type in load().values()}), "REJECTED_TABLE")
}
os.environ.update(TABLES)
os.environ.update(AWS_DEFAULT_REGION="eu-west-1", AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")  # noqa: S106  # no engine here asks for real ones
for name in ("ALLOWED_ROOT_ACCOUNTS", "REJECTED_RETENTION_DAYS", "ACTIVITY_RETENTION_DAYS"):
    os.environ.pop(name, None)

# Read once: there are many, and some tests make thousands of events of them.
SAMPLES = samples()

NOW = datetime(2026, 9, 7, 12, 0, tzinfo=UTC)

DYNAMODB_LOCAL = Path(__file__).parent.parent / ".cache" / "dynamodb-local"


@pytest.fixture(scope="session")
def dynamodb_local() -> Iterator[LocalAws]:
    """Amazon's own DynamoDB engine, in memory."""
    missing = "Java" if not shutil.which("java") else "" if (DYNAMODB_LOCAL / "DynamoDBLocal.jar").exists() else "it"
    if missing:
        reason = (
            f"DynamoDB Local cannot start: {missing} is not here (Java from your system, then `make dynamodb-local`)"
        )
        # On the build server these tests must run.
        (pytest.fail if os.environ.get("REQUIRE_DYNAMODB_LOCAL") else pytest.skip)(reason)
    port = free_port()
    command = ["java", "-Djava.library.path=DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar", "-inMemory"]
    process = subprocess.Popen([*command, "-port", str(port)], cwd=DYNAMODB_LOCAL, stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield LocalAws(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """MiniStack, empty at the start."""
    with ministack() as aws:
        yield aws


@pytest.fixture(params=["dynamodb_local", "local_aws"])
def tables(request: pytest.FixtureRequest) -> Iterator["Tables"]:
    """The tables, empty, in each of the engines."""
    made = Tables(request.getfixturevalue(request.param))
    made.create()
    yield made
    made.delete()


class Tables:
    """The tables of the template in an engine."""

    def __init__(self, aws: LocalAws) -> None:
        self.client = aws.client("dynamodb")
        self.endpoint = aws.endpoint

    def create(self) -> None:
        """Create them, empty."""
        self.create_in(self.client)

    @staticmethod
    def create_in(client: Any) -> None:
        """Create them by a client of one's own."""
        for table in TABLES.values():
            keys = ("reason", "record") if table == "rejected" else ("context", "entity")
            client.create_table(
                TableName=table,
                KeySchema=[
                    {"AttributeName": keys[0], "KeyType": "HASH"},
                    {"AttributeName": keys[1], "KeyType": "RANGE"},
                ],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
                BillingMode="PAY_PER_REQUEST",
            )

    def empty(self) -> None:
        """Delete all items, faster than the tables themselves."""
        for table in TABLES.values():
            for item in self.items(table):
                keys = {name: item[name] for name in ("context", "entity", "reason", "record") if name in item}
                self.client.delete_item(TableName=table, Key=keys)

    def delete(self) -> None:
        """Delete them."""
        for table in self.client.list_tables()["TableNames"]:
            self.client.delete_table(TableName=table)

    def items(self, table: str) -> list[dict[str, Any]]:
        """All items of a table, in DynamoDB's form, in the order of their keys."""
        pages = self.client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return sorted((item for page in pages for item in page["Items"]), key=_key)

    def entities(self) -> dict[str, list[dict[str, Any]]]:
        """All items of all entity tables."""
        return {table: self.items(table) for table in TABLES.values() if table != "rejected"}


def as_boto3(attributes: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Attributes in DynamoDB's JSON in the form that boto3 takes and gives them: bytes are not in Base64."""
    return {name: json.loads(text, object_hook=_with_bytes) for name, text in attributes.items()}


def _with_bytes(value: dict[str, Any]) -> dict[str, Any]:
    # A map's members are values themselves, so only a value can be text under "B".
    return {"B": base64.b64decode(value["B"])} if isinstance(value.get("B"), str) else value


def _key(item: dict[str, Any]) -> list[str]:
    return [item[name]["S"] for name in ("context", "entity", "reason", "record") if name in item]


Change = Callable[..., str]


@pytest.fixture
def event() -> Change:
    """Make an event of a sample: ``event("module_updated", name="Week 2", metadata={"user_id": None})``.

    A value of ``...`` leaves the field out.
    """

    def make(event_name: str, metadata: dict[str, Any] | None = None, **body: Any) -> str:
        made = json.loads(SAMPLES[event_name])
        made["metadata"] = _without_ellipses(made["metadata"] | (metadata or {}))
        made["body"] = _without_ellipses(made["body"] | body)
        return json.dumps(made)

    return make


def _without_ellipses(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not ...}


def _wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with socket.socket() as caller:
            if caller.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)  # until the next try
    raise TimeoutError("DynamoDB Local did not come up")


def client_of(tables: Tables) -> Any:
    """A client for the engine of the tables."""
    return boto3.client("dynamodb", endpoint_url=tables.endpoint)


class Consumer:
    """The pipeline over the tables of an engine."""

    def __init__(
        self, tables: Tables, allowed: frozenset[str] | None = None, deployed: dict[str, str] = TABLES
    ) -> None:
        client = client_of(tables)
        settings = Settings(deployed, allowed, timedelta(days=90))
        self.pipeline = Pipeline(settings, load(), Writer(client, deployed), lambda: NOW)

    def deliver(self, *texts: str | bytes, remaining_ms: Callable[[], int] = lambda: 60_000) -> list[Outcome]:
        """Deliver a batch of records with these texts; their ids are "0", "1" and so on."""
        records = [
            Record(str(number), text.encode() if isinstance(text, str) else text, NOW, "arn:aws:sqs:eu-west-1:1:queue")
            for number, text in enumerate(texts)
        ]
        batch = [(record.id, partial(_itself, record)) for record in records]
        return self.pipeline.process(batch, Deadline(remaining_ms))

    def fates(self, *texts: str | bytes) -> list[Fate]:
        """Deliver a batch; the fates alone."""
        return [outcome.fate for outcome in self.deliver(*texts)]


def _itself(record: Record) -> Record:
    return record


@pytest.fixture
def consumer(tables: Tables) -> Consumer:
    """The pipeline over empty tables."""
    return Consumer(tables)
