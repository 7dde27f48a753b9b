"""Threads for requests: none is waited for longer than its time, and a late one has no effect."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from handlers.storage.request_threads import MAX_ABANDONED_THREADS, MAX_CONCURRENT_REQUESTS, RequestThreads

AT_ONCE = 0.05  # long for a request that returns at once, short for one that does not return
LONG = 60.0


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """An event that ends every request that hangs, at the latest at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def hang(release: threading.Event, result: str = "late") -> str:
    """Return when released, as a name lookup does that cannot be interrupted."""
    release.wait(LONG)
    return result


def wait_until(condition: Callable[[], bool]) -> bool:
    """Wait for a condition, and return whether it came true within a minute."""
    end = time.monotonic() + LONG
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_results_are_in_the_order_of_the_requests() -> None:
    """Requests run at the same time, and each has its result at its own position."""
    barrier = threading.Barrier(MAX_CONCURRENT_REQUESTS, timeout=LONG)

    def request(number: int) -> int:
        barrier.wait()
        time.sleep(0.01 * (MAX_CONCURRENT_REQUESTS - number))
        return number

    threads: RequestThreads[int] = RequestThreads()
    requests = [partial(request, number) for number in range(MAX_CONCURRENT_REQUESTS)]
    assert threads.run(requests, LONG) == list(range(MAX_CONCURRENT_REQUESTS))


def test_threads_are_reused() -> None:
    """Single requests run in one and the same thread, and so over one connection; none runs in the caller's."""
    threads: RequestThreads[int] = RequestThreads()
    idents = {threads.run([threading.get_ident], LONG)[0] for _ in range(20)}
    assert len(idents) == 1
    assert threading.get_ident() not in idents


def test_request_that_hangs_delays_no_other(release: threading.Event) -> None:
    """After its time a request has no result; the requests beside it and after it have theirs."""
    threads: RequestThreads[str] = RequestThreads()
    start = time.monotonic()
    assert threads.run([lambda: "a", partial(hang, release), lambda: "b"], 1) == ["a", None, "b"]
    assert 1 <= time.monotonic() - start < LONG / 2
    assert threads.run([lambda: "c"], LONG) == ["c"]


def test_late_result_is_dropped_and_its_thread_ends(release: threading.Event) -> None:
    """A request that returns after all is nobody's result, and its thread runs no other request."""
    threads: RequestThreads[str] = RequestThreads()
    idents: list[int] = []

    def late() -> str:
        idents.append(threading.get_ident())
        return hang(release)

    assert threads.run([late], 1) == [None]
    release.set()
    assert wait_until(lambda: threads.capacity() == MAX_CONCURRENT_REQUESTS)
    assert idents[0] not in [thread.ident for thread in threading.enumerate()]
    assert threads.run([lambda: "next"], LONG) == ["next"]


def test_abandoned_thread_that_runs_python_is_ended() -> None:
    """A request that never returns, but never blocks for long either, as a response that trickles in, is ended."""
    threads: RequestThreads[None] = RequestThreads()
    cleaned_up = threading.Event()

    def trickle() -> None:
        try:
            while True:
                time.sleep(0.01)
        finally:
            cleaned_up.set()

    assert threads.run([trickle], 1) == [None]
    assert cleaned_up.wait(LONG)
    assert wait_until(lambda: threads.capacity() == MAX_CONCURRENT_REQUESTS)


def test_number_of_abandoned_threads_is_bounded(release: threading.Event) -> None:
    """While requests hang they run one at a time, and none once there are 16; when they return all is as before."""
    before = threading.active_count()
    threads: RequestThreads[str] = RequestThreads()
    capacities = []
    for _ in range(2 * MAX_ABANDONED_THREADS):
        capacities.append(threads.capacity())
        assert set(threads.run([partial(hang, release)] * MAX_CONCURRENT_REQUESTS, AT_ONCE)) == {None}
    alone = MAX_ABANDONED_THREADS - MAX_CONCURRENT_REQUESTS
    none = 2 * MAX_ABANDONED_THREADS - alone - 1
    assert capacities == [MAX_CONCURRENT_REQUESTS] + [1] * alone + [0] * none
    assert threading.active_count() - before == MAX_ABANDONED_THREADS
    release.set()
    assert wait_until(lambda: threads.capacity() == MAX_CONCURRENT_REQUESTS)
    assert threads.run([lambda: "next"] * MAX_CONCURRENT_REQUESTS, LONG) == ["next"] * MAX_CONCURRENT_REQUESTS
