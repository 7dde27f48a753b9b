"""Records from files, whatever form they are in."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli.catalogue.generated import kinesis_event, sqs_event
from cli.errors import CommandError
from cli.redrive import event_files

# A number that would change its text on the way through Python.
ONE = '{"metadata": {"event_name": "a"}, "body": {"n": 1.10, "m": 12345678901234567890.10}}'
TWO = '{"metadata":{"event_name":"b"},"body":{}}'


def records(tmp_path: Path, content: str | bytes) -> list[tuple[str, bytes]]:
    """The records of a file with this content, and where they stand in it."""
    path = tmp_path / "file"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [(each.place.removeprefix(str(path)), each.data) for each in event_files.read([str(path)])]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (f"\n{ONE}\n", [("", ONE)]),
        (json.dumps(json.loads(TWO), indent=2), [("", json.dumps(json.loads(TWO), indent=2))]),
        (f"[\n{ONE} ,\n{TWO}\n]\n", [("[0]", ONE), ("[1]", TWO)]),
        ("[]", []),
        (f"{ONE}\n\n{TWO}\n", [(":1", ONE), (":3", TWO)]),
        (f"{ONE}\r\n{TWO}", [(":1", ONE), (":2", TWO)]),
        (f"{ONE}\n{{broken\n", [(":1", ONE), (":2", "{broken")]),
        ("hello\nworld", [("", "hello\nworld")]),
        (f"\ufeff{ONE}", [("", ONE)]),
        (json.dumps(sqs_event([ONE, TWO])), [(" Records[0]", ONE), (" Records[1]", TWO)]),
        (json.dumps(kinesis_event([ONE, TWO])), [(" Records[0]", ONE), (" Records[1]", TWO)]),
        ("[" * 100_000, [("", "[" * 100_000)]),
    ],
)
def test_each_form_gives_its_records_as_they_are_written(
    tmp_path: Path, content: str, expected: list[tuple[str, str]]
) -> None:
    """An event, an array, an event a line, an invocation: each record with its place, and its bytes unchanged."""
    assert records(tmp_path, content) == [(place, text.encode()) for place, text in expected]


def test_bytes_that_are_no_text_are_one_record(tmp_path: Path) -> None:
    """What is no JSON at all is still a record, to be judged as any other."""
    assert records(tmp_path, b"\xff\xfe") == [("", b"\xff\xfe")]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash stands for standard input."""
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(f"{ONE}\n{TWO}".encode())))
    assert [each.place for each in event_files.read(["-"])] == ["standard input:1", "standard input:2"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (" \n", "is empty"),
        ('{"Records": [{"s3": {}}]}', r"Records\[0\] is no message of SQS"),
        ('{"Records": [7]}', r"Records\[0\] is no message of SQS"),
        ('{"Records": [{"kinesis": {"data": "%"}}]}', r"Records\[0\] is no message of SQS"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: str, complaint: str) -> None:
    """What cannot be events is an error that names the file and what it should be."""
    with pytest.raises(CommandError, match=complaint):
        records(tmp_path, content)


def test_a_file_that_is_not_there_is_named() -> None:
    """A file that cannot be read is an error that says why."""
    with pytest.raises(CommandError, match=r"nowhere\.json cannot be read: No such file"):
        list(event_files.read(["nowhere.json"]))
