"""The English of documents, help texts, the template and alarms: words that readers would have to learn first."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.catalogue.generated import ROOT

# What not to write, and what to write instead.
INSTEAD = {
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\busual handler\b": "baseline",
    r"\bthe usual one\b": "the baseline",
    r"\bthe floor\b": "the lower bound",
    r"\bfor good\b": "permanently, or: retries run out",
    r"\bas a rule\b": "usually",
    r"\bfates?\b": "outcome",
    r"\bis no (?:valid|whole|context|https)\b": "is not a valid",
    r"\bwhole number from \d+ on\b": "a positive integer",
    r"\bjudg(e|es|ed|ing)\b": "process, check, evaluate",
    r"\bof one's own\b": "your own",
    r"\brehears\w*\b": "warm up",
    r"\bis (?:it )?well\b": "healthy",
    r"\bfor machines\b": "print JSON",
    r"\bwhoever asks\b": "(leave it out)",
    r"\brefus(e|es|ed|ing)\b": "reject",
    r"\bwears? out\b": "retries run out",
}
TEXTS = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "template.yaml",
    *sorted((ROOT / "docs").rglob("*.md")),  # the help texts are in command-reference.md
)


def advised_against(text: str) -> Iterator[str]:
    """Return each passage that has better words, with its line and with them."""
    for pattern, better in INSTEAD.items():
        for found in re.finditer(pattern, text):
            yield f"line {text.count(chr(10), 0, found.start()) + 1}: {found[0]!r}: write {better}"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_text_uses_standard_words(path: Path) -> None:
    """No document, help text or text of the template has a word for which there is a standard one."""
    assert list(advised_against(path.read_text(encoding="utf-8"))) == []


def test_words_are_found() -> None:
    """A passage is named with its line and with what to write instead."""
    assert list(advised_against("Good.\nThe usual handler.")) == ["line 2: 'usual handler': write baseline"]
