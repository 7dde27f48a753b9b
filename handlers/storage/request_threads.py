"""Threads for requests, each of which is waited for only so long.

The timeouts of a socket apply to each read. A response that arrives byte by byte never exceeds them, and a name lookup
has none. So requests run in threads of their own. When a request does not return in time, its thread is abandoned: its
result is dropped whenever it arrives, and the thread and its connection (``transport``) are never used again.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

MAX_CONCURRENT_REQUESTS = 4  # hides DynamoDB's milliseconds behind our own; more would gain little on one processor
MAX_ABANDONED_THREADS = 16

Result = TypeVar("Result")
_Results = SimpleQueue[tuple[int, Result]]


class RequestThreads(Generic[Result]):
    """Runs up to 4 requests at once. Not thread-safe; the threads do not keep the interpreter from exiting."""

    def __init__(self) -> None:
        self._idle: list[_RequestThread[Result]] = []  # a stack, so that few connections serve few requests
        self._abandoned: list[_RequestThread[Result]] = []

    def capacity(self) -> int:
        """Return how many requests may run now.

        One at a time while an abandoned thread has not ended, since whatever keeps it may keep all others, and none
        while there are 16 of them.
        """
        if self._abandoned:
            self._abandoned = [thread for thread in self._abandoned if thread.is_alive()]
        if not self._abandoned:
            return MAX_CONCURRENT_REQUESTS
        return 1 if len(self._abandoned) < MAX_ABANDONED_THREADS else 0

    def run(self, requests: Sequence[Callable[[], Result]], seconds: float) -> list[Result | None]:
        """Run requests; return a result for each, or None if it has not returned in time or exceeds ``capacity``.

        The requests must not raise.
        """
        results: list[Result | None] = [None] * len(requests)
        returned: _Results[Result] = SimpleQueue()
        running: dict[int, _RequestThread[Result]] = {}
        for number, request in enumerate(requests[: self.capacity()]):
            running[number] = self._idle.pop() if self._idle else _RequestThread()
            running[number].start_request(number, request, returned)
        end = time.monotonic() + seconds
        try:
            while running:
                number, result = returned.get(timeout=max(0.0, end - time.monotonic()))
                results[number] = result
                self._idle.append(running.pop(number))
        except Empty:
            for thread in running.values():
                thread.abandon()
                self._abandoned.append(thread)
        return results


class _RequestThread(Generic[Result]):
    def __init__(self) -> None:
        self._requests: SimpleQueue[tuple[int, Callable[[], Result], _Results[Result]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="request", daemon=True)
        self._thread.start()

    def start_request(self, number: int, request: Callable[[], Result], returned: _Results[Result]) -> None:
        self._requests.put((number, request, returned))

    def abandon(self) -> None:
        """End the thread as soon as possible: a response that trickles in ends with its next byte or timeout.

        That closes the connection, too. A name lookup cannot be interrupted; the resolver ends it.
        """
        import ctypes  # rarely needed, and takes milliseconds of a cold start

        if self._thread.is_alive():  # otherwise another thread may have its id
            thread_id = ctypes.c_ulong(self._thread.ident or 0)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread_id, ctypes.py_object(SystemExit))
        self._requests.put(None)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        with suppress(SystemExit):
            while task := self._requests.get():
                number, request, returned = task
                returned.put((number, request()))
                del task, request, returned  # they would stay in memory until the next ones arrive
