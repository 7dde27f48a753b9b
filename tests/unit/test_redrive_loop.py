"""The redrive loop with an in-memory backlog: evaluate, send, then delete."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import pytest

from cli.redrive import publisher
from cli.redrive.dry_run import DryRun
from cli.redrive.publisher import OutgoingRecord, RecordDestination, SendResult
from cli.redrive.redrive import BacklogEntry, RedriveResult, RedriveStatus, redrive
from cli.redrive.selection import Selection
from tests.support.engines import EventFactory

FULL = "InternalError"


@dataclass(eq=False)
class FakeDestination:
    """A destination that accepts data without ``full``; records in ``log`` what it acknowledged."""

    log: list[tuple[str, object]]
    name: str = "the fake destination"
    max_records: int = 10
    max_bytes: int = 1_000_000

    def validate(self, record: OutgoingRecord) -> str | None:
        """Accept every record with data."""
        return None if record.data else "empty"

    def put(self, records: Sequence[OutgoingRecord]) -> list[tuple[SendResult, bool]]:
        """Acknowledge the records."""
        results = [
            (SendResult(error=FULL) if b"full" in record.data else SendResult(id="an-id"), False) for record in records
        ]
        self.log += [("sent", record.data) for record, (result, _) in zip(records, results, strict=True) if result.id]
        return results


@dataclass
class FakeBacklog:
    """A backlog of these batches of entries, all for one destination."""

    entries: list[list[BacklogEntry]]
    log: list[tuple[str, object]] = field(default_factory=list)
    name: str = "the fake backlog"
    malformed_remedy: str = "delete it"
    closed: bool = False

    def __post_init__(self) -> None:
        self.target = FakeDestination(self.log)

    def batches(self, selection: Selection) -> Generator[Sequence[BacklogEntry], None, None]:
        """Yield the batches."""
        del selection
        try:
            yield from self.entries
        finally:
            self.closed = True

    def destination(self, entry: BacklogEntry) -> RecordDestination:
        """Return the one destination."""
        del entry
        return self.target

    def delete(self, entries: Sequence[BacklogEntry]) -> None:
        """Record what is deleted."""
        self.log += [("deleted", entry.id) for entry in entries]


def entry(number: int, *texts: str) -> BacklogEntry:
    """Return an entry with these records."""
    return BacklogEntry(id=f"entry-{number}", records=tuple(OutgoingRecord(text.encode()) for text in texts))


def run(backlog: FakeBacklog, *, force: bool = False, preview: bool = False) -> list[RedriveResult]:
    """Redrive the whole backlog with every table deployed."""
    return list(redrive(backlog, Selection(), DryRun(), force=force, preview=preview))


def test_a_record_is_deleted_after_it_was_sent(event: EventFactory) -> None:
    """Deletion follows the acknowledgement, batch by batch."""
    first, second = event("module_updated", module_id="1"), event("module_updated", module_id="2")
    backlog = FakeBacklog([[entry(1, first)], [entry(2, second)]])
    assert [result.status for result in run(backlog)] == [RedriveStatus.SENT, RedriveStatus.SENT]
    assert backlog.log == [
        ("sent", first.encode()), ("deleted", "entry-1"), ("sent", second.encode()), ("deleted", "entry-2"),
    ]  # fmt: skip


def test_a_record_that_would_be_rejected_is_held_back_with_the_rule(event: EventFactory) -> None:
    """It is neither sent nor deleted, and its result names the reason and the violated rule, not the value."""
    backlog = FakeBacklog([[entry(1, event("module_updated", module_id=..., name="Jane Doe"))]])
    assert run(backlog) == [
        RedriveResult(
            "entry-1", RedriveStatus.HELD_BACK, "module_updated",
            "would be rejected: schema_violation: body.module_id required",
        )
    ]  # fmt: skip
    assert backlog.log == []


def test_force_sends_invalid_records(event: EventFactory) -> None:
    """With ``force`` it is sent and deleted, and the result still contains the finding of the dry run."""
    backlog = FakeBacklog([[entry(1, event("module_updated", module_id=...))]])
    (result,) = run(backlog, force=True)
    assert result.status is RedriveStatus.SENT
    assert result.reason is not None
    assert result.reason.startswith("would be rejected")
    assert [action for action, _ in backlog.log] == ["sent", "deleted"]


@pytest.mark.parametrize("force", [False, True])
def test_a_record_that_would_be_ignored_is_never_sent(event: EventFactory, force: bool) -> None:
    """The functions would acknowledge and drop it, so sending and deleting it would lose it."""
    backlog = FakeBacklog([[entry(1, event("module_updated"))]])
    dry_run = DryRun(environment={"REJECTED_TABLE": "rejected"})
    (result,) = redrive(backlog, Selection(), dry_run, force=force)
    assert (result.status, result.reason) == (RedriveStatus.HELD_BACK, "would be ignored")
    assert backlog.log == []


def test_the_evaluation_uses_the_deployed_accounts(event: EventFactory) -> None:
    """A record of an account that the functions do not allow is held back."""
    backlog = FakeBacklog([[entry(1, event("module_updated"))]])
    dry_run = DryRun(environment={"REJECTED_TABLE": "r", "MODULES_TABLE": "m", "ALLOWED_ROOT_ACCOUNTS": "another"})
    (result,) = redrive(backlog, Selection(), dry_run)
    assert result.reason is not None
    assert result.reason.startswith("would be rejected: foreign_account")


def test_entry_that_the_service_does_not_accept_stays(event: EventFactory) -> None:
    """Of two entries sent together the failed one is not deleted, and its result has the service's error."""
    good, bad = event("module_updated", name="a"), event("module_updated", name="full")
    backlog = FakeBacklog([[entry(1, bad), entry(2, good)]])
    assert [(result.id, result.status, result.reason) for result in run(backlog)] == [
        ("entry-1", RedriveStatus.FAILED, FULL), ("entry-2", RedriveStatus.SENT, None),
    ]  # fmt: skip
    assert backlog.log == [("sent", good.encode()), ("deleted", "entry-2")]


@pytest.mark.parametrize("bad", ["not JSON", "full"])
def test_an_entry_stays_until_all_of_its_records_were_sent(event: EventFactory, bad: str) -> None:
    """One record that is held back or fails keeps its entry; the other records are sent all the same."""
    good = event("module_updated")
    backlog = FakeBacklog([[entry(1, good, event("module_updated", name=bad) if bad == "full" else bad)]])
    assert RedriveStatus.SENT in {result.status for result in run(backlog)}
    assert backlog.log == [("sent", good.encode())]


def test_an_unreadable_entry_fails_and_stays(event: EventFactory) -> None:
    """Its error is the result, and other entries are redriven."""
    good = event("module_updated")
    backlog = FakeBacklog([[BacklogEntry(id="broken", error="no payload"), entry(1, good)]])
    results = run(backlog)
    assert results[0] == RedriveResult("broken", RedriveStatus.FAILED, None, "no payload", is_malformed=True)
    assert backlog.log == [("sent", good.encode()), ("deleted", "entry-1")]


def test_a_preview_sends_and_deletes_nothing(event: EventFactory) -> None:
    """It distinguishes what would be sent from what would be held back."""
    backlog = FakeBacklog([[entry(1, event("module_updated")), entry(2, "not JSON")]])
    assert [result.status for result in run(backlog, preview=True)] == [
        RedriveStatus.WOULD_BE_SENT, RedriveStatus.HELD_BACK,
    ]  # fmt: skip
    assert backlog.log == []


def test_an_interrupt_between_sending_and_deleting_deletes_nothing(
    event: EventFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is sent and still in the backlog, which is closed so that it can release its resources."""
    backlog = FakeBacklog([[entry(1, event("module_updated"))]])
    monkeypatch.setattr(FakeBacklog, "delete", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(backlog)
    assert [action for action, _ in backlog.log] == ["sent"]
    assert backlog.closed


def test_an_interrupt_while_sending_deletes_nothing(event: EventFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record whose acknowledgement never arrived is not deleted."""
    backlog = FakeBacklog([[entry(1, event("module_updated"))]])
    monkeypatch.setattr(publisher, "send", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(backlog)
    assert backlog.log == []


def test_record_too_large_for_any_table_is_held_back(event: EventFactory) -> None:
    """A record that the functions would return to the dead-letter queue again and again stays there."""
    noise = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(400_000))
    backlog = FakeBacklog([[entry(1, event("module_updated", name=noise))]])
    (result,) = run(backlog)
    assert result.status is RedriveStatus.HELD_BACK
    assert result.reason is not None
    assert result.reason.startswith("would be retried: too_large")
