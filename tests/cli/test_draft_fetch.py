"""``draft`` of a page at an https address."""

import http.client
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cli.draft import sources
from tests.cli.conftest import Command

PAGE = (Path(__file__).parent / "pages" / "conversation.html").read_bytes()


class Documentation(BaseHTTPRequestHandler):
    """Serves one page; what asks for another gets none."""

    asked: list[str]

    def do_GET(self) -> None:
        """Answer."""
        self.asked.append(self.headers["Accept"])
        found = self.path == "/conversation"
        self.send_response(200 if found else 302 if self.path == "/moved" else 404)
        self.send_header("Location", f"http://{self.headers['Host']}/conversation")
        self.send_header("Content-Length", str(len(PAGE) if found else 0))
        self.end_headers()
        self.wfile.write(PAGE if found else b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class WithoutTls(urllib.request.HTTPSHandler):
    """Fetches https addresses in the clear: certificates for this machine would prove nothing here."""

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open it."""
        return self.do_open(http.client.HTTPConnection, request)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine's own settings are."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def documentation() -> Iterator[str]:
    """A server with a page; its address."""
    Documentation.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Documentation)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    urllib.request.install_opener(urllib.request.build_opener(WithoutTls))
    yield f"https://127.0.0.1:{server.server_port}"
    urllib.request.install_opener(urllib.request.build_opener())
    server.shutdown()
    server.server_close()


def test_a_page_is_fetched(documentation: str, canvas_events: Command) -> None:
    """It is asked for as Markdown, or as HTML, and taken as it comes."""
    done = canvas_events("draft", f"{documentation}/conversation")
    assert (done.status, done.err) == (0, "")
    assert "against [conversation_message] of schemas/catalogue/conversations.toml" in done.out
    assert Documentation.asked == ["text/markdown, text/html;q=0.9"]


def test_a_page_that_is_not_there_is_told(documentation: str, canvas_events: Command) -> None:
    """The address, the reason, and what to do instead."""
    done = canvas_events("draft", f"{documentation}/nothing")
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        f"error: {documentation}/nothing cannot be fetched: Not Found. Save the page from a browser, and name the file"
        " instead.\n"
    )


def test_without_a_network_it_is_told(canvas_events: Command, closed_port: int) -> None:
    """Where nothing answers, no traceback."""
    done = canvas_events("draft", f"https://127.0.0.1:{closed_port}/page")
    assert (done.status, done.out) == (1, "")
    assert "Connection refused. Save the page from a browser" in done.err


def test_an_address_in_the_clear_is_refused(canvas_events: Command) -> None:
    """A page that anybody could have changed on the way is none of Instructure's."""
    done = canvas_events("draft", "http://canvas.instructure.com/doc/api/file.data_service_canvas_module.html")
    assert (done.status, "is no https address" in done.err) == (1, True)


def test_a_page_that_moved_into_the_clear_is_refused(documentation: str, canvas_events: Command) -> None:
    """Being sent on to such an address is no better."""
    done = canvas_events("draft", f"{documentation}/moved")
    assert (done.status, "is no https address" in done.err) == (1, True)


def test_what_is_too_long_is_no_page(
    documentation: str, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not more is read than a page can have."""
    monkeypatch.setattr(sources, "MOST_BYTES", 100)
    done = canvas_events("draft", f"{documentation}/conversation")
    assert (done.status, "is longer than 100 bytes" in done.err) == (1, True)
