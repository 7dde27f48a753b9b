"""``send`` and ``check``: send and validate events from files."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cli.catalogue.generated import ROOT
from cli.catalogue.model import load
from cli.catalogue.samples import EVENTS, as_self_hosted, rejected_samples, samples, sqs_event
from cli.redrive import check_report
from tests.support.engines import EventFactory
from tests.support.local_stack import Command, CommandResult, Local, eventually


def test_check_accepts_samples_and_rejects_rejected_samples(tmp_path: Path, canvas_events: Command) -> None:
    """Samples would be stored, rejected samples rejected for their reasons, and no AWS account is used."""
    path = tmp_path / "invocation.json"
    path.write_text(json.dumps(sqs_event([*samples().values(), *rejected_samples().values()])))
    result = canvas_events("check", "--json", str(path))
    assert result.status == 1
    stored = {record["event_name"]: record for record in result.json if record["fate"] == "stored"}
    assert stored.keys() == samples().keys()
    assert stored["discussion_entry_submitted"]["items"][1]["entity"] == "discussion_submission#30021"
    assert all(record["items"][0]["table"] == load()[name].table_variable for name, record in stored.items())
    rejected = [record for record in result.json if record["fate"] == "rejected"]
    assert [record["reason"] for record in rejected] == sorted(rejected_samples())
    assert all(record["errors"] for record in rejected)


def test_check_prints_only_a_summary_for_valid_events(
    tmp_path: Path, event: EventFactory, canvas_events: Command
) -> None:
    """Exit status 0 and one line, which mentions fields that the catalogue lacks."""
    path = tmp_path / "events.jsonl"
    path.write_text(f"{event('module_updated')}\n{event('module_updated', pinned=True)}")
    result = canvas_events("check", str(path))
    assert result.status == 0
    assert result.out == "2 records: none would be rejected. 1 of them have fields that are not in the catalogue.\n"


def test_check_explains_each_problem(tmp_path: Path, event: EventFactory, canvas_events: Command) -> None:
    """It names the field, the rule and what Canvas sends there, never the value, and omits valid events."""
    path = tmp_path / "event.jsonl"
    wrong_ids = {"context_id": "", "assignment_group_id": "Jane"}
    invalid = event("assignment_updated", assignment_id=..., due_at="Jane's birthday", title=7, **wrong_ids)
    path.write_text(f"{event('module_updated')}\n{invalid}")
    result = canvas_events("check", str(path))
    assert result.status == 1
    fields = load()["assignment_updated"].fields
    assert f"body.assignment_id is missing. Description: {fields['assignment_id'].about}" in result.out
    assert f"body.due_at is not a valid date-time. Description: {fields['due_at'].about}" in result.out
    assert "body.title is not of type string or null" in result.out
    assert "body.context_id is empty, but the key of the item needs it." in result.out
    assert "body.assignment_group_id is not a valid Canvas id." in result.out
    assert "Jane" not in result.out
    assert "module_updated" not in result.out
    assert "2 records: 1 would be rejected." in result.out


def test_check_counts_ignored_events_apart(tmp_path: Path, event: EventFactory, canvas_events: Command) -> None:
    """An event of a type that is not kept is no problem: it is counted, and does not change the exit status."""
    path = tmp_path / "events.jsonl"
    path.write_text(f"{event('module_updated')}\n{event('module_updated', {'event_name': 'scan_youtube_links'})}")
    result = canvas_events("check", str(path))
    assert result.status == 0
    assert result.out == (
        "2 records: none would be rejected. 1 would be ignored: the catalogue does not keep their event types.\n"
    )
    assert [record["fate"] for record in canvas_events("check", "--json", str(path)).json] == ["stored", "ignored"]


def test_send_goes_by_the_types_and_environments_that_the_stack_takes(
    tmp_path: Path, event: EventFactory, local: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Types that catalogue or stack ignore are named; events of Beta are held back unless the stack allows them."""

    def send(text: str, **parameters: str) -> CommandResult:
        stack = replace(local.stack, parameters={**local.stack.parameters, **parameters})
        monkeypatch.setattr("cli.stack.stack.open_stack", lambda _: stack)
        path = tmp_path / "events.jsonl"
        path.write_text(text)
        return canvas_events("send", "--dry-run", str(path), "--local")

    not_kept = event("module_updated", {"event_name": "scan_youtube_links"})
    result = send(f"{event('module_updated')}\n{not_kept}", IgnoredEventTypes="module_updated")
    assert "2 records will be ignored: the stack canvas-live-events does not keep module_updated, scan" in result.err
    of_beta = event("module_updated", {"hostname": "x.beta.instructure.com"})
    assert "other_environment" in send(of_beta).out
    assert send(of_beta, AllowBetaAndTest="true").status == 0


def test_check_explains_problems_of_the_metadata(tmp_path: Path, event: EventFactory, canvas_events: Command) -> None:
    """It says what Canvas sends in a field of metadata, too."""
    path = tmp_path / "event.json"
    path.write_text(event("module_updated", metadata={"event_time": "now"}))
    out = canvas_events("check", str(path)).out
    assert "metadata.event_time is not a valid date-time. Description: When it happened." in out


def test_check_prints_no_control_characters(tmp_path: Path, canvas_events: Command) -> None:
    """Neither an event's name nor a file name reaches the terminal as a control sequence or markup."""
    path = tmp_path / "[red]event.json"
    path.write_text(json.dumps({"metadata": {"event_name": "[red]\x1b[2J"}, "body": {}}))
    for arguments in ([], ["--json"]):
        result = canvas_events("check", *arguments, str(path))
        assert result.status == 1
        assert "\x1b" not in result.out
        assert "[red]event.json" in result.out


def test_send_to_queue_and_stream(local: Local, tmp_path: Path, event: EventFactory, canvas_events: Command) -> None:
    """Events of a file go to the queue or the stream, and are stored."""
    lines = tmp_path / "events.jsonl"
    lines.write_text("\n".join(event("module_updated", module_id=str(number)) for number in range(1, 26)))
    result = canvas_events("send", str(lines), "--local", "--json")
    assert result.status == 0
    assert len({record["id"] for record in result.json}) == 25
    one = tmp_path / "event.json"
    one.write_text(as_self_hosted(event("module_updated", module_id="99")))
    result = canvas_events("send", "--to", "stream", str(one), "--local")
    assert (result.status, "1 record sent to the stream" in result.out) == (0, True)
    eventually(lambda: len(local.entities()) == 26)


def test_dry_run_sends_nothing(local: Local, canvas_events: Command) -> None:
    """The record is counted, and has no id."""
    sample = str(EVENTS / "samples" / "module_created.json")
    result = canvas_events("send", "--dry-run", sample, "--local")
    assert (result.status, "1 record would be sent to the queue" in result.out) == (0, True)
    planned = canvas_events("send", "--dry-run", "--json", sample, "--local")
    assert planned.json == [{"location": sample, "id": None, "error": None}]
    assert local.visible_in(local.stack.queue_url) == 0
    assert local.entities() == []


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_send_warns_about_events_that_the_stack_ignores(
    dry: list[str], canvas_events: Command, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events of families that are not deployed are sent, with a message that names the families."""
    local.stack.resources = {
        name: resource for name, resource in local.stack.resources.items() if name not in ("ModulesTable", "UsersTable")
    }
    monkeypatch.setattr("cli.stack.stack.open_stack", lambda _: local.stack)
    events = [str(EVENTS / "samples" / f"{name}.json") for name in ("module_created", "user_created", "group_created")]
    result = canvas_events("send", *dry, *events, "--local")
    assert result.status == 0
    assert "2 records will be ignored: the stack canvas-live-events does not keep modules, users." in result.err
    assert "ignored" not in canvas_events("send", *dry, events[2], "--local").err
    if not dry:
        eventually(lambda: local.entities() == ["group#415"])


def test_send_sends_nothing_if_a_record_would_be_rejected(local: Local, canvas_events: Command) -> None:
    """The problem is explained, and nothing is sent; --force sends all records."""
    valid, invalid = str(EVENTS / "samples" / "module_created.json"), str(EVENTS / "rejected" / "unroutable.json")
    result = canvas_events("send", valid, invalid, "--local")
    assert result.status == 1
    assert "1 of 2 records would be rejected, so nothing was sent." in result.err
    assert "metadata.root_account_uuid is missing" in result.out
    listed = canvas_events("send", "--json", valid, invalid, "--local").json
    assert [record["reason"] for record in listed] == ["unroutable"]
    assert local.entities() == []
    assert canvas_events("send", "--force", valid, invalid, "--local").status == 0
    eventually(lambda: local.entities() == ["module#77"] and len(local.rejected()) == 1)


def test_send_validates_with_the_settings_of_the_stack(
    local: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event of an account that is not in AllowedRootAccounts would be rejected, so it is not sent."""
    local.stack.parameters = {**local.stack.parameters, "AllowedRootAccounts": "another-account"}
    monkeypatch.setattr("cli.stack.stack.open_stack", lambda _: local.stack)
    result = canvas_events("send", str(EVENTS / "samples" / "module_created.json"), "--local")
    assert (result.status, "foreign_account" in result.out) == (1, True)


def test_send_reports_records_that_sqs_does_not_accept(local: Local, tmp_path: Path, canvas_events: Command) -> None:
    """Bytes that are not text cannot be a message; the other records are sent."""
    invalid = tmp_path / "invalid"
    invalid.write_bytes(b"\xff")
    result = canvas_events("send", "--force", str(invalid), str(ROOT / "events/samples/module_created.json"), "--local")
    assert result.status == 1
    assert f"Not sent: {invalid}: SQS accepts only non-empty text" in result.err
    assert "1 record sent" in result.out
    eventually(lambda: local.entities() == ["module#77"])


@pytest.mark.parametrize(("records", "is_terminal", "is_shown"), [(3, True, True), (3, False, False), (2, True, False)])
def test_check_shows_progress_on_a_terminal_for_large_files(
    tmp_path: Path,
    event: EventFactory,
    canvas_events: Command,
    monkeypatch: pytest.MonkeyPatch,
    records: int,
    is_terminal: bool,
    is_shown: bool,
) -> None:
    """Progress is on standard error, and neither in a pipe nor for a file that takes no time."""
    monkeypatch.setattr(check_report, "MAX_RECORDS_WITHOUT_PROGRESS", 2)
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal)
    monkeypatch.setenv("TERM", "xterm")
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join([event("module_updated")] * records))
    result = canvas_events("check", str(path))
    assert result.out == f"{records} records: none would be rejected.\n"
    assert ("checking" in result.err) is is_shown


HOSTILE_FILES: dict[str, bytes] = {
    "nothing": b"",
    "a null byte": b"\0",
    "bytes that are not text": b"\xff\xfe\x00",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "deep JSON": b"[" * 100_000,
    "deep and complete JSON": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "JSON as deep as can be parsed": b'{"Records": [' + b"[" * 900 + b"]" * 900 + b"]}",
    "an endless number": b"9" * 10_000,
    "numbers that are none": b"[NaN, Infinity, -Infinity]",
    "null": b"null",
    "an array of anything": b'[null, 7, "x", [], {}, true]',
    "records that are anything": b'{"Records": [null]}',
    "records of no service": b'{"Records": [{}]}',
    "data that is not ASCII": '{"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": "ü"}}]}'.encode(),
    "data that is a number": b'{"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": 7}}]}',
    "a body that is a number": b'{"Records": [{"eventSource": "aws:sqs", "body": 7}]}',
    "a source that is an array": b'{"Records": [{"eventSource": []}]}',
    "half a surrogate pair": b'{"Records": [{"eventSource": "aws:sqs", "body": "\\ud800"}]}',
    "an event with half a surrogate pair": b'{"metadata": {"event_name": "\\ud800"}, "body": {}}',
    "metadata of arrays": b'{"metadata": {"event_name": [], "event_time": []}, "body": []}',
    "a body of every type": b'{"metadata": {"event_name": "module_note_created", "event_time": 1e999},'
    b' "body": {"": "", "a.b": [[]], "\\u001b": {"id": {}}, "x_id": [1, "a"], "y": -1e308}}',
    "a name of 100 KB": b'{"metadata": {"event_name": "' + b"x" * 100_000 + b'"}, "body": {}}',
    "lines that are anything": b"{}\nnull\n7\n[]\n\xff\n",
}


@pytest.mark.parametrize("content", HOSTILE_FILES.values(), ids=HOSTILE_FILES.keys())
def test_no_file_ends_in_a_traceback(tmp_path: Path, canvas_events: Command, content: bytes) -> None:
    """`check` and `draft` report what is wrong with any file and exit with 1; an error is one line."""
    path = tmp_path / "file"
    path.write_bytes(content)
    for arguments in (["check"], ["check", "--json"], ["draft"]):
        result = canvas_events(*arguments, str(path))
        assert result.status == 1
        errors = [line for line in result.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1 or result.out
        assert "\x1b" not in result.out + result.err


def test_send_reports_records_of_hostile_files(tmp_path: Path, local: Local, canvas_events: Command) -> None:
    """`send --force` sends or reports each record, whatever it is."""
    for number, content in enumerate(HOSTILE_FILES.values()):
        path = tmp_path / f"{number}"
        path.write_bytes(content)
        result = canvas_events("send", "--dry-run", "--local", str(path))
        assert (result.status, result.err.count("error: ")) == (1, 1)
    assert local.visible_in(local.stack.queue_url) == 0
