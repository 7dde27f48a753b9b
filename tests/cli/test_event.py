"""``event`` prints invocations with sample events."""

import base64
import io
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from cli.catalogue.generated import ROOT
from cli.catalogue.samples import EVENTS, TYPES_WITH_FILES, as_self_hosted, samples
from tests.support.local_stack import Command


@pytest.mark.parametrize("source", ["sqs", "kinesis"])
def test_event_prints_the_same_invocation_as_the_file(source: str, canvas_events: Command) -> None:
    """For an event type that has an invocation file, the command prints its content."""
    for event_type in TYPES_WITH_FILES:
        result = canvas_events("event", event_type, "--source", source)
        assert (result.status, result.err) == (0, "")
        assert result.json == json.loads((EVENTS / source / f"{event_type}.json").read_text())


def test_event_prints_a_record_for_each_type_in_order(canvas_events: Command) -> None:
    """Several types make one batch, from the queue by default, and from the stream in the self-hosted format."""
    types = ["grade_change", "course_created", "grade_change"]
    messages = canvas_events("event", *types).json["Records"]
    assert [message["body"] for message in messages] == [samples()[event_type] for event_type in types]
    assert len({message["messageId"] for message in messages}) == 3
    records = canvas_events("event", *types, "--source", "kinesis").json["Records"]
    data = [base64.b64decode(record["kinesis"]["data"]).decode() for record in records]
    assert data == [as_self_hosted(samples()[event_type]) for event_type in types]


@pytest.mark.parametrize(
    ("event_type", "hint"),
    [("grade_chnage", "Did you mean grade_change"), ("zzzz", "docs/reference/index.md lists all event types.")],
)
def test_unknown_type_is_an_error_with_close_matches(event_type: str, hint: str, canvas_events: Command) -> None:
    """For a type without a sample event, the error suggests similar types, and nothing is printed for the others."""
    result = canvas_events("event", "course_created", event_type)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"error: {event_type} is not an event type with a sample event. {hint}")


def test_event_output_is_ascii_for_every_type(canvas_events: Command) -> None:
    """Standard output of any encoding can print it."""
    assert canvas_events("event", *samples()).out.isascii()


def test_event_loads_neither_boto3_nor_rich() -> None:
    """The command starts quickly because it imports nothing that only other commands need."""
    program = "import sys, cli.commands.event; print([name for name in ('boto3', 'rich') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_event_output_can_be_piped_to_check(canvas_events: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` reads the output of `event` from standard input."""
    printed = canvas_events("event", "course_created", "--source", "kinesis").out
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(printed.encode())))
    result = canvas_events("check", "--json", "-")
    assert [(row["event_name"], row["fate"]) for row in result.json] == [("course_created", "stored")]
