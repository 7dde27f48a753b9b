"""The subset of CloudWatch's arithmetic that the dashboard uses."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from cli.local.metrics import (
    DataPoint,
    Metric,
    MetricData,
    Search,
    by_period,
    evaluate,
    find_searches,
    parse_embedded_metrics,
    period_for,
    statistic,
)

NOON = datetime(2026, 9, 7, 12, 0, tzinfo=UTC)
LINE = json.dumps(
    {
        "_aws": {
            "Timestamp": int(NOON.timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": "N",
                    "Dimensions": [["service", "source"], ["service"]],
                    "Metrics": [{"Name": "Delay", "Unit": "Seconds"}, {"Name": "Received", "Unit": "Count"}],
                }
            ],
        },
        "service": "s",
        "source": "sqs",
        "Delay": [1, 2],
        "Received": 3,
    }
)
BOTH = frozenset({("service", "s"), ("source", "sqs")})


def seconds(number: float) -> timedelta:
    """Return a duration."""
    return timedelta(seconds=number)


def test_embedded_metrics_are_parsed_with_their_times_and_units() -> None:
    """Each set of dimensions is a metric, a list holds several values, and other lines are skipped."""
    metrics = parse_embedded_metrics([LINE, "START RequestId: 1", '{"message": "batch"}', LINE])
    assert metrics[Metric("N", "Delay", BOTH)] == MetricData("Seconds", [DataPoint(NOON, v) for v in (1, 2, 1, 2)])
    assert metrics[Metric("N", "Received", frozenset({("service", "s")}))].values == [3, 3]
    assert len(metrics) == 4


@pytest.mark.parametrize(
    ("name", "expected"), [("Sum", 10), ("Maximum", 4), ("Average", 2.5), ("p50", 2.5), ("p0", 1), ("p100", 4)]
)
def test_statistic_does_not_depend_on_order(name: str, expected: float) -> None:
    """Sums, extremes and percentiles are those of the sorted values; without values there is none."""
    assert statistic([3, 1, 4, 2], name) == expected
    assert statistic([], name) is None


def test_values_are_grouped_by_aligned_periods() -> None:
    """A period starts at a multiple of its length, includes its start, and excludes its end."""
    metric = Metric("N", "Delay", BOTH)
    points = [
        DataPoint(NOON + seconds(offset), value) for offset, value in ((12, 5.0), (-0.001, 1.0), (0, 2.0), (9.9, 3.0))
    ]
    assert list(by_period({metric: MetricData("Seconds", points)}, seconds(10)).items()) == [
        (NOON - seconds(10), {metric: [1.0]}),
        (NOON, {metric: [2.0, 3.0]}),
        (NOON + seconds(10), {metric: [5.0]}),
    ]


@pytest.mark.parametrize(
    ("duration", "period"),
    [(0, 0.1), (6, 0.1), (6.1, 0.2), (30, 0.5), (60, 1), (61, 5), (1800, 30), (1801, 60), (3601, 120), (86_400, 1440)],
)
def test_period_grows_with_the_duration(duration: float, period: float) -> None:
    """The shortest period is chosen that divides the duration into 60 at most; above 30 s it is whole minutes."""
    assert period_for(seconds(duration)) == seconds(period)


def test_search_matches_namespace_dimensions_and_terms() -> None:
    """A search matches only metrics that agree in namespace, dimension names, metric name and dimension values."""
    terms = 'MetricName="Delay" source=("sqs" OR "kinesis")'
    (search,) = find_searches(f"SUM(SEARCH('{{N,service,\"source\"}} {terms}', 'p99'))*2")
    assert search == Search(
        "N",
        ("service", "source"),
        {"MetricName": frozenset({"Delay"}), "source": frozenset({"sqs", "kinesis"})},
        "p99",
    )
    assert search.matches(Metric("N", "Delay", BOTH))
    assert not search.matches(Metric("M", "Delay", BOTH))
    assert not search.matches(Metric("N", "Received", BOTH))
    assert not search.matches(Metric("N", "Delay", frozenset({("service", "s")})))
    assert not search.matches(Metric("N", "Delay", frozenset({("service", "s"), ("source", "other")})))
    with pytest.raises(ValueError, match="not a search expression: Delay"):
        Search.parse("Delay", "Sum")


def test_metric_math_is_evaluated() -> None:
    """Arithmetic works over metrics and searches, gives None for a missing value, and rejects other functions."""
    values = {"ms": 2000.0, "calls": 5.0, "missing": None}
    assert evaluate("ms/1000*2 + calls*0.1 - 1", values, lambda _: []) == 3.5
    assert evaluate("""SUM(SEARCH('{N,source} MetricName="D"', 'Sum'))*2""", {}, lambda _: [1, 2]) == 6
    assert evaluate("""SUM(SEARCH('{N,source} MetricName="D"', 'Sum'))*2""", {}, lambda _: []) is None
    assert evaluate("ms + missing", values, lambda _: []) is None
    for unsupported in ("RATE(ms)", "ms ** 2"):
        with pytest.raises(ValueError, match="unsupported metric math"):
            evaluate(unsupported, values, lambda _: [])
