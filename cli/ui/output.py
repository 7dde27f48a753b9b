"""How the commands show things: tables for people, JSON for machines, and nothing of an event as it came.

What an event says is written by strangers. Before it reaches a terminal, what a terminal would take as a command
is made visible, and nothing in it is read as markup.
"""

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import Binary
from rich.console import Console, JustifyMethod
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

# Those that turn the direction of text round, so that it reads as something else than it is.
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

LONGEST_LINE = 100_000  # where nothing is to be broken


def out(*, whole_lines: bool = False) -> Console:
    """Where results go. With ``whole_lines`` only a terminal breaks them: who pipes them on wants each in one."""
    return Console(highlight=False, width=LONGEST_LINE if whole_lines and not sys.stdout.isatty() else None)


def notes() -> Console:
    """Where remarks and progress go, so that what is piped on holds nothing but results."""
    return Console(stderr=True, highlight=False)


def say(remark: object) -> None:
    """Write a remark for the person, beside the results."""
    notes().print(Text(visible(remark)), soft_wrap=True)


def visible(value: object) -> str:
    r"""The text, with control characters, direction marks and half surrogate pairs written out: ``\x1b``."""
    return "".join(map(_visible, str(value)))


def _visible(character: str) -> str:
    hidden = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _DIRECTIONS
    return character.encode("unicode_escape").decode() if hidden else character


def visible_lines(value: str) -> str:
    """The text as ``visible``, but for line feeds and tabs, which stay."""
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in value.split("\n"))


def text(value: object, style: str = "") -> Text:
    """Text for a table or tree: visible, and never read as markup."""
    return Text(visible(value), style)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> Table:
    """A table for people.

    Columns whose heading ends in ``#`` are numbers, and stand to the right. Those that end in ``.`` are short, and
    never broken into lines.
    """
    made = Table(title=text(title) if title else None, title_justify="left")
    for column in columns:
        justify: JustifyMethod = "right" if column.endswith("#") else "left"
        made.add_column(column.rstrip("#."), justify=justify, overflow="fold", no_wrap=column.endswith(("#", ".")))
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else _cell(cell) for cell in row))
    return made


def _cell(value: object) -> Text:
    return Text(visible_lines("" if value is None else str(value)))


def print_json(document: object) -> None:
    """Print a document for machines, in ASCII, so that it does nothing to a terminal either."""
    print(json.dumps(document, indent=2, default=readable))


def readable(value: object) -> object:
    """What JSON has no form for, as a person would read it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Binary):
        size = len(bytes(value))  # type: ignore[call-overload]  # boto3's types say that it gives text, which it does not
        return f"({size} bytes, gzip)"
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not a value of an item")


def progress(*, long: bool = True) -> Progress:
    """Progress of long work, for whoever watches; nothing where nobody does, or where the work is not ``long``."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=notes(), transient=True, disable=not (long and sys.stderr.isatty()))


def age(moment: datetime, now: datetime | None = None) -> str:
    """How long ago something was, in its largest unit: ``3 d``, ``5 h``, ``20 min``."""
    seconds = max(0, int(((now or datetime.now(UTC)) - moment).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def plural(count: int, noun: str) -> str:
    """``1 record``, ``1,200 records``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether a person agrees; without one at the terminal only if ``yes`` was said."""
    if yes:
        return True
    if not sys.stdin.isatty():
        say("Nobody is here to be asked: say --yes to do it, or --dry-run to see what it would do.")
        return False
    notes().print(Text(visible(question)), end=" ")
    return input("[y/N] ").strip().lower() in ("y", "yes")


Json = dict[str, Any]
