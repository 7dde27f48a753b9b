"""``send`` and ``check``: events from files."""

import json
from pathlib import Path

import pytest

from cli.catalogue.generated import ROOT
from cli.catalogue.model import load
from cli.catalogue.samples import EVENTS, as_self_hosted, rejected_samples, samples, sqs_event
from cli.commands import send
from tests.cli.conftest import Command, Local, eventually
from tests.conftest import Change


def test_check_knows_every_sample_and_every_rejected_sample(tmp_path: Path, canvas_events: Command) -> None:
    """The samples would be stored in their tables; the rejected samples would be rejected for their reasons."""
    path = tmp_path / "invocation.json"
    path.write_text(json.dumps(sqs_event([*samples().values(), *rejected_samples().values()])))
    done = canvas_events("check", "--json", str(path))
    assert done.status == 1
    judged = {each["event_name"]: each for each in done.json if each["fate"] == "stored"}
    assert judged.keys() == samples().keys()
    assert judged["discussion_entry_submitted"]["items"][1]["entity"] == "discussion_submission#30021"
    assert [each["reason"] for each in done.json if each["fate"] == "rejected"] == sorted(rejected_samples())
    assert all(each["faults"] for each in done.json if each["fate"] == "rejected")


@pytest.mark.parametrize("sample", sorted(samples()))
def test_check_ends_well_with_events_that_would_be_stored(sample: str, canvas_events: Command) -> None:
    """Exit status 0, and the item's key is shown."""
    done = canvas_events("check", str(EVENTS / "samples" / f"{sample}.json"))
    assert done.status == 0
    assert load()[sample].table_variable in done.out


def test_check_explains_each_fault(tmp_path: Path, event: Change, canvas_events: Command) -> None:
    """Which field, which rule, and what Canvas sends there in the catalogue's words; never the value."""
    path = tmp_path / "event.json"
    path.write_text(event("assignment_updated", assignment_id=..., due_at="Jane's birthday", title=7))
    done = canvas_events("check", str(path))
    assert done.status == 1
    fields = load()["assignment_updated"].fields
    assert f"body.assignment_id is missing. Canvas sends there: {fields['assignment_id'].about}" in done.out
    assert f"body.due_at is not of the format: date-time. Canvas sends there: {fields['due_at'].about}" in done.out
    assert "body.title is not of the type: string or null" in done.out
    assert "Jane" not in done.out


def test_check_explains_what_is_wrong_with_the_envelope(tmp_path: Path, event: Change, canvas_events: Command) -> None:
    """Of a fault in metadata too it is told what should be there."""
    path = tmp_path / "event.json"
    path.write_text(event("module_updated", metadata={"event_time": "now"}))
    out = canvas_events("check", str(path)).out
    assert "metadata.event_time is not of the format: date-time. Canvas sends there: When it happened." in out


def test_check_does_not_pass_on_what_a_terminal_would_obey(tmp_path: Path, canvas_events: Command) -> None:
    """Neither an event's name nor a file's reaches the terminal as a command or markup."""
    path = tmp_path / "[red]event.json"
    path.write_text(json.dumps({"metadata": {"event_name": "[red]\x1b[2J"}, "body": {}}))
    for arguments in ([], ["--json"]):
        done = canvas_events("check", *arguments, str(path))
        assert done.status == 1
        assert "\x1b" not in done.out
        assert "[red]event.json" in done.out


def test_send_to_queue_and_stream(local: Local, tmp_path: Path, event: Change, canvas_events: Command) -> None:
    """Events of a file go to the queue or the stream as they stand there, and are stored."""
    lines = tmp_path / "events.jsonl"
    lines.write_text("\n".join(event("module_updated", module_id=str(number)) for number in range(1, 26)))
    done = canvas_events("send", str(lines), "--local", "--json")
    assert done.status == 0
    assert len({each["id"] for each in done.json}) == 25
    one = tmp_path / "event.json"
    one.write_text(as_self_hosted(event("module_updated", module_id="99")))
    done = canvas_events("send", "--to", "stream", str(one), "--local")
    assert (done.status, "1 record sent to the stream" in done.out) == (0, True)
    eventually(lambda: len(local.entities()) == 26)


def test_a_dry_run_sends_nothing(local: Local, canvas_events: Command) -> None:
    """What would be sent is counted."""
    done = canvas_events("send", "--dry-run", str(EVENTS / "samples" / "module_created.json"), "--local")
    assert (done.status, "1 record would go to the queue" in done.err) == (0, True)
    planned = canvas_events("send", "--dry-run", "--json", str(EVENTS / "samples" / "module_created.json"), "--local")
    assert [each["id"] for each in planned.json] == [None]
    assert local.visible_in(local.stack.queue_url) == 0
    assert local.entities() == []


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_send_says_what_the_stack_will_ignore(
    dry: list[str], canvas_events: Command, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sends events of families that the stack does not keep is told so, and which these are."""
    local.stack.resources = {
        name: each for name, each in local.stack.resources.items() if name not in ("ModulesTable", "UsersTable")
    }
    monkeypatch.setattr(send, "open_stack", lambda _: local.stack)
    events = [str(EVENTS / "samples" / f"{name}.json") for name in ("module_created", "user_created", "group_created")]
    done = canvas_events("send", *dry, *events, "--local")
    assert "2 of them will be ignored: canvas-live-events keeps no modules, users." in done.err
    assert "ignored" not in canvas_events("send", *dry, events[2], "--local").err
    if not dry:
        eventually(lambda: local.entities() == ["group#415"])


def test_send_refuses_what_would_be_rejected(local: Local, canvas_events: Command) -> None:
    """A wrong file does no harm: nothing of it is sent, and why is explained; unless one insists."""
    good, bad = str(EVENTS / "samples" / "module_created.json"), str(EVENTS / "rejected" / "unroutable.json")
    done = canvas_events("send", good, bad, "--local")
    assert done.status == 1
    assert "1 of 2 records would be rejected, so none was sent" in done.err
    assert "metadata.root_account_uuid is missing" in done.out
    assert [each["reason"] for each in canvas_events("send", "--json", good, bad, "--local").json] == ["unroutable"]
    assert local.entities() == []
    assert canvas_events("send", "--unchecked", good, bad, "--local").status == 0
    eventually(lambda: local.entities() == ["module#77"] and len(local.rejected()) == 1)


def test_send_says_what_sqs_did_not_take(local: Local, tmp_path: Path, canvas_events: Command) -> None:
    """Bytes that are no text cannot be a message; the others are sent."""
    bad = tmp_path / "bad"
    bad.write_bytes(b"\xff")
    done = canvas_events("send", "--unchecked", str(bad), str(ROOT / "events/samples/module_created.json"), "--local")
    assert done.status == 1
    assert f"not sent: {bad}: SQS takes only text" in done.err
    assert "1 record sent" in done.out
    eventually(lambda: local.entities() == ["module#77"])
