"""Reading downloaded files of Canvas Data 2."""

import gzip
import io
import json
import tracemalloc
from collections import deque
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.canvas import data_folder, data_rows
from cli.errors import CommandError
from cli.reconcile.row import Row

AT = datetime(2026, 9, 1, 4, 0, tzinfo=UTC)


def line(id_: int, ts: str = "2026-09-01T04:00:00.000Z", action: str = "U", **value: Any) -> str:
    """Return a line of JSON Lines; one of action ``D`` has no value."""
    document: dict[str, Any] = {"key": {"id": id_}, "meta": {"ts": ts, "action": action}}
    return json.dumps(document | ({"value": value} if action == "U" else {})) + "\n"


def write(folder: Path, name: str, content: str | bytes, table: str = "assignments") -> Path:
    """Write a file of a table; a name that ends in ``.gz`` is compressed."""
    path = folder / table / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") and isinstance(content, str) else data)
    return path


def rows(folder: Path, table: str = "assignments") -> list[Row]:
    """Return the rows of a table."""
    return list(data_folder.read(folder, [table]))


def test_row_has_key_and_values_and_the_time_of_its_commit(tmp_path: Path) -> None:
    """Key and value become one row, a fraction stays exact, and ``as_of`` is ``meta.ts``."""
    write(tmp_path, "part-0.jsonl.gz", line(9001, title="Lab report 1").replace('"Lab report 1"', "22.10"))
    assert rows(tmp_path) == [Row("assignments", {"id": 9001, "title": Decimal("22.10")}, "U", AT)]


def test_all_members_of_a_gzip_file_are_read(tmp_path: Path) -> None:
    """A file of several gzip members, as the service makes them, gives the rows of each."""
    write(tmp_path, "part.jsonl.gz", b"".join(gzip.compress(line(number).encode()) for number in range(3)))
    assert [row.values["id"] for row in rows(tmp_path)] == [0, 1, 2]


@pytest.mark.parametrize("name", ["part.jsonl", "part.json", "job_1/part.json.gz", "part.jsonl.gz"])
def test_names_of_files(tmp_path: Path, name: str) -> None:
    """Files are read plain or compressed, with the names that the official client gives, and in folders of jobs."""
    write(tmp_path, name, f"\ufeff{line(1)}\n{line(2)}".removesuffix("\n"))
    write(tmp_path, ".DS_Store", "hidden")
    assert [row.values["id"] for row in rows(tmp_path)] == [1, 2]


def test_content_decides_about_compression(tmp_path: Path) -> None:
    """A file that a download has decompressed without renaming it is read all the same."""
    write(tmp_path, "part.jsonl.gz", line(1).encode())
    assert [row.values["id"] for row in rows(tmp_path)] == [1]


def test_newest_state_of_a_row_in_several_files_is_read_once(tmp_path: Path) -> None:
    """Of a snapshot and later changes, each row is given once, as of its newest line; a deletion wins a tie."""
    old, new = "2026-09-01T04:00:00.000Z", "2026-09-02T04:00:00Z"
    write(tmp_path, "b/snapshot.jsonl.gz", line(1, old, v="old") + line(2, old) + line(3, old, v="only") + line(4, new))
    write(tmp_path, "a/changes.jsonl.gz", line(1, new, v="new") + line(2, new, "D") + line(4, new, "D"))
    write(tmp_path, "c/same-changes.jsonl.gz", line(1, new, v="new"))
    found = {(row.values["id"], row.action, row.values.get("v")) for row in rows(tmp_path)}
    assert len(rows(tmp_path)) == 4
    assert found == {(1, "U", "new"), (2, "D", None), (3, "U", "only"), (4, "D", None)}


def test_deleted_row_has_its_key_alone(tmp_path: Path) -> None:
    """Action ``D`` gives the key, and the time of the deletion."""
    write(tmp_path, "changes.jsonl", line(7, action="D"))
    assert rows(tmp_path) == [Row("assignments", {"id": 7}, "D", AT)]


def test_csv_of_the_service(tmp_path: Path) -> None:
    """Text stays text, quoted or not; NULL and an empty field are null, but not in quotes; nested columns nest."""
    content = (
        "meta.ts,meta.action,key.id,value.title,value.name,value.due_at,value.rules.drop_lowest\r\n"
        '2026-09-01T04:00:00.000Z,U,1,"One, ""two""\nthree","NULL",NULL,1\r\n'
        '2026-09-01T04:00:00.000Z,U,2,"",plain,,\n'
        "2026-09-01T04:00:00.000Z,D,3,,,,"
    )
    write(tmp_path, "part.csv.gz", content)
    assert [(row.values, row.action) for row in rows(tmp_path)] == [
        ({"id": "1", "title": 'One, "two"\nthree', "name": "NULL", "rules": {"drop_lowest": "1"}}, "U"),
        ({"id": "2", "title": "", "name": "plain"}, "U"),
        ({"id": "3"}, "D"),
    ]


def csv_field(value: str | None) -> str:
    """Write a field as the service does: text in quotes where it would read as something else."""
    if value is None:
        return "NULL"
    return (
        f'"{value.replace(chr(34), chr(34) * 2)}"' if value in ("", "NULL") or set(value) & set(',"\r\n\t') else value
    )


@given(st.lists(st.tuples(*[st.none() | st.just("NULL") | st.text(st.characters(codec="utf-8"))] * 2), max_size=4))
def test_every_text_survives_csv(texts: list[tuple[str | None, str | None]]) -> None:
    """Whatever a text has in it (quotes, commas, line ends, the word NULL), it is read as it was written."""
    content = "key.id,value.a,value.b,meta.ts,meta.action\n" + "".join(
        f"1,{csv_field(a)},{csv_field(b)},2026-09-01T04:00:00.000Z,U\n" for a, b in texts
    )
    read = [row.values for _, row in data_rows.read(io.BytesIO(content.encode()), "part", "assignments")]
    assert [(values.get("a"), values.get("b")) for values in read] == texts


def test_compressed_file_without_rows_has_none(tmp_path: Path) -> None:
    """A part of a result may be empty."""
    write(tmp_path, "part.jsonl.gz", "")
    assert rows(tmp_path) == []


def test_access_code_is_reduced_to_whether_there_is_one(tmp_path: Path) -> None:
    """The code of a quiz is not in the row, only that it has one, as in an event."""
    write(tmp_path, "part.jsonl", line(1, access_code="hunter2") + line(2, title="open"), "quizzes")
    assert [row.values for row in rows(tmp_path, "quizzes")] == [
        {"id": 1, "access_code": True},
        {"id": 2, "title": "open"},
    ]


HEADER = "key.id,value.title,meta.ts,meta.action\n"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "part.jsonl.gz is empty"),
        (
            gzip.compress(line(1).encode() * 2000, mtime=0)[:-200],
            r"part.jsonl.gz is truncated after line \d+\. Download",
        ),
        (
            gzip.compress(line(1).encode(), mtime=0) + b"garbage",
            r"part.jsonl.gz is damaged after line \d+: it is not gzip",
        ),
        (b"PAR1\x15\x04", "part.jsonl.gz is a Parquet file. Download the table as JSON Lines"),
        (b"<html>Not found</html>", "part.jsonl.gz:1 is neither JSON Lines nor CSV"),
        (line(1).encode() + b"{broken\n", "part.jsonl.gz:2 is not JSON."),
        (line(1).encode() + b'{"key": {"id"', "part.jsonl.gz:2 is not JSON: the file ends in the middle of it"),
        (line(1).encode() + b'{"a":' * 100_000 + b"\n", "part.jsonl.gz:2 is not JSON"),
        (line(1).encode() + b'{"key": \xff}\n', "part.jsonl.gz:2 is not JSON"),
        (b'{"key": {"id": 1}, "value": {"a": NaN}, "meta": {}}\n', "part.jsonl.gz:1 is not JSON"),
        (b'{"id": 1, "title": "flat"}\n', "part.jsonl.gz:1 is not a row: its key, value and meta must be objects"),
        (b'{"key": {}, "value": {}, "meta": {}}\n', "part.jsonl.gz:1 is not a row: .* the key not empty"),
        (line(1).encode() + b"[]\n", "part.jsonl.gz:2 is not a row: it must be an object"),
        (line(1, action="X").encode(), "part.jsonl.gz:1 is not a row: meta.action must be U or D"),
        (line(1, ts="yesterday").encode(), "part.jsonl.gz:1 is not a row: meta.ts must be a date-time"),
        (
            b'{"key": {"id": 1}, "meta": {"ts": "2026-09-01T04:00:00Z", "action": "U"}}',
            ":1 is not a row: it has no value",
        ),
        (b'{"key": {"id": 1}, "value": {}, "meta": {"action": "U"}}', "meta.ts must be a date-time"),
        (f"{HEADER}1,a\n".encode(), "part.jsonl.gz:2 has 2 fields, and the header has 4"),
        (f'{HEADER}1,"a\nb\n'.encode(), "part.jsonl.gz:3 ends in the middle of a quoted field"),
        (f'{HEADER}1,a"b"c,x,U\n'.encode(), "part.jsonl.gz:2 is not CSV: a quote is in the wrong place"),
        (b"key.id,key.id,meta.ts,meta.action\n", "part.jsonl.gz:1 is not a header of Canvas Data 2"),
        (b"key.id,value.a,value.a.b\n", "part.jsonl.gz:1 is not a header of Canvas Data 2"),
        (HEADER.encode() + b"1,\xff,x,U\n", "part.jsonl.gz:2 is not UTF-8"),
    ],
)
def test_damaged_file_is_an_error_with_its_name_and_line(tmp_path: Path, content: bytes, complaint: str) -> None:
    """What is truncated, damaged or of another form is an error that says where, and holds no value."""
    write(tmp_path, "part.jsonl.gz", content)
    with pytest.raises(CommandError, match=complaint) as raised:
        rows(tmp_path)
    assert "flat" not in str(raised.value)


def test_row_without_a_time_has_that_of_its_snapshot(tmp_path: Path) -> None:
    """Where the time of a query is known, it stands in for a missing ``meta.ts``."""
    path = write(tmp_path, "part.jsonl", '{"key": {"id": 1}, "value": {}, "meta": {"action": "U"}}')
    with path.open("rb") as file:
        assert [row.as_of for _, row in data_rows.read(file, "part", "assignments", AT)] == [AT]


def test_too_long_line_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line without an end is not read into memory, in JSON Lines and in CSV."""
    monkeypatch.setattr(data_rows, "MAX_LINE_BYTES", 300)
    write(tmp_path, "part.jsonl", line(1, title="x" * 300))
    with pytest.raises(CommandError, match=r"part\.jsonl:1 has more than 300 bytes"):
        rows(tmp_path)
    write(tmp_path, "part.jsonl", f'{HEADER}1,"' + "x\n" * 300)
    with pytest.raises(CommandError, match="too long for Canvas Data 2: a quote is missing"):
        rows(tmp_path)


def test_missing_tables_and_files_are_errors(tmp_path: Path) -> None:
    """A folder that is missing, has no such table, no files, or other files is an error that says what to do."""
    with pytest.raises(CommandError, match="nowhere cannot be read: No such file or directory"):
        rows(tmp_path / "nowhere")
    with pytest.raises(
        CommandError, match=r"has no folder assignments: .*assignments/part-00000\.jsonl\.gz\. It has none"
    ):
        rows(tmp_path)
    write(tmp_path, "part.tsv.gz", "meta.ts\tkey.id\n", "users")
    with pytest.raises(CommandError, match="It has users"):
        rows(tmp_path)
    with pytest.raises(CommandError, match=r"part\.tsv\.gz is not a \.jsonl or \.csv file"):
        rows(tmp_path, "users")
    (tmp_path / "modules").mkdir()
    with pytest.raises(CommandError, match=r"modules has no files\. Download the table again"):
        rows(tmp_path, "modules")
    assert data_folder.tables(tmp_path) == ["modules", "users"]


def test_memory_does_not_grow_with_the_number_of_rows(tmp_path: Path) -> None:
    """Of a file whose rows have 1.2 MB, not a quarter is ever in memory, whether the table has one file or several."""
    text = "".join(line(number, title="x" * 4000) for number in range(300))
    assert len(text) > 1_200_000
    for files in (1, 2):
        write(tmp_path, f"{files}.jsonl.gz", text)
        tracemalloc.start()
        try:
            deque(data_folder.read(tmp_path, ["assignments"]), maxlen=0)
            assert tracemalloc.get_traced_memory()[1] < 300_000
        finally:
            tracemalloc.stop()
