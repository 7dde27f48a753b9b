"""Faulty connections to DynamoDB: a proxy that breaks requests, and a client that fails single statements."""

import contextlib
import json
import random
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from cli.local.local_server import PORT, local_server
from cli.local.ministack import LocalAws

FaultRule = dict[str, Any]

SECONDS_TO_START = 30


class Proxy:
    """microburst between a client and an engine; without rules it forwards everything unchanged."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def inject(self, *rules: FaultRule) -> None:
        """Apply exactly these fault rules; the first one that matches a request decides."""
        self._call("POST", "rules", [{"service": "dynamodb"} | rule for rule in rules])

    def clear(self) -> None:
        """Forward every request unchanged."""
        self.inject()

    def statistics(self) -> Any:
        """Return microburst's statistics, including the numbers of requests and of injected faults."""
        return self._call("GET", "stats")

    def requests(self) -> int:
        """Return the number of requests so far."""
        return int(self._call("GET", "health")["requests_seen"])

    def settle(self) -> None:
        """Wait until the engine has responded to every forwarded request, including those that the client abandoned."""
        until = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < until:
            stats = self._call("GET", "stats")
            if stats["requests"]["forwarded"] == stats["upstream_latency_ms"]["n"]:
                return
            time.sleep(0.01)  # until the next look
        raise TimeoutError("the engine did not answer")

    def _call(self, method: str, path: str, content: object = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.endpoint}/_microburst/{path}", data, method=method)  # noqa: S310  # ours, and http
        with urllib.request.urlopen(request, timeout=SECONDS_TO_START) as response:  # noqa: S310  # ours, and http
            return json.load(response)


@contextlib.contextmanager
def proxy_to(upstream: str) -> Iterator[Proxy]:
    """Run the proxy on a free port of the loopback address, and stop it at the end."""
    # Otherwise it would wait for its open connections, whose responses nobody needs any more.
    command = [sys.executable, "-m", "microburst", "--upstream", upstream, "--port", PORT]
    with local_server("microburst", command, grace_seconds=0) as port:
        # By name: for an IP address it first looks up a host name of AWS, which takes seconds.
        yield Proxy(f"http://localhost:{port}")


def client_at(endpoint: str, read_timeout: float) -> Any:
    """Return a client like that of ``handlers.runtime``, but with this read timeout."""
    config = Config(connect_timeout=1, read_timeout=read_timeout, retries={"total_max_attempts": 1})
    return LocalAws(endpoint).client("dynamodb", config=config)


ErrorCode = str | None


class StatementFaultClient:
    """A client that forwards some statements to the engine, and responds to the others with an error.

    ``error_code_of`` returns the error code for a statement, or None to forward it. With the prefix "lost" the
    statement is executed and its response replaced by the error. ``request_fault`` says whether a whole request
    fails "before" or "after" the engine executes it; an empty value means neither.
    """

    def __init__(
        self,
        client: Any,
        error_code_of: Callable[[str], ErrorCode],
        request_fault: Callable[[], str] = lambda: "",
    ) -> None:
        self._client = client
        self._error_code_of = error_code_of
        self._request_fault = request_fault

    def batch_execute_statement(self, Statements: Sequence[Any]) -> Any:  # noqa: N803  # boto3's name
        """Respond as the engine does, except for the faults."""
        fault = self._request_fault()
        if fault == "before":
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "BatchExecuteStatement")
        codes = [self._error_code_of(statement["Statement"]) for statement in Statements]
        sent = [n for n, code in enumerate(codes) if code is None or code.startswith("lost ")]
        responses: list[Any] = [{"Error": {"Code": code, "Message": ""}} for code in codes]
        if sent:
            forwarded = self._client.batch_execute_statement(Statements=[Statements[n] for n in sent])["Responses"]
            for n, response in zip(sent, forwarded, strict=True):
                code = codes[n]
                responses[n] = (
                    response if code is None else {"Error": {"Code": code.removeprefix("lost "), "Message": ""}}
                )
        if fault == "after":
            raise ReadTimeoutError(endpoint_url="https://dynamodb")
        return {"Responses": responses}


def with_probability(chance: random.Random, probability: float, faults: Sequence[str]) -> Callable[..., Any]:
    """Return a function that returns one of the faults with a probability, and None otherwise."""
    return lambda *_: chance.choice(faults) if chance.random() < probability else None
