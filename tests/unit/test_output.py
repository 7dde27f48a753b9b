"""Output that reaches a terminal."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from cli.ui import output


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\x07\x00\x7f\x9b", "a\\x07\\x00\\x7f\\x9b"),
        ("\u202e\u2066\u200f", "\\u202e\\u2066\\u200f"),
        ("\ud800", "\\ud800"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\u2028", "\\u2028"),
        ("Grüße, 學生 👩‍🎓 [x]", "Grüße, 學生 👩‍🎓 [x]"),
        (7, "7"),
    ],
)
def test_control_characters_are_escaped(value: object, shown: str) -> None:
    """Control characters, direction marks and half surrogate pairs are escaped; letters of any language are not."""
    assert output.visible(value) == shown


def test_line_feeds_and_tabs_can_be_preserved() -> None:
    """A payload keeps its line feeds and tabs, and nothing else that moves the cursor."""
    assert output.visible_lines("{\n\t\x1b\r\n}") == "{\n\t\\x1b\\r\n}"


def test_table_does_not_interpret_markup() -> None:
    """Neither its title nor its cells are interpreted as markup."""
    written = io.StringIO()
    Console(file=written, width=60).print(output.table(("a", "n#"), [("[bold]x[/nothing]", 1)], title="[red]t"))
    assert "[bold]x[/nothing]" in written.getvalue()
    assert "[red]t" in written.getvalue()


@pytest.mark.parametrize(
    ("ago", "expected"), [(0, "0 s"), (59, "59 s"), (61, "1 min"), (7200, "2 h"), (86_400 * 3 + 5, "3 d"), (-5, "0 s")]
)
def test_age_is_shown_in_its_largest_unit(ago: int, expected: str) -> None:
    """An age has one unit and is never negative, even if a clock is wrong."""
    now = datetime(2026, 9, 7, 12, 0, tzinfo=UTC)
    assert output.age(now - timedelta(seconds=ago), now) == expected
