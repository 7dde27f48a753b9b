"""The archive and the objects handler against S3 and DynamoDB as MiniStack has them."""

import gzip
import importlib
import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import handlers.kinesis
import handlers.sqs
from cli.catalogue.samples import kinesis_event, rejected_samples, sqs_event
from cli.local.ministack import LocalAws
from handlers.settings import SettingsError
from handlers.telemetry.logs_and_metrics import logger
from tests.support.engines import SAMPLES, Tables, empty_tables

BUCKET = "objects-of-a-test"
ACKNOWLEDGED: dict[str, list[Any]] = {"batchItemFailures": []}
NOT_ACKNOWLEDGED = {"batchItemFailures": [{"itemIdentifier": "a-message"}]}
RUN = "20261201T011500Z-4f2a"


class Objects:
    """The functions with the archive on, and the bucket."""

    def __init__(self, aws: LocalAws, tables: Tables, patch: pytest.MonkeyPatch) -> None:
        self.s3 = aws.client("s3")
        self.tables = tables
        self._patch = patch
        patch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        patch.setenv("OBJECTS_BUCKET", BUCKET)
        self.set_archive(BUCKET)

    def set_archive(self, bucket: str) -> None:
        """Turn the archive on, in this bucket."""
        self._patch.setenv("ARCHIVE_BUCKET", bucket)
        self.queue, self.stream = (importlib.reload(module).handler for module in (handlers.sqs, handlers.kinesis))

    def keys(self, prefix: str) -> list[str]:
        """Return the keys under a prefix."""
        return [entry["Key"] for entry in self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", ())]

    def read(self, key: str) -> bytes:
        """Return an object."""
        content: bytes = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content

    def lines(self) -> list[dict[str, Any]]:
        """Return all lines of the archive."""
        return [
            json.loads(line) for key in self.keys("events/") for line in gzip.decompress(self.read(key)).splitlines()
        ]

    def process(self, key: str, /, **members: Any) -> Any:
        """Let the objects handler process an object, and return its response."""
        message = {"bucket": BUCKET, "key": key, "run": RUN} | members
        delivery = {
            "messageId": "a-message",
            "body": json.dumps(message),
            "eventSourceARN": "arn:aws:sqs:eu-west-1:1:o",
        }
        return objects_module().handler({"Records": [delivery]}, None)

    def result(self, key: str) -> dict[str, Any]:
        """Return how an object ended."""
        result: dict[str, Any] = json.loads(self.read(f"results/{RUN}/{key}.json"))
        return result


def objects_module() -> ModuleType:
    """Return the module of the handler, which reads its settings when it is imported."""
    import handlers.objects

    return importlib.reload(handlers.objects)


@pytest.fixture
def objects(local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Objects]:
    """The functions over empty tables and an empty bucket."""
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    yield Objects(local_aws, empty_tables(local_aws), monkeypatch)
    for entry in s3.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        s3.delete_object(Bucket=BUCKET, Key=entry["Key"])
    s3.delete_bucket(Bucket=BUCKET)
    monkeypatch.undo()
    for module in (handlers.sqs, handlers.kinesis):
        importlib.reload(module)


def test_a_replay_into_empty_tables_gives_the_same_tables(objects: Objects) -> None:
    """Every sample, through either source, comes back from the archive into the same items, byte for byte."""
    texts = [*SAMPLES.values(), *rejected_samples().values()]
    assert objects.queue(sqs_event(texts), None) == ACKNOWLEDGED
    assert objects.stream(kinesis_event(texts), None) == ACKNOWLEDGED
    keys = objects.keys("events/")
    assert sorted(key.rpartition("/")[2].partition("-")[0] for key in keys) == ["kinesis", "sqs"]
    assert len(objects.lines()) == 2 * len(texts)
    before, rejected = objects.tables.entities(), objects.tables.items("rejected")
    objects.tables.empty()
    for _ in range(2):
        for key in keys:
            assert objects.process(key) == ACKNOWLEDGED
        assert objects.tables.entities() == before
    for key in keys:
        result = objects.result(key)
        assert (result["key"], result["run"], result["skipped"]) == (key, RUN, 0)
        assert result["lines"] == len(texts) == sum(sum(fates.values()) for fates in result["outcomes"].values())
    again = objects.tables.items("rejected")
    assert [(item["reason"], item["record"], item["errors"]) for item in again] == [
        (item["reason"], item["record"], item["errors"]) for item in rejected
    ]


def test_a_replay_processes_what_the_message_asks_for(objects: Objects) -> None:
    """With a family or a type the other lines are skipped, and counted."""
    texts = [SAMPLES["group_created"], SAMPLES["group_updated"], SAMPLES["module_created"], "not JSON"]
    objects.queue(sqs_event(texts), None)
    (key,) = objects.keys("events/")
    objects.tables.empty()
    assert objects.process(key, families=["groups"]) == ACKNOWLEDGED
    result = objects.result(key)
    assert (result["lines"], result["skipped"]) == (4, 2)
    assert result["outcomes"].keys() == {"groups"}
    assert objects.tables.items("modules") == objects.tables.items("rejected") == []
    assert objects.process(key, types=["module_created"]) == ACKNOWLEDGED
    assert objects.result(key)["outcomes"] == {"modules": {"stored": 1}}
    assert objects.process(key, families=["groups"], types=["module_created"]) == ACKNOWLEDGED
    assert objects.result(key)["skipped"] == 4


def test_the_archive_keeps_no_metadata_that_nobody_asked_for(objects: Objects) -> None:
    """Addresses, browsers, sessions and logins stay out, of rejected and ignored events, too."""
    event = json.loads(SAMPLES["module_created"])
    event["metadata"] |= {"client_ip": "192.0.2.1", "user_agent": "Mozilla", "session_id": "s", "user_login": "me"}
    texts = [json.dumps(event)]
    texts += [
        json.dumps(event | {"metadata": event["metadata"] | {"event_name": name}})
        for name in ("unknown", "scan_youtube_links")
    ]
    assert objects.queue(sqs_event(texts), None) == ACKNOWLEDGED
    lines = objects.lines()
    assert [line["metadata"]["event_name"] for line in lines] == ["module_created", "unknown", "scan_youtube_links"]
    assert not {"client_ip", "user_agent", "session_id", "user_login"} & set().union(
        *(line["metadata"] for line in lines)
    )


def test_a_batch_whose_object_cannot_be_written_is_retried(objects: Objects) -> None:
    """Without its bucket a batch is not acknowledged; what was stored is superseded the next time."""
    objects.set_archive("no-such-bucket")
    texts = list(SAMPLES.values())[:3]
    event = sqs_event(texts)
    failures = objects.queue(event, None)["batchItemFailures"]
    assert [failure["itemIdentifier"] for failure in failures] == [record["messageId"] for record in event["Records"]]
    objects.set_archive(BUCKET)
    assert objects.queue(event, None) == ACKNOWLEDGED
    assert len(objects.lines()) == 3


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "Truncated"),
        (b"not gzip", "NotGzip"),
        (gzip.compress(b'{"x": 1}\n'), "NotALine"),
        (
            gzip.compress(b'{"id":"1","source":"sqs","enqueued_at":"2026-01-01T00:00:00Z","payload":"x"}\n')[:-9],
            "Truncated",
        ),
        (None, "S3NoSuchKey"),
    ],
    ids=["empty", "not gzip", "not a line", "truncated", "missing"],  # the header of gzip has the time
)
def test_an_object_that_cannot_be_read_fails_alone(
    objects: Objects, content: bytes | None, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken object is an error in the log, nothing of it is stored, and another one of the batch is processed."""
    objects.queue(sqs_event([SAMPLES["module_created"]]), None)
    (good,) = objects.keys("events/")
    objects.tables.empty()
    if content is not None:
        objects.s3.put_object(Bucket=BUCKET, Key="events/broken", Body=content)
    logged = []
    monkeypatch.setattr(logger, "error", lambda message, extra: logged.append({"message": message} | extra))
    deliveries = [
        {"messageId": key, "body": json.dumps({"bucket": BUCKET, "key": key, "run": RUN})}
        for key in ("events/broken", good)
    ]
    response = objects_module().handler({"Records": deliveries}, None)
    assert response == {"batchItemFailures": [{"itemIdentifier": "events/broken"}]}
    (failure,) = logged
    assert (failure["message"], failure["error"], failure["message_id"]) == ("object failed", error, "events/broken")
    assert len(objects.tables.items("modules")) == 1
    assert len(objects.keys("results/")) == 1


@pytest.mark.parametrize("members", [{"bucket": "another"}, {"key": "results/x"}, {"key": 1}])
def test_a_message_that_names_something_else_is_not_acknowledged(objects: Objects, members: dict[str, Any]) -> None:
    """A message for another bucket, another prefix or of another form goes the way to the dead-letter queue."""
    assert objects.process("events/x", **members) == NOT_ACKNOWLEDGED


def test_an_object_comes_back_while_a_line_must_be_retried(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a table missing the object is not acknowledged and has no result; once it is there, it has."""
    objects.queue(sqs_event([SAMPLES["module_created"], SAMPLES["group_created"]]), None)
    (key,) = objects.keys("events/")
    objects.tables.empty()
    with monkeypatch.context() as patch:
        patch.setenv("GROUPS_TABLE", "no-such-table")
        assert objects.process(key) == NOT_ACKNOWLEDGED
    assert objects.keys("results/") == []
    assert objects.process(key) == ACKNOWLEDGED
    assert objects.result(key)["outcomes"] == {"modules": {"superseded": 1}, "groups": {"stored": 1}}


def test_the_objects_handler_needs_its_bucket(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variable it fails at start, with its name."""
    monkeypatch.delenv("OBJECTS_BUCKET")
    with pytest.raises(SettingsError, match="OBJECTS_BUCKET"):
        objects_module()
    assert objects.keys("") == []
