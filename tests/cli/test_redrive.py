"""``rejected redrive`` against the deployed template: rejected records return to their source."""

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from cli.catalogue.samples import as_self_hosted
from cli.redrive import publisher, rejected_records
from cli.redrive.dry_run import DryRun
from cli.redrive.publisher import OutgoingRecord, RecordDestination, SendResult
from cli.redrive.redrive import RedriveStatus, redrive
from cli.redrive.rejected_item import RejectedRecord
from cli.redrive.rejected_records import RejectedTable
from cli.redrive.selection import Selection
from handlers.outcome import RejectionReason
from tests.support.engines import EventFactory
from tests.support.local_stack import Command, Local, eventually


def statuses(local: Local, *, force: bool = False) -> list[RedriveStatus]:
    """Redrive all rejected records and return the status of each."""
    dry_run = DryRun(local.stack.catalogue, local.stack.environment)
    return [result.status for result in redrive(RejectedTable(local.stack), Selection(), dry_run, force=force)]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bytes]]:
    """Record the destination and the data of each record, and send it."""
    noted: list[tuple[str, bytes]] = []
    send = publisher.send

    def note(destination: RecordDestination, records: Sequence[OutgoingRecord]) -> list[SendResult]:
        noted.extend((type(destination).__name__, record.data) for record in records)
        return send(destination, records)

    monkeypatch.setattr(publisher, "send", note)
    return noted


class FunctionSettings:
    """The deployed functions, to be configured differently from the stack's parameters."""

    def __init__(self, local: Local) -> None:
        self._lambda = local.stack.client("lambda")
        self._names = list(local.stack.of_kind("AWS::Lambda::Function").values())

    def allow_accounts(self, accounts: str) -> None:
        """Let the functions accept events of these root accounts only, or of all."""
        for name in self._names:
            variables = self._lambda.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            variables["ALLOWED_ROOT_ACCOUNTS"] = accounts
            self._lambda.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


@pytest.fixture
def deployed_functions(local: Local) -> Iterator[FunctionSettings]:
    """The deployed functions, with their configuration restored at the end."""
    functions = FunctionSettings(local)
    yield functions
    functions.allow_accounts("")


def test_rejected_records_are_sent_back_to_their_source(
    local: Local, event: EventFactory, sent: list[tuple[str, bytes]], canvas_events: Command
) -> None:
    """A record of the queue and one of the stream are sent there, stored, and no longer rejected."""
    queued, streamed = event("module_updated", module_id="1"), as_self_hosted(event("module_updated", module_id="2"))
    assert local.stack.stream_arn is not None
    local.reject(queued)
    local.reject(streamed, source=local.stack.stream_arn)
    result = canvas_events("rejected", "redrive", "--local", "--json")
    assert result.status == 0
    assert result.json["totals"] == {"sent": 2, "held_back": 0, "failed": 0}
    assert {record["status"] for record in result.json["records"]} == {"sent"}
    assert sorted(sent) == [("Queue", queued.encode()), ("Stream", streamed.encode())]
    assert local.rejected() == []
    eventually(lambda: local.entities() == ["module#1", "module#2"])


def test_a_second_redrive_has_nothing_to_send(
    local: Local, event: EventFactory, sent: list[tuple[str, bytes]], canvas_events: Command
) -> None:
    """A redriven record is no longer in the table, so it is not sent again."""
    local.reject(event("module_updated"))
    assert statuses(local) == [RedriveStatus.SENT]
    result = canvas_events("rejected", "redrive", "--local")
    assert (result.status, "0 records: 0 sent, 0 held back, 0 failed." in result.out) == (0, True)
    assert len(sent) == 1


def test_an_interrupted_redrive_reports_its_progress_and_can_be_repeated(
    local: Local, event: EventFactory, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an interrupt between sending and deleting, the next redrive sends the record again; it is stored once."""
    monkeypatch.setattr(rejected_records, "BATCH_SIZE", 1)
    local.reject(event("module_updated", module_id="1"), ago=timedelta(hours=2))
    record_key = local.reject(event("module_updated", module_id="2"))
    delete = RejectedTable.delete

    def delete_first(self: RejectedTable, entries: Sequence[RejectedRecord]) -> None:
        if entries[0].id == record_key:
            raise KeyboardInterrupt
        delete(self, entries)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(RejectedTable, "delete", delete_first)
        result = canvas_events("rejected", "redrive", "--local", "--json")
    assert result.status == 130
    assert result.json["totals"]["sent"] == 1
    assert "No record is lost: run the command again" in result.err
    assert [item["record"]["S"] for item in local.rejected()] == [record_key]
    assert statuses(local) == [RedriveStatus.SENT]
    assert local.rejected() == []
    eventually(lambda: local.entities() == ["module#1", "module#2"])


def test_two_redrives_at_once_store_the_record_once(local: Local, event: EventFactory) -> None:
    """Both read the record before either deletes it, both send and delete it, and its item is there once."""
    local.reject(event("module_updated", module_id="6"))
    dry_run, table = DryRun(), RejectedTable(local.stack)
    (read_by_both,) = list(table.batches(Selection()))

    class AlreadyRead(RejectedTable):
        """The table as the other redrive has already read it."""

        def batches(self, selection: Selection) -> Any:
            del selection
            yield read_by_both

    for backlog in (table, AlreadyRead(local.stack)):
        assert [result.status for result in redrive(backlog, Selection(), dry_run)] == [RedriveStatus.SENT]
    assert local.rejected() == []
    eventually(lambda: local.entities() == ["module#6"])


def test_record_that_would_be_rejected_again_is_held_back(
    local: Local, event: EventFactory, sent: list[tuple[str, bytes]], canvas_events: Command
) -> None:
    """The report names the violated rule, the record stays, and the others are sent."""
    record_key = local.reject(event("module_updated", module_id=...), event_name="module_updated")
    local.reject(event("module_updated", module_id="9"))
    result = canvas_events("rejected", "redrive", "--local")
    assert result.status == 1
    assert "would be rejected: schema_violation: body.module_id required" in result.out
    assert "2 records: 1 sent, 1 held back, 0 failed." in result.out
    assert "--force sends it anyway" in result.err
    assert len(sent) == 1
    assert [item["record"]["S"] for item in local.rejected()] == [record_key]


def test_a_record_rejected_again_becomes_a_new_rejected_record(
    local: Local, event: EventFactory, deployed_functions: FunctionSettings
) -> None:
    """If the functions differ from the stack's parameters, the old record is deleted and one with a new key appears."""
    deployed_functions.allow_accounts("somebody-else")
    first = local.reject(event("module_updated"), RejectionReason.UNKNOWN_EVENT_TYPE)
    assert statuses(local) == [RedriveStatus.SENT]
    eventually(lambda: len(local.rejected()) == 1)
    (item,) = local.rejected()
    assert item["reason"]["S"] == "foreign_account"
    assert item["record"]["S"] > first
    assert item["record"]["S"].rpartition("#")[2] == first.rpartition("#")[2]
    assert local.entities() == []


def test_newly_rejected_record_with_the_same_data_is_not_deleted(
    local: Local, event: EventFactory, sent: list[tuple[str, bytes]]
) -> None:
    """Only the key that was read is deleted; a record with the same data that is rejected in the meantime stays."""
    text = event("module_updated")
    local.reject(text)
    batches = RejectedTable(local.stack).batches(Selection())
    (read,) = list(batches)
    twin = local.reject(text, ago=timedelta(0))
    RejectedTable(local.stack).delete(read)
    assert [item["record"]["S"] for item in local.rejected()] == [twin]
    assert sent == []


def test_redrive_ignores_records_rejected_after_its_start(local: Local, event: EventFactory) -> None:
    """A record that is rejected again waits for the next redrive; otherwise a redrive might never end."""
    text = event("module_updated")
    local.reject(text)
    late = local.reject(text, RejectionReason.UNROUTABLE, ago=-timedelta(minutes=1))
    assert statuses(local) == [RedriveStatus.SENT]
    assert [item["record"]["S"] for item in local.rejected()] == [late]


def test_force_sends_records_that_would_be_rejected_again(local: Local, canvas_events: Command) -> None:
    """The functions reject the record again: the old one is deleted, and a new one appears."""
    first = local.reject("not JSON", RejectionReason.MALFORMED_JSON)
    result = canvas_events("rejected", "redrive", "--force", "--local", "--json")
    assert (result.status, result.json["totals"]["sent"]) == (0, 1)
    eventually(lambda: len(local.rejected()) == 1 and local.rejected()[0]["record"]["S"] > first)


def test_a_record_of_a_family_that_is_not_deployed_is_held_back(
    local: Local, event: EventFactory, sent: list[tuple[str, bytes]]
) -> None:
    """The functions would ignore the record and so lose it; it stays even when forced."""
    local.reject(event("module_updated"))
    del local.stack._tables["MODULES_TABLE"]
    assert statuses(local, force=True) == [RedriveStatus.HELD_BACK]
    assert sent == []
    assert len(local.rejected()) == 1


def test_rejected_record_that_sqs_does_not_accept_stays(
    local: Local, event: EventFactory, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failed record is reported with its error and stays in the table; those sent with it are deleted."""
    local.reject(event("module_updated", module_id="1"))
    record_key = local.reject(event("module_updated", module_id="2"))
    put = publisher.Queue.put

    def put_first(self: publisher.Queue, records: Sequence[OutgoingRecord]) -> list[tuple[SendResult, bool]]:
        sent = iter(put(self, [record for record in records if _module(record) == "1"]))
        return [
            next(sent) if _module(record) == "1" else (SendResult(error="InvalidMessage"), False) for record in records
        ]

    monkeypatch.setattr(publisher.Queue, "put", put_first)
    result = canvas_events("rejected", "redrive", "--local", "--json")
    assert result.status == 1
    assert result.json["totals"] == {"sent": 1, "held_back": 0, "failed": 1}
    assert [record["reason"] for record in result.json["records"] if record["status"] == "failed"] == ["InvalidMessage"]
    assert [item["record"]["S"] for item in local.rejected()] == [record_key]


def _module(record: OutgoingRecord) -> str:
    return str(json.loads(record.data)["body"]["module_id"])


def test_dry_run_changes_nothing(
    local: Local, event: EventFactory, sent: list[tuple[str, bytes]], canvas_events: Command
) -> None:
    """It reports what would be sent and held back; nothing is sent or deleted."""
    local.reject(event("module_updated"))
    local.reject("not JSON", RejectionReason.MALFORMED_JSON)
    result = canvas_events("rejected", "redrive", "--dry-run", "--local", "--json")
    assert (result.status, result.json["dry_run"]) == (1, True)
    assert result.json["totals"] == {"would_be_sent": 1, "held_back": 1, "failed": 0}
    assert canvas_events("rejected", "redrive", "--dry-run", "--type", "module_updated", "--local").status == 0
    assert sent == []
    assert len(local.rejected()) == 2


def test_selection_limits_the_redriven_records(local: Local, event: EventFactory, canvas_events: Command) -> None:
    """Reason, digest and limit leave the other records in the table."""
    first = local.reject(event("module_updated", module_id="1"), ago=timedelta(hours=3))
    second = local.reject(event("module_updated", module_id="2"), ago=timedelta(hours=2))
    third = local.reject(event("module_updated", module_id="3"), RejectionReason.UNKNOWN_EVENT_TYPE)
    assert canvas_events("rejected", "redrive", "--reason", "unknown_event_type", "--local").status == 0
    assert [item["record"]["S"] for item in local.rejected()] == [first, second]
    assert third not in {item["record"]["S"] for item in local.rejected()}
    assert canvas_events("rejected", "redrive", "--limit", "1", "--local").status == 0
    assert [item["record"]["S"] for item in local.rejected()] == [second]
    assert canvas_events("rejected", "redrive", second.rpartition("#")[2][:12], "--local").status == 0
    assert local.rejected() == []


def test_rejected_record_is_stored_after_the_cause_is_fixed(
    local: Local, event: EventFactory, deployed_functions: FunctionSettings
) -> None:
    """End to end, through queue and stream: sent, rejected, cause fixed, redriven, stored."""
    deployed_functions.allow_accounts("somebody-else")
    queued = OutgoingRecord(event("module_updated", module_id="3").encode())
    streamed = OutgoingRecord(as_self_hosted(event("module_created", module_id="4")).encode())
    publisher.send(publisher.queue(local.stack), [queued])
    publisher.send(publisher.stream(local.stack), [streamed])
    eventually(lambda: len(local.rejected()) == 2)
    deployed_functions.allow_accounts("")
    assert statuses(local) == [RedriveStatus.SENT, RedriveStatus.SENT]
    eventually(lambda: local.entities() == ["module#3", "module#4"])
    assert local.rejected() == []
