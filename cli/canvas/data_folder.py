"""Downloaded files of Canvas Data 2: a folder for each table, with files of snapshots and incremental queries."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from cli.canvas import data_rows
from cli.errors import CommandError
from cli.reconcile.row import Row
from handlers.items.timestamps import EPOCH

_SUFFIXES = (".jsonl", ".json", ".csv")
_MICROSECOND = timedelta(microseconds=1)


def tables(folder: Path) -> list[str]:
    """Return the names of the tables in a folder, sorted. Raises ``CommandError`` where it is not a folder."""
    try:
        return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise CommandError(f"{folder} cannot be read: {error.strerror}.") from None


def read(folder: Path, wanted: Iterable[str]) -> Iterator[Row]:
    """Yield the rows of tables, each row once: the newest of those with its key in all files of the table.

    Memory does not grow with the number of rows. A table in several files is read twice, and its keys are in a
    temporary file of SQLite meanwhile. Raises ``CommandError`` for a missing table, and as ``data_rows.read`` does.
    """
    for table in wanted:
        files = _files(folder, table)
        if len(files) == 1:
            yield from (row for _, row in _rows(files[0], table))
        else:
            yield from _newest_rows(files, table)


def _files(folder: Path, table: str) -> list[Path]:
    if table not in (found := tables(folder)):
        raise CommandError(
            f"{folder} has no folder {table}: it needs one folder per table, such as"
            f" {folder / table / 'part-00000.jsonl.gz'}. It has {', '.join(found) or 'none'}."
        )
    files = sorted(
        path
        for path in (folder / table).rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not files:
        raise CommandError(f"{folder / table} has no files. Download the table again.")
    for path in files:
        if not path.name.lower().removesuffix(".gz").endswith(_SUFFIXES):
            raise CommandError(
                f"{path} is not a .jsonl or .csv file. Download the table as JSON Lines (dap snapshot --format jsonl),"
                " or move the file elsewhere."
            )
    return files


def _rows(path: Path, table: str) -> Iterator[tuple[data_rows.Key, Row]]:
    try:
        with path.open("rb") as file:
            yield from data_rows.read(file, str(path), table)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None


def _newest_rows(files: list[Path], table: str) -> Iterator[Row]:
    keys = sqlite3.connect("", isolation_level=None)  # a temporary file, of which SQLite keeps 2 MB in memory
    try:
        keys.execute("PRAGMA journal_mode = OFF")
        keys.execute("CREATE TABLE newest (row_key TEXT PRIMARY KEY, rank INTEGER) WITHOUT ROWID")
        keys.execute("BEGIN")
        keys.executemany(
            "INSERT INTO newest VALUES (?, ?) ON CONFLICT DO UPDATE SET rank = max(rank, excluded.rank)",
            ((_text(key), _rank(row)) for path in files for key, row in _rows(path, table)),
        )
        for path in files:
            for key, row in _rows(path, table):
                # Deleted as it is read, so that of equal rows in two files the second one is not read again.
                found = keys.execute("DELETE FROM newest WHERE row_key = ? AND rank = ?", (_text(key), _rank(row)))
                if found.rowcount:
                    yield row
    except sqlite3.Error as error:
        raise CommandError(f"The keys of {table} cannot be kept in a temporary file: {error}.") from None
    finally:
        keys.close()


def _text(key: data_rows.Key) -> str:
    return json.dumps(key, sort_keys=True, default=str)


def _rank(row: Row) -> int:
    """The order of the states of one row: by time, and a deletion after an update of the same time."""
    return 2 * ((row.as_of - EPOCH) // _MICROSECOND) + (row.action == "D")
