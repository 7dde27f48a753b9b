"""Discovering an unknown event type: its events are rejected, an entry is drafted and added, events are redriven."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.local.ministack import LocalAws, redeploy
from cli.redrive import publisher
from cli.redrive.publisher import OutgoingRecord
from handlers.outcome import RejectionReason
from tests.support.checkout import Checkout
from tests.support.engines import EventFactory
from tests.support.local_stack import Command, Local, eventually

# What Canvas might send one day; the persons are made up.
BODY = {
    "module_note_id": "5501", "module_id": "77", "context_id": "2041", "context_type": "Course", "pinned": True,
    "text": "Bring safety glasses.", "author_id": "8123", "created_at": "2026-09-01T08:00:00Z",
    "workflow_state": "active",
}  # fmt: skip


def note(event_name: str, at: str, **body: object) -> str:
    """Return an event about a note on a module."""
    metadata = {"event_name": event_name, "event_time": at, "root_account_uuid": "Rk3fXcVb", "root_account_id": "1"}
    return json.dumps({"metadata": metadata, "body": BODY | body})


CREATED = note("module_note_created", "2026-09-01T08:00:00Z")
UPDATED = note("module_note_updated", "2026-09-02T08:00:00Z", workflow_state="hidden", author_id="10150000000008123")


@pytest.fixture
def checkout(local: Local, tmp_path: Path) -> Iterator[Checkout]:
    """A copy of the project for the deployed stack; the functions get their original code back at the end."""
    assert local.stack.endpoint is not None
    checkout = Checkout(tmp_path)
    (checkout.folder / ".cache" / "local-stack.json").write_text(json.dumps({"endpoint": local.stack.endpoint}))
    yield checkout
    local.settle()  # a message that a replaced function has not acknowledged would be in flight for minutes
    redeploy(LocalAws(local.stack.endpoint), {})


def send(local: Local, *texts: str) -> None:
    """Send events to the queue, as Canvas does."""
    publisher.send(publisher.queue(local.stack), [OutgoingRecord(text.encode()) for text in texts])


def test_unknown_event_type_is_drafted_added_and_its_events_redriven(local: Local, checkout: Checkout) -> None:
    """The printed entry, added unchanged to the family that it names, lets the rejected events be stored."""
    send(local, CREATED, UPDATED)
    eventually(lambda: len(local.rejected()) == 2)

    drafted = checkout.run("draft", "--rejected", "--local")
    assert drafted.returncode == 1, drafted.stderr
    reason = "the family whose entities have similar names"
    assert drafted.stdout.startswith(f"# For schemas/catalogue/modules.toml, {reason}.\n")
    for value in ("8123", "Bring safety"):
        assert value not in drafted.stdout + drafted.stderr
    family = checkout.folder / "schemas" / "catalogue" / "modules.toml"
    family.write_text(f"{family.read_text()}\n{drafted.stdout}")

    without_sample = checkout.run("generate")
    assert without_sample.returncode == 1
    assert "module_note_created is in the catalogue but has no sample event" in without_sample.stderr
    for name, text in (("module_note_created", CREATED), ("module_note_updated", UPDATED)):
        (checkout.folder / "events" / "samples" / f"{name}.json").write_text(text)
    generated = checkout.run("generate")
    assert generated.returncode == 0, generated.stderr
    local.settle()
    redeployed = checkout.run("run", "--redeploy")
    assert redeployed.returncode == 0, redeployed.stderr

    redriven = checkout.run("rejected", "redrive", "--reason", "unknown_event_type", "--local", "--json")
    assert redriven.returncode == 0, redriven.stdout + redriven.stderr
    assert json.loads(redriven.stdout)["totals"] == {"sent": 2, "held_back": 0, "failed": 0}
    assert local.rejected() == []
    modules = local.stack.entity_tables["MODULES_TABLE"]
    eventually(lambda: [item["event_name"]["S"] for item in local.items(modules)] == ["module_note_updated"])
    (item,) = local.items(modules)
    assert item["context"]["S"] == "Rk3fXcVb#Course#2041"
    assert item["entity"]["S"] == "module_note#5501"
    assert item["body"]["M"]["created_at"]["S"] == "2026-09-01T08:00:00.000000Z"


def test_draft_rejected_covers_all_unknown_types_or_the_named_one(local: Local, canvas_events: Command) -> None:
    """Each type gets its own draft; records rejected for other reasons are left out."""
    local.reject(CREATED, RejectionReason.UNKNOWN_EVENT_TYPE, event_name="module_note_created")
    other = CREATED.replace("module_note", "zebra")
    local.reject(other, RejectionReason.UNKNOWN_EVENT_TYPE, event_name="zebra_created")
    local.reject(CREATED.replace("module_note", "yak"), RejectionReason.FOREIGN_ACCOUNT, event_name="yak_created")
    both = canvas_events("draft", "--rejected", "--local")
    assert both.status == 1
    assert ("[module_note]" in both.out, "[zebra]" in both.out, "[yak]" in both.out) == (True, True, False)
    one = canvas_events("draft", "--rejected", "zebra_created", "--local")
    assert ("[module_note]" in one.out, "[zebra]" in one.out) == (False, True)
    local.reject(UPDATED, RejectionReason.UNKNOWN_EVENT_TYPE, event_name="module_note_updated")
    for selection in (["module_note_created", "module_note_updated"], ["module_note_*"]):
        several = canvas_events("draft", "--local", "--rejected", *selection)
        assert ("[module_note]" in several.out, "[zebra]" in several.out) == (True, False)
        assert 'events  = ["module_note_created", "module_note_updated"]' in several.out


def test_unknown_type_of_a_known_entity_is_compared_with_its_entry(
    local: Local, event: EventFactory, canvas_events: Command
) -> None:
    """A new event type of modules is added to the existing entry, with the fields that the entry lacks."""
    text = event("module_updated", metadata={"event_name": "module_archived"}, pinned=True)
    local.reject(text, RejectionReason.UNKNOWN_EVENT_TYPE, event_name="module_archived")
    result = canvas_events("draft", "--rejected", "module_archived", "--local")
    assert result.status == 1
    assert "against [module] of schemas/catalogue/modules.toml" in result.out
    assert 'events  = ["module_created", "module_updated", "module_archived"]' in result.out
    assert 'pinned = "bool  …"' in result.out
    assert "merge them into that entry" in result.err


def test_draft_rejected_without_unknown_types_is_an_error(local: Local, canvas_events: Command) -> None:
    """With nothing to draft, the error says that there are no rejected events of unknown types."""
    local.reject(CREATED, RejectionReason.FOREIGN_ACCOUNT, event_name="module_note_created")
    result = canvas_events("draft", "--rejected", "--local")
    assert (result.status, result.out) == (1, "")
    assert "has no rejected events of an unknown type" in result.err
    result = canvas_events("draft", "--rejected", "zebra_created", "--local")
    assert "has no rejected events of the type zebra_created" in result.err
    local.reject(CREATED, RejectionReason.UNKNOWN_EVENT_TYPE, event_name="module_note_created")
    result = canvas_events("draft", "--local", "--rejected", "module_note_*", "zebra_*")
    assert "has no rejected events of the type zebra_*." in result.err
