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
from tests.support.canvas_data_server import CLIENT_ID, CLIENT_SECRET, CanvasDataServer, canvas_data_server
from tests.support.canvas_server import TOKEN, CanvasServer, canvas_server
from tests.support.engines import EVENT_TYPES, NOW, TABLES, Tables, client_of
from tests.support.http_server import Reply
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
def reconciled(engine: Tables) -> Iterator[Reconciled]:
    """A stack over empty tables, whose objects are processed while the command waits."""
    client_of(engine)
    # The variables are restored before moto restores its own.
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        # moto sets other credentials, for which DynamoDB Local has other tables.
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.delenv("AWS_SESSION_TOKEN", raising=False)
        it = Reconciled(engine)
        patch.setattr(stacks, "open_stack", lambda _: it.stack)
        patch.setattr(replaying, "SETTLE_SECONDS", 0)
        patch.setattr("cli.replay.replay.time.sleep", lambda _: it.process())
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


def test_course_is_loaded_from_the_rest_api(
    reconciled: Reconciled, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A course of the stand-in for Canvas is loaded and equal then; a topic that Canvas does not show is named."""
    resources = dict(reconciled.stack.resources)
    for family in ("Assignments", "Discussions"):
        table = TABLES[f"{family.upper()}_TABLE"]
        resources[f"{family}Table"] = Resource("AWS::DynamoDB::Table", table)
    reconciled.stack.resources = resources
    monkeypatch.setenv("CANVAS_API_TOKEN", TOKEN)
    closed = ("/courses/2041/discussion_topics/640/view", Reply({"errors": "require_initial_post"}, 403))
    with canvas_server(CanvasServer()) as server:
        options = ("--canvas", server.url, "--course", "2041", "--account", "an-account", "--json")
        server.faults.append(closed)
        loaded = canvas_events("reconcile", *options, "--repair")
        compared = canvas_events("reconcile", *options)
    assert loaded.status == 0, loaded.err
    document = json.loads(loaded.out[loaded.out.index("{\n") :])
    assert "is not allowed with this token" in document["skipped"][0]
    assert {name: (of["rows"], of["missing"]) for name, of in document["entities"].items()}["assignment"] == (2, 2)
    totals = compared.json["entities"]
    assert totals["module_item"]["equal"] == totals["module_item"]["rows"] > 0
    # What was closed before is missing now, and nothing else.
    assert {name for name, of in totals.items() if of["rows"] != of["equal"]} == {"discussion_entry"}
    assert TOKEN not in loaded.out + loaded.err + compared.out + compared.err


def test_changes_are_read_from_the_canvas_data_api(
    reconciled: Reconciled, canvas_events: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run takes a snapshot, the next one what has changed since, and a comparison alone is not remembered."""
    assert reconciled.stack.entity_tables

    def line(number: int, name: str) -> dict[str, Any]:
        value = {"context_id": 1, "context_type": "Course", "name": name, "workflow_state": "active"}
        return {"key": {"id": number}, "value": value, "meta": {"ts": "2026-09-07T07:00:00Z", "action": "U"}}

    until = "2026-09-07T08:00:00Z"
    rows: dict[tuple[str, str | None], list[list[dict[str, Any]]]] = {
        ("context_modules", None): [[line(1, "a")], [line(2, "b")]],
        ("context_modules", until): [[line(2, "c")]],
        ("content_tags", None): [],
        ("content_tags", until): [],
    }
    with canvas_data_server(CanvasDataServer(rows, is_instant=True, until=until)) as server:
        for name, value in (("URL", server.url), ("CLIENT_ID", CLIENT_ID), ("CLIENT_SECRET", CLIENT_SECRET)):
            monkeypatch.setenv(f"DAP_API_{name}" if name == "URL" else f"DAP_{name}", value)
        options = ("reconcile", "--canvas-data-api", str(tmp_path / "state"), "--families", "modules")
        runs = [
            canvas_events(*options, "--account", "an-account", "--json", *arguments)
            for arguments in ((), ("--repair",), (), ("--repair",))
        ]
    assert [run.status for run in runs] == [1, 0, 1, 0], runs
    assert [module_totals(run.out)["rows"] for run in runs] == [2, 2, 1, 1]
    assert module_totals(runs[-1].out)["repaired"] == 1
