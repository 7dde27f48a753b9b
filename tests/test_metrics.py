"""CloudWatch's arithmetic, as much of it as the dashboard uses."""

import json

import pytest

from cli.local.metrics import Metric, Search, calculate, embedded, searches, statistic

LINE = json.dumps(
    {
        "_aws": {
            "Timestamp": 1,
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


def test_metrics_are_taken_out_of_a_log() -> None:
    """Each set of dimensions is a metric, a list is as many values, and other lines are passed over."""
    values = embedded([LINE, "START RequestId: 1", '{"message": "batch"}', LINE])
    assert values[Metric("N", "Delay", BOTH)] == [1, 2, 1, 2]
    assert values[Metric("N", "Received", frozenset({("service", "s")}))] == [3, 3]
    assert len(values) == 4


@pytest.mark.parametrize(
    ("name", "expected"), [("Sum", 10), ("Maximum", 4), ("Average", 2.5), ("p50", 2.5), ("p0", 1), ("p100", 4)]
)
def test_statistics(name: str, expected: float) -> None:
    """Sums, extremes and percentiles of values, in whatever order they came; none of nothing."""
    assert statistic([3, 1, 4, 2], name) == expected
    assert statistic([], name) is None


def test_a_search_finds_by_all_that_it_names() -> None:
    """Namespace, the names of the dimensions, the metric's name, and one of several values of a dimension."""
    terms = 'MetricName="Delay" source=("sqs" OR "kinesis")'
    (search,) = searches(f"SUM(SEARCH('{{N,service,\"source\"}} {terms}', 'p99'))*2")
    assert search == Search(
        "N",
        ("service", "source"),
        {"MetricName": frozenset({"Delay"}), "source": frozenset({"sqs", "kinesis"})},
        "p99",
    )
    assert search.finds(Metric("N", "Delay", BOTH))
    assert not search.finds(Metric("M", "Delay", BOTH))
    assert not search.finds(Metric("N", "Received", BOTH))
    assert not search.finds(Metric("N", "Delay", frozenset({("service", "s")})))
    assert not search.finds(Metric("N", "Delay", frozenset({("service", "s"), ("source", "other")})))
    with pytest.raises(ValueError, match="no search expression: Delay"):
        Search.parse("Delay", "Sum")


def test_an_expression_is_calculated() -> None:
    """Arithmetic over metrics and searches; what needs a number that is not there has none."""
    values = {"ms": 2000.0, "calls": 5.0, "missing": None}
    assert calculate("ms/1000*2 + calls*0.1 - 1", values, lambda _: []) == 3.5
    assert calculate("""SUM(SEARCH('{N,source} MetricName="D"', 'Sum'))*2""", {}, lambda _: [1, 2]) == 6
    assert calculate("""SUM(SEARCH('{N,source} MetricName="D"', 'Sum'))*2""", {}, lambda _: []) is None
    assert calculate("ms + missing", values, lambda _: []) is None
    with pytest.raises(ValueError, match="metric math that is not known here: RATE"):
        calculate("RATE(ms)", values, lambda _: [])
