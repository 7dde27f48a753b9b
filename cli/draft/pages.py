"""Instructure's documentation of Live Events: the event types of a page.

A page is the same in each of its forms: a heading for each event type, its definition, example payloads as JSON, and
a table of fields with their meanings, but not their types. The forms, as of 2026: the Markdown and the HTML of
developerdocs.instructure.com, which GitBook makes; the HTML of ``/doc/api`` of a Canvas, which YARD makes; and the
Markdown that both are made of, in ``doc/api/data_services/md`` of github.com/instructure/canvas-lms.
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from enum import StrEnum, auto
from html.parser import HTMLParser
from typing import NamedTuple

from markdown_it import MarkdownIt

from cli.draft.observed import Observed
from cli.errors import CommandError

EVENT_NAME = re.compile(r"[a-z][a-z0-9]*(?:[._][a-z0-9]+)*")
_DOCUMENT = re.compile(r"\s*(?:<!--.*?-->\s*)?<(?:!doctype|html|head|body|main|article|section|div)\b", re.I | re.S)
_MEMBER = re.compile(r'"(\w+)"\s*=>')
_SPACE = re.compile(r"\s+")


class BlockKind(StrEnum):
    """What a block of a page is."""

    HEADING = auto()
    TEXT = auto()
    CODE = auto()
    ROW = auto()


class Block(NamedTuple):
    """A block of a page and its texts: the cells of a row of a table, one text of any other."""

    kind: BlockKind
    texts: list[str]


def read(page: str, name: str) -> list[Observed]:
    """The event types that a page documents, in its order.

    Raises ``CommandError`` naming the page when it documents none, or those of the Caliper format.
    """
    html = page if _DOCUMENT.match(page) else _MARKDOWN.render(page)
    found: list[Observed] = []
    for block in _Blocks.of(html):
        if block.kind is BlockKind.HEADING and EVENT_NAME.fullmatch(block.texts[0]):
            found.append(Observed(block.texts[0]))
        elif found:
            _take(block, found[-1], name)
    documented = [each for each in found if each.fields or each.events]
    if not documented:
        raise CommandError(
            f"{name} is no page of Instructure's Live Events documentation: it has no heading such as module_created"
            " with a table of fields. It is no file of events either: that would be JSON."
        )
    return documented


_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")


def _take(block: Block, event_type: Observed, name: str) -> None:
    first = block.texts[0]
    if block.kind is BlockKind.CODE:
        _take_example(first, event_type)
    elif block.kind is BlockKind.ROW and len(block.texts) > 1 and first.lower() != "field":
        if first.startswith("data["):
            raise CommandError(f"{name} documents the Caliper format. Take the page of the Canvas format instead.")
        # Of an object a page tells the members, as Ruby prints a hash.
        members = _MEMBER.findall(block.texts[1])
        event_type.means(first, f"With {', '.join(members)}." if members else block.texts[1])
    elif block.kind is BlockKind.TEXT and first.startswith("Definition:"):
        event_type.definition = first.removeprefix("Definition:").strip()


def _take_example(text: str, event_type: Observed) -> None:
    try:
        document = json.loads(text, parse_float=Decimal, strict=False)
    except (ValueError, InvalidOperation, RecursionError):
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("body"), dict):
        event_type.remarks.append("an example of it cannot be read, and is left out")
        return
    metadata = document.get("metadata")
    event_type.see(metadata if isinstance(metadata, dict) else {}, document["body"])


class _Blocks(HTMLParser):
    """Takes the blocks of an HTML page, in their order.

    A table is one of HTML, or of elements with the roles of one, as GitBook makes it. Where an end tag is left out,
    the next block, cell or row ends the one before.
    """

    _BLOCKS = {f"h{level}": BlockKind.HEADING for level in range(1, 7)} | {
        "p": BlockKind.TEXT, "pre": BlockKind.CODE, "tr": BlockKind.ROW, "row": BlockKind.ROW,
    }  # fmt: skip
    _CELLS = frozenset({"td", "th", "cell", "gridcell", "columnheader", "rowheader"})
    _UNREAD = frozenset({"script", "style", "svg", "button", "template"})
    _VOID = frozenset(
        {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
    )

    def __init__(self) -> None:
        super().__init__()
        self.done: list[Block] = []
        self._open: list[tuple[str, str]] = []  # the elements around: tag, and what it is
        self._block: Block | None = None
        self._unread = 0

    @classmethod
    def of(cls, html: str) -> Iterator[Block]:
        """The blocks of a page that say something."""
        parser = cls()
        parser.feed(html)
        parser.close()
        parser._end_block()
        for kind, texts in parser.done:
            clean = [text if kind is BlockKind.CODE else _SPACE.sub(" ", text).strip() for text in texts]
            if any(text.strip() for text in clean):
                yield Block(kind, clean)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._VOID:
            if tag == "br":
                self.handle_data("\n")
            return
        what = dict(attrs).get("role") or tag
        self._open.append((tag, what))
        self._unread += tag in self._UNREAD
        kind = self._BLOCKS.get(what)
        in_row = self._block is not None and self._block.kind is BlockKind.ROW
        if kind and not (kind is BlockKind.TEXT and in_row):  # a paragraph there is the cell's
            self._end_block()
            self._block = Block(kind, [] if kind is BlockKind.ROW else [""])
        elif what in self._CELLS and self._block and in_row:
            self._block.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in (name for name, _ in self._open):
            return
        while self._open:
            name, what = self._open.pop()
            self._unread -= name in self._UNREAD
            kind = self._BLOCKS.get(what)
            if kind and self._block and self._block.kind is kind:
                self._end_block()
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        if self._block and self._block.texts and not self._unread:
            self._block.texts[-1] += data

    def _end_block(self) -> None:
        if self._block:
            self.done.append(self._block)
        self._block = None
