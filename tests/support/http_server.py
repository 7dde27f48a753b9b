"""An HTTP server on loopback that answers by a function, and remembers what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """A request, with the path and query as they were sent."""

    method: str
    target: str
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Reply:
    """A response; what is not bytes is sent as JSON. ``length`` replaces the right ``Content-Length``."""

    content: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None

    @property
    def body(self) -> bytes:
        """The bytes to send."""
        return self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()


@contextmanager
def http_server(answer: Callable[[Request], Reply]) -> Iterator[str]:
    """Run a server, and give its base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one packet: for the second, TCP would wait 40 ms

        def do_GET(self) -> None:  # the name is that of the method
            length = int(self.headers.get("Content-Length", 0))
            reply = answer(Request(self.command, self.path, self.headers, self.rfile.read(length)))
            self.send_response_only(reply.status)  # without a Date, which a test may set
            kind = "application/octet-stream" if isinstance(reply.content, bytes) else "application/json"
            for name, value in ({"Content-Type": kind} | dict(reply.headers)).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
            self.end_headers()
            self.wfile.write(reply.body)
            self.close_connection |= reply.length is not None

        do_POST = do_GET  # noqa: N815  # the name is that of the method

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class FakeClock:
    """A clock that goes on only while something sleeps; ``sleeps`` has each duration, in seconds."""

    def __init__(self) -> None:
        self.time = datetime(2026, 9, 7, 12, 0, tzinfo=UTC)
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        """The time, in UTC."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.sleeps.append(seconds)
        self.time += timedelta(seconds=seconds)
