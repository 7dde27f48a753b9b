"""The Lambda entry points, invoked as Lambda invokes them."""

import gc
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import KinesisStreamEvent
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

import handlers.kinesis
import handlers.sqs
from cli.catalogue.generated import ROOT
from cli.catalogue.samples import (
    EVENTS,
    TYPES_WITH_FILES,
    kinesis_event,
    rejected_samples,
    sample_invocation,
    sqs_event,
)
from cli.local.ministack import LocalAws
from handlers.intake.record import Record
from handlers.items.event_types import SchemaFileError
from handlers.settings import SettingsError
from handlers.sources import SOURCES
from handlers.telemetry.logs_and_metrics import logger
from tests.guarantees.model import newest
from tests.support.engines import SAMPLES, Tables, empty_tables

INVOCATIONS = [
    path
    for source in ("sqs", "kinesis")
    for path in sorted((EVENTS / source).glob("*.json"))
    if not path.name.endswith(".response.json")
]
CONTEXT: Any = SimpleNamespace(aws_request_id="request-1", get_remaining_time_in_millis=lambda: 60_000)


@pytest.fixture
def entry_points(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Both handlers of a new execution environment, over empty tables."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", tables.endpoint)
    return {
        "sqs": importlib.reload(handlers.sqs).handler,
        "kinesis": importlib.reload(handlers.kinesis).handler,
    }


def load(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text())


def expected_response(path: Path) -> Any:
    """Return the response that events/ specifies for an invocation file."""
    response = path.with_suffix(".response.json")
    return load(response) if response.exists() else {"batchItemFailures": []}


def lines(captured: str) -> list[dict[str, Any]]:
    """Return what was printed, which is JSON line by line."""
    return [json.loads(line) for line in captured.splitlines()]


class Stdout:
    """The current standard output: the logger would keep the one of its creation."""

    def write(self, text: str) -> None:
        """Write to it."""
        sys.stdout.write(text)

    def flush(self) -> None:
        """Do nothing, because nothing is buffered."""


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Return the log and metrics printed so far."""
    for handler in logger.handlers:
        monkeypatch.setattr(handler, "stream", Stdout())
    return lambda: capsys.readouterr().out


def test_each_invocation_file_gets_its_expected_response(entry_points: dict[str, Any], tables: Tables) -> None:
    """Every file of events/sqs and events/kinesis gets its response, also in a warm environment."""
    assert len(INVOCATIONS) == 2 * (len(TYPES_WITH_FILES) + 3)
    without_modules_table = [path for path in INVOCATIONS if path.stem == "missing_table"]
    for path in [path for path in INVOCATIONS if path not in without_modules_table] * 2:
        assert entry_points[path.parent.name](load(path), CONTEXT) == expected_response(path), path
    assert sum(map(len, tables.entities().values())) == len(newest(SAMPLES[name] for name in TYPES_WITH_FILES))
    tables.client.delete_table(TableName="modules")
    for path in without_modules_table * 2:
        response = entry_points[path.parent.name](load(path), CONTEXT)
        assert response == expected_response(path), path
        assert response["batchItemFailures"] != []


@pytest.mark.parametrize("source", ["sqs", "kinesis"])
def test_first_batch_compiles_no_schema(
    entry_points: dict[str, Any], monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """A new environment has compiled every schema before its first event arrives."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a schema was compiled")

    monkeypatch.setattr("jsonschema_rs.Draft202012Validator", refuse)
    event = (sqs_event if source == "sqs" else kinesis_event)(list(SAMPLES.values()))
    assert entry_points[source](event, CONTEXT) == {"batchItemFailures": []}


@pytest.mark.parametrize("source", ["sqs", "kinesis"])
def test_each_source_stores_every_sample(entry_points: dict[str, Any], tables: Tables, source: str) -> None:
    """From either service, a batch of all samples stores every entity, and every rejected sample with its source."""
    event = sample_invocation(source, SAMPLES, *rejected_samples().values())
    entry_points[source](event, CONTEXT)
    assert sum(map(len, tables.entities().values())) == len(newest(SAMPLES.values()))
    rejected = tables.items("rejected")
    assert {item["reason"]["S"] for item in rejected} == rejected_samples().keys()
    records = event["Records"]
    ids = {record.get("messageId") or record["kinesis"]["sequenceNumber"] for record in records}
    for item in rejected:
        assert item["source"]["M"]["arn"]["S"] == records[0]["eventSourceARN"]
        assert item["source"]["M"]["id"]["S"] in ids
        assert item["record"]["S"].startswith("2026-09-01T08:00:00.")


@pytest.mark.parametrize("source", ["sqs", "kinesis"])
def test_response_names_each_record_to_retry_once(entry_points: dict[str, Any], tables: Tables, source: str) -> None:
    """The response names each record whose table is missing, by message id or sequence number, and no other."""
    tables.client.delete_table(TableName="modules")
    texts = [SAMPLES["module_created"], SAMPLES["syllabus_updated"], SAMPLES["module_updated"]]
    event = (sqs_event if source == "sqs" else kinesis_event)(texts)
    ids = [record.get("messageId") or record["kinesis"]["sequenceNumber"] for record in event["Records"]]
    response = entry_points[source]({"Records": event["Records"] + event["Records"][:1]}, CONTEXT)
    assert response == {"batchItemFailures": [{"itemIdentifier": ids[0]}, {"itemIdentifier": ids[2]}]}


@pytest.mark.parametrize("source", ["sqs", "kinesis"])
def test_record_that_cannot_be_read_is_retried(entry_points: dict[str, Any], source: str) -> None:
    """A record without data, which AWS never sends, is retried and does not fail its batch."""
    event = (sqs_event if source == "sqs" else kinesis_event)(list(SAMPLES.values())[:2])
    record = event["Records"][0]
    del (record if source == "sqs" else record["kinesis"])["body" if source == "sqs" else "data"]
    failures = entry_points[source](event, CONTEXT)["batchItemFailures"]
    assert failures == [{"itemIdentifier": record.get("messageId") or record["kinesis"]["sequenceNumber"]}]


def read_one(source: str, record: dict[str, Any]) -> Record:
    """Read one record of an invocation."""
    ((_, read),) = SOURCES[source].read({"Records": [record]})
    converted: Record = read()
    return converted


def test_messages_are_read_as_powertools_reads_them() -> None:
    """The handler reads from a message what the slower data classes of Powertools return."""
    event = sample_invocation("sqs", SAMPLES, *rejected_samples().values())
    for message in event["Records"]:
        record = SQSRecord(message)
        sent = datetime.fromtimestamp(int(record.attributes.sent_timestamp) / 1000, UTC)
        expected = Record(record.message_id, record.body.encode(), sent, record.event_source_arn)
        assert read_one("sqs", message) == expected


def test_stream_records_are_read_as_powertools_reads_them() -> None:
    """The handler reads from a Kinesis record what the data classes of Powertools return."""
    for record in KinesisStreamEvent(sample_invocation("kinesis", SAMPLES, *rejected_samples().values())).records:
        kinesis = record.kinesis
        arrived = datetime.fromtimestamp(kinesis.approximate_arrival_timestamp, UTC)
        unwrapped = read_one("kinesis", record.raw_event)
        assert abs(unwrapped.enqueued_at - arrived) <= timedelta(microseconds=500)
        assert unwrapped.enqueued_at.microsecond % 1000 == 0
        assert unwrapped.id == kinesis.sequence_number
        assert unwrapped.data == kinesis.data_as_bytes()
        assert unwrapped.source_arn == record.event_source_arn


def test_record_needs_only_id_and_data() -> None:
    """A hand-written record needs its id and its data; half a surrogate pair is invalid text and not a crash."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    no_attributes: list[dict[str, Any]] = [{}, {"attributes": None}, {"attributes": {}, "eventSourceARN": None}]
    for attributes in no_attributes:
        message = {"messageId": "1", "body": "ü\ud800", **attributes}
        assert read_one("sqs", message) == Record("1", b"\xc3\xbc\xed\xa0\x80", epoch, "")
    for timestamp in ({}, {"approximateArrivalTimestamp": None}):
        record = {"kinesis": {"sequenceNumber": "1", "data": "w7w=", **timestamp}}
        assert read_one("kinesis", record) == Record("1", "ü".encode(), epoch, "")


def test_batch_is_processed_without_a_lambda_context(entry_points: dict[str, Any]) -> None:
    """A caller outside Lambda has no context, and the batch is processed all the same."""
    no_context: Any = None
    assert entry_points["sqs"](sqs_event([SAMPLES["module_created"]]), no_context) == {"batchItemFailures": []}
    assert entry_points["sqs"]({"Records": []}, CONTEXT) == {"batchItemFailures": []}


def test_logs_and_metrics_account_for_every_record_without_its_content(
    entry_points: dict[str, Any], printed: Callable[[], str]
) -> None:
    """The counts of a batch add up in log and metrics, and neither contains anything from the events."""
    first = next(iter(SAMPLES.values()))
    entry_points["sqs"](sample_invocation("sqs", SAMPLES, *rejected_samples().values(), first), CONTEXT)
    text = printed()
    (batch,) = [line for line in lines(text) if line.get("message") == "batch"]
    received = len(SAMPLES) + len(rejected_samples()) + 1
    assert batch["received"] == received
    assert sum(batch[fate] for fate in ("stored", "superseded", "ignored", "rejected", "retried")) == received
    assert sum(sum(fates.values()) for fates in batch["event_types"].values()) == received
    assert batch["event_types"]["module_item_updated"] == {"stored": 1}
    assert batch["event_types"]["module_updated"] == {"stored": 1, "rejected": 1}  # that of Beta
    assert batch["event_types"]["(unknown)"] == {"rejected": 3}
    rejections = [line for line in lines(text) if line.get("message") == "rejected"]
    assert {line["reason"] for line in rejections} == rejected_samples().keys()
    (unknown,) = [line for line in rejections if line["reason"] == "unknown_event_type"]
    assert unknown["event_name"] == "module_archived"
    (violation,) = [line for line in rejections if line["reason"] == "schema_violation"]
    assert violation["violations"] == [
        "body.assignment_id: required",
        "body.points_possible: type number or null",
        "body.due_at: format date-time",
    ]
    (counts,) = [line for line in lines(text) if "Received" in line]
    assert counts["Received"] == [received]
    assert counts["source"] == "sqs"
    assert sum(counts[name][0] for name in ("Stored", "Superseded", "Ignored", "Rejected", "Retried")) == received
    assert sorted(line["reason"] for line in lines(text) if "RejectedByReason" in line) == sorted(rejected_samples())
    # A duration in milliseconds may contain the digits of an id.
    without_decimals = re.sub(r"\d+\.\d+", "", text)
    for personal in (
        "grace@example.edu", "192.0.2.17", "Mozilla", "0b5c9e0d6a1f4d3c", "notarealtoken", "next Friday", "Pond water",
        "canvas.example.edu", "8123",
    ):  # fmt: skip
        assert personal not in without_decimals


def test_retries_with_the_same_error_are_logged_once(
    entry_points: dict[str, Any], tables: Tables, printed: Callable[[], str]
) -> None:
    """Records that are retried for the same error share one line, with their number and the first of them."""
    tables.client.delete_table(TableName="modules")
    event = sqs_event([SAMPLES["module_created"], SAMPLES["module_item_created"]])
    entry_points["sqs"](event, CONTEXT)
    (fault,) = [line for line in lines(printed()) if line.get("message") == "retried"]
    assert (fault["level"], fault["error"], fault["records"]) == ("ERROR", "ResourceNotFound", 2)
    assert fault["first_record"] == event["Records"][0]["messageId"]


# What takes long to import, and is for a rejection or for nothing that a function does.
SLOW = [
    *["jsonschema", "referencing", "rpds", "attr", "rfc3339_validator", "tomllib", "yaml", "cli", "tests"],
    *["boto3.dynamodb", "boto3.s3", "aws_lambda_powertools.utilities.batch", "aws_lambda_powertools.utilities.parser"],
    *["aws_lambda_powertools.utilities.data_classes", "aws_lambda_powertools.utilities.typing", "mypy_boto3_dynamodb"],
]
NEW_ENVIRONMENT = """
import importlib, json, sys
slow, source, *batches = json.load(sys.stdin)
loaded = lambda: [name for name in slow if name in sys.modules]
handler = importlib.import_module(f"handlers.{source}").handler
seen = [loaded()]
for batch in batches:
    answer = handler(batch, None)
    assert answer == {"batchItemFailures": []}, answer
    seen.append(loaded())
print(json.dumps(seen))
"""


@pytest.mark.parametrize("source", ["sqs", "kinesis"])
def test_jsonschema_is_imported_only_for_an_invalid_event(local_aws: LocalAws, source: str) -> None:
    """A new environment imports jsonschema at its first invalid event, which is rejected with its violations."""
    assert [name for name in SLOW if not find_spec(name)] == []
    tables = empty_tables(local_aws)
    wrap = sqs_event if source == "sqs" else kinesis_event
    valid, invalid = wrap(list(SAMPLES.values())), wrap([rejected_samples()["schema_violation"]])
    done = subprocess.run(
        [sys.executable, "-c", NEW_ENVIRONMENT],
        input=json.dumps([SLOW, source, valid, invalid]), cwd=ROOT, env=os.environ | local_aws.environment(),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    at_start, after_valid, after_invalid = json.loads(done.stdout.splitlines()[-1])
    (rejected,) = tables.items("rejected")
    assert at_start == after_valid == []
    assert "jsonschema" in after_invalid
    errors = [{name: part["S"] for name, part in violation["M"].items()} for violation in rejected["errors"]["L"]]
    assert errors == [
        {"path": "body.assignment_id", "rule": "required", "expected": ""},
        {"path": "body.points_possible", "rule": "type", "expected": "number or null"},
        {"path": "body.due_at", "rule": "format", "expected": "date-time"},
    ]


@pytest.mark.parametrize("module", [handlers.sqs, handlers.kinesis])
def test_function_without_required_settings_does_not_start(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing variable stops the function at its start, not at the first record that needs it."""
    monkeypatch.delenv("REJECTED_TABLE")
    with pytest.raises(SettingsError, match="REJECTED_TABLE"):
        importlib.reload(module)
    assert gc.isenabled()


def test_incomplete_package_does_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Missing or broken schemas are reported when the function starts, not at the first event of a type."""
    monkeypatch.setattr("handlers.items.event_types.load.__defaults__", (tmp_path,))
    with pytest.raises(SchemaFileError, match=r"There are no schemas in .*\. Run `make generate`"):
        importlib.reload(handlers.sqs)
    (tmp_path / "assignment_created.json").write_text('{"type": "object"}')
    with pytest.raises(SchemaFileError, match=r"assignment_created\.json is not a schema .*\. Run `make generate`"):
        importlib.reload(handlers.sqs)


def test_telemetry_failure_does_not_fail_the_batch(
    entry_points: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stored records stay acknowledged if logging or metrics fail, and only the location of the failure is logged."""
    monkeypatch.setattr("handlers.telemetry.logs_and_metrics._emit", lambda *_: 1 / 0)
    assert entry_points["sqs"](sqs_event([SAMPLES["module_created"]]), CONTEXT) == {"batchItemFailures": []}
    (line,) = [line for line in lines(capsys.readouterr().out) if line.get("message") == "telemetry failed"]
    assert line["error"].startswith("ZeroDivisionError at logs_and_metrics.py:")
