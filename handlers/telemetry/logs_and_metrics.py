"""Logs and metrics: counts, names and rules, and nothing of what an event contains.

Metrics are in CloudWatch's embedded metric format: lines of JSON on standard output, from which CloudWatch Logs
extracts them. Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format".
"""

import json
import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from operator import add
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from handlers.items.timestamps import parse_datetime
from handlers.outcome import NO_DRIFT, Drift, Fate, Outcome, RejectionReason
from handlers.telemetry.batch_stats import BatchStats

SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME") or "canvas-live-events"
NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or "CanvasLiveEvents"

UNKNOWN_TYPE_LABEL = "(unknown)"  # counts records without an event type, or of one that the catalogue lacks

# A batch's log lines, as many as a batch has records by default. A flood of rejections must not become a flood of log
# lines, which cost time and money; each rejected record is in its table anyway.
MAX_REJECTION_LOG_LINES = 100

# The embedded metric format allows 100 values of a metric in a line. With 50, the last one is the 99th percentile.
MAX_METRIC_VALUES = 50

_METRIC_NAMES = {
    Fate.STORED: "Stored",
    Fate.SUPERSEDED: "Superseded",
    Fate.IGNORED: "Ignored",
    Fate.REJECTED: "Rejected",
    Fate.RETRIED: "Retried",
}
_DRIFT_METRIC_NAMES = ("UnknownFields", "UnknownStates", "TruncatedFields")  # in the order of the fields of Drift

logger = Logger(service=SERVICE)
metrics = Metrics(namespace=NAMESPACE, service=SERVICE)

MetricValues = dict[str, tuple[MetricUnit, Sequence[float]]]


def report_batch(
    source: str,
    request_id: str | None,
    outcomes: Sequence[Outcome],
    stats: BatchStats | None = None,
    now: datetime | None = None,
) -> None:
    """Log a batch's totals, rejections and retries, and emit its metrics.

    ``source`` is the name of a source, such as ``sqs``. The totals of all fates add up to ``received``. Latencies
    end at ``now``, by default the current time.
    """
    stats, now = stats or BatchStats(), now or datetime.now(UTC)
    fates = Counter(outcome.fate for outcome in outcomes)
    rejected = [outcome for outcome in outcomes if outcome.fate is Fate.REJECTED]
    _log_batch(source, request_id, outcomes, fates, stats)
    _log_rejections(request_id, rejected)
    _log_retries(request_id, [outcome for outcome in outcomes if outcome.fate is Fate.RETRIED])
    _emit("source", source, _counts(outcomes, fates) | _latencies(outcomes, now) | _batch_metrics(stats))
    for reason, count in Counter(outcome.reason for outcome in rejected).items():
        _emit("reason", str(reason), {"RejectedByReason": _count(count)})
    for event_type, counts in _drift_by_event_type(outcomes).items():
        _emit("event_type", event_type, counts)


def _log_batch(
    source: str, request_id: str | None, outcomes: Sequence[Outcome], fates: Counter[Fate], stats: BatchStats
) -> None:
    counts = {"source": source, "received": len(outcomes)} | {fate.value: fates[fate] for fate in Fate}
    durations = {f"{stage}_ms": round(duration, 1) for stage, duration in stats.stage_durations_ms.items()}
    dynamodb = {"requests": stats.dynamodb_requests, "retries": stats.retries, "throttles": stats.throttles}
    logger.info(
        "batch",
        extra={
            "function_request_id": request_id,
            **counts,
            **durations,
            "dynamodb": dynamodb,
            "event_types": _by_event_type(outcomes),
        },
    )


def _by_event_type(outcomes: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for outcome in outcomes:
        known = None if outcome.reason is RejectionReason.UNKNOWN_EVENT_TYPE else outcome.event_name
        fates = counts.setdefault(known or UNKNOWN_TYPE_LABEL, {})
        fates[outcome.fate.value] = fates.get(outcome.fate.value, 0) + 1
    return counts


def _log_rejections(request_id: str | None, rejected: Sequence[Outcome]) -> None:
    """Log a line for each rejection and, beyond ``MAX_REJECTION_LOG_LINES``, one for each reason."""
    for outcome in rejected[:MAX_REJECTION_LOG_LINES]:
        logger.warning(
            "rejected",
            extra={
                "function_request_id": request_id,
                "record": outcome.record_id,
                "reason": outcome.reason,
                "event_name": outcome.event_name,
                "violations": [f"{v.path}: {v.rule} {v.expected}".rstrip() for v in outcome.violations],
            },
        )
    for reason, count in Counter(outcome.reason for outcome in rejected[MAX_REJECTION_LOG_LINES:]).items():
        extra = {"function_request_id": request_id, "reason": reason, "records": count}
        logger.warning("rejections truncated", extra=extra)


def _log_retries(request_id: str | None, retried: Sequence[Outcome]) -> None:
    """Log a line for each error: in an outage it is the same for thousands of records."""
    records_by_error: dict[str | None, list[str]] = {}
    for outcome in retried:
        records_by_error.setdefault(outcome.error, []).append(outcome.record_id)
    for error, records in records_by_error.items():
        logger.error(
            "retried",
            extra={
                "function_request_id": request_id,
                "error": error,
                "records": len(records),
                "first_record": records[0],
            },
        )


def _counts(outcomes: Sequence[Outcome], fates: Counter[Fate]) -> MetricValues:
    return {"Received": _count(len(outcomes))} | {name: _count(fates[fate]) for fate, name in _METRIC_NAMES.items()}


def _latencies(outcomes: Sequence[Outcome], now: datetime) -> MetricValues:
    """Measure how late processed events are: since they happened, and since they entered the queue or stream."""
    done = [outcome for outcome in outcomes if outcome.fate is not Fate.RETRIED]
    happened = [outcome.event_time for outcome in done if outcome.event_time]
    enqueued = [outcome.enqueued_at for outcome in done if outcome.enqueued_at]
    return {
        name: (MetricUnit.Seconds, [max(0.0, (now - start).total_seconds()) for start in starts])
        for name, starts in (
            ("EndToEndLatency", [parse_datetime(text) for text in sample_quantiles(happened)]),
            ("QueueLatency", sample_quantiles(enqueued)),
        )
        if starts
    }


def sample_quantiles(values: Sequence[Any]) -> Sequence[Any]:
    """Return all values if there are few, else ``MAX_METRIC_VALUES`` of them, evenly spaced in their order.

    Each stands for an equal share of all values and is the middle one of it, so a percentile of the sample is off by
    at most half a share, which is one percentile. The very largest value may be missing.
    """
    if len(values) <= MAX_METRIC_VALUES:
        return values
    ordered = sorted(values)
    return [ordered[(2 * share + 1) * len(ordered) // (2 * MAX_METRIC_VALUES)] for share in range(MAX_METRIC_VALUES)]


def _batch_metrics(stats: BatchStats) -> MetricValues:
    durations: MetricValues = {
        f"{stage.capitalize()}Duration": (MetricUnit.Milliseconds, [duration])
        for stage, duration in stats.stage_durations_ms.items()
    }
    return durations | {
        "DynamoDBRequests": _count(stats.dynamodb_requests),
        "DynamoDBRetries": _count(stats.retries),
        "DynamoDBThrottles": _count(stats.throttles),
    }


def _drift_by_event_type(outcomes: Sequence[Outcome]) -> dict[str, MetricValues]:
    """Count how event types differ from the catalogue, if any does: a metric that is not emitted costs nothing."""
    totals: dict[str, Drift] = {}
    for outcome in outcomes:
        if outcome.drift is not NO_DRIFT:
            event_type = outcome.event_name or UNKNOWN_TYPE_LABEL
            totals[event_type] = Drift(*map(add, totals.get(event_type, NO_DRIFT), outcome.drift))
    return {
        event_type: {
            name: _count(total) for name, total in zip(_DRIFT_METRIC_NAMES, totals[event_type], strict=True) if total
        }
        for event_type in sorted(totals)
    }


def _count(number: float) -> tuple[MetricUnit, Sequence[float]]:
    return MetricUnit.Count, [number]


def _emit(dimension: str, value: str, values: MetricValues) -> None:
    # All at once: adding metrics one by one, Powertools formats all earlier ones again for each.
    metric_set = {name: {"Unit": unit.value, "Value": numbers} for name, (unit, numbers) in values.items()}
    print(json.dumps(metrics.serialize_metric_set(metric_set, {"service": SERVICE, dimension: value})))
