"""Records from files: an event, an array of events, one event per line, or a Lambda invocation."""

import base64
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.errors import CommandError

# A file is parsed in memory, and the commands keep a result for each record: six times the size of the file in all.
MAX_FILE_BYTES = 100_000_000

_SEPARATORS = re.compile(r"[ \t\r\n,]*")  # between the elements of an array


@dataclass(frozen=True)
class FileRecord:
    """A record and its location, such as ``events.jsonl:3``. ``data`` has the bytes of the file, unchanged."""

    location: str
    data: bytes


def read(paths: Iterable[str]) -> Iterator[FileRecord]:
    """Yield the records of the files in order; ``-`` is standard input.

    Raises ``CommandError`` naming a file that is empty, too large, or cannot be read.
    """
    for path in paths:
        data = content(path)
        if not data.strip():
            raise CommandError(
                f"{display_name(path)} is empty: it should hold an event, an array of events, or one event per line."
            )
        yield from _records(display_name(path), data)


def content(path: str) -> bytes:
    """Return the content of a file, or of standard input for ``-``, of at most ``MAX_FILE_BYTES``.

    Raises ``CommandError`` naming a file that is too large or cannot be read.
    """
    if path == "-":
        return _bounded(path, sys.stdin.buffer.read(MAX_FILE_BYTES + 1))
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size  # 0 for a pipe
            if size > MAX_FILE_BYTES:
                raise _too_large(path, f"{size:,} bytes")
            return _bounded(path, file.read(MAX_FILE_BYTES + 1))
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None


def _bounded(path: str, data: bytes) -> bytes:
    if len(data) > MAX_FILE_BYTES:
        raise _too_large(path, f"more than {MAX_FILE_BYTES:,} bytes")
    return data


def _too_large(path: str, size: str) -> CommandError:
    return CommandError(
        f"{display_name(path)} is too large: it has {size}, and the limit is {MAX_FILE_BYTES:,}. Split it into"
        " smaller files; `split --lines=50000` does so for a file with one event per line."
    )


def display_name(path: str) -> str:
    """Return the name of a file for messages: that of ``-`` is "standard input"."""
    return "standard input" if path == "-" else path


def _records(name: str, data: bytes) -> Iterator[FileRecord]:
    try:
        text = data.decode("utf-8-sig")
        document = json.loads(text)
    except (ValueError, RecursionError):
        yield from _lines(name, data)
        return
    if isinstance(document, dict) and isinstance(document.get("Records"), list):
        for number, record in enumerate(document["Records"]):
            location = f"{name} Records[{number}]"
            yield FileRecord(location, _record_data(location, record))
    elif isinstance(document, list):
        for number, element in enumerate(_elements(text)):
            yield FileRecord(f"{name}[{number}]", element.encode())
    else:
        yield FileRecord(name, text.strip().encode())


def _lines(name: str, data: bytes) -> Iterator[FileRecord]:
    """Yield one record per line if the first line is JSON; otherwise the whole content is one record."""
    lines = [(number, line.strip()) for number, line in enumerate(data.splitlines(), 1) if line.strip()]
    if len(lines) > 1 and _is_json(lines[0][1]):
        yield from (FileRecord(f"{name}:{number}", line) for number, line in lines)
    else:
        yield FileRecord(name, data)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _elements(text: str) -> Iterator[str]:
    """Yield the elements of a JSON array as they are written, so that parsing changes no number."""
    decoder = json.JSONDecoder()
    end = text.index("[") + 1
    while True:
        start = _SEPARATORS.match(text, end).end()  # type: ignore[union-attr]  # the pattern matches the empty string
        if text[start] == "]":
            return
        _, end = decoder.raw_decode(text, start)
        yield text[start:end]


def _record_data(location: str, record: Any) -> bytes:
    try:
        if "kinesis" in record:
            return base64.b64decode(record["kinesis"]["data"], validate=True)
        body: str = record["body"]
        return body.encode("utf-8", "surrogatepass")
    except (TypeError, LookupError, AttributeError, ValueError):  # ValueError: data that is not ASCII, or not Base64
        raise CommandError(
            f"{location} is not an SQS message or a Kinesis record. `canvas-events event TYPE` prints an example."
        ) from None
