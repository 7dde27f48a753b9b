"""``reconcile``: compare downloaded tables with DynamoDB Local and repair them; S3 and SQS are moto's."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from cli.replay import replay as replaying
from cli.stack import stack as stacks
from cli.stack.stack import Resource, Stack
from handlers.archive.bucket import Bucket
from handlers.archive.processor import ObjectProcessor, Snapshots
from handlers.items.snapshot import snapshot_types
from handlers.pipeline import Pipeline
from handlers.settings import Settings
from handlers.sources import SOURCES
from handlers.storage.writer import Writer
from tests.support.engines import EVENT_TYPES, NOW, TABLES, Tables, client_of
from tests.support.local_stack import Command

CONTEXT: Any = SimpleNamespace(aws_request_id=None, get_remaining_time_in_millis=lambda: 60_000)
TYPES = snapshot_types(EVENT_TYPES.values())


class Reconciled:
    """A stack whose function for objects runs in this process."""

    def __init__(self, tables: Tables) -> None:
        session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")  # noqa: S106  # placeholders
        self.s3, self.sqs = session.client("s3"), session.client("sqs")
        self.s3.create_bucket(Bucket="ours")
        self.url, dead_letters = (self.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("objects", "dead"))
        resources = {
            "Bucket": Resource("AWS::S3::Bucket", "ours"),
            "ObjectsQueue": Resource("AWS::SQS::Queue", self.url),
            "ObjectsDeadLetterQueue": Resource("AWS::SQS::Queue", dead_letters),
            "ModulesTable": Resource("AWS::DynamoDB::Table", TABLES["MODULES_TABLE"]),
        }
        clients = {"dynamodb": client_of(tables)}
        self.stack = Stack("a-stack", session, None, "CREATE_COMPLETE", {}, {}, resources, clients)
        pipeline = Pipeline(
            Settings(TABLES, None, timedelta(days=90)), TYPES, Writer(clients["dynamodb"], TABLES), lambda: NOW
        )
        self._objects = ObjectProcessor(
            SOURCES["objects"], Bucket(self.s3, "ours"), EVENT_TYPES, {False: pipeline}, Snapshots(TYPES, pipeline)
        )

    def process(self) -> None:
        """Let the function process all messages."""
        while received := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in received:
                event = {"Records": [{"messageId": "1", "body": message["Body"]}]}
                assert self._objects.handle(event, CONTEXT) == {"batchItemFailures": []}
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture
def reconciled(engine: Tables, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reconciled]:
    """A stack over empty tables, whose objects are processed while the command waits."""
    client_of(engine)
    with mock_aws():
        # moto sets other credentials, for which DynamoDB Local has other tables.
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
        it = Reconciled(engine)
        monkeypatch.setattr(stacks, "open_stack", lambda _: it.stack)
        monkeypatch.setattr(replaying, "SETTLE_SECONDS", 0)
        monkeypatch.setattr("cli.replay.replay.time.sleep", lambda _: it.process())
        yield it


def module_totals(out: str) -> dict[str, Any]:
    """Return the totals of modules; the function, in this process, logs before the command prints."""
    document = out[out.index("{\n") :]
    totals: dict[str, Any] = json.loads(document)["entities"]["module"]
    return totals


def write_modules(folder: Path, *names: str) -> None:
    """Write the table of modules with these names as Canvas Data 2 has it."""
    (folder / "context_modules").mkdir(exist_ok=True)
    lines = [
        {
            "key": {"id": number},
            "value": {
                "context_id": 1, "context_type": "Course", "name": name, "position": number,
                "workflow_state": "active", "updated_at": "2026-09-01T10:00:00.123Z",
            },
            "meta": {"ts": f"2026-09-0{len(name)}T04:00:00Z", "action": "U"},
        }
        for number, name in enumerate(names, start=1)
    ]  # fmt: skip
    (folder / "context_modules" / "part.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def test_an_empty_table_is_loaded_and_then_equal(
    reconciled: Reconciled, canvas_events: Command, tmp_path: Path
) -> None:
    """Everything is missing, a repair loads it, the next run finds it equal, and a changed row is repaired in turn."""
    options = ("reconcile", "--canvas-data", str(tmp_path), "--account", "an-account", "--json")
    assert reconciled.stack.entity_tables.keys() == {"MODULES_TABLE"}
    write_modules(tmp_path, "aa", "bb")
    for arguments, status, states in (
        ((), 1, {"missing": 2}),
        (("--repair",), 0, {"missing": 2, "repaired": 2}),
        ((), 0, {"equal": 2}),
    ):
        result = canvas_events(*options, *arguments)
        assert result.status == status, result.err
        module = module_totals(result.out)
        assert (result.status, {name: module[name] for name in states}) == (status, states), result.err
        assert module["rows"] == 2
    write_modules(tmp_path, "aa", "bbb")
    result = canvas_events(*options, "--repair")
    module = module_totals(result.out)
    assert (module["different"], module["repaired"], module["fields"]) == (1, 1, {"name": 1})
    assert module["examples"] == {"different": ["an-account#Course#1 module#2"]}
    assert canvas_events(*options).status == 0


def test_trouble_is_not_a_difference(reconciled: Reconciled, canvas_events: Command, tmp_path: Path) -> None:
    """A folder without tables ends with status 2, and says what it needs."""
    assert reconciled.stack.entity_tables
    result = canvas_events("reconcile", "--canvas-data", str(tmp_path), "--account", "an-account")
    assert result.status == 2
    assert "has none of the tables" in result.err
