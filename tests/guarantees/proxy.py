"""The bad way to DynamoDB: a proxy that breaks whole requests, and a client for which single statements fail."""

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

Rule = dict[str, Any]

SECONDS_TO_START = 30


class Proxy:
    """microburst between a client and an engine; without rules it changes nothing."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def break_by(self, *rules: Rule) -> None:
        """Break requests by these rules, and by no others; the first one that matches decides."""
        self._call("POST", "rules", [{"service": "dynamodb"} | rule for rule in rules])

    def mend(self) -> None:
        """Let every request through."""
        self.break_by()

    def statistics(self) -> Any:
        """How many requests there were and how many were broken, among much else."""
        return self._call("GET", "stats")

    def requests(self) -> int:
        """How many requests there were so far."""
        return int(self._call("GET", "health")["requests_seen"])

    def settle(self) -> None:
        """Wait until the engine has answered all that it was given, also that which the client gave up."""
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
        with urllib.request.urlopen(request, timeout=SECONDS_TO_START) as answer:  # noqa: S310  # ours, and http
            return json.load(answer)


@contextlib.contextmanager
def proxy_to(upstream: str) -> Iterator[Proxy]:
    """Run the proxy on a free port of the loopback address, and end it."""
    # It would wait for the connections that it holds, and nobody needs its answers any more.
    command = [sys.executable, "-m", "microburst", "--upstream", upstream, "--port", PORT]
    with local_server("microburst", command, grace_seconds=0) as port:
        # By name: of an address it looks up first which of AWS's hosts it might be, which takes seconds.
        yield Proxy(f"http://localhost:{port}")


def client_at(endpoint: str, read_timeout: float) -> Any:
    """A client as ``handlers.runtime`` makes it, but for how long it waits for an answer."""
    config = Config(connect_timeout=1, read_timeout=read_timeout, retries={"total_max_attempts": 1})
    return LocalAws(endpoint).client("dynamodb", config=config)


Code = str | None


class Faulty:
    """A client that gives some of the statements to the engine, and answers the others with a fault.

    ``fault_of`` says for a statement the error code of its answer, or None for none. A code with "lost" before it is
    the answer to a statement that took place. ``breaks`` says whether a whole request fails: "before" the engine
    has it, "after" it took place, or not.
    """

    def __init__(
        self,
        client: Any,
        fault_of: Callable[[str], Code],
        breaks: Callable[[], str] = lambda: "",
    ) -> None:
        self._client = client
        self._fault_of = fault_of
        self._breaks = breaks

    def batch_execute_statement(self, Statements: Sequence[Any]) -> Any:  # noqa: N803  # boto3's name
        """Answer as the engine does, but for the faults."""
        broken = self._breaks()
        if broken == "before":
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "BatchExecuteStatement")
        codes = [self._fault_of(each["Statement"]) for each in Statements]
        sent = [n for n, code in enumerate(codes) if code is None or code.startswith("lost ")]
        answers: list[Any] = [{"Error": {"Code": code, "Message": ""}} for code in codes]
        if sent:
            given = self._client.batch_execute_statement(Statements=[Statements[n] for n in sent])["Responses"]
            for n, answer in zip(sent, given, strict=True):
                code = codes[n]
                answers[n] = answer if code is None else {"Error": {"Code": code.removeprefix("lost "), "Message": ""}}
        if broken == "after":
            raise ReadTimeoutError(endpoint_url="https://dynamodb")
        return {"Responses": answers}


def now_and_then(chance: random.Random, probability: float, faults: Sequence[str]) -> Callable[..., Any]:
    """One of the faults with a probability, None otherwise."""
    return lambda *_: chance.choice(faults) if chance.random() < probability else None
