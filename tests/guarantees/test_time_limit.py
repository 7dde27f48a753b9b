"""Whatever DynamoDB does, a function responds before its timeout."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from cli.catalogue.generated import ROOT
from handlers.intake.record import Record
from handlers.runtime import BatchProcessor
from handlers.sources import Source, partial_batch_response
from tests.guarantees.proxy import FaultRule, Proxy
from tests.guarantees.worker import history, lost
from tests.support.engines import NOW, Tables

# The function begins nothing new after half of it, and waits 5 s at most for what is in flight (see handlers.deadline):
# the last second would do, and a busy machine may take what is left.
TIMEOUT_SECONDS = 14
# What hangs does so for a multiple of the function's time, so that the test holds on a busy machine too;
# ``test_deadline`` and ``test_writer`` prove to the second how long a request may take.
FEW_SECONDS = 6
LONG = 60.0
ENDLESS: dict[str, FaultRule] = {
    "held": {"timeout_ms": 60_000},
    "answer held": {"response": {"bandwidth_kbps": 0.001}},
    "throttled": {"error": {"code": "ThrottlingException"}},
    "denied": {"error": {"code": "AccessDeniedException"}},
    "slow": {"latency": 700},
}


@pytest.mark.parametrize("fault", ENDLESS)
def test_function_responds_before_its_timeout(
    engine: Tables, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """With the real timeouts and requests that all hang, fail or are slow, a function responds for every record.

    How many records a slow DynamoDB stores in that time depends on the machine; ``test_pipeline`` and ``test_writer``
    prove with a clock of their own that an oversized batch makes progress.
    """
    proxy.inject(ENDLESS[fault])
    texts = history(entities=100)
    duration, failures = respond_within(TIMEOUT_SECONDS, function_at(proxy.endpoint, monkeypatch), texts)
    proxy.clear()
    assert duration < TIMEOUT_SECONDS
    acknowledged = [text for n, text in enumerate(texts) if str(n) not in failures]
    assert fault == "slow" or not acknowledged
    assert lost(acknowledged, texts, engine) == []


def test_function_responds_before_its_timeout_without_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that are never accepted do not delay the response."""
    with socket.socket() as listener, socket.socket() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting.connect(listener.getsockname())  # now the backlog is full
        endpoint = "http://127.0.0.1:{1}".format(*listener.getsockname())
        texts = history(entities=10)
        duration, failures = respond_within(TIMEOUT_SECONDS, function_at(endpoint, monkeypatch), texts)
    assert duration < TIMEOUT_SECONDS
    assert len(failures) == len(texts)


class Endpoint:
    """A DynamoDB that accepts every write, until ``respond`` is set to something else."""

    def __init__(self) -> None:
        self.respond: Callable[[BaseHTTPRequestHandler], None] = accept_writes
        self.released = threading.Event()  # ends what hangs, at the latest at the end of the test
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                endpoint.respond(self)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://localhost:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> "Endpoint":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def trickle(self, start: bytes, request: BaseHTTPRequestHandler) -> None:
        """Send a response of which a byte arrives now and then, well within the timeout of a read, for a long time."""
        request.close_connection = True
        request.connection.sendall(start)
        end = time.monotonic() + LONG
        while time.monotonic() < end and not self.released.wait(0.2):
            request.connection.sendall(b" ")


def accept_writes(request: BaseHTTPRequestHandler) -> None:
    """Respond as if every statement had succeeded."""
    statements = json.loads(request.rfile.read(int(request.headers["Content-Length"])))["Statements"]
    body = json.dumps({"Responses": [{}] * len(statements)}).encode()
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A DynamoDB on the loopback address."""
    with Endpoint() as running:
        yield running


@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Padding: ", b"HTTP/1.1 "],
    ids=["the body", "a header", "the status"],
)
def test_a_response_that_trickles_in_does_not_delay_the_answer(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    """Of a response each read is in time and the whole never: the function responds, and closes the connections."""
    closed = threading.Event()

    def trickle(request: BaseHTTPRequestHandler) -> None:
        try:
            endpoint.trickle(start, request)
        except OSError:
            closed.set()

    endpoint.respond = trickle
    assert_responds_in_time_and_recovers(endpoint, partial(setattr, endpoint, "respond", accept_writes), monkeypatch)
    assert closed.wait(LONG)


def test_a_response_that_never_comes_does_not_delay_the_answer(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections that are accepted and then silent do not hold up the function, nor its next invocation."""

    def silence(_: BaseHTTPRequestHandler) -> None:
        endpoint.released.wait(LONG)

    endpoint.respond = silence
    assert_responds_in_time_and_recovers(endpoint, partial(setattr, endpoint, "respond", accept_writes), monkeypatch)


def test_a_name_lookup_that_hangs_does_not_delay_the_answer(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lookup has no timeout; while it still hangs, the next invocation has threads and connections of its own."""
    lookup = socket.getaddrinfo

    def fail(*_: object, **__: object) -> Any:
        endpoint.released.wait(LONG)
        raise socket.gaierror(socket.EAI_AGAIN, "temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    heal = partial(monkeypatch.setattr, socket, "getaddrinfo", lookup)
    assert_responds_in_time_and_recovers(endpoint, heal, monkeypatch)


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x03\x3f\xff\x02"], ids=["is silent", "trickles in"])
def test_a_handshake_that_hangs_does_not_delay_the_answer(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """A TLS handshake of which nothing comes, or a byte now and then, does not hold up the function."""
    with Endpoint() as endpoint:

        def handshake(connection: socket.socket, _: object) -> None:
            connection.sendall(sent)
            end = time.monotonic() + LONG
            while time.monotonic() < end and not endpoint.released.wait(0.2):
                connection.sendall(sent[-1:])

        endpoint.server.finish_request = handshake  # type: ignore[method-assign,assignment]
        endpoint.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the client closes it
        texts = history(entities=5)
        function = function_at(endpoint.url.replace("http:", "https:"), monkeypatch)
        duration, failures = respond_within(FEW_SECONDS, function, texts)
    assert duration < LONG / 2
    assert len(failures) == len(texts)


def test_a_request_that_hangs_does_not_keep_the_interpreter_from_exiting(endpoint: Endpoint) -> None:
    """A process whose requests hang in their lookups responds, and exits at once and without a word."""
    program = f"""
import socket, time
from tests.guarantees.test_time_limit import *
socket.getaddrinfo = lambda *_, **__: time.sleep({LONG * 10})
function = BatchProcessor(Source("sqs", records, partial_batch_response))
texts = history(entities=1)
print(len(texts) == len(respond_within(3, function, texts)[1]), flush=True)
"""
    process = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"AWS_ENDPOINT_URL": endpoint.url},
        capture_output=True,
        text=True,
        timeout=LONG * 9,
        check=False,
    )
    assert (process.returncode, process.stdout.splitlines()[-1], process.stderr) == (0, "True", "")


def assert_responds_in_time_and_recovers(
    endpoint: Endpoint, heal: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Assert that a function responds in time, and that once healed its next invocation stores the same records."""
    texts = history(entities=5)
    function = function_at(endpoint.url, monkeypatch)
    duration, failures = respond_within(FEW_SECONDS, function, texts)
    assert duration < LONG / 2
    assert len(failures) == len(texts)
    heal()
    assert respond_within(LONG, function, texts)[1] == set()


def function_at(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> BatchProcessor:
    """A function whose DynamoDB is at an endpoint."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    return BatchProcessor(Source("sqs", records, partial_batch_response))


def respond_within(seconds: float, function: BatchProcessor, texts: Sequence[str]) -> tuple[float, set[str]]:
    """Return how long a function with this timeout took for a batch, and the records to be delivered again."""
    until = time.monotonic() + seconds
    context: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: int((until - time.monotonic()) * 1000))
    response = function.handle(texts, context)
    duration = time.monotonic() - until + seconds
    return duration, {failure["itemIdentifier"] for failure in response["batchItemFailures"]}


def records(texts: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Return a batch with these texts, in the form that a function receives."""
    for n, text in enumerate(texts):
        yield str(n), partial(Record, str(n), text.encode(), NOW, "arn:aws:sqs:eu-west-1:1:queue")
