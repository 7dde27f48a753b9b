"""The generated tables of docs/cost.md; ``python -m cli.cost.document`` prints the simulation (``make simulate``)."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from cli.cost import capacity, monthly, simulation
from cli.cost.capacity import Configuration
from cli.cost.monthly import Load

FILE = Path(__file__).parents[2] / "docs" / "cost.md"

STUDENTS = (1_000, 5_000, 20_000, 50_000, 150_000)
# Of each peak: the defaults, and what the page says to change.
STEPS = (
    (10, Configuration()),
    (300, Configuration()),
    (3_000, Configuration()),
    (3_000, Configuration(maximum_concurrency=50)),
    (30_000, Configuration()),
    (30_000, Configuration(maximum_concurrency=500, warm_write_units=40_000)),
)


def text() -> str:
    """Return docs/cost.md with its generated tables replaced."""
    document = FILE.read_text(encoding="utf-8")
    for name, lines in (("schools", schools()), ("bill", example()), ("limits", limits()), ("day", day())):
        block = f"<!-- BEGIN GENERATED {name} (make generate) -->\n\n{lines}\n\n<!-- END GENERATED {name} -->"
        parts = re.split(rf"<!-- BEGIN GENERATED {name} .*?<!-- END GENERATED {name} -->", document, flags=re.DOTALL)
        if len(parts) != 2:
            raise ValueError(f"{FILE.name} must have the block {name} once, not {len(parts) - 1} times.")
        document = block.join(parts)
    return document


def schools() -> str:
    """The cost by the number of students, split by what it is paid for."""
    rows = []
    for students in STUDENTS:
        load = Load(events_per_second=monthly.of_students(students))
        lines = {line.item: line.usd for line in monthly.bill(load)}
        activity = sum(usd for item, usd in lines.items() if "of activity" in item)
        recovery = lines["point-in-time recovery of entities"]
        entities = sum(usd for item, usd in lines.items() if "of entities" in item) - recovery
        monitoring = lines["metrics, alarms and the key"]
        total = monthly.total(monthly.bill(load))
        archive = monthly.total(monthly.bill(Load(events_per_second=load.events_per_second, archive_days=30))) - total
        stream = monthly.total(monthly.bill(Load(events_per_second=load.events_per_second, source="kinesis"))) - total
        rest = total - activity - recovery - entities - monitoring
        rows.append((f"{students:,}", f"{load.events_per_second:.1f}",
                     *(f"{usd:,.0f}" for usd in (activity, entities, recovery, rest, monitoring)),
                     f"**{total:,.0f}**", f"{archive:+,.0f}", f"{stream:+,.0f}"))  # fmt: skip
    return _table(("students", "events/s", "activity", "entities", "recovery", "queue, Lambda, logs", "alarms, metrics",
                   "together", "archive of 30 days", "a stream instead"), rows)  # fmt: skip


def example() -> str:
    """The bill of a school of 20,000 students, line by line."""
    lines = monthly.bill(Load(events_per_second=monthly.of_students(20_000), archive_days=30))
    rows = [(line.item, line.arithmetic, f"{line.usd:,.2f}") for line in lines]
    return _table(("", "arithmetic", "USD"), [*rows, ("**together**", "", f"**{monthly.total(lines):,.2f}**")])


def limits() -> str:
    """What each resource sustains with the defaults, and with the largest step."""
    default, largest = STEPS[0][1], STEPS[-1][1]
    columns = [capacity.limits(each, each.maximum_concurrency) for each in (default, largest)]
    rows = [
        (name, *("none" if column[name] == float("inf") else f"{column[name]:,.0f}" for column in columns))
        for name in columns[0]
    ]
    return _table(("events per second", "defaults", _describe(largest)), rows)


@cache  # it takes a second
def day() -> str:
    """The simulated day at each step."""
    rows = []
    for peak, configuration in STEPS:
        result = simulation.simulate(peak, configuration)
        rows.append((f"{peak:,}", _describe(configuration), f"{result.arrived / 1e6:,.1f} M",
                     result.first_limit or "none", f"{result.max_backlog:,.0f}", _duration(result.max_delay_seconds),
                     f"{result.max_in_flight:,.0f}"))  # fmt: skip
    return _table(("peak, events/s", "configuration", "events of the day", "first limit", "largest backlog",
                   "longest wait in it", "most in flight"), rows)  # fmt: skip


def _describe(configuration: Configuration) -> str:
    default = Configuration()
    changed = [
        f"{label} {getattr(configuration, field):,}"
        for field, label in (
            ("maximum_concurrency", "MaximumConcurrency"),
            ("batch_size", "BatchSize"),
            ("warm_write_units", "warm write units"),
        )
        if getattr(configuration, field) != getattr(default, field)
    ]
    return ", ".join(changed) or "defaults"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3600:.1f} h"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    print(day())
