"""What a subscriber of a change stream receives of the pipeline's writes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cli.catalogue.generated import ROOT
from cli.local.ministack import LocalAws
from handlers.outcome import Fate
from tests.support.engines import TABLES, Consumer, EventFactory, Tables

TABLE = "assignments-with-change-stream"
NOTIFY = ROOT / "examples" / "notify" / "notify.py"
STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


@pytest.fixture
def changes(engine: Tables, dynamodb_local: LocalAws) -> Iterator["Changes"]:
    """Return the change stream of a table of assignments."""
    keys = {"context": "HASH", "entity": "RANGE"}
    table = engine.client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": name, "KeyType": key_type} for name, key_type in keys.items()],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification=STREAM,
    )["TableDescription"]
    yield Changes(dynamodb_local.client("dynamodbstreams"), table["LatestStreamArn"])
    engine.client.delete_table(TableName=TABLE)


class Changes:
    """The records of a change stream."""

    def __init__(self, client: Any, arn: str) -> None:
        self._client, self._arn = client, arn

    def read(self) -> list[Any]:
        """Return all records in their order."""
        records: list[Any] = []
        for shard in self._client.describe_stream(StreamArn=self._arn)["StreamDescription"]["Shards"]:
            iterator = self._client.get_shard_iterator(
                StreamArn=self._arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while page := self._client.get_records(ShardIterator=iterator):
                records += page["Records"]
                if not page["Records"]:
                    break
                iterator = page["NextShardIterator"]
        return records


def test_stream_has_each_version_that_was_stored_and_nothing_else(
    engine: Tables, changes: Changes, event: EventFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """A version that is stored is one record with both images; a duplicate or a late event adds none."""
    consumer = Consumer(engine, deployed=TABLES | {"ASSIGNMENTS_TABLE": TABLE})
    lab: dict[str, Any] = {"assignment_id": "9001", "context_type": "Course", "context_id": "2041"}
    first = event("assignment_created", {"event_time": "2026-09-01T09:00:00Z"}, **lab, due_at="2026-09-07T06:00:00Z")
    late = event("assignment_updated", {"event_time": "2026-09-02T09:00:00Z"}, **lab, due_at="2026-09-10T06:00:00Z")
    moved = event(
        "assignment_updated", {"event_time": "2026-09-03T09:00:00Z"}, **lab, due_at="2026-09-14T08:00:00+02:00"
    )
    assert [consumer.fates(text) for text in (first, moved)] == [[Fate.STORED], [Fate.STORED]]
    stored = changes.read()
    assert [consumer.fates(text) for text in (moved, late, first)] == [[Fate.SUPERSEDED]] * 3

    records = changes.read()
    assert records == stored
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY"]
    created, updated = (record["dynamodb"] for record in records)
    assert "OldImage" not in created
    assert updated["OldImage"] == created["NewImage"]
    assert [updated["NewImage"]] == engine.items(TABLE)
    assert updated["Keys"].keys() == {"context", "entity"}

    namespace: dict[str, Any] = {}
    exec(NOTIFY.read_text(), namespace)  # noqa: S102  # it is no module of the package
    capsys.readouterr()
    assert namespace["handler"]({"Records": records[1:]}, None) == {"batchItemFailures": []}
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {report["date"]: (report["before"], report["after"]) for report in reports}["due_at"] == (
        "2026-09-07T06:00:00.000000Z",
        "2026-09-14T06:00:00.000000Z",
    )
