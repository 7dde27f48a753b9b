"""CloudWatch's arithmetic over embedded metrics: as much of it as the dashboard in ``template.yaml`` uses.

Sources: Amazon CloudWatch User Guide, "Specification: Embedded metric format", "Using metric math", "CloudWatch search
expression syntax", "Metrics concepts" (statistics and periods).
"""

import ast
import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

# In seconds. Those from 1 on are CloudWatch's (source: API reference, GetMetricData, MetricStat.Period); the shorter
# ones are here because a run on a fast machine lasts only 3 seconds.
_SHORT_PERIODS = (0.1, 0.2, 0.5, 1, 5, 10, 30)
_MINUTE = 60

_ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True)
class Metric:
    """A metric's identity. CloudWatch bills by the number of distinct metrics."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]

    def dimension(self, name: str) -> str:
        """Return the value of a dimension, or an empty string."""
        return dict(self.dimensions).get(name, "")


class DataPoint(NamedTuple):
    """A value at a time in UTC."""

    timestamp: datetime
    value: float


@dataclass
class MetricData:
    """The data points of a metric; ``unit`` is CloudWatch's name of it, such as ``Milliseconds``."""

    unit: str
    points: list[DataPoint] = field(default_factory=list)

    @property
    def values(self) -> list[float]:
        """The values without their times."""
        return [point.value for point in self.points]


def parse_embedded_metrics(lines: Iterable[str]) -> dict[Metric, MetricData]:
    """Extract the metrics embedded in log lines, their data points in the order of the lines; skip other lines."""
    metrics: dict[Metric, MetricData] = {}
    for line in lines:
        if not line.startswith("{") or '"_aws"' not in line:
            continue
        document = json.loads(line)
        timestamp = from_epoch_ms(document["_aws"]["Timestamp"])
        for directive in document["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = frozenset((name, document[name]) for name in names)
                for definition in directive["Metrics"]:
                    metric = Metric(directive["Namespace"], definition["Name"], dimensions)
                    value = document[definition["Name"]]
                    data = metrics.setdefault(metric, MetricData(definition.get("Unit", "None")))
                    data.points += (DataPoint(timestamp, v) for v in (value if isinstance(value, list) else [value]))
    return metrics


def from_epoch_ms(milliseconds: int) -> datetime:
    """Convert CloudWatch's timestamps, milliseconds since 1970, to a time in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def period_for(duration: timedelta, max_periods: int = 60) -> timedelta:
    """Choose the shortest period of which at most ``max_periods`` span the duration."""
    for seconds in _SHORT_PERIODS:
        if duration <= max_periods * timedelta(seconds=seconds):
            return timedelta(seconds=seconds)
    minutes = -(-duration // timedelta(seconds=max_periods * _MINUTE))
    return timedelta(seconds=minutes * _MINUTE)


def period_start(timestamp: datetime, period: timedelta) -> datetime:
    """Return the start of the period that a time falls into; periods are aligned with the epoch, as CloudWatch's."""
    return timestamp - (timestamp - datetime(1970, 1, 1, tzinfo=UTC)) % period


def by_period(metrics: Mapping[Metric, MetricData], period: timedelta) -> dict[datetime, dict[Metric, list[float]]]:
    """Group the values of metrics by the start of the period that they fall into, in chronological order."""
    periods: dict[datetime, dict[Metric, list[float]]] = {}
    for metric, data in metrics.items():
        for timestamp, value in data.points:
            periods.setdefault(period_start(timestamp, period), {}).setdefault(metric, []).append(value)
    return dict(sorted(periods.items()))


def statistic(values: Iterable[float], name: str) -> float | None:
    """Return the ``Sum``, ``Maximum``, ``Average`` or a percentile such as ``p99``; None if there are no values."""
    ordered = sorted(values)
    if not ordered:
        return None
    if name.startswith("p"):
        rank = float(name[1:]) / 100 * (len(ordered) - 1)
        lower, fraction = int(rank), rank % 1
        upper = min(lower + 1, len(ordered) - 1)
        return ordered[lower] + (ordered[upper] - ordered[lower]) * fraction
    return {"Sum": sum(ordered), "Maximum": ordered[-1], "Average": sum(ordered) / len(ordered)}[name]


@dataclass(frozen=True)
class Search:
    """A search expression.

    It matches the metrics of a namespace that have exactly these dimensions, and of each term (a dimension's name, or
    ``MetricName``) one of its values.
    """

    namespace: str
    dimensions: tuple[str, ...]
    terms: Mapping[str, frozenset[str]]
    statistic: str

    @classmethod
    def parse(cls, text: str, statistic: str) -> "Search":
        """Parse ``{Namespace,"dimension"} MetricName="…" dimension=("…" OR "…")``.

        Raises ``ValueError`` for any other text.
        """
        match = re.fullmatch(r"\{([^}]*)\}(.*)", text)
        if not match:
            raise ValueError(f"not a search expression: {text}")
        namespace, *dimensions = (name.strip('"') for name in match[1].split(","))
        terms = re.findall(r'(\w+)=(\([^)]*\)|"[^"]*")', match[2])
        return cls(
            namespace,
            tuple(dimensions),
            {name: frozenset(re.findall(r'"([^"]*)"', values)) for name, values in terms},
            statistic,
        )

    def matches(self, metric: Metric) -> bool:
        """Whether the search finds a metric."""
        attributes = dict(metric.dimensions) | {"MetricName": metric.name}
        return (
            metric.namespace == self.namespace
            and {name for name, _ in metric.dimensions} == set(self.dimensions)
            and all(attributes.get(name) in values for name, values in self.terms.items())
        )


def find_searches(expression: str) -> list[Search]:
    """Parse every ``SEARCH('…', '…')`` in a metric math expression."""
    return [Search.parse(*arguments) for arguments in re.findall(r"SEARCH\('([^']*)', '([^']*)'\)", expression)]


def evaluate(
    expression: str, values: Mapping[str, float | None], search: Callable[[Search], Iterable[float]]
) -> float | None:
    """Evaluate a metric math expression; None when a value that it needs is missing.

    ``values`` are those of the metrics by id, ``search`` returns one value for each metric that a search matches.
    Raises ``ValueError`` for a function or an operator that the dashboard does not use today.
    """

    def visit(node: ast.AST) -> Any:
        match node:
            case ast.Constant(value=number):
                return number
            case ast.Name(id=name):
                return values[name]
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                operands = visit(left), visit(right)
                return None if None in operands else _ARITHMETIC[type(op)](*operands)
            case ast.Call(func=ast.Name(id="SUM"), args=[argument]):
                return statistic(visit(argument), "Sum")
            case ast.Call(func=ast.Name(id="SEARCH"), args=[ast.Constant(value=text), ast.Constant(value=name)]):
                return search(Search.parse(str(text), str(name)))
        raise ValueError(f"unsupported metric math: {expression}")

    result: float | None = visit(ast.parse(expression, mode="eval").body)
    return result
