"""The log and the metrics of a batch, without running one."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.catalogue.generated import ROOT
from cli.local.metrics import Metric, parse_embedded_metrics, statistic
from handlers.items.timestamps import format_utc
from handlers.outcome import Drift, Fate, Outcome, RejectionReason, Violation
from handlers.telemetry.batch_stats import BatchStats
from handlers.telemetry.logs_and_metrics import (
    MAX_METRIC_VALUES,
    MAX_REJECTION_LOG_LINES,
    NAMESPACE,
    SERVICE,
    logger,
    report_batch,
    sample_quantiles,
)
from tests.support.engines import NOW


class Printed:
    """The output of one batch."""

    def __init__(self, text: str) -> None:
        self.lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
        self.metrics = parse_embedded_metrics(text.splitlines())

    def logged(self, message: str) -> list[dict[str, Any]]:
        """Return the log lines with a message."""
        return [line for line in self.lines if line.get("message") == message]

    def metric(self, name: str, dimension: str = "source", value: str = "sqs") -> list[float]:
        """Return the values of one of our metrics."""
        dimensions = frozenset({("service", SERVICE), (dimension, value)})
        return self.metrics[Metric(NAMESPACE, name, dimensions)].values


@pytest.fixture
def observed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Report a batch; return the output."""

    def observe(outcomes: Sequence[Outcome], stats: BatchStats | None = None) -> Printed:
        for handler in logger.handlers:
            monkeypatch.setattr(handler, "stream", sys.stdout)
        report_batch("sqs", "request-1", outcomes, stats or BatchStats(), NOW)
        return Printed(capsys.readouterr().out)

    return observe


def stored(seconds: float, number: int = 0, **facts: Any) -> Outcome:
    """Return the outcome of an event that happened, and was enqueued, this many seconds ago."""
    moment = NOW - timedelta(seconds=seconds)
    outcome = Outcome(str(number), Fate.STORED, "module_updated", event_time=format_utc(moment), enqueued_at=moment)
    return outcome._replace(**facts)


def rejected(number: int, reason: RejectionReason = RejectionReason.SCHEMA_VIOLATION) -> Outcome:
    """Return the outcome of a rejected record."""
    return Outcome(
        str(number), Fate.REJECTED, "module_updated", reason, violations=(Violation("body.name", "type", "string"),)
    )


def test_latency_is_measured_in_seconds_for_final_outcomes(observed: Any) -> None:
    """Each stored or superseded event has its latency in seconds; retried and rejected records have none."""
    late = stored(7200, enqueued_at=NOW - timedelta(seconds=1.5))
    again = Outcome(
        "2", Fate.RETRIED, "module_updated", event_time=format_utc(NOW - timedelta(days=9)), enqueued_at=NOW
    )
    printed = observed([late, stored(0.25), again, rejected(3)])
    assert sorted(printed.metric("EndToEndLatency")) == [0.25, 7200.0]
    assert sorted(printed.metric("QueueLatency")) == [0.25, 1.5]


def test_negative_latency_counts_as_zero(observed: Any) -> None:
    """An event from the future, which would distort percentiles, counts as zero latency."""
    assert observed([stored(-30)]).metric("EndToEndLatency") == [0.0]


def test_batch_of_rejections_has_no_latency(observed: Any) -> None:
    """If nothing is stored the metric has no value, rather than zero."""
    printed = observed([rejected(0)])
    assert printed.metric("Rejected") == [1]
    assert not [metric for metric in printed.metrics if metric.name.endswith("Latency")]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=2000))
def test_large_samples_are_reduced_to_quantiles(values: list[float]) -> None:
    """At most ``MAX_METRIC_VALUES`` values are sent, at the ranks that they represent."""
    sent = list(sample_quantiles(values))
    assert len(sent) == min(len(values), MAX_METRIC_VALUES)
    if len(values) > MAX_METRIC_VALUES:
        ordered = sorted(values)
        ends = [len(ordered) * share // MAX_METRIC_VALUES for share in range(MAX_METRIC_VALUES + 1)]
        assert all(value in ordered[first:end] for value, first, end in zip(sent, ends, ends[1:], strict=False))


def test_percentiles_of_a_large_batch_are_accurate() -> None:
    """For a thousand events the median, p90 and p99 are within two percent of the true ranks."""
    sent = sample_quantiles(range(1000))
    for name, true in (("p50", 500), ("p90", 900), ("p99", 990)):
        assert statistic(sent, name) == pytest.approx(true, abs=20)


def test_drift_metric_is_emitted_by_event_type_only_if_there_is_drift(observed: Any) -> None:
    """A metric that is never emitted costs nothing, and an emitted one names the event type."""
    printed = observed([stored(1), stored(1, drift=Drift(2, 0, 1)), stored(1, drift=Drift(1, 0, 0))])
    assert printed.metric("UnknownFields", "event_type", "module_updated") == [3]
    assert printed.metric("TruncatedFields", "event_type", "module_updated") == [1]
    assert "UnknownStates" not in {metric.name for metric in printed.metrics}


def test_batch_statistics_are_in_log_and_metrics(observed: Any) -> None:
    """They contain stage durations, and DynamoDB's requests, retries and throttles."""
    printed = observed(
        [stored(1)], BatchStats({"process": 1.26, "write": 7.0}, dynamodb_requests=3, retries=2, throttles=1)
    )
    (batch,) = printed.logged("batch")
    assert (batch["process_ms"], batch["write_ms"]) == (1.3, 7.0)
    assert batch["dynamodb"] == {"requests": 3, "retries": 2, "throttles": 1}
    assert printed.metric("ProcessDuration") == [1.26]
    assert printed.metric("WriteDuration") == [7.0]
    assert [printed.metric(f"DynamoDB{name}") for name in ("Requests", "Retries", "Throttles")] == [[3], [2], [1]]


def test_number_of_rejection_log_lines_is_bounded(observed: Any) -> None:
    """Ten thousand invalid records write a bounded number of lines, and every one of them is counted."""
    outcomes = [
        rejected(n, RejectionReason.MALFORMED_JSON if n % 2 else RejectionReason.SCHEMA_VIOLATION)
        for n in range(10_000)
    ]
    printed = observed(outcomes)
    logged, truncated = printed.logged("rejected"), printed.logged("rejections truncated")
    assert len(logged) == MAX_REJECTION_LOG_LINES
    assert {line["reason"]: line["records"] for line in truncated} == {"malformed_json": 4950, "schema_violation": 4950}
    assert len(logged) + sum(line["records"] for line in truncated) == 10_000
    assert sum(len(json.dumps(line)) for line in printed.lines) < 100_000
    assert printed.metric("RejectedByReason", "reason", "malformed_json") == [5000]


def test_default_batch_logs_every_rejection(observed: Any) -> None:
    """Up to the bound no line is left out."""
    printed = observed([rejected(n) for n in range(MAX_REJECTION_LOG_LINES)])
    assert [line["record"] for line in printed.logged("rejected")] == [str(n) for n in range(MAX_REJECTION_LOG_LINES)]
    assert not printed.logged("rejections truncated")


def test_log_lines_have_the_request_id_and_the_trace_id(observed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All lines of a batch can be found from any of them, and so can the trace if there is one."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")
    outcomes = [rejected(n) for n in range(101)] + [Outcome("x", Fate.RETRIED, error="NoResponse")]
    lines = [line for line in observed(outcomes).lines if "level" in line]
    assert {line["message"] for line in lines} == {"batch", "rejected", "rejections truncated", "retried"}
    assert {line["function_request_id"] for line in lines} == {"request-1"}
    assert {line["xray_trace_id"] for line in lines} == {"1-5759e988-bd862e3fe1be46a994272793"}


def test_metrics_follow_the_embedded_metric_format(observed: Any) -> None:
    """The limits of the embedded metric format hold for the largest possible batch."""
    outcomes = [stored(n, n, drift=Drift(1, 1, 1)) for n in range(10_000)]
    for line in observed(outcomes).lines:
        if "_aws" not in line:
            continue
        assert isinstance(line["_aws"]["Timestamp"], int)
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert len(json.dumps(line)) < 256 * 1024
        assert len(directive["Metrics"]) <= 100
        for names in directive["Dimensions"]:
            assert len(names) <= 30
            assert all(isinstance(line[name], str) and line[name] for name in names)
        for definition in directive["Metrics"]:
            assert definition["Unit"] in {"Count", "Seconds", "Milliseconds"}
            assert 1 <= len(line[definition["Name"]]) <= 100


@pytest.mark.parametrize(
    ("level", "messages"),
    [("INFO", {"batch", "rejected", "retried"}), ("WARNING", {"rejected", "retried"}), ("ERROR", {"retried"})],
)
def test_log_level_is_configurable_and_does_not_affect_metrics(level: str, messages: set[str]) -> None:
    """A higher level suppresses log lines, and no metric."""
    program = (
        "from datetime import UTC, datetime\n"
        "from handlers.telemetry.batch_stats import BatchStats\n"
        "from handlers.outcome import Fate, Outcome\n"
        "from handlers.telemetry.logs_and_metrics import report_batch\n"
        "outcomes = [Outcome('1', Fate.REJECTED, reason='unroutable'), Outcome('2', Fate.RETRIED, error='X')]\n"
        "report_batch('sqs', 'request-1', outcomes, BatchStats(), datetime.now(UTC))\n"
    )
    environment = os.environ | {"POWERTOOLS_LOG_LEVEL": level}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    printed = Printed(done.stdout)
    assert {line["message"] for line in printed.lines if "level" in line} == messages
    assert printed.metric("Received") == [2]


def test_ignored_event_is_counted_under_its_type(observed: Any) -> None:
    """A type that is not kept has its name in the totals, so that somebody can see what is ignored and how much."""
    printed = observed([Outcome(str(number), Fate.IGNORED, "scan_youtube_links") for number in range(2)])
    (batch,) = printed.logged("batch")
    assert (batch["ignored"], batch["event_types"]) == (2, {"scan_youtube_links": {"ignored": 2}})
    assert printed.metric("Ignored") == [2]
