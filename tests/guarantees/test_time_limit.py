"""Whatever DynamoDB does, a function answers before its time is over."""

import socket
import time
from collections.abc import Iterator, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from handlers.intake.record import Record
from handlers.runtime import BatchProcessor
from handlers.sources import Source, partial_batch_response
from tests.guarantees.proxy import Proxy, Rule
from tests.guarantees.worker import history, lost
from tests.support.engines import NOW, Tables

# The function begins nothing new after half of it, and what is under way takes 5 s at most (see handlers.deadline): the
# last second would do, and a busy machine may take what is left.
SECONDS = 14
ENDLESS: dict[str, Rule] = {
    "held": {"timeout_ms": 60_000},
    "answer held": {"response": {"bandwidth_kbps": 0.001}},
    "throttled": {"error": {"code": "ThrottlingException"}},
    "denied": {"error": {"code": "AccessDeniedException"}},
    "slow": {"latency": 700},
}


@pytest.mark.parametrize("fault", ENDLESS)
def test_a_function_answers_before_its_time_is_over(
    engine: Tables, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """A function of the real timeouts, whose requests all hang, fail or crawl, still responds for every record.

    How many records a slow DynamoDB stores in that time depends on the machine; ``test_pipeline`` and ``test_writer``
    prove with a clock of their own that an oversized batch makes progress.
    """
    proxy.break_by(ENDLESS[fault])
    texts = history(entities=100)
    took, failures = answer_within(SECONDS, proxy.endpoint, texts, monkeypatch)
    proxy.mend()
    assert took < SECONDS
    acknowledged = [text for n, text in enumerate(texts) if str(n) not in failures]
    assert fault == "slow" or not acknowledged
    assert lost(acknowledged, texts, engine) == []


def test_a_function_that_is_not_let_in_answers_before_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that are never accepted do not hold up the answer."""
    with socket.socket() as listener, socket.socket() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting.connect(listener.getsockname())  # now the backlog is full
        endpoint = "http://127.0.0.1:{1}".format(*listener.getsockname())
        texts = history(entities=10)
        took, failures = answer_within(SECONDS, endpoint, texts, monkeypatch)
    assert took < SECONDS
    assert len(failures) == len(texts)


def answer_within(
    seconds: float, endpoint: str, texts: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[float, set[str]]:
    """How long a function with so many seconds took for a batch, and the records to be delivered again."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    function = BatchProcessor(Source("sqs", records, partial_batch_response))
    until = time.monotonic() + seconds
    context: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: int((until - time.monotonic()) * 1000))
    response = function.handle(texts, context)
    took = time.monotonic() - until + seconds
    return took, {failure["itemIdentifier"] for failure in response["batchItemFailures"]}


def records(texts: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """A batch of records with these texts, as a function takes it."""
    for n, text in enumerate(texts):
        yield str(n), partial(Record, str(n), text.encode(), NOW, "arn:aws:sqs:eu-west-1:1:queue")
