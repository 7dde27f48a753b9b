"""``rejected redrive``: back to where they came from, and out of the table only when they are stored."""

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from cli.catalogue.samples import as_self_hosted
from cli.commands import rejected
from cli.redrive import publisher, rejected_records
from cli.redrive.publisher import Destination, Parcel, Receipt
from cli.redrive.rejected_records import End, Ended, Redrive
from handlers.outcome import RejectionReason
from tests.cli.conftest import Command, Local, eventually
from tests.conftest import Change


def ends(local: Local, *, wait: float = 60) -> list[End]:
    """Redrive all that was rejected; what it came to."""
    return [ended.end for ended in run(local, wait)]


def run(local: Local, wait: float, *, dry_run: bool = False) -> Iterator[Ended]:
    """Redrive all that was rejected; what became of each."""
    items = rejected.read(local.stack, rejected.Selection(), payloads=True)
    return Redrive(local.stack, wait).run(map(rejected.record_of, items), dry_run=dry_run)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bytes]]:
    """What is sent and where to; it is sent all the same."""
    noted: list[tuple[str, bytes]] = []
    send = publisher.send

    def note(destination: Destination, parcels: Sequence[Parcel]) -> list[Receipt]:
        noted.extend((type(destination).__name__, parcel.data) for parcel in parcels)
        return send(destination, parcels)

    monkeypatch.setattr(publisher, "send", note)
    return noted


class Deployed:
    """The functions as they are deployed, to be set otherwise than the stack says."""

    def __init__(self, local: Local) -> None:
        self._lambda = local.stack.client("lambda")
        self._names = list(local.stack.of_kind("AWS::Lambda::Function").values())

    def take_events_of(self, accounts: str) -> None:
        """Let the functions take the events of these root accounts only, or of all."""
        for name in self._names:
            variables = self._lambda.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            variables["ALLOWED_ROOT_ACCOUNTS"] = accounts
            self._lambda.update_function_configuration(FunctionName=name, Environment={"Variables": variables})

    def read(self, *, enabled: bool) -> None:
        """Let the functions read their queue and stream, or not."""
        for mapping in self._lambda.list_event_source_mappings()["EventSourceMappings"]:
            self._lambda.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)


@pytest.fixture
def deployed_functions(local: Local) -> Iterator[Deployed]:
    """The deployed functions, mended at the end."""
    functions = Deployed(local)
    yield functions
    functions.take_events_of("")
    functions.read(enabled=True)


def test_records_go_back_to_where_they_came_from(
    local: Local, event: Change, sent: list[tuple[str, bytes]], canvas_events: Command
) -> None:
    """One of the queue and one of the stream are sent there, stored, and no longer rejected."""
    queued, streamed = event("module_updated", module_id="1"), as_self_hosted(event("module_updated", module_id="2"))
    assert local.stack.stream_arn is not None
    local.reject(queued)
    local.reject(streamed, source=local.stack.stream_arn)
    done = canvas_events("rejected", "redrive", "--local", "--json")
    assert done.status == 0
    assert {each["end"] for each in done.json} == {"stored"}
    assert sorted(sent) == [("Queue", queued.encode()), ("Stream", streamed.encode())]
    assert local.entities() == ["module#1", "module#2"]
    assert local.rejected() == []


def test_the_second_time_there_is_nothing_to_do(local: Local, event: Change, sent: list[tuple[str, bytes]]) -> None:
    """Redriving is safe to repeat: what is done is done."""
    local.reject(event("module_updated"))
    assert ends(local) == [End.STORED]
    assert ends(local) == []
    assert len(sent) == 1


def test_interrupted_after_sending_it_ends_well_the_next_time(
    local: Local, event: Change, sent: list[tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who stops it between sending and deleting loses nothing, and the record is not sent a second time."""
    local.reject(event("module_updated", module_id="5"))
    with monkeypatch.context() as interrupted:
        interrupted.setattr(Redrive, "_await", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ends(local)
    assert len(local.rejected()) == 1
    eventually(lambda: local.entities() == ["module#5"])
    assert ends(local) == [End.STORED_ALREADY]
    assert local.rejected() == []
    assert len(sent) == 1


def test_stopped_on_the_way_it_tells_what_was_done(
    local: Local, event: Change, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who interrupts it sees what is stored by then, and that saying it again goes on."""
    monkeypatch.setattr(rejected_records, "MOST_AT_ONCE", 1)
    local.reject(event("module_updated", module_id="1"), ago=timedelta(hours=2))
    local.reject(event("module_updated", module_id="2"))
    delete = Redrive._delete

    def delete_one(self: Redrive, group: Any) -> None:
        if b'"module_id": "2"' in group.records[0].data:
            raise KeyboardInterrupt
        delete(self, group)

    monkeypatch.setattr(Redrive, "_delete", delete_one)
    done = canvas_events("rejected", "redrive", "--local", "--json")
    assert done.status == 130
    assert [each["end"] for each in done.json] == ["stored"]
    assert "say the same again" in done.err
    monkeypatch.setattr(Redrive, "_delete", delete)
    assert ends(local) == [End.STORED_ALREADY]


def test_two_at_once_end_as_one(local: Local, event: Change, deployed_functions: Deployed) -> None:
    """Two people who redrive the same record at once both see it stored, and one item of it is there."""
    local.reject(event("module_updated", module_id="6"))
    deployed_functions.read(enabled=False)
    first, second = run(local, 60), Redrive(local.stack, 60)
    held: list[Any] = list(map(rejected.record_of, rejected.read(local.stack, rejected.Selection(), payloads=True)))
    publisher.send(publisher.queue(local.stack), [Parcel(held[0].data)])  # the other one has just sent it
    deployed_functions.read(enabled=True)
    assert [each.end for each in first] == [End.STORED]
    assert [each.end for each in second.run(held, dry_run=False)] == [End.STORED_ALREADY]
    assert local.entities() == ["module#6"]
    assert local.rejected() == []


def test_what_is_superseded_by_now_is_done(local: Local, event: Change, sent: list[tuple[str, bytes]]) -> None:
    """A record whose entity has a newer version by now need not be sent, and is rejected no longer."""
    newer = event("module_updated", metadata={"event_time": "2027-01-01T00:00:00Z"}, module_id="8")
    local.reject(newer)
    assert ends(local) == [End.STORED]
    local.reject(event("module_updated", module_id="8"))
    assert ends(local) == [End.STORED_ALREADY]
    assert len(sent) == 1
    assert local.rejected() == []


def test_what_would_be_rejected_again_is_not_sent(
    local: Local, event: Change, sent: list[tuple[str, bytes]], canvas_events: Command
) -> None:
    """By the schemas that are here it is told beforehand, with the rule; the others go."""
    kept = local.reject(event("module_updated", module_id=...), event_name="module_updated")
    local.reject(event("module_updated", module_id="9"))
    done = canvas_events("rejected", "redrive", "--local")
    assert done.status == 1
    assert "would be rejected again, not sent" in done.out
    assert "schema_violation: body.module_id required" in done.out
    assert len(sent) == 1
    assert [item["record"]["S"] for item in local.rejected()] == [kept]


def test_rejected_again_it_is_kept_once(local: Local, event: Change, deployed_functions: Deployed) -> None:
    """When the functions refuse it once more that is said, and of the two records the first is kept."""
    deployed_functions.take_events_of("somebody-else")
    first = local.reject(event("module_updated"), RejectionReason.UNKNOWN_EVENT_TYPE)
    (ended,) = run(local, 60)
    assert ended.end is End.REJECTED_AGAIN
    assert ended.why == "foreign_account: metadata.root_account_uuid account one of ALLOWED_ROOT_ACCOUNTS"
    assert [item["record"]["S"] for item in local.rejected()] == [first]
    assert local.entities() == []


def test_rejected_again_while_the_first_was_purged_it_is_kept(
    local: Local, event: Change, deployed_functions: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody deletes the first record meanwhile: then the new one stays, so that one of the two always does."""
    deployed_functions.take_events_of("somebody-else")
    local.reject(event("module_updated"))
    keep = Redrive._keep_the_first

    def purge_and_keep(self: Redrive, group: Any, again: Any) -> None:
        rejected_records.delete(local.stack, [(group.records[0].reason, group.records[0].record)])
        keep(self, group, again)

    monkeypatch.setattr(Redrive, "_keep_the_first", purge_and_keep)
    assert ends(local) == [End.REJECTED_AGAIN]
    assert [item["reason"]["S"] for item in local.rejected()] == ["foreign_account"]


def test_rejected_again_twice_is_told_once(local: Local, event: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    """One delivery may be refused more than once, for different reasons as the package changes; one of all is told."""
    local.reject(event("module_updated"))
    (record,) = map(rejected.record_of, rejected.read(local.stack, rejected.Selection(), payloads=True))
    for reason in (RejectionReason.UNKNOWN_EVENT_TYPE, RejectionReason.UNROUTABLE):
        local.reject(event("module_updated"), reason, ago=timedelta(0))  # "an-id" is the message that each was
    monkeypatch.setattr(publisher, "send", lambda *_: [Receipt("an-id")])
    assert [each.end for each in Redrive(local.stack, 5).run([record], dry_run=False)] == [End.REJECTED_AGAIN]
    assert record.record in {item["record"]["S"] for item in local.rejected()}


def test_what_is_not_stored_in_time_stays_and_the_rest_is_not_sent(
    local: Local,
    event: Change,
    deployed_functions: Deployed,
    sent: list[tuple[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the functions do not work nothing is deleted, and nothing more is sent to them."""
    monkeypatch.setattr(rejected_records, "MOST_AT_ONCE", 1)
    deployed_functions.read(enabled=False)
    for number in ("1", "2", "3"):
        local.reject(event("module_updated", module_id=number))
    assert ends(local, wait=1) == [End.NOT_SEEN, End.STOPPED, End.STOPPED]
    assert len(sent) == 1
    assert len(local.rejected()) == 3


def test_the_same_record_twice_is_sent_once(local: Local, event: Change, sent: list[tuple[str, bytes]]) -> None:
    """Canvas delivered it twice, and it was refused twice: one of them stored, both are done."""
    text = event("module_updated")
    local.reject(text)
    local.reject(text, RejectionReason.UNKNOWN_EVENT_TYPE)
    assert ends(local) == [End.STORED, End.STORED]
    assert len(sent) == 1
    assert local.rejected() == []


def test_a_family_that_is_not_deployed_is_said_and_kept(
    local: Local, event: Change, sent: list[tuple[str, bytes]]
) -> None:
    """A record whose table the stack does not have would be ignored, and so lost: it is kept."""
    local.reject(event("module_updated"))
    del local.stack._tables["MODULES_TABLE"]
    assert ends(local) == [End.NOT_DEPLOYED]
    assert sent == []
    assert len(local.rejected()) == 1


def test_what_cannot_be_sent_stays(local: Local, event: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of records that were sent together, the one that SQS did not take is said, and kept."""
    taken, refused = event("module_updated", module_id="1"), event("module_updated", module_id="2")
    local.reject(taken)
    kept = local.reject(refused)
    put = publisher.Queue.put

    def put_some(self: publisher.Queue, parcels: Sequence[Parcel]) -> list[tuple[Receipt, bool]]:
        answers = put(self, [parcel for parcel in parcels if json.loads(parcel.data)["body"]["module_id"] == "1"])
        rest = iter(answers)
        return [
            next(rest) if json.loads(parcel.data)["body"]["module_id"] == "1" else (Receipt(fault="Refused"), False)
            for parcel in parcels
        ]

    monkeypatch.setattr(publisher.Queue, "put", put_some)
    assert sorted(ends(local)) == [End.NOT_SENT, End.STORED]
    assert [item["record"]["S"] for item in local.rejected()] == [kept]


def test_versions_are_read_to_the_last_key(local: Local) -> None:
    """More keys than one request takes, and keys that DynamoDB leaves for later, are all asked for."""
    places = [("MODULES_TABLE", "c", f"module#{number}") for number in range(130)]
    for variable, context, entity in places[:128]:
        local.put(variable, context, entity)
    client = local.stack.client("dynamodb")

    class LeavesSomeForLater:
        """DynamoDB, when it is throttled: of each request it answers seven keys."""

        def batch_get_item(self, RequestItems: Any) -> Any:  # noqa: N803  # as boto3 names it
            ((table, asked),) = RequestItems.items()
            answer = client.batch_get_item(RequestItems={table: asked | {"Keys": asked["Keys"][:7]}})
            rest = asked["Keys"][7:]
            return answer | {"UnprocessedKeys": {table: asked | {"Keys": rest}} if rest else {}}

    runner = Redrive(local.stack, 1)
    for engine in (client, LeavesSomeForLater()):
        runner._dynamodb = engine
        assert runner._versions(places) == dict.fromkeys(places[:128], "1")


def test_a_dry_run_changes_nothing(
    local: Local, event: Change, sent: list[tuple[str, bytes]], canvas_events: Command
) -> None:
    """What would become of each record is told, and nothing is sent or deleted."""
    local.reject(event("module_updated"))
    done = canvas_events("rejected", "redrive", "--dry-run", "--local", "--json")
    assert (done.status, [each["end"] for each in done.json]) == (0, ["would be stored"])
    assert sent == []
    assert len(local.rejected()) == 1


def test_a_graded_reply_is_stored_when_both_of_its_items_are(local: Local, event: Change) -> None:
    """A record of two items stays rejected until both are there."""
    local.reject(event("discussion_entry_created", discussion_entry_id="4"))
    assert ends(local) == [End.STORED]
    local.reject(event("discussion_entry_submitted", discussion_entry_id="4"))
    assert ends(local) == [End.STORED]
    assert local.entities() == ["discussion_entry#4", "discussion_submission#4"]


def test_an_occurrence_is_stored_when_it_is_there(local: Local, event: Change, sent: list[tuple[str, bytes]]) -> None:
    """What happened has no version: redriven it is done when it is there, and what is there is not sent again."""
    local.reject(event("logged_in"))
    assert ends(local) == [End.STORED]
    local.reject(event("logged_in"))
    assert ends(local) == [End.STORED_ALREADY]
    assert len(sent) == 1
    assert [name.partition("#")[0] for name in local.entities()] == ["activity"]
    assert local.rejected() == []


def test_what_was_rejected_for_real_comes_back_when_mended(
    local: Local, event: Change, deployed_functions: Deployed
) -> None:
    """The whole way: sent, refused by the function, the cause mended, redriven, stored."""
    deployed_functions.take_events_of("somebody-else")
    publisher.send(publisher.queue(local.stack), [Parcel(event("module_updated", module_id="3").encode())])
    publisher.send(
        publisher.stream(local.stack), [Parcel(as_self_hosted(event("module_created", module_id="4")).encode())]
    )
    eventually(lambda: len(local.rejected()) == 2)
    deployed_functions.take_events_of("")
    assert ends(local) == [End.STORED, End.STORED]
    assert local.entities() == ["module#3", "module#4"]
    assert local.rejected() == []
