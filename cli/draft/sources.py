"""Where a draft comes from: a page of documentation, captured events, or events that wait among the rejected."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from cli.commands import rejected
from cli.commands.rejected import Selection
from cli.draft import pages
from cli.draft.observed import Observed
from cli.errors import CommandError
from cli.redrive import event_files
from cli.stack.stack import Stack
from cli.ui.output import plural, progress, say
from handlers.intake.decode import decode
from handlers.outcome import Rejection, RejectionReason

MOST_BYTES = 20_000_000
TIMEOUT_SECONDS = 30


def read(source: str) -> list[Observed]:
    """The event types of a file, of standard input (``-``) or of an https address: a page, or captured events.

    Raises ``CommandError`` for what cannot be read, or is neither.
    """
    name = "standard input" if source == "-" else source
    is_address = source.startswith(("http://", "https://"))
    data = _fetch(source) if is_address else event_files.content(source)
    if not data.strip():
        raise CommandError(f"{name} is empty: it should hold a page of documentation, or events.")
    if _holds_json(data):
        return of_events((record.data for record in event_files.records(name, data)), name)
    return pages.read(data.decode("utf-8-sig", errors="replace"), name)


def of_rejected(stack: Stack, event_types: Sequence[str]) -> list[Observed]:
    """The event types that wait as unknown in a stack's table of rejected events: these, or all of them.

    Of the types each may be a pattern, as ``module_note_*``. Raises ``CommandError`` when none of one waits.
    """
    selection = Selection(reason=RejectionReason.UNKNOWN_EVENT_TYPE)
    with progress() as shown:
        items = shown.track(rejected.read(stack, selection, payloads=True), description="reading what was rejected")
        payloads = (rejected.payload(item) for item in items if _is_meant(item, event_types))
        found = of_events(payloads, "the table of rejected events", may_be_none=True)
    missing = [each for each in event_types if not any(fnmatchcase(one.name, each) for one in found)]
    if missing or not found:
        what = ", ".join(missing) or "of an unknown type"
        raise CommandError(f"no event {what} waits among the rejected of the stack {stack.name}.")
    return found


def _is_meant(item: rejected.Item, event_types: Sequence[str]) -> bool:
    return not event_types or any(fnmatchcase(item.get("event_name", ""), each) for each in event_types)


def of_events(events: Iterable[bytes], name: str, *, may_be_none: bool = False) -> list[Observed]:
    """The event types of captured events, by name. What is no event is left out, and counted on standard error.

    Raises ``CommandError`` when there is no event, unless there ``may_be_none``.
    """
    found: dict[str, Observed] = {}
    unread = 0
    for data in events:
        try:
            event = decode(data)
        except Rejection:
            unread += 1
            continue
        if not pages.EVENT_NAME.fullmatch(event.name):
            unread += 1
            continue
        found.setdefault(event.name, Observed(event.name)).see(event.metadata, event.body)
    if unread:
        say(f"{plural(unread, 'record')} of {name} left out: no Canvas event. `canvas-events check` says why.")
    if not found and not may_be_none:
        raise CommandError(f"{name} holds no Canvas event.")
    return [found[each] for each in sorted(found)]


def _holds_json(data: bytes) -> bool:
    """Whether it holds events, of which at least the first line is JSON, rather than a page."""
    for text in (data, data.lstrip().splitlines()[0]):
        try:
            return isinstance(json.loads(text), dict | list)
        except (ValueError, RecursionError):
            continue
    return False


def _only_https(address: str) -> None:
    if not address.startswith("https://"):
        raise CommandError(f"{address} is no https address, so that anybody could have changed it on the way.")


def _fetch(address: str) -> bytes:
    _only_https(address)
    # GitBook gives its pages as Markdown to whoever prefers that.
    headers = {"User-Agent": "canvas-events draft", "Accept": "text/markdown, text/html;q=0.9"}
    try:
        request = urllib.request.Request(address, headers=headers)  # noqa: S310  # https, as was looked
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  # likewise
            _only_https(answer.url)  # it may have been sent on
            data: bytes = answer.read(MOST_BYTES + 1)
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise CommandError(
            f"{address} cannot be fetched: {reason}. Save the page from a browser, and name the file instead."
        ) from None
    if len(data) > MOST_BYTES:
        raise CommandError(f"{address} is longer than {MOST_BYTES:,} bytes: that is no page of the documentation.")
    return data
