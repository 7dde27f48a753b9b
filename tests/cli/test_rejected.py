"""``rejected list``, ``show`` and ``purge``; ``redrive`` has its own module."""

from datetime import timedelta

import pytest

from cli.ui import messages
from handlers.outcome import RejectionReason
from tests.support.local_stack import Command, Local


def test_list_counts_by_reason_event_type_and_rule(local: Local, canvas_events: Command) -> None:
    """Records with the same reason, event type and rules are one group, with their number."""
    for text in ("a", "b", "c"):
        local.reject(text, event_name="module_updated")
    local.reject("d", RejectionReason.MALFORMED_JSON)
    result = canvas_events("rejected", "list", "--local")
    assert result.status == 0
    assert [line.strip() for line in result.out.splitlines()] == [
        "malformed_json · 1 record, newest 1 h ago",
        "body.name is not of type string or null.",
        "schema_violation · module_updated · 3 records, newest 1 h ago",
        "body.name is not of type string or null.",
        "4 records.",
    ]


def test_empty_rejected_table_is_not_an_error(local: Local, canvas_events: Command) -> None:
    """Without rejected records, only ``show`` fails."""
    assert local.rejected() == []
    assert canvas_events("rejected", "list", "--local").status == 0
    assert canvas_events("rejected", "redrive", "--local").status == 0
    assert canvas_events("rejected", "purge", "--yes", "--all", "--local").status == 0
    assert canvas_events("rejected", "show", "--local").status == 1


def test_rejected_records_are_selected_by_every_option(local: Local, canvas_events: Command) -> None:
    """Each option excludes other records, alone and in combination."""
    old = local.reject("old", event_name="module_updated", ago=timedelta(days=5))
    new = local.reject("new", event_name="module_updated")
    other = local.reject("other", RejectionReason.UNKNOWN_EVENT_TYPE, event_name="grade_change")

    def selected(*options: str) -> set[str]:
        return {item["record"] for item in canvas_events("rejected", "list", "--local", "--json", *options).json}

    assert selected() == {old, new, other}
    assert selected("--reason", "unknown_event_type") == {other}
    assert selected("--type", "module_updated") == {old, new}
    assert selected("--since", "2d") == {new, other}
    assert selected("--until", "2d") == {old}
    assert selected("--since", "2d", "--type", "module_updated") == {new}
    assert selected(old) == {old}
    assert selected(new.rpartition("#")[2][:8]) == {new}
    assert selected("--limit", "1", "--reason", "schema_violation") == {old}
    assert selected("--type", "no_such_type") == set()


@pytest.mark.parametrize("time", ["yesterday", "2", "5 d", "2026-13-01"])
def test_an_invalid_time_is_a_usage_error(
    time: str, canvas_events: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """An invalid time ends with exit status 2 and lists the valid forms."""
    with pytest.raises(SystemExit) as ended:
        canvas_events("rejected", "list", "--since", time)
    assert ended.value.code == 2
    assert "use 2d, 12h, 30m" in capsys.readouterr().err


def test_the_payload_is_printed_only_on_request(local: Local, canvas_events: Command) -> None:
    """A record may hold personal data, so only --payload prints it."""
    digest = local.reject('{"name": "Jane Doe"}', event_name="module_updated").rpartition("#")[2][:12]
    for arguments in (
        ["show", digest],
        ["show", digest, "--json"],
        ["list"],
        ["list", "--json"],
        ["list", "--records"],
    ):
        result = canvas_events("rejected", *arguments, "--local")
        assert result.status == 0
        assert "Jane Doe" not in result.out + result.err
    assert "may hold personal data" in canvas_events("rejected", "show", digest, "--local").out
    assert "Jane Doe" in canvas_events("rejected", "show", digest, "--payload", "--local").out
    assert canvas_events("rejected", "show", digest, "--payload", "--json", "--local").json[0]["payload"] == (
        '{"name": "Jane Doe"}'
    )


def test_show_explains_why_a_record_was_rejected(local: Local, canvas_events: Command) -> None:
    """It prints the violated rule, what Canvas sends in that field, and the remedy."""
    local.reject("{}", event_name="module_updated")
    shown = canvas_events("rejected", "show", "--local").out
    assert "body.name is not of type string or null. Description: Its name." in shown
    assert messages.REMEDIES[RejectionReason.SCHEMA_VIOLATION] in shown


def test_every_reason_has_a_remedy() -> None:
    """``show`` has a remedy for every reason."""
    assert messages.REMEDIES.keys() == set(RejectionReason)


def test_hostile_rejected_record_is_escaped_for_the_terminal(local: Local, canvas_events: Command) -> None:
    """Neither an event's name nor its payload reaches the terminal as a control sequence or markup."""
    local.reject("\x1b]0;owned\x07[red]", RejectionReason.UNKNOWN_EVENT_TYPE, event_name="[red]\x1b[2Jgrade_change")
    for arguments in (
        ["list"],
        ["list", "--records"],
        ["show", "--payload"],
        ["redrive", "--dry-run"],
        ["list", "--json"],
    ):
        shown = canvas_events("rejected", *arguments, "--local").out
        assert not {"\x1b", "\x07"} & set(shown)
        assert "[red]" in shown or arguments[0] == "redrive"


def test_purge_of_everything_without_confirmation_requires_all(canvas_events: Command, local: Local) -> None:
    """An empty selection, such as one from an empty list in a script, deletes nothing without --all."""
    local.reject("a")
    refused = canvas_events("rejected", "purge", "--yes", "--local")
    assert (refused.status, "--all" in refused.err) == (1, True)
    assert len(local.rejected()) == 1


def test_rejected_purge_asks_for_confirmation(
    local: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is deleted without a "yes"; without a terminal, --yes is required."""
    local.reject("a")
    record_key = local.reject("b", RejectionReason.MALFORMED_JSON)
    assert canvas_events("rejected", "purge", "--dry-run", "--local").status == 0
    refused = canvas_events("rejected", "purge", "--local")
    assert (refused.status, "--yes" in refused.err) == (1, True)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert canvas_events("rejected", "purge", "--local").status == 1
    assert len(local.rejected()) == 2
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert canvas_events("rejected", "purge", "--reason", "schema_violation", "--local").status == 0
    assert [item["record"]["S"] for item in local.rejected()] == [record_key]
    assert canvas_events("rejected", "purge", "--yes", "--all", "--local").status == 0
    assert local.rejected() == []


def test_expired_records_are_left_out(local: Local, canvas_events: Command) -> None:
    """DynamoDB deletes expired items days later; until then no command shows them."""
    record = local.reject("a")
    key = {"reason": {"S": "schema_violation"}, "record": {"S": record}}
    local.dynamodb.update_item(
        TableName=local.stack.rejected_table, Key=key, UpdateExpression="SET expires_at = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )  # fmt: skip
    assert canvas_events("rejected", "list", "--local", "--json").json == []
