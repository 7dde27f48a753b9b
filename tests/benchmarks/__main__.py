"""Measure the speed as ratios to other handlers: ``make bench``. Fails if a ratio misses its bound."""

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from handlers.intake.decode import decode
from handlers.items import event_types
from handlers.items.build import build_items
from handlers.items.item import Item
from handlers.items.route import route
from handlers.storage.attribute_value import item_size
from handlers.storage.flow_control import MAX_STATEMENTS_PER_REQUEST
from tests.benchmarks import cold_start
from tests.benchmarks.runner import (
    BASELINE,
    BUCKET,
    LOWER_BOUND,
    OBJECTS,
    PROJECT,
    Subject,
    endpoint,
    median_ratio,
    subjects,
)
from tests.benchmarks.workloads import EVERY_TYPE, distinct_entities, invocation, redundant

BATCH = 1_000


class Row(NamedTuple):
    """A figure and its bounds, if it has any."""

    name: str
    figure: float
    unit: str = "×"
    minimum: float | None = None
    maximum: float | None = None

    @property
    def is_within_bounds(self) -> bool:
        """Whether the figure is within its bounds."""
        above = self.minimum is None or self.figure >= self.minimum
        return above and (self.maximum is None or self.figure <= self.maximum)


def main() -> int:
    """Run the benchmarks and print their table; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each comparison (default: %(default)s)")
    rounds = parser.parse_args().rounds
    console = Console()
    table = Table(title="Benchmarks", caption="Medians of rounds in which the handlers took turns.")
    for column in ("", "measured", "bound", ""):
        table.add_column(column, justify="right" if column in ("measured", "bound") else "left")
    missed = 0
    for title, measure in COMPARISONS.items():
        with console.status(f"{title} …"):
            rows = list(measure(rounds))
        table.add_section()
        for row in rows:
            table.add_row(
                row.name, f"{row.figure:,.2f} {row.unit}", _bound(row), "" if row.is_within_bounds else "[red]missed"
            )
            missed += not row.is_within_bounds
    console.print(table)
    if not cold_start.PACKAGE.exists():
        console.print("The cold start was not measured, since there is no package. Run `sam build` first.")
    return 1 if missed else 0


def _bound(row: Row) -> str:
    if row.minimum is not None:
        return f"≥ {row.minimum:,.2f}"
    return "" if row.maximum is None else f"≤ {row.maximum:,.2f}"


def _processor(rounds: int) -> Iterator[Row]:
    """Compare CPU time and wall clock, without a delay and with 5 ms a request."""
    for delay in (0, 5):
        figures = []
        with endpoint(delay) as url, subjects(url, PROJECT, BASELINE, LOWER_BOUND) as (project, baseline, lower_bound):
            for subject in (project, baseline, lower_bound):
                subject.measure(distinct_entities(BATCH // 10))  # warm-up
            for number in range(rounds):
                batch = distinct_entities(BATCH, first=number * BATCH)
                figures.append(
                    (project.measure(batch, batch), baseline.measure(batch), lower_bound.measure(batch, batch))
                )
        where = f"{delay} ms a request" if delay else "no delay"
        cpu = median_ratio([(b["cpu"] * 2, p["cpu"]) for p, b, _ in figures])
        yield Row(f"CPU, {where}: baseline / project", cpu, minimum=12)
        cpu = median_ratio([(b["cpu"], p["cpu"]) for p, _, b in figures])
        yield Row(f"CPU, {where}: lower bound / project", cpu, minimum=0.70)
        wall = median_ratio([(b["wall"] * 2, p["wall"]) for p, b, _ in figures])
        yield Row(f"wall clock, {where}: baseline / project", wall, minimum=40 if delay else None)


def _every_type(rounds: int) -> Iterator[Row]:
    """Compare with the lower bound for events of every type in turn."""
    figures = []
    with endpoint(0) as url, subjects(url, PROJECT, LOWER_BOUND) as (project, lower_bound):
        for number in range(rounds + 1):
            batch = distinct_entities(BATCH, number * BATCH, EVERY_TYPE)
            figures.append((lower_bound.measure(batch, batch)["cpu"], project.measure(batch, batch)["cpu"]))
    yield Row("CPU, no delay, all types in equal shares: lower bound / project", median_ratio(figures[1:]))


def _redundant(rounds: int) -> Iterator[Row]:
    """Compare a batch of which half is duplicates or superseded with one without."""
    half, whole = redundant(BATCH), distinct_entities(BATCH)
    with endpoint(5) as url, subjects(url, PROJECT) as (project,):
        project.measure(whole)
        figures = [(project.measure(half, half), project.measure(whole, whole)) for _ in range(rounds)]
    yield Row("half of a batch redundant: its items / all", _items(half) / _items(whole), maximum=0.55)
    for name, figure in (("CPU", "cpu"), ("wall clock", "wall")):
        yield Row(
            f"half of a batch redundant: its {name} / all",
            median_ratio([(h[figure], w[figure]) for h, w in figures]),
            maximum=1,
        )


def _batch_sizes(rounds: int) -> Iterator[Row]:
    """Compare an event in large batches with one in small batches, and measure the memory."""
    large, small = distinct_entities(10_000), [distinct_entities(100, first=number * 100) for number in range(100)]
    with endpoint(0) as url, subjects(url, PROJECT) as (project,):
        project.measure(small[0])
        figures = [(project.measure(large), project.measure(*small)) for _ in range(max(3, rounds // 2))]
    yield Row(
        "an event in 10,000 a batch / in 100: CPU",
        median_ratio([(a["cpu"], b["cpu"]) for a, b in figures]),
        maximum=1.1,
    )
    megabytes = len(invocation(large).encode()) / 1e6
    with endpoint(0) as url, subjects(url, PROJECT) as (project,):
        project.measure(small[0])
        peak = project.measure(large)["megabytes"]
    yield Row("memory at the peak, above the idle process / the batch", peak / megabytes, maximum=8)


def _archive(rounds: int) -> Iterator[Row]:
    """Compare the queue's handler with the archive on and off."""
    with (
        endpoint(5) as url,
        closing(Subject(PROJECT, url)) as without,
        closing(Subject(PROJECT, url, ARCHIVE_BUCKET=BUCKET)) as archiving,
    ):
        figures = []
        for number in range(rounds + 1):  # the first one is the warm-up
            batch = distinct_entities(BATCH, first=number * BATCH)
            figures.append((archiving.measure(batch, batch), without.measure(batch, batch)))
    for name, figure in (("CPU", "cpu"), ("wall clock", "wall")):
        ratio = median_ratio([(a[figure], w[figure]) for a, w in figures[1:]])
        yield Row(f"archive on / off, 5 ms a request: {name}", ratio, maximum=1.1)


def _objects(rounds: int) -> Iterator[Row]:
    """Compare the handler of objects with the queue's."""
    with (
        endpoint(0) as url,
        closing(Subject(PROJECT, url)) as queue,
        closing(Subject(OBJECTS, url, OBJECTS_BUCKET=BUCKET)) as objects,
    ):
        figures = []
        for number in range(rounds + 1):
            batch = distinct_entities(BATCH, first=number * BATCH)
            figures.append((queue.measure(batch, batch)["cpu"], objects.measure(batch, batch)["cpu"]))
    yield Row("CPU, no delay: queue / objects", median_ratio(figures[1:]), minimum=0.9)


def _first(rounds: int) -> Iterator[Row]:
    """Compare the first batch of a new process, one event of each type, with later ones."""
    for delay in (5, 0):
        firsts = []
        for _ in range(rounds):
            with endpoint(delay) as url, subjects(url, PROJECT) as (project,):
                first, *later = (
                    project.measure(distinct_entities(len(EVERY_TYPE), number * 100, EVERY_TYPE)) for number in range(8)
                )
                firsts += [(first, other) for other in later]
        where = f"{delay} ms a request" if delay else "no delay"
        wall = median_ratio([(first["wall"], later["wall"]) for first, later in firsts])
        yield Row(f"the first batch / a later one, {where}: wall clock", wall, maximum=1.5 if delay else None)
        cpu = median_ratio([(first["cpu"], later["cpu"]) for first, later in firsts])
        yield Row(f"the first batch / a later one, {where}: CPU", cpu)


def _cold_start(rounds: int) -> Iterator[Row]:
    """Measure the init time under Lambda's runtime."""
    if cold_start.PACKAGE.exists():
        package, baseline = cold_start.medians(rounds)
        yield Row("init time / that of a handler with only a boto3 client", package / baseline, maximum=1.25)


def _dynamodb(_: int) -> Iterator[Row]:
    """Count write units and requests."""
    units = [math.ceil(item_size(item.attributes) / 1024) for item in _routed(distinct_entities(BATCH))]
    yield Row("write units of an item", sum(units) / len(units), "")
    yield Row(
        f"requests for {BATCH:,} events of different entities", math.ceil(len(units) / MAX_STATEMENTS_PER_REQUEST), ""
    )
    yield Row("requests when half are redundant", math.ceil(_items(redundant(BATCH)) / MAX_STATEMENTS_PER_REQUEST), "")


def _items(texts: list[str]) -> int:
    return len({(item.table_variable, item.key) for item in _routed(texts)})


def _routed(texts: list[str]) -> list[Item]:
    known = event_types.load()
    events = [decode(text.encode()) for text in texts]
    return [item for event in events for item in build_items(route(event, known[event.name]))]


COMPARISONS: dict[str, Callable[[int], Iterator[Row]]] = {
    "Processor time and wall clock": _processor,
    "Every event type": _every_type,
    "Redundant streams": _redundant,
    "Large and small batches": _batch_sizes,
    "The archive": _archive,
    "Objects": _objects,
    "The first batch": _first,
    "The cold start": _cold_start,
    "Requests to DynamoDB": _dynamodb,
}

if __name__ == "__main__":
    sys.exit(main())
