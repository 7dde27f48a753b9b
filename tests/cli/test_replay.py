"""``replay``: choose archived objects, send them, and follow how they end; S3 and SQS are moto's."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from cli.replay import replay as replaying
from cli.replay.archived_objects import archived_objects, oldest_hour
from cli.replay.replay import Queues
from cli.stack import stack as stacks
from cli.stack.stack import Resource, Stack
from handlers.archive.line import format_line
from handlers.archive.message import parse_message
from handlers.intake.decode import decode
from handlers.intake.record import Record
from tests.support.engines import SAMPLES
from tests.support.local_stack import Command

BUCKET = "archive"
NOW = datetime.now(UTC)
THIS_HOUR = NOW.replace(minute=0, second=0, microsecond=0)
PARAMETERS = {"ArchiveDays": "30", "ReplayConcurrency": "2", "Families": "all", "MemorySize": "1024"}


class Replayed:
    """A stack with an archive, whose function for objects is played by ``process``."""

    def __init__(self) -> None:
        session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")  # noqa: S106  # placeholders
        self.s3, self.sqs = session.client("s3"), session.client("sqs")
        self.s3.create_bucket(Bucket=BUCKET)
        self.queues = Queues(
            self.sqs, *(self.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("objects", "dead-letters"))
        )
        tables = ("Groups", "Modules", "Activity")
        resources = {
            "Bucket": Resource("AWS::S3::Bucket", BUCKET),
            "ObjectsQueue": Resource("AWS::SQS::Queue", self.queues.url),
            "ObjectsDeadLetterQueue": Resource("AWS::SQS::Queue", self.queues.dead_letter_url),
            **{f"{name}Table": Resource("AWS::DynamoDB::Table", name) for name in tables},
        }
        self.stack = Stack("canvas-live-events", session, None, "CREATE_COMPLETE", dict(PARAMETERS), {}, resources)
        self.processed: list[dict[str, Any]] = []
        self.failing: set[str] = set()

    def archive(self, hour: datetime, name: str, *event_types: str) -> str:
        """Write an object of the archive; return its key."""
        key = f"events/dt={hour:%Y-%m-%d}/hour={hour:%H}/sqs-{name}.ndjson.gz"
        lines = [_line(event_type) for event_type in event_types]
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=gzip.compress("".join(lines).encode()))
        return key

    def messages(self) -> list[dict[str, Any]]:
        """Take all messages from the objects queue, as the function parses them."""
        taken = []
        while received := self.sqs.receive_message(QueueUrl=self.queues.url, MaxNumberOfMessages=10).get("Messages"):
            for message in received:
                parse_message(message["Body"], BUCKET)  # raises for one that the function would not accept
                taken.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.queues.url, ReceiptHandle=message["ReceiptHandle"])
        return taken

    def process(self) -> None:
        """Take all messages, and write a result for each whose object does not fail."""
        for message in self.messages():
            self.processed.append(message)
            if message["key"] in self.failing:
                self.sqs.send_message(QueueUrl=self.queues.dead_letter_url, MessageBody=json.dumps(message))
                continue
            result = {
                "key": message["key"], "run": message["run"], "lines": 5, "skipped": 1,
                "outcomes": {"modules": {"stored": 2, "superseded": 1}, "none": {"rejected": 1}},
                "finished_at": "2026-11-21T14:00:00.000000Z",
            }  # fmt: skip
            key = f"results/{message['run']}/{message['key']}.json"
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(result).encode())


def _line(event_type: str) -> str:
    data = SAMPLES[event_type].encode()
    return format_line(Record("an-id", data, NOW, "arn"), "sqs", decode(data))


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Replayed]:
    """A stack whose objects are processed while the command waits."""
    with mock_aws():
        it = Replayed()
        monkeypatch.setattr(stacks, "open_stack", lambda _: it.stack)
        monkeypatch.setattr(replaying, "SETTLE_SECONDS", 0)
        monkeypatch.setattr("cli.replay.replay.time.sleep", lambda _: it.process())
        yield it


def test_objects_are_chosen_by_the_hour_of_their_key_and_when_they_were_written(replayed: Replayed) -> None:
    """From is inclusive and to exclusive; the hour of the key counts, and within it S3's time; other keys never do."""
    last_hour = replayed.archive(THIS_HOUR - timedelta(hours=1), "b", "module_updated")
    this_hour = replayed.archive(THIS_HOUR, "a", "module_updated")
    replayed.archive(THIS_HOUR - timedelta(hours=2), "c", "module_updated")
    for key in ("events/note.txt", "events/dt=2026-99-99/hour=14/sqs-x.ndjson.gz", "snapshots/run/1.ndjson.gz"):
        replayed.s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")

    def chosen(start: datetime, end: datetime) -> list[str]:
        return [archived.key for archived in archived_objects(replayed.s3, BUCKET, start, end)]

    hour = timedelta(hours=1)
    assert chosen(THIS_HOUR - hour, THIS_HOUR + hour) == [last_hour, this_hour]
    assert chosen(THIS_HOUR - hour, THIS_HOUR) == [last_hour]
    assert chosen(THIS_HOUR, THIS_HOUR + hour) == [this_hour]
    written = replayed.s3.head_object(Bucket=BUCKET, Key=this_hour)["LastModified"]
    assert chosen(THIS_HOUR, max(written, THIS_HOUR)) == []
    assert chosen(written, written + timedelta(seconds=1)) == [this_hour]
    # Written after its hour, because it was copied: it counts at the end of its hour.
    assert chosen(THIS_HOUR - timedelta(minutes=1), THIS_HOUR) == [last_hour]
    assert oldest_hour(replayed.s3, BUCKET) == f"dt={THIS_HOUR - 2 * hour:%Y-%m-%d}/hour={THIS_HOUR - 2 * hour:%H}"


def test_replay_sends_every_object_and_its_totals_add_up(replayed: Replayed, canvas_events: Command) -> None:
    """Each object is sent once with the filters, and lines are the skipped ones and the outcomes of the others."""
    keys = [replayed.archive(THIS_HOUR, f"{number:02}", "module_updated") for number in range(23)]
    result = canvas_events(
        "replay", "--from", "2d", "--families", "modules, groups", "--types", "module_updated", "--rewrite", "--json"
    )
    assert result.status == 0, result.err
    assert sorted(message["key"] for message in replayed.processed) == keys
    filters = {"families": ["modules", "groups"], "types": ["module_updated"], "rewrite": True}
    assert [{name: message[name] for name in filters} for message in replayed.processed] == [filters] * 23
    report = result.json
    assert (report["objects"], report["finished"], report["unfinished"]) == (23, 23, [])
    assert report["outcomes"] == {"modules": {"stored": 46, "superseded": 23}, "none": {"rejected": 23}}
    assert report["lines"] == 115 == report["skipped"] + sum(sum(c.values()) for c in report["outcomes"].values())
    assert {message["run"] for message in replayed.processed} == {report["run"]}


def test_totals_are_shown_by_family_and_outcome(replayed: Replayed, canvas_events: Command) -> None:
    """The table has a row for each family and one for all, and the sentence below it the sum."""
    for name in "ab":
        replayed.archive(THIS_HOUR, name, "module_updated")
    result = canvas_events("replay", "--from", "2d")
    assert result.status == 0, result.err
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.out.splitlines() if line[:1] == "│"]
    assert rows == [
        ["modules", "4", "2", "0", "0"], ["none", "0", "0", "0", "2"], ["all", "4", "2", "0", "2"],
    ]  # fmt: skip
    assert "2 of 2 objects: 10 lines = 2 skipped + 8 processed." in result.out
    assert "families" not in replayed.processed[0]
    assert "rewrite" not in replayed.processed[0]


def test_unfinished_objects_are_named_and_finish_when_resumed(replayed: Replayed, canvas_events: Command) -> None:
    """An object in the dead-letter queue is named with what to do; resumed, it alone is sent, and all are counted."""
    good, bad = (replayed.archive(THIS_HOUR, name, "module_updated") for name in ("good", "bad"))
    replayed.failing = {bad}
    first = canvas_events("replay", "--from", "2d", "--json")
    assert (first.status, first.json["finished"], first.json["unfinished"]) == (2, 1, [bad])
    assert "dead-letter queue of objects has about 1 message" in first.err
    run = first.json["run"]
    assert f"canvas-events replay --resume {run}" in first.err
    replayed.failing, replayed.processed = set(), []
    second = canvas_events("replay", "--resume", run, "--json")
    assert [message["key"] for message in replayed.processed] == [bad]
    assert (second.status, second.json["unfinished"], second.json["lines"]) == (0, [], 10)
    for name in ("run", "from", "to", "families", "types", "rewrite", "objects"):
        assert second.json[name] == first.json[name]
    assert good not in second.out


def test_interrupted_replay_reports_what_was_done_and_resumes(
    replayed: Replayed, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while waiting reports the finished objects and the command to go on; what arrived since is left out."""
    keys = [replayed.archive(THIS_HOUR, name, "module_updated") for name in "ab"]

    def interrupt(_: float) -> None:
        replayed.failing = {keys[1]}
        replayed.process()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cli.replay.replay.time.sleep", interrupt)
        end = (THIS_HOUR + timedelta(hours=1)).isoformat()
        first = canvas_events("replay", "--from", "2d", "--to", end, "--types", "module_updated", "--rewrite")
    assert first.status == 130
    assert "0 of 2 objects" in first.out
    assert "Interrupted. What was sent is processed all the same." in first.err
    run = replayed.processed[0]["run"]
    replayed.archive(THIS_HOUR + timedelta(hours=1), "later", "module_updated")
    replayed.failing, replayed.processed = set(), []
    second = canvas_events("replay", "--resume", run, "--json")
    assert second.status == 0
    assert [(message["key"], message["types"], message["rewrite"]) for message in replayed.processed] == [
        (keys[1], ["module_updated"], True)
    ]
    assert (second.json["objects"], second.json["finished"]) == (2, 2)


def test_concurrent_replays_have_results_of_their_own(replayed: Replayed, canvas_events: Command) -> None:
    """Two replays of the same objects are two runs, and neither counts what the other has done."""
    replayed.archive(THIS_HOUR, "a", "module_updated")
    first, second = (canvas_events("replay", "--from", "2d", "--json").json for _ in range(2))
    assert first["run"] != second["run"]
    assert first["lines"] == second["lines"] == 5
    assert len(replayed.processed) == 2


def test_dry_run_counts_and_estimates_and_sends_nothing(replayed: Replayed, canvas_events: Command) -> None:
    """Objects, bytes and lines are counted, each amount is its arithmetic, and the sum is that of the amounts."""
    keys = [replayed.archive(THIS_HOUR, name, "module_updated", "module_created", "logged_in") for name in "ab"]
    result = canvas_events("replay", "--from", "2d", "--types", "module_updated,logged_in", "--dry-run", "--json")
    assert result.status == 0, result.err
    report = result.json
    sizes = [replayed.s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] for key in keys]
    assert (report["objects"], report["bytes"]) == (2, sum(sizes))
    assert (report["lines"], report["selected"], report["is_exact"]) == (6, 4, True)
    for cost in report["costs"]:
        arithmetic = cost["arithmetic"].replace("×", "*").replace(",", "")
        assert cost["usd"] == pytest.approx(eval(arithmetic), rel=1e-6), cost  # noqa: S307  # digits and operators
    assert report["usd"] == pytest.approx(sum(cost["usd"] for cost in report["costs"]), abs=1e-6)
    # An update of a module counts twice at most, a login once.
    assert [cost["arithmetic"].split(" ")[0] for cost in report["costs"][-2:]] == ["4", "2"]
    assert replayed.messages() == []
    assert replayed.s3.list_objects_v2(Bucket=BUCKET, Prefix="results/")["KeyCount"] == 0


def test_dry_run_of_many_objects_counts_a_sample(replayed: Replayed, canvas_events: Command) -> None:
    """Of more objects than a sample has, lines are estimated by size, and the report says so."""
    for number in range(45):
        replayed.archive(THIS_HOUR, f"{number:02}", "module_updated", "module_created")
    result = canvas_events("replay", "--from", "2d", "--dry-run")
    assert "45 objects" in result.out
    assert "90 lines, of which 90 would be processed (estimated from 20 of the objects)" in result.out
    assert "aws.amazon.com" in result.err


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--from", "2d", "--families", "modules,module"), "there is no family module. The families are activity, "),
        (("--from", "2d", "--types", "module_update"), "unknown event type module_update. The event types are "),
        (("--from", "2d", "--families", "groups", "--types", "module_updated"), "module_updated is of the family "),
        (("--from", "2d", "--families", "courses"), "does not store courses: these events would be ignored again"),
        (("--from", "1d", "--to", "2d"), "must be before --to"),
        (("--from", "2d", "--to", "1d"), "nothing arrived from "),
        (("--resume", "another"), "there is no replay another."),
        (("--resume", "another", "--from", "2d"), "--resume continues with the selection of its replay"),
        ((), "--from is missing"),
    ],
)
def test_wrong_selection_is_an_error_that_says_what_to_pass(
    replayed: Replayed, canvas_events: Command, arguments: tuple[str, ...], error: str
) -> None:
    """What cannot be replayed is one error, before anything is sent."""
    replayed.archive(THIS_HOUR, "a", "module_updated")
    result = canvas_events("replay", *arguments)
    assert result.status == 1
    assert error in result.err
    assert replayed.messages() == []


@pytest.mark.parametrize(
    ("parameter", "resource", "error"),
    [("ArchiveDays", "", "has no archive"), ("ReplayConcurrency", "ObjectsQueue", "has no function for objects")],
)
def test_stack_without_archive_or_function_is_an_error_that_names_the_parameter(
    replayed: Replayed, canvas_events: Command, parameter: str, resource: str, error: str
) -> None:
    """A stack that cannot replay says which parameter to deploy it with."""
    replayed.archive(THIS_HOUR, "a", "module_updated")
    replayed.stack.parameters = PARAMETERS | {parameter: "0"}
    replayed.stack.resources = {name: it for name, it in replayed.stack.resources.items() if name != resource}
    result = canvas_events("replay", "--from", "2d")
    assert result.status == 1
    assert error in result.err
    assert f"{parameter}=" in result.err


def test_stalled_replay_says_where_to_look(
    replayed: Replayed, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no object finishes for long although the queue has some, one remark names the command that checks why."""
    replayed.archive(THIS_HOUR, "a", "module_updated")
    looks = iter(range(3))

    def process_at_last(_: float) -> None:
        if next(looks, None) is None:
            replayed.process()

    monkeypatch.setattr(replaying, "STALL_SECONDS", 0)
    monkeypatch.setattr("cli.replay.replay.time.sleep", process_at_last)
    result = canvas_events("replay", "--from", "2d")
    assert result.status == 0
    assert result.err.count("No object has finished for ten minutes.") == 1


@pytest.mark.parametrize("text", ['{"lines": 5, "skipped": 1, "outcomes": {"a": {"stored": 3}}}', "[]", "{"])
def test_malformed_result_is_an_error_that_names_it(replayed: Replayed, canvas_events: Command, text: str) -> None:
    """A result whose counts do not add up, or that is none, is never counted."""
    key = replayed.archive(THIS_HOUR, "a", "module_updated")
    first = canvas_events("replay", "--from", "2d", "--json").json
    name = f"results/{first['run']}/{key}.json"
    replayed.s3.put_object(Bucket=BUCKET, Key=name, Body=text.encode())
    result = canvas_events("replay", "--resume", first["run"])
    assert result.status == 1
    assert f"the result {name}" in result.err
