"""When a batch stops processing and writing."""

import pytest

from handlers.deadline import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, REQUEST_TIMEOUT_SECONDS, Deadline


class Clock:
    """A clock whose remaining time the test sets."""

    def __init__(self, remaining_ms: int) -> None:
        self.remaining_ms = remaining_ms

    def __call__(self) -> int:
        """Return the remaining time, as Lambda's context does."""
        return self.remaining_ms


def test_processing_takes_half_of_the_time_and_writing_the_rest() -> None:
    """Of 66 seconds six are reserved for the response, and half of the others are for processing."""
    clock = Clock(66_000)
    deadline = Deadline(clock)
    for remaining_ms, processing_expired, is_over in [
        (36_001, False, False),
        (36_000, True, False),
        (6_001, True, False),
        (6_000, True, True),
    ]:
        clock.remaining_ms = remaining_ms
        assert (deadline.processing_expired(), deadline.expired()) == (processing_expired, is_over)


@pytest.mark.parametrize("initial_ms", [900_000, 60_000, 12_000, 6_000, 3_000, 1_200, 600])
def test_request_ends_before_the_response_must_begin(initial_ms: int) -> None:
    """Whenever a request starts, it may take no longer than leaves half of the margin, at most a second, to respond."""
    clock = Clock(initial_ms)
    deadline = Deadline(clock)
    while not deadline.expired():
        left_ms = clock.remaining_ms - deadline.request_seconds() * 1000
        assert left_ms == pytest.approx(min(1000, max(500, initial_ms // 2) // 2))
        clock.remaining_ms -= 1 + clock.remaining_ms // 100
    assert deadline.request_seconds() == 0


def test_request_that_starts_last_has_its_whole_time() -> None:
    """A function with enough time starts no request that it would have to give up early."""
    clock = Clock(60_000)
    deadline = Deadline(clock)
    while not deadline.expired():
        assert deadline.request_seconds() >= REQUEST_TIMEOUT_SECONDS > CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS
        clock.remaining_ms -= 1


@pytest.mark.parametrize(("at_start", "reserve"), [(3_000, 1_500), (600, 500), (100, 500)])
def test_short_timeout_still_leaves_time_to_work(at_start: int, reserve: int) -> None:
    """With little time the safety margin is half of it, and never less than half a second."""
    clock = Clock(at_start)
    deadline = Deadline(clock)
    clock.remaining_ms = reserve
    assert deadline.expired()
    clock.remaining_ms = reserve + 250
    assert not deadline.expired()
    assert deadline.remaining_seconds() == 0.25


def test_expired_deadline_starts_no_work() -> None:
    """With almost no time left at the start nothing is started."""
    deadline = Deadline(Clock(100))
    assert deadline.processing_expired()
    assert deadline.expired()
    assert deadline.remaining_seconds() == 0
