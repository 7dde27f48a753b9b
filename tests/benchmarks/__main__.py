"""How fast it is, as ratios: ``make bench``. Fails where a ratio is not what it must be."""

import argparse
import math
import sys
from collections.abc import Callable, Iterator
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
from tests.benchmarks.runner import FLOOR, OURS, USUAL, contestants, endpoint, ratio
from tests.benchmarks.workloads import EVERY_TYPE, invocation, redundant, unlike

BATCH = 1_000


class Row(NamedTuple):
    """A figure, and what it must be: at least ``least``, at most ``most``, or neither."""

    what: str
    figure: float
    unit: str = "×"
    least: float | None = None
    most: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether it is what it must be."""
        return (self.least is None or self.figure >= self.least) and (self.most is None or self.figure <= self.most)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each comparison (default: %(default)s)")
    rounds = parser.parse_args().rounds
    console = Console()
    table = Table(title="How fast it is", caption="Medians of rounds in which the compared took turns.")
    for column in ("", "measured", "must be", ""):
        table.add_column(column, justify="right" if column in ("measured", "must be") else "left")
    missed = 0
    for title, measure in COMPARISONS.items():
        with console.status(f"{title} …"):
            rows = list(measure(rounds))
        table.add_section()
        for row in rows:
            table.add_row(row.what, f"{row.figure:,.2f} {row.unit}", _bound(row), "" if row.is_met else "[red]missed")
            missed += not row.is_met
    console.print(table)
    if not cold_start.PACKAGE.exists():
        console.print("The cold start was not measured: there is no package; `make build` first.")
    return 1 if missed else 0


def _bound(row: Row) -> str:
    if row.least is not None:
        return f"≥ {row.least:,.2f}"
    return "" if row.most is None else f"≤ {row.most:,.2f}"


def _processor(rounds: int) -> Iterator[Row]:
    """Events per CPU-second and wall clock, without a delay and with 5 ms a request."""
    for delay in (0, 5):
        figures = []
        with endpoint(delay) as url, contestants(url, OURS, USUAL, FLOOR) as (ours, usual, floor):
            for each in (ours, usual, floor):
                each.take(unlike(BATCH // 10))  # warm
            for number in range(rounds):
                batch = unlike(BATCH, first=number * BATCH)
                figures.append((ours.take(batch, batch), usual.take(batch), floor.take(batch, batch)))
        where = f"{delay} ms a request" if delay else "no delay"
        cpu = [(u["cpu"] * 2, o["cpu"], f["cpu"]) for o, u, f in figures]
        yield Row(f"CPU, {where}: the usual handler's / ours", ratio([(u, o) for u, o, _ in cpu]), least=10)
        yield Row(f"CPU, {where}: the floor's / ours", ratio([(f, o) for _, o, f in cpu]), least=0.65)
        wall = ratio([(u["wall"] * 2, o["wall"]) for o, u, _ in figures])
        yield Row(f"wall clock, {where}: the usual handler's / ours", wall, least=25 if delay else None)


def _every_type(rounds: int) -> Iterator[Row]:
    """Events of every type in turn, which no stream brings in equal shares."""
    figures = []
    with endpoint(0) as url, contestants(url, OURS, FLOOR) as (ours, floor):
        for number in range(rounds + 1):
            batch = unlike(BATCH, number * BATCH, EVERY_TYPE)
            figures.append((floor.take(batch, batch)["cpu"], ours.take(batch, batch)["cpu"]))
    yield Row("CPU, no delay, all types in equal shares: the floor's / ours", ratio(figures[1:]))


def _redundant(rounds: int) -> Iterator[Row]:
    """Half of the events are duplicates, or soon overtaken."""
    half, whole = redundant(BATCH), unlike(BATCH)
    with endpoint(5) as url, contestants(url, OURS) as (ours,):
        ours.take(whole)
        figures = [(ours.take(half, half), ours.take(whole, whole)) for _ in range(rounds)]
    yield Row("half of a batch redundant: its items / all", _items(half) / _items(whole), most=0.55)
    for what, figure in (("CPU", "cpu"), ("wall clock", "wall")):
        yield Row(
            f"half of a batch redundant: its {what} / all", ratio([(h[figure], w[figure]) for h, w in figures]), most=1
        )


def _proportion(rounds: int) -> Iterator[Row]:
    """Time an event in large batches and in small ones; memory."""
    large, small = unlike(10_000), [unlike(100, first=number * 100) for number in range(100)]
    with endpoint(0) as url, contestants(url, OURS) as (ours,):
        ours.take(small[0])
        figures = [(ours.take(large), ours.take(*small)) for _ in range(max(3, rounds // 2))]
    yield Row("an event in 10,000 a batch / in 100: CPU", ratio([(a["cpu"], b["cpu"]) for a, b in figures]), most=1.1)
    megabytes = len(invocation(large).encode()) / 1e6
    with endpoint(0) as url, contestants(url, OURS) as (ours,):
        ours.take(small[0])
        peak = ours.take(large)["megabytes"]
    yield Row("memory at the peak, above the idle process / the batch", peak / megabytes, most=8)


def _first(rounds: int) -> Iterator[Row]:
    """The first batch of a new process, one event of each type, and later ones."""
    for delay in (5, 0):
        firsts = []
        for _ in range(rounds):
            with endpoint(delay) as url, contestants(url, OURS) as (ours,):
                first, *later = (ours.take(unlike(len(EVERY_TYPE), number * 100, EVERY_TYPE)) for number in range(8))
                firsts += [(first, each) for each in later]
        where = f"{delay} ms a request" if delay else "no delay"
        wall = ratio([(first["wall"], later["wall"]) for first, later in firsts])
        yield Row(f"the first batch / a later one, {where}: wall clock", wall, most=1.5 if delay else None)
        cpu = ratio([(first["cpu"], later["cpu"]) for first, later in firsts])
        yield Row(f"the first batch / a later one, {where}: CPU", cpu)


def _cold_start(rounds: int) -> Iterator[Row]:
    """The init time under Lambda's runtime."""
    if cold_start.PACKAGE.exists():
        ours, baseline = cold_start.medians(rounds)
        yield Row("init time / that of a handler with nothing but a boto3 client", ours / baseline, most=1.25)


def _dynamodb(_: int) -> Iterator[Row]:
    """What DynamoDB is asked for."""
    units = [math.ceil(item_size(item.attributes) / 1024) for item in _routed(unlike(BATCH))]
    yield Row("write units an item, when it is written", sum(units) / len(units), "")
    yield Row(f"requests for {BATCH:,} events no two alike", math.ceil(len(units) / MAX_STATEMENTS_PER_REQUEST), "")
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
    "Proportion": _proportion,
    "The first batch": _first,
    "The cold start": _cold_start,
    "What DynamoDB is asked for": _dynamodb,
}

if __name__ == "__main__":
    sys.exit(main())
