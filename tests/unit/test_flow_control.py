"""How the writer's window, delays and circuit breakers follow from the error codes of each round."""

import random
from dataclasses import dataclass

import pytest

from handlers.storage.flow_control import MAX_ATTEMPTS, MAX_IN_FLIGHT, NO_RESPONSE, TRANSIENT, FlowControl

THROTTLED = "ThrottlingError"


@dataclass
class Write:
    """A write whose statement has met so many transient errors."""

    table: str = "modules"
    attempts: int = 1


def test_window_starts_at_its_maximum_and_stays_there_without_errors() -> None:
    """Successful and conditional writes neither shrink the window nor cause a delay."""
    flow_control = FlowControl()
    assert flow_control.record_round([Write(attempts=0)] * 3, [None, "DuplicateItem", "AccessDenied"]) == 0
    assert flow_control.window == MAX_IN_FLIGHT == 100


def test_window_halves_when_some_statements_are_throttled_and_doubles_when_none_is() -> None:
    """The window halves down to one statement, and recovers as fast."""
    flow_control = FlowControl()
    windows = []
    for _ in range(8):
        flow_control.record_round([Write(), Write(attempts=0)], [THROTTLED, None])
        windows.append(flow_control.window)
    for _ in range(8):
        flow_control.record_round([Write(attempts=0)], [None])
        windows.append(flow_control.window)
    assert windows == [50, 25, 12, 6, 3, 1, 1, 1, 2, 4, 8, 16, 32, 64, 100, 100]


def test_window_stays_when_all_statements_meet_transient_errors() -> None:
    """An outage is no sign that the window is too large."""
    flow_control = FlowControl()
    assert flow_control.record_round([Write(), Write()], [NO_RESPONSE, THROTTLED]) > 0
    assert flow_control.window == MAX_IN_FLIGHT


@pytest.mark.parametrize("code", sorted(TRANSIENT))
def test_every_transient_error_causes_a_delay(code: str) -> None:
    """No transient error is retried without a delay."""
    assert FlowControl().record_round([Write()], [code]) > 0


def test_delay_doubles_up_to_two_seconds_with_full_jitter() -> None:
    """The longest possible delay doubles with each attempt up to 2 s, and delays are spread from zero up to it."""
    random.seed(1)
    for attempts, longest in enumerate([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0], 1):
        delays = [FlowControl().record_round([Write(attempts=attempts)], [THROTTLED]) for _ in range(200)]
        assert 0 <= min(delays) < longest / 10
        assert longest * 9 / 10 < max(delays) <= longest


def test_delay_follows_from_the_failures_of_the_table_too() -> None:
    """During an outage the delay grows although each round sends other statements, which are at their first attempt."""
    random.seed(1)
    delays: list[list[float]] = [[] for _ in range(4)]
    for _ in range(200):
        flow_control = FlowControl()
        for round_delays in delays:
            round_delays.append(flow_control.record_round([Write(attempts=1)], [NO_RESPONSE]))
    for longest, round_delays in zip([0.1, 0.2, 0.4, 0.8], delays, strict=True):
        assert longest * 9 / 10 < max(round_delays) <= longest


def test_circuit_opens_after_consecutive_rounds_of_transient_errors() -> None:
    """A table is given up after 8 rounds of nothing but transient errors, and no round earlier."""
    flow_control = FlowControl()
    for _ in range(MAX_ATTEMPTS):
        assert not flow_control.circuit_is_open("modules")
        flow_control.record_round([Write("modules"), Write("courses")], [THROTTLED, None])
    assert flow_control.circuit_is_open("modules")
    assert not flow_control.circuit_is_open("courses")


def test_any_response_of_a_table_keeps_its_circuit_closed() -> None:
    """One statement that does not meet a transient error restarts the count of its table."""
    flow_control = FlowControl()
    for codes in [[THROTTLED, THROTTLED]] * (MAX_ATTEMPTS - 1) + [[THROTTLED, "ConditionalCheckFailed"]]:
        flow_control.record_round([Write(), Write()], codes)
    for _ in range(MAX_ATTEMPTS - 1):
        flow_control.record_round([Write()], [THROTTLED])
    assert not flow_control.circuit_is_open("modules")


def test_rounds_without_a_table_do_not_count_for_it() -> None:
    """Rounds in which nothing is sent to a table neither open its circuit nor restart its count."""
    flow_control = FlowControl()
    for _ in range(MAX_ATTEMPTS - 1):
        flow_control.record_round([Write("modules")], [THROTTLED])
    flow_control.record_round([Write("courses", attempts=0)], [None])
    assert not flow_control.circuit_is_open("modules")
    flow_control.record_round([Write("modules")], [THROTTLED])
    assert flow_control.circuit_is_open("modules")
