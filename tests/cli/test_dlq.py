"""``dlq``: list and redrive dead-letter messages."""

import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from cli.redrive import publisher
from cli.redrive.dead_letters import DeadLetterQueue
from cli.redrive.publisher import OutgoingRecord, Queue, SendResult
from cli.redrive.selection import Selection
from handlers.archive.line import format_line
from handlers.intake.decode import decode
from handlers.intake.record import Record
from tests.support.engines import EventFactory
from tests.support.local_stack import Command, Local, eventually


def fill(local: Local, *texts: str) -> None:
    """Put messages into the dead-letter queue."""
    sqs = local.stack.client("sqs")
    for text in texts:
        sqs.send_message(QueueUrl=local.stack.dead_letter_queue_url, MessageBody=text)


def visible(local: Local) -> int:
    """Return how many messages of the dead-letter queue can be received at once."""
    return local.visible_in(local.stack.dead_letter_queue_url)


def test_list_counts_by_event_type_and_leaves_the_messages(
    local: Local, event: EventFactory, canvas_events: Command
) -> None:
    """It counts messages by type and dry-run result, and leaves them visible so that it can run again at once."""
    fill(local, *(event("module_updated", module_id=str(number)) for number in range(1, 13)), "not JSON")
    for _ in range(2):
        result = canvas_events("dlq", "list", "--local")
        assert result.status == 0
        rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.out.splitlines() if line[:1] == "│"]
        assert [(row[0], row[1], row[4]) for row in rows] == [
            ("", "rejected: malformed_json", "1"),
            ("module_updated", "stored", "12"),
        ]
        assert "About 13 messages in the dead-letter queue (13 shown)." in result.out
        assert visible(local) == 13


def test_list_reads_at_most_the_limit(local: Local, event: EventFactory, canvas_events: Command) -> None:
    """The limit bounds what is received; the content of messages is not in the output."""
    fill(local, *(event("module_updated", module_id=str(number), name="Jane Doe") for number in range(1, 6)))
    result = canvas_events("dlq", "list", "--limit", "3", "--json", "--local")
    assert [message["dry_run_result"] for message in result.json] == ["stored"] * 3
    assert result.json[0]["event_name"] == "module_updated"
    assert "Jane Doe" not in result.out
    assert visible(local) == 5


def test_empty_dead_letter_queue_is_not_an_error(local: Local, canvas_events: Command) -> None:
    """With nothing to list or redrive, both commands exit with 0."""
    listed = canvas_events("dlq", "list", "--local", "--json")
    assert (listed.status, listed.json) == (0, [])
    result = canvas_events("dlq", "redrive", "--local", "--json")
    assert result.status == 0
    assert result.json == {"dry_run": False, "totals": {"sent": 0, "held_back": 0, "failed": 0}, "records": []}
    assert visible(local) == 0


def test_redriven_messages_are_stored(local: Local, event: EventFactory, canvas_events: Command) -> None:
    """All messages go through the queue into their tables, and the dead-letter queue is empty."""
    fill(local, *(event("module_updated", module_id=str(number)) for number in range(1, 13)))
    result = canvas_events("dlq", "redrive", "--local")
    assert result.status == 0
    assert "12 records: 12 sent, 0 held back, 0 failed." in result.out
    assert DeadLetterQueue(local.stack).count() == 0
    eventually(lambda: local.entities() == sorted(f"module#{number}" for number in range(1, 13)))


def test_dlq_redrive_selects_by_event_type(local: Local, event: EventFactory, canvas_events: Command) -> None:
    """Other messages stay, and can be received at once."""
    fill(local, event("module_updated"), event("assignment_updated"), "not JSON")
    assert canvas_events("dlq", "redrive", "--type", "module_updated", "--local").status == 0
    assert visible(local) == 2
    eventually(lambda: local.entities() == ["module#77"])


def test_dlq_messages_are_selected_by_enqueue_time(local: Local, event: EventFactory) -> None:
    """A message sent now is within --since an hour ago, and not within --until an hour ago."""
    fill(local, event("module_updated"))
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    queue = DeadLetterQueue(local.stack)
    assert len(list(queue.batches(Selection(since=hour_ago)))) == 1
    assert list(queue.batches(Selection(until=hour_ago))) == []


def test_dlq_redrive_holds_back_invalid_message_unless_forced(
    local: Local, event: EventFactory, canvas_events: Command
) -> None:
    """It stays, visible to others, with the reason in the report; --force sends it to the rejected table."""
    fill(local, event("module_updated"), "not JSON")
    result = canvas_events("dlq", "redrive", "--local")
    assert result.status == 1
    assert "would be rejected: malformed_json" in result.out
    assert "2 records: 1 sent, 1 held back, 0 failed." in result.out
    assert visible(local) == 1
    assert canvas_events("dlq", "redrive", "--force", "--local").status == 0
    eventually(lambda: [item["reason"]["S"] for item in local.rejected()] == ["malformed_json"])
    assert DeadLetterQueue(local.stack).count() == 0


def test_dry_run_sends_nothing(local: Local, event: EventFactory, canvas_events: Command) -> None:
    """The message is counted and stays."""
    fill(local, event("module_updated"))
    result = canvas_events("dlq", "redrive", "--dry-run", "--local")
    assert (result.status, "1 record: 1 would be sent, 0 held back" in result.out) == (0, True)
    assert visible(local) == 1
    assert local.entities() == []


def test_message_that_sqs_does_not_accept_stays_in_the_dead_letter_queue(
    local: Local, event: EventFactory, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When sending one of two messages fails, it is reported as failed and stays in the dead-letter queue."""
    fill(local, event("module_updated", module_id="1"), event("module_updated", module_id="2"))
    put = Queue.put

    def put_first(self: Queue, records: Sequence[OutgoingRecord]) -> list[tuple[SendResult, bool]]:
        return [*put(self, records[:1]), *((SendResult(error="InternalError"), True) for _ in records[1:])]

    # MiniStack may deliver the two in one batch or in two.
    monkeypatch.setattr(Queue, "put", put_first)
    monkeypatch.setattr(publisher, "MAX_ATTEMPTS", 1)
    result = canvas_events("dlq", "redrive", "--local", "--json")
    assert result.status == 1
    assert result.json["totals"] == {"sent": 1, "held_back": 0, "failed": 1}
    assert visible(local) == 1
    eventually(lambda: len(local.entities()) == 1)


def test_interrupt_between_sending_and_deleting_loses_no_message(
    local: Local, event: EventFactory, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is then in both queues rather than in neither, and others can receive it at once."""
    fill(local, event("module_updated"))
    monkeypatch.setattr(DeadLetterQueue, "delete", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert canvas_events("dlq", "redrive", "--local").status == 130
    assert visible(local) == 1
    eventually(lambda: local.entities() == ["module#77"])


def test_redrive_preserves_message_attributes(local: Local) -> None:
    """Attributes that a sender attached to a message are still attached after the redrive."""
    sqs = local.stack.client("sqs")
    attributes = {"trace": {"DataType": "String", "StringValue": "abc"}}
    sqs.send_message(QueueUrl=local.stack.dead_letter_queue_url, MessageBody="{}", MessageAttributes=attributes)
    queue = DeadLetterQueue(local.stack)
    ((letter,),) = queue.batches(Selection())
    sqs.purge_queue(QueueUrl=local.stack.dead_letter_queue_url)
    (result,) = publisher.send(Queue(sqs, local.stack.dead_letter_queue_url), letter.records)
    assert result.error is None
    ((sent,),) = queue.batches(Selection())
    assert sent.records[0].attributes == attributes


def send_objects(local: Local, *keys: str) -> str:
    """Put messages that name objects into their dead-letter queue, and return its URL."""
    url = local.stack.resource("ObjectsDeadLetterQueue", "queue")
    bucket = local.stack.resource("Bucket", "bucket")
    for key in keys:
        body = json.dumps({"bucket": bucket, "key": key, "run": "a-run"})
        local.stack.client("sqs").send_message(QueueUrl=url, MessageBody=body)
    return url


def test_objects_are_listed_and_redriven_through_their_own_queue(
    local: Local, event: EventFactory, canvas_events: Command
) -> None:
    """An object whose cause is fixed is processed; one that is gone, and a strange message, are held back."""
    record = Record("1", event("module_updated", module_id="5").encode(), datetime(2026, 9, 1, tzinfo=UTC), "")
    line = format_line(record, "sqs", decode(record.data))
    bucket, s3 = local.stack.resource("Bucket", "bucket"), local.stack.client("s3")
    s3.put_object(Bucket=bucket, Key="events/here", Body=gzip.compress(line.encode()))
    url = send_objects(local, "events/here", "events/gone", "elsewhere/x")
    listed = canvas_events("dlq", "list", "--objects", "--json", "--local").json
    assert sorted(message["dry_run_result"] for message in listed) == [
        "retried: OtherPrefix", "retried: S3 error 404", "stored",
    ]  # fmt: skip
    result = canvas_events("dlq", "redrive", "--objects", "--json", "--local")
    assert (result.status, result.json["totals"]) == (1, {"sent": 1, "held_back": 2, "failed": 0})
    eventually(lambda: local.entities() == ["module#5"])
    eventually(lambda: s3.list_objects_v2(Bucket=bucket, Prefix="results/a-run/")["KeyCount"] == 1)
    assert local.visible_in(url) == 2
    local.stack.client("sqs").purge_queue(QueueUrl=url)
    for key in ("events/here", "results/a-run/events/here.json"):
        s3.delete_object(Bucket=bucket, Key=key)


def test_objects_have_no_event_type(canvas_events: Command) -> None:
    """A type narrows down events, not objects."""
    result = canvas_events("dlq", "list", "--objects", "--type", "module_updated", "--local")
    assert (result.status, "--type" in result.err) == (1, True)
