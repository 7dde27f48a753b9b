"""How the error codes of each round determine the writer's window, delays and circuit breakers."""

import random
from dataclasses import dataclass

import pytest

from handlers.storage.flow_control import (
    CALLER_ERRORS,
    MAX_ATTEMPTS,
    MAX_IN_FLIGHT,
    NO_RESPONSE,
    TABLE_ERRORS,
    TRANSIENT,
    FlowControl,
)

THROTTLED = "ThrottlingError"


@dataclass
class Write:
    """A write whose statement has met this number of transient errors."""

    table: str = "modules"
    attempts: int = 1


def test_window_starts_at_its_maximum_and_stays_there_without_errors() -> None:
    """Successful and conditional writes neither shrink the window nor cause a delay."""
    flow_control = FlowControl()
    assert flow_control.record_round([Write(attempts=0)] * 3, [None, "DuplicateItem", "AccessDenied"]) == 0
    assert not flow_control.is_slow("modules")
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
        assert flow_control.open_circuit("modules") is None
        flow_control.record_round([Write("modules"), Write("courses")], [THROTTLED, None])
    assert flow_control.open_circuit("modules") == THROTTLED
    assert flow_control.open_circuit("courses") is None


def test_any_response_of_a_table_keeps_its_circuit_closed() -> None:
    """One statement that does not meet a transient error restarts the count of its table."""
    flow_control = FlowControl()
    for codes in [[THROTTLED, THROTTLED]] * (MAX_ATTEMPTS - 1) + [[THROTTLED, "ConditionalCheckFailed"]]:
        flow_control.record_round([Write(), Write()], codes)
    for _ in range(MAX_ATTEMPTS - 1):
        flow_control.record_round([Write()], [THROTTLED])
    assert flow_control.open_circuit("modules") is None


def test_rounds_without_a_table_do_not_count_for_it() -> None:
    """Rounds in which nothing is sent to a table neither open its circuit nor restart its count."""
    flow_control = FlowControl()
    for _ in range(MAX_ATTEMPTS - 1):
        flow_control.record_round([Write("modules")], [THROTTLED])
    flow_control.record_round([Write("courses", attempts=0)], [None])
    assert flow_control.open_circuit("modules") is None
    flow_control.record_round([Write("modules")], [THROTTLED])
    assert flow_control.open_circuit("modules") == THROTTLED


def test_only_tables_with_transient_errors_are_slow() -> None:
    """A table is slow from its first transient error on, also when other statements for it succeed."""
    flow_control = FlowControl()
    flow_control.record_round([Write("modules"), Write("modules"), Write("courses")], [THROTTLED, None, None])
    assert flow_control.tables_changed
    assert (flow_control.is_slow("modules"), flow_control.is_slow("courses")) == (True, False)
    flow_control.record_round([Write("modules", attempts=0)], [None])
    assert flow_control.is_slow("modules")
    assert not flow_control.tables_changed


def test_other_tables_do_not_change_window_and_delay_of_slow_ones() -> None:
    """Rounds of other tables neither widen the window of a throttled table nor end its delay."""
    flow_control = FlowControl()
    random.seed(1)
    delay = flow_control.record_round([Write("modules"), Write("modules", attempts=0)], [THROTTLED, None])
    assert flow_control.record_round([Write("courses", attempts=0)] * 50, [None] * 50) == delay > 0
    assert flow_control.window == MAX_IN_FLIGHT // 2
    assert flow_control.record_round([Write("modules", attempts=0)], [None]) == 0


def test_window_of_slow_tables_ignores_what_succeeds_elsewhere() -> None:
    """Only the statements of slow tables say whether a rate is too high or nothing works at all."""
    flow_control = FlowControl()
    flow_control.record_round([Write("modules"), Write("courses", attempts=0)], [THROTTLED, None])
    assert flow_control.window == MAX_IN_FLIGHT


@pytest.mark.parametrize("code", sorted(TABLE_ERRORS))
def test_round_of_nothing_but_errors_of_a_table_opens_its_circuit(code: str) -> None:
    """A table that is missing or denied is given up at once, but not while some of its statements succeed."""
    flow_control = FlowControl()
    flow_control.record_round([Write("modules"), Write("modules"), Write("courses")], [code, None, code])
    assert flow_control.tables_changed
    assert flow_control.open_circuit("modules") is None
    assert flow_control.open_circuit("courses") == code


@pytest.mark.parametrize("code", sorted(CALLER_ERRORS))
def test_error_of_the_caller_opens_every_circuit(code: str) -> None:
    """After one, tables to which nothing has been sent are given up too."""
    flow_control = FlowControl()
    flow_control.record_round([Write("modules"), Write("courses")], [None, code])
    assert flow_control.tables_changed
    assert [flow_control.open_circuit(table) for table in ("modules", "courses", "users")] == [code] * 3
