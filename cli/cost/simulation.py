"""The busiest day of a term, in steps of a second: arrivals through pollers, functions and tables with their limits.

It is a model of queues, not a load test: what AWS does is taken from its documentation and from the assumptions in
``capacity.py``. It has no random numbers, so that it gives the same result each time.
"""

from typing import NamedTuple

from cli.cost import capacity
from cli.cost.capacity import Configuration

DAY = 86_400

# Events in a second of each hour, against the peak. Bursts and the deadline reach 1.
HOURS = (
    0.10, 0.05, 0.03, 0.02, 0.02, 0.04, 0.10, 0.25, 0.45, 0.55, 0.60, 0.60,
    0.50, 0.55, 0.60, 0.55, 0.50, 0.45, 0.40, 0.45, 0.50, 0.55, 0.60, 0.70,
)  # fmt: skip
BURST_HOURS, BURST_SECONDS = range(8, 18), 300  # a class begins
DEADLINE = DAY - 900  # work is due at midnight


class Day(NamedTuple):
    """How a day went: events that came, and were stored; the largest delay, backlog, and messages in flight."""

    arrived: float
    stored: float
    max_delay_seconds: float
    max_backlog: float
    max_in_flight: float
    first_limit: str  # the resource that was too small at full concurrency; empty if none was


def arrivals(second: int, peak: float) -> float:
    """Return how many events come in a second of the day; ``peak`` is the most that come in any."""
    hour, in_hour = divmod(second, 3600)
    burst = hour in BURST_HOURS and in_hour < BURST_SECONDS
    return peak * (1.0 if burst or second >= DEADLINE else HOURS[hour])


def simulate(peak: float, configuration: Configuration) -> Day:
    """Run a day with a peak of so many events a second; what is left at midnight is a backlog, and not lost."""
    arrived = stored = backlog = max_delay = max_backlog = max_in_flight = 0.0
    first_limit = ""
    concurrency = min(float(capacity.FIRST_CONCURRENCY), configuration.maximum_concurrency)
    for second in range(DAY):
        new = arrivals(second, peak)
        arrived += new
        limit, sustained = capacity.first_limit(configuration, int(concurrency))
        done = min(backlog + new, sustained)
        stored += done
        backlog = max(0.0, backlog + new - done)
        if concurrency >= configuration.maximum_concurrency and new > sustained:
            first_limit = first_limit or limit
        step = capacity.CONCURRENCY_A_MINUTE / 60 * (1 if backlog >= 1 else -1)
        concurrency = min(max(concurrency + step, capacity.FIRST_CONCURRENCY), configuration.maximum_concurrency)
        max_backlog = max(max_backlog, backlog)
        max_delay = max(max_delay, backlog / sustained)
        collected = min(done * configuration.window_seconds, configuration.in_flight_bound)
        max_in_flight = max(max_in_flight, collected + done * configuration.batch_seconds)
    return Day(arrived, stored, max_delay, max_backlog, max_in_flight, first_limit)
