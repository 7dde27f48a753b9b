"""Output of the commands: tables for people, JSON for programs, and no control characters from events.

The text of an event is written by strangers. Before it reaches a terminal, characters that a terminal would interpret
are escaped, and nothing in it is read as markup.
"""

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

# rich and boto3 are imported by the functions that need them: the help of a command needs neither.
if TYPE_CHECKING:
    from rich.console import Console
    from rich.padding import Padding
    from rich.progress import Progress
    from rich.table import Table
    from rich.text import Text

Json = dict[str, Any]

# Characters that change the direction of text, so that it reads as something else than it is.
_DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

MAX_LINE_LENGTH = 100_000  # of output that must not be wrapped


def stdout(*, whole_lines: bool = False) -> "Console":
    """The console for results. With ``whole_lines``, lines are wrapped on a terminal only and not in a pipe or file."""
    from rich.console import Console

    return Console(highlight=False, width=MAX_LINE_LENGTH if whole_lines and not sys.stdout.isatty() else None)


def stderr() -> "Console":
    """The console for remarks and progress, so that standard output holds nothing but results."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def info(remark: object) -> None:
    """Write a remark to standard error."""
    stderr().print(text(remark), soft_wrap=not sys.stderr.isatty())


def visible(value: object) -> str:
    r"""The text with control characters, direction marks and lone surrogates escaped: ``\x1b``."""
    return "".join(map(_visible, str(value)))


def _visible(character: str) -> str:
    hidden = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _DIRECTION_MARKS
    return character.encode("unicode_escape").decode() if hidden else character


def visible_lines(value: str) -> str:
    """The text as ``visible`` returns it, but with its line feeds and tabs."""
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in value.split("\n"))


def text(value: object, style: str = "") -> "Text":
    """Text for a table or tree: visible, and not read as markup."""
    from rich.text import Text

    return Text(visible(value), style)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> "Table":
    """A table for people.

    A column whose heading ends in ``#`` holds numbers and is aligned to the right. One whose heading ends in ``.`` is
    short and never wrapped.
    """
    from rich.table import Table
    from rich.text import Text

    result = Table(title=text(title) if title else None, title_justify="left")
    for column in columns:
        result.add_column(
            column.rstrip("#."),
            justify="right" if column.endswith("#") else "left",
            overflow="fold",
            no_wrap=column.endswith(("#", ".")),
        )
    for row in rows:
        result.add_row(*(cell if isinstance(cell, Text) else _cell(cell) for cell in row))
    return result


def labelled(pairs: Iterable[tuple["Text", "Text"]], *, label_width: int = 0) -> "Padding":
    """Labels that are never wrapped, each with a text beside it that wraps at words: for narrow terminals too."""
    from rich.padding import Padding
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, min_width=label_width)
    grid.add_column(overflow="fold")
    for label, content in pairs:
        grid.add_row(label, content)
    return Padding(grid, (0, 0, 0, 2), expand=False)


def _cell(value: object) -> "Text":
    from rich.text import Text

    return Text(visible_lines("" if value is None else str(value)))


def print_json(document: object) -> None:
    """Print JSON in ASCII, which no terminal interprets."""
    print(json.dumps(document, indent=2, default=readable))


def readable(value: object) -> object:
    """A value that JSON has no type for, as a person would read it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return value.isoformat()

    from boto3.dynamodb.types import Binary

    if isinstance(value, Binary):
        size = len(bytes(value))  # type: ignore[call-overload]  # boto3's types declare text, which it is not
        return f"({size} bytes)"
    if isinstance(value, set):
        return sorted(value, key=str)
    raise TypeError(f"{type(value).__name__} is not a value of an item")


def progress(*, long: bool = True, rate: bool = False) -> "Progress":
    """A progress bar for ``long`` work on a terminal; otherwise one that shows nothing.

    With ``rate`` it also shows how many a second there are, and the time remaining.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    columns += [TaskProgressColumn(show_speed=True), TimeRemainingColumn()] if rate else [TimeElapsedColumn()]
    return Progress(*columns, console=stderr(), transient=True, disable=not (long and sys.stderr.isatty()))


def age(time: datetime, now: datetime | None = None) -> str:
    """How long ago a time was, in its largest unit: ``3 d``, ``5 h``, ``20 min``."""
    seconds = max(0, int(((now or datetime.now(UTC)) - time).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def plural(count: int, noun: str) -> str:
    """``1 record``, ``1,200 records``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether the user agrees; without a terminal to ask on, whether ``yes`` was passed."""
    if yes:
        return True
    if not sys.stdin.isatty():
        info("Cannot ask for confirmation: pass --yes, or --dry-run to see what would happen.")
        return False
    stderr().print(text(question), end=" ")
    return input("[y/N] ").strip().lower() in ("y", "yes")
