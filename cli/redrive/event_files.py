"""Records from files: an event, an array of events, an event a line, or a Lambda invocation."""

import base64
import binascii
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.errors import CommandError

_BETWEEN = re.compile(r"[ \t\r\n,]*")  # the elements of an array


@dataclass(frozen=True)
class FileRecord:
    """A record and where it stands: ``events.jsonl:3``. Its bytes are those of the file."""

    place: str
    data: bytes


def read(paths: Iterable[str]) -> Iterator[FileRecord]:
    """The records of the files, in their order; ``-`` is standard input.

    Raises ``CommandError`` naming a file that cannot be read, or that is empty.
    """
    for path in paths:
        data = content(path)
        if not data.strip():
            raise CommandError(f"{path} is empty: it should hold an event, an array of events, or an event a line.")
        yield from records("standard input" if path == "-" else path, data)


def content(path: str) -> bytes:
    """What a file holds; ``-`` is standard input. Raises ``CommandError`` naming a file that cannot be read."""
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None


def records(name: str, data: bytes) -> Iterator[FileRecord]:
    """The records of a file's content, under the name of the file."""
    try:
        text = data.decode("utf-8-sig")
        document = json.loads(text)
    except (ValueError, RecursionError):
        yield from _lines(name, data)
        return
    if isinstance(document, dict) and isinstance(document.get("Records"), list):
        for number, record in enumerate(document["Records"], 1):
            yield FileRecord(f"{name} Records[{number - 1}]", _unwrapped(f"{name} Records[{number - 1}]", record))
    elif isinstance(document, list):
        for number, element in enumerate(_elements(text)):
            yield FileRecord(f"{name}[{number}]", element.encode())
    else:
        yield FileRecord(name, text.strip().encode())


def _lines(name: str, data: bytes) -> Iterator[FileRecord]:
    """An event a line, if the first line is one; otherwise the whole is one record, whatever it may be."""
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


def _elements(content: str) -> Iterator[str]:
    """The elements of a JSON array as they are written, so that no number changes on the way."""
    decoder = json.JSONDecoder()
    at = content.index("[") + 1
    while True:
        start = _BETWEEN.match(content, at).end()  # type: ignore[union-attr]  # it matches even nothing
        if content[start] == "]":
            return
        _, at = decoder.raw_decode(content, start)
        yield content[start:at]


def _unwrapped(place: str, record: Any) -> bytes:
    try:
        if "kinesis" in record:
            return base64.b64decode(record["kinesis"]["data"], validate=True)
        body: str = record["body"]
        return body.encode("utf-8", "surrogatepass")
    except (TypeError, LookupError, AttributeError, binascii.Error):
        raise CommandError(
            f"{place} is no message of SQS and no record of Kinesis, as the files in events/ have."
        ) from None
