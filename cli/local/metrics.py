"""Metrics as CloudWatch makes them of what the functions print, and its arithmetic over them.

As much of it as the dashboard in ``template.yaml`` uses. Sources: Amazon CloudWatch User Guide, "Specification:
Embedded metric format", "Using metric math", "CloudWatch search expression syntax".
"""

import ast
import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True)
class Metric:
    """A metric: it costs by the month, for as many as there are of different namespace, name and dimensions."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]

    def dimension(self, name: str) -> str:
        """The value of a dimension, or an empty string."""
        return dict(self.dimensions).get(name, "")


def embedded(lines: Iterable[str]) -> dict[Metric, list[float]]:
    """The values of every metric that is embedded in lines of a log, in the order of the lines."""
    values: dict[Metric, list[float]] = {}
    for line in lines:
        if not line.startswith("{") or '"_aws"' not in line:
            continue
        document = json.loads(line)
        for directive in document["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = frozenset((name, document[name]) for name in names)
                for definition in directive["Metrics"]:
                    metric = Metric(directive["Namespace"], definition["Name"], dimensions)
                    value = document[definition["Name"]]
                    values.setdefault(metric, []).extend(value if isinstance(value, list) else [value])
    return values


def statistic(values: Iterable[float], name: str) -> float | None:
    """``Sum``, ``Maximum``, ``Average`` or a percentile as ``p99`` of some values; None of none."""
    ordered = sorted(values)
    if not ordered:
        return None
    if name.startswith("p"):
        place = float(name[1:]) / 100 * (len(ordered) - 1)
        below, part = int(place), place % 1
        above = ordered[min(below + 1, len(ordered) - 1)]
        return ordered[below] + (above - ordered[below]) * part
    return {"Sum": sum(ordered), "Maximum": ordered[-1], "Average": sum(ordered) / len(ordered)}[name]


@dataclass(frozen=True)
class Search:
    """A search expression: every metric of a name whose dimensions are exactly these, with one of the values given."""

    namespace: str
    dimensions: tuple[str, ...]
    values: Mapping[str, frozenset[str]]
    statistic: str

    @classmethod
    def parse(cls, text: str, statistic: str) -> "Search":
        """Read ``{Namespace,"dimension"} MetricName="…" dimension=("…" OR "…")``."""
        matched = re.fullmatch(r"\{([^}]*)\}(.*)", text)
        if not matched:
            raise ValueError(f"no search expression: {text}")
        namespace, *dimensions = (name.strip('"') for name in matched[1].split(","))
        terms = re.findall(r'(\w+)=(\([^)]*\)|"[^"]*")', matched[2])
        values = {name: frozenset(re.findall(r'"([^"]*)"', term)) for name, term in terms}
        return cls(namespace, tuple(dimensions), values, statistic)

    def finds(self, metric: Metric) -> bool:
        """Whether a metric is among what is searched for."""
        facts = dict(metric.dimensions) | {"MetricName": metric.name}
        return (
            metric.namespace == self.namespace
            and {name for name, _ in metric.dimensions} == set(self.dimensions)
            and all(facts.get(name) in values for name, values in self.values.items())
        )


def searches(expression: str) -> list[Search]:
    """Every search in an expression."""
    return [Search.parse(*found) for found in re.findall(r"SEARCH\('([^']*)', '([^']*)'\)", expression)]


def calculate(
    expression: str, values: Mapping[str, float | None], search: Callable[[Search], Iterable[float]]
) -> float | None:
    """The value of a metric math expression; None when a value that it needs is not there."""

    def value(node: ast.AST) -> Any:
        match node:
            case ast.Constant(value=number):
                return number
            case ast.Name(id=name):
                return values[name]
            case ast.BinOp(left=left, op=op, right=right):
                parts = value(left), value(right)
                return None if None in parts else _ARITHMETIC[type(op)](*parts)
            case ast.Call(func=ast.Name(id="SUM"), args=[argument]):
                return statistic(value(argument), "Sum")
            case ast.Call(func=ast.Name(id="SEARCH"), args=[ast.Constant(value=text), ast.Constant(value=name)]):
                return search(Search.parse(str(text), str(name)))
        raise ValueError(f"metric math that is not known here: {expression}")

    result: float | None = value(ast.parse(expression, mode="eval").body)
    return result
