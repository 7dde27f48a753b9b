"""The rows in a file of Canvas Data 2: JSON Lines or CSV, compressed or not.

A line of JSON Lines is ``{"key": {"id": 1}, "value": {…}, "meta": {"ts": "…", "action": "U"}}``; null values are left
out, and a deleted row has no ``value``. CSV has the same as columns: ``key.id``, ``value.title``, ``meta.ts``.
(Instructure, "Data Access Platform", "Output formats"; ``Format`` in the official client.)
"""

import gzip
import io
import itertools
import json
import re
import zlib
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, BinaryIO, NoReturn

from cli.canvas.unread import without_secrets
from cli.errors import CommandError
from cli.reconcile.row import Row
from handlers.items.timestamps import parse_datetime

# Canvas Data 2 replaces a value of several MB by a marker, so a longer line is not one of its rows.
MAX_LINE_BYTES = 64_000_000

_GZIP, _PARQUET, _BYTE_ORDER_MARK = b"\x1f\x8b", b"PAR1", b"\xef\xbb\xbf"
# A field of CSV and what ends it. A quoted field is text; unquoted, NULL and nothing at all are null.
_CSV_FIELD = re.compile(r'(?:"((?:[^"]+|"")*+)"|([^",\r\n]*))(,|\r?\n?\Z)')


Key = dict[str, object]


def read(file: BinaryIO, name: str, table: str, default_as_of: datetime | None = None) -> Iterator[tuple[Key, Row]]:
    """Yield the key and the row of each line of a file that can seek, with one line in memory at a time.

    ``as_of`` is ``meta.ts``, or ``default_as_of`` for a row without one. Numbers with a fraction are ``Decimal``; in
    CSV every value is text. Raises ``CommandError`` naming ``name`` and the line that is not a row.
    """
    start = file.read(4)
    file.seek(0)
    if not start:
        raise CommandError(f"{name} is empty. Download it again: without rows, it would be a compressed file.")
    if start.startswith(_PARQUET):
        raise CommandError(f"{name} is a Parquet file. Download the table as JSON Lines: dap snapshot --format jsonl.")
    # A buffered reader takes lines from the decompressed bytes in C.
    lines = _Lines(io.BufferedReader(gzip.GzipFile(fileobj=file)) if start.startswith(_GZIP) else file, name)
    try:
        first = next(lines, b"").removeprefix(_BYTE_ORDER_MARK)
        if first.lstrip()[:1] == b"{":
            yield from _json_rows(first, lines, table, default_as_of)
        elif b"key." in first:
            yield from _csv_rows(first, lines, table, default_as_of)
        elif first:
            lines.fail("is neither JSON Lines nor CSV of Canvas Data 2, nor is the file gzip")
    except EOFError:
        raise CommandError(f"{name} is truncated after line {lines.number}. Download it again.") from None
    except (gzip.BadGzipFile, zlib.error):
        raise CommandError(f"{name} is damaged after line {lines.number}: it is not gzip. Download it again.") from None


class _Lines(Iterator[bytes]):
    """The lines of a file, counted in ``number``."""

    def __init__(self, file: BinaryIO | io.BufferedReader, name: str) -> None:
        self._file = file
        self._name = name
        self.number = 0

    def __next__(self) -> bytes:
        line = self._file.readline(MAX_LINE_BYTES + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > MAX_LINE_BYTES:
            self.fail(f"has more than {MAX_LINE_BYTES:,} bytes, so it is not a row of Canvas Data 2")
        return line

    def fail(self, problem: str) -> NoReturn:
        """Raise ``CommandError`` that names the file and the last line that was read."""
        raise CommandError(f"{self._name}:{self.number} {problem}.")


def _reject_constant(_: str) -> NoReturn:
    raise ValueError("not JSON")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_reject_constant)


def _json_rows(first: bytes, lines: _Lines, table: str, default_as_of: datetime | None) -> Iterator[tuple[Key, Row]]:
    line: bytes | None = first
    while line is not None:
        text = line.strip()
        if text:
            try:
                document = _DECODER.decode(text.decode())
            except (ValueError, RecursionError):
                lines.fail("is not JSON" if line.endswith(b"\n") else "is not JSON: the file ends in the middle of it")
            yield _row(document, lines, table, default_as_of)
        line = next(lines, None)


def _row(document: Any, lines: _Lines, table: str, default_as_of: datetime | None) -> tuple[Key, Row]:
    if not isinstance(document, dict):
        lines.fail("is not a row: it must be an object with key, value and meta")
    key, value, meta = document.get("key"), document.get("value", {}), document.get("meta")
    if not (isinstance(key, dict) and isinstance(value, dict) and isinstance(meta, dict) and key):
        lines.fail("is not a row: its key, value and meta must be objects, and the key not empty")
    action = meta.get("action")
    if action not in ("U", "D"):
        lines.fail("is not a row: meta.action must be U or D")
    if action == "U" and "value" not in document:
        lines.fail("is not a row: it has no value")
    as_of = _as_of(meta.get("ts"), lines, default_as_of)
    return key, Row(table, without_secrets(table, {**value, **key}) if action == "U" else key, action, as_of)


def _as_of(timestamp: object, lines: _Lines, default: datetime | None) -> datetime:
    if timestamp is None and default is not None:
        return default
    try:
        return parse_datetime(timestamp)  # type: ignore[arg-type]  # what is not text has no upper()
    except (AttributeError, ValueError):
        lines.fail("is not a row: meta.ts must be a date-time such as 2026-01-01T00:00:00.000Z")


def _csv_rows(first: bytes, lines: _Lines, table: str, default_as_of: datetime | None) -> Iterator[tuple[Key, Row]]:
    header = _csv_fields(first, lines)
    names = [f"{name or ''}." for name in header]
    is_ambiguous = any(name.startswith(other) for name, other in itertools.permutations(names, 2))
    if is_ambiguous or not any(name.startswith("key.") for name in names):
        lines.fail("is not a header of Canvas Data 2, such as key.id,value.title,meta.ts,meta.action")
    for line in lines:
        if not line.strip():
            continue
        fields = _csv_fields(line, lines)
        if len(fields) != len(header):
            lines.fail(f"has {len(fields)} fields, and the header has {len(header)}")
        document: dict[str, Any] = {"key": {}, "value": {}, "meta": {}}
        for name, field in zip(header, fields, strict=True):
            if field is not None:
                *parents, last = str(name).split(".")
                place = document
                for parent in parents:
                    place = place.setdefault(parent, {})
                place[last] = field
        yield _row(document, lines, table, default_as_of)


def _csv_fields(line: bytes, lines: _Lines) -> list[str | None]:
    """The fields of a record, which goes on in the next line as long as a quoted field is open (RFC 4180)."""
    record = bytearray(line)
    while record.count(b'"') % 2:
        more = next(lines, None)
        if more is None:
            lines.fail("ends in the middle of a quoted field")
        record += more
        if len(record) > MAX_LINE_BYTES:
            lines.fail("is part of a record that is too long for Canvas Data 2: a quote is missing")
    try:
        text = record.decode()
    except UnicodeDecodeError:
        lines.fail("is not UTF-8")
    fields: list[str | None] = []
    end = 0
    while True:
        match = _CSV_FIELD.match(text, end)
        if match is None:
            lines.fail("is not CSV: a quote is in the wrong place")
        quoted, plain, separator = match.groups()
        fields.append(quoted.replace('""', '"') if quoted is not None else None if plain in ("", "NULL") else plain)
        if separator != ",":
            return fields
        end = match.end()
