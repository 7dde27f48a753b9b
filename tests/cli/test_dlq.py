"""``dlq``: what failed for good in the queue."""

from collections.abc import Sequence

import pytest

from cli.commands.dlq import DeadLetters
from cli.redrive import publisher
from cli.redrive.publisher import Parcel, Queue, Receipt
from tests.cli.conftest import Command, Local, eventually
from tests.conftest import Change


def park(local: Local, *texts: str) -> None:
    """Put messages into the dead-letter queue."""
    sqs = local.stack.client("sqs")
    for text in texts:
        sqs.send_message(QueueUrl=local.stack.dead_letter_queue_url, MessageBody=text)


def parked(local: Local) -> int:
    """How many messages of the dead-letter queue anybody could receive."""
    return local.visible_in(local.stack.dead_letter_queue_url)


def test_list_counts_by_event_type_and_leaves_them_there(local: Local, event: Change, canvas_events: Command) -> None:
    """Who looks sees how many of which type there are and what would become of them, and can look again at once."""
    park(local, *(event("module_updated", module_id=str(number)) for number in range(1, 13)), "not JSON")
    for _ in range(2):
        done = canvas_events("dlq", "list", "--local")
        assert done.status == 0
        rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.out.splitlines() if line[:1] == "│"]
        assert [(row[0], row[1], row[4]) for row in rows] == [
            ("", "rejected: malformed_json", "1"),
            ("module_updated", "stored", "12"),
        ]
        assert "13 messages" in done.out
        assert parked(local) == 13


def test_list_for_machines_looks_at_so_many_as_it_is_told(local: Local, event: Change, canvas_events: Command) -> None:
    """The limit bounds what is received; what the messages say is not in the output."""
    park(local, *(event("module_updated", module_id=str(number), name="Jane Doe") for number in range(1, 6)))
    done = canvas_events("dlq", "list", "--limit", "3", "--json", "--local")
    assert len(done.json) == 3
    assert done.json[0]["event_name"] == "module_updated"
    assert "Jane Doe" not in done.out
    assert parked(local) == 5


def test_an_empty_queue_is_well(local: Local, canvas_events: Command) -> None:
    """Nothing parked is nothing wrong."""
    assert canvas_events("dlq", "list", "--local", "--json").json == []
    assert canvas_events("dlq", "redrive", "--local", "--json").json == {
        "dry_run": False, "sent_back": [], "not_sent": {},
    }  # fmt: skip
    assert parked(local) == 0


def test_redrive_sends_them_back_and_they_are_stored(local: Local, event: Change, canvas_events: Command) -> None:
    """All of them go through the queue into their tables, and the dead-letter queue is empty."""
    park(local, *(event("module_updated", module_id=str(number)) for number in range(1, 13)))
    done = canvas_events("dlq", "redrive", "--local")
    assert done.status == 0
    assert "12 messages sent back" in done.out
    assert DeadLetters(local.stack).count() == 0
    eventually(lambda: local.entities() == sorted(f"module#{number}" for number in range(1, 13)))


def test_redrive_takes_only_those_of_a_type(local: Local, event: Change, canvas_events: Command) -> None:
    """The others stay, and can be received at once."""
    park(local, event("module_updated"), event("assignment_updated"), "not JSON")
    assert canvas_events("dlq", "redrive", "--type", "module_updated", "--local").status == 0
    assert parked(local) == 2
    eventually(lambda: local.entities() == ["module#77"])


def test_a_dry_run_sends_nothing(local: Local, event: Change, canvas_events: Command) -> None:
    """What would go is counted, and stays."""
    park(local, event("module_updated"))
    done = canvas_events("dlq", "redrive", "--dry-run", "--local")
    assert (done.status, "1 message would go" in done.out) == (0, True)
    assert parked(local) == 1
    assert local.entities() == []


def test_what_sqs_does_not_take_stays(
    local: Local, event: Change, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message is deleted only after it was sent: when sending some fails, these are said, and are still there."""
    park(local, event("module_updated", module_id="1"), event("module_updated", module_id="2"))
    put = Queue.put

    def put_first(self: Queue, parcels: Sequence[Parcel]) -> list[tuple[Receipt, bool]]:
        return [*put(self, parcels[:1]), *((Receipt(fault="InternalError"), True) for _ in parcels[1:])]

    monkeypatch.setattr(Queue, "put", put_first)
    monkeypatch.setattr(publisher, "MOST_ATTEMPTS", 1)
    done = canvas_events("dlq", "redrive", "--local")
    assert done.status == 1
    assert "still in the dead-letter queue" in done.err
    assert parked(local) == 1
    eventually(lambda: len(local.entities()) == 1)


def test_interrupted_nothing_is_lost(
    local: Local, event: Change, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who stops it between sending and deleting has the message in both queues, never in none."""
    park(local, event("module_updated"))
    monkeypatch.setattr(DeadLetters, "delete", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert canvas_events("dlq", "redrive", "--local").status == 130
    assert DeadLetters(local.stack).count() == 1
    eventually(lambda: local.entities() == ["module#77"])


def test_message_attributes_go_along(local: Local) -> None:
    """What a sender attached to its message is still attached when it was sent back."""
    sqs = local.stack.client("sqs")
    attributes = {"trace": {"DataType": "String", "StringValue": "abc"}}
    sqs.send_message(QueueUrl=local.stack.dead_letter_queue_url, MessageBody="{}", MessageAttributes=attributes)
    ((letter,),) = DeadLetters(local.stack).receive(1)
    sqs.purge_queue(QueueUrl=local.stack.dead_letter_queue_url)
    there = Queue(sqs, local.stack.dead_letter_queue_url)
    assert publisher.send(there, [Parcel(letter.data, attributes=letter.attributes)])[0].fault is None
    ((again,),) = DeadLetters(local.stack).receive(1)
    assert again.attributes == attributes
