"""Reading records from files of every format."""

import io
import json
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli.catalogue.samples import kinesis_event, sqs_event
from cli.errors import CommandError
from cli.redrive import event_files

# With numbers that Python would print differently.
ONE = '{"metadata": {"event_name": "a"}, "body": {"n": 1.10, "m": 12345678901234567890.10}}'
TWO = '{"metadata":{"event_name":"b"},"body":{}}'


def records(tmp_path: Path, content: str | bytes) -> list[tuple[str, bytes]]:
    """Return the records of a file with this content, each with its location in the file."""
    path = tmp_path / "file"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [(record.location.removeprefix(str(path)), record.data) for record in event_files.read([str(path)])]


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
def test_each_file_format_gives_its_records_unchanged(
    tmp_path: Path, content: str, expected: list[tuple[str, str]]
) -> None:
    """An event, an array, one event per line, an invocation: each record has its location and its original bytes."""
    assert records(tmp_path, content) == [(location, text.encode()) for location, text in expected]


def test_content_that_is_not_text_is_one_record(tmp_path: Path) -> None:
    """Content that is not JSON is still a record, so that it can be checked like any other."""
    assert records(tmp_path, b"\xff\xfe") == [("", b"\xff\xfe")]


def test_dash_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash means standard input, and locations say so."""
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(f"{ONE}\n{TWO}".encode())))
    assert [record.location for record in event_files.read(["-"])] == ["standard input:1", "standard input:2"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (" \n", "is empty"),
        ('{"Records": [{"s3": {}}]}', r"Records\[0\] is not an SQS message"),
        ('{"Records": [7]}', r"Records\[0\] is not an SQS message"),
        ('{"Records": [{"kinesis": {"data": "%"}}]}', r"Records\[0\] is not an SQS message"),
        ('{"Records": [{"kinesis": {"data": "ü"}}]}', r"Records\[0\] is not an SQS message"),
    ],
)
def test_file_without_records_is_an_error(tmp_path: Path, content: str, complaint: str) -> None:
    """An empty file and an invocation from another service are errors that name the file."""
    with pytest.raises(CommandError, match=complaint):
        records(tmp_path, content)


def test_missing_file_is_an_error() -> None:
    """A file that cannot be read is an error that says why."""
    with pytest.raises(CommandError, match=r"nowhere\.json cannot be read: No such file"):
        list(event_files.read(["nowhere.json"]))


LIMIT = 200


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small limit, so that a file need not be large."""
    monkeypatch.setattr(event_files, "MAX_FILE_BYTES", LIMIT)


@pytest.mark.usefixtures("limit")
def test_file_at_the_limit_is_read(tmp_path: Path) -> None:
    """The largest file that is allowed is read whole."""
    assert records(tmp_path, ONE.ljust(LIMIT)) == [("", ONE.encode())]


@pytest.mark.usefixtures("limit")
def test_larger_file_is_an_error_with_its_size_and_the_limit(tmp_path: Path) -> None:
    """A file over the limit is an error that names the file, its size, the limit, and what to do."""
    with pytest.raises(CommandError, match=r"/file is too large: it has 201 bytes, and the limit is 200\. Split it"):
        records(tmp_path, ONE.ljust(LIMIT + 1))


@pytest.mark.usefixtures("limit")
def test_larger_standard_input_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of standard input no more than the limit is read."""
    stdin = io.BytesIO(b" " * 10 * LIMIT)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=stdin))
    with pytest.raises(CommandError, match="standard input is too large: it has more than 200 bytes"):
        list(event_files.read(["-"]))
    assert stdin.tell() == LIMIT + 1


@pytest.mark.usefixtures("limit")
def test_larger_pipe_is_an_error(tmp_path: Path) -> None:
    """A named pipe, whose size is unknown until it has been read, is bounded too."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[b" " * (LIMIT + 1)])
    writer.start()
    with pytest.raises(CommandError, match="pipe is too large: it has more than 200 bytes"):
        list(event_files.read([str(pipe)]))
    writer.join()
