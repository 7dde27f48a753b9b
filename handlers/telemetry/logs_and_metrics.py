"""Logs and metrics: counts, names and rules, and nothing of what an event says.

Metrics are in CloudWatch's embedded metric format: a line of JSON on standard output, from which CloudWatch Logs
makes them. Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format".
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

from handlers.items.timestamps import instant
from handlers.outcome import NO_DRIFT, Drift, Fate, Outcome, Reason
from handlers.telemetry.batch_stats import Effort

SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME") or "canvas-live-events"
NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or "CanvasLiveEvents"

NO_TYPE = "(unknown)"  # in counts by event type: what has none, or none that the catalogue knows

# Of each batch; as many as a batch has by default. A flood of rejections must not become one of log lines, which
# cost by the byte and time to write; each rejected record is in its table anyway.
MOST_REJECTION_LINES = 100

# The embedded metric format takes 100 values of a metric in a line; of 50, the topmost stands for the 99th percentile.
MOST_VALUES = 50

_METRIC_NAMES = {
    Fate.STORED: "Stored",
    Fate.SUPERSEDED: "Superseded",
    Fate.IGNORED: "Ignored",
    Fate.REJECTED: "Rejected",
    Fate.RETRY: "Retried",
}
_DRIFT_NAMES = ("UnknownFields", "UnknownStates", "TruncatedFields")  # of the parts of a Drift, in their order

logger = Logger(service=SERVICE)
metrics = Metrics(namespace=NAMESPACE, service=SERVICE)

Values = dict[str, tuple[MetricUnit, Sequence[float]]]


def report(
    source: str,
    request_id: str | None,
    outcomes: Sequence[Outcome],
    effort: Effort | None = None,
    now: datetime | None = None,
) -> None:
    """Log a batch's account, its rejections and its faults, and emit its metrics.

    ``source`` is ``sqs`` or ``kinesis``. The fates in the account add up to ``received``. ``effort`` is what the batch
    took, and ``now`` the moment up to which delays count: this one, if none is given.
    """
    effort, now = effort or Effort(), now or datetime.now(UTC)
    fates = Counter(outcome.fate for outcome in outcomes)
    rejected = [outcome for outcome in outcomes if outcome.fate is Fate.REJECTED]
    _log_batch(source, request_id, outcomes, fates, effort)
    _log_rejections(request_id, rejected)
    _log_faults(request_id, [outcome for outcome in outcomes if outcome.fate is Fate.RETRY])
    _emit("source", source, _counts(outcomes, fates) | _delays(outcomes, now) | _efforts(effort))
    for reason, count in Counter(outcome.cause for outcome in rejected).items():
        _emit("reason", str(reason), {"RejectedByReason": _count(count)})
    for event_type, counts in _drift_by_event_type(outcomes).items():
        _emit("event_type", event_type, counts)


def _log_batch(
    source: str, request_id: str | None, outcomes: Sequence[Outcome], fates: Counter[Fate], effort: Effort
) -> None:
    account = {"source": source, "received": len(outcomes)} | {fate.value: fates[fate] for fate in Fate}
    took = {f"{stage}_ms": round(duration, 1) for stage, duration in effort.milliseconds.items()}
    asked = {"requests": effort.requests, "retries": effort.retries, "throttles": effort.throttles}
    logger.info(
        "batch",
        extra={
            "function_request_id": request_id,
            **account,
            **took,
            "dynamodb": asked,
            "event_types": _by_event_type(outcomes),
        },
    )


def _by_event_type(outcomes: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for outcome in outcomes:
        known = None if outcome.cause == Reason.UNKNOWN_EVENT_TYPE else outcome.event_name
        fates = counts.setdefault(known or NO_TYPE, {})
        fates[outcome.fate.value] = fates.get(outcome.fate.value, 0) + 1
    return counts


def _log_rejections(request_id: str | None, rejected: Sequence[Outcome]) -> None:
    """A line each, and above ``MOST_REJECTION_LINES`` one for each reason of the others."""
    for outcome in rejected[:MOST_REJECTION_LINES]:
        logger.warning(
            "rejected",
            extra={
                "function_request_id": request_id,
                "record": outcome.record_id,
                "reason": outcome.cause,
                "event_name": outcome.event_name,
                "violations": [f"{v.path}: {v.rule} {v.expected}".rstrip() for v in outcome.violations],
            },
        )
    for reason, count in Counter(outcome.cause for outcome in rejected[MOST_REJECTION_LINES:]).items():
        logger.warning("more rejected", extra={"function_request_id": request_id, "reason": reason, "records": count})


def _log_faults(request_id: str | None, waiting: Sequence[Outcome]) -> None:
    """A line a cause: in an outage it is the same for thousands of records."""
    by_cause: dict[str | None, list[str]] = {}
    for outcome in waiting:
        by_cause.setdefault(outcome.cause, []).append(outcome.record_id)
    for cause, records in by_cause.items():
        logger.error(
            "retry",
            extra={
                "function_request_id": request_id,
                "cause": cause,
                "records": len(records),
                "first_record": records[0],
            },
        )


def _counts(outcomes: Sequence[Outcome], fates: Counter[Fate]) -> Values:
    return {"Received": _count(len(outcomes))} | {name: _count(fates[fate]) for fate, name in _METRIC_NAMES.items()}


def _delays(outcomes: Sequence[Outcome], now: datetime) -> Values:
    """How late the events are that are done: since they happened, and since they entered the queue or stream."""
    happened = [outcome.event_time for outcome in outcomes if outcome.event_time and outcome.fate is not Fate.RETRY]
    entered = [outcome.entered for outcome in outcomes if outcome.entered and outcome.fate is not Fate.RETRY]
    return {
        name: (MetricUnit.Seconds, [max(0.0, (now - moment).total_seconds()) for moment in moments])
        for name, moments in (
            ("EndToEndLatency", [instant(text) for text in spread(happened)]),
            ("QueueLatency", spread(entered)),
        )
        if moments
    }


def spread(values: Sequence[Any]) -> Sequence[Any]:
    """All values if they are few, or else ``MOST_VALUES``, each in the middle of an equal share of them all.

    Median, p90 and p99 come out as those of all values; the very largest may not be among them.
    """
    if len(values) <= MOST_VALUES:
        return values
    ordered = sorted(values)
    return [ordered[(2 * share + 1) * len(ordered) // (2 * MOST_VALUES)] for share in range(MOST_VALUES)]


def _efforts(effort: Effort) -> Values:
    durations = {
        f"{stage.capitalize()}Duration": (MetricUnit.Milliseconds, [duration])
        for stage, duration in effort.milliseconds.items()
    }
    return durations | {
        "DynamoDBRequests": _count(effort.requests),
        "DynamoDBRetries": _count(effort.retries),
        "DynamoDBThrottles": _count(effort.throttles),
    }


def _drift_by_event_type(outcomes: Sequence[Outcome]) -> dict[str, Values]:
    """What differs from the catalogue, where anything does: a metric that is never sent costs nothing."""
    totals: dict[str, Drift] = {}
    for outcome in outcomes:
        if outcome.drift is not NO_DRIFT:
            event_type = outcome.event_name or NO_TYPE
            totals[event_type] = Drift(*map(add, totals.get(event_type, NO_DRIFT), outcome.drift))
    return {
        event_type: {name: _count(total) for name, total in zip(_DRIFT_NAMES, totals[event_type], strict=True) if total}
        for event_type in sorted(totals)
    }


def _count(number: float) -> tuple[MetricUnit, Sequence[float]]:
    return MetricUnit.Count, [number]


def _emit(dimension: str, value: str, values: Values) -> None:
    # At once, and not number by number: Powertools would format all earlier ones again for each.
    made = {name: {"Unit": unit.value, "Value": numbers} for name, (unit, numbers) in values.items()}
    print(json.dumps(metrics.serialize_metric_set(made, {"service": SERVICE, dimension: value})))
