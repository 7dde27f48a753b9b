"""Logs and metrics: counts, names and rules, and nothing of what an event says."""

import os
from collections import Counter
from collections.abc import Sequence

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from handlers.fates import Fate, Outcome, Reason

SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME") or "canvas-live-events"
NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or "CanvasLiveEvents"

NO_TYPE = "(unknown)"  # in counts by event type: what has none, or none that the catalogue knows

logger = Logger(service=SERVICE)
metrics = Metrics(namespace=NAMESPACE, service=SERVICE)

_METRIC_NAMES = {
    Fate.STORED: "Stored",
    Fate.SUPERSEDED: "Superseded",
    Fate.IGNORED: "Ignored",
    Fate.REJECTED: "Rejected",
    Fate.RETRY: "Retried",
}


def report(source: str, request_id: str | None, outcomes: Sequence[Outcome]) -> None:
    """Log a batch's account, its rejections and its faults, and emit its metrics.

    ``source`` is ``sqs`` or ``kinesis``. The fates in the account add up to ``received``.
    """
    fates = Counter(outcome.fate for outcome in outcomes)
    account = {"source": source, "received": len(outcomes)} | {fate.value: fates[fate] for fate in Fate}
    logger.info("batch", extra={"function_request_id": request_id, **account, "event_types": _by_event_type(outcomes)})
    _log_rejections(request_id, outcomes)
    _log_faults(request_id, outcomes)
    _emit(source, outcomes, fates)


def _by_event_type(outcomes: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for outcome in outcomes:
        known = None if outcome.cause == Reason.UNKNOWN_EVENT_TYPE else outcome.event_name
        fates = counts.setdefault(known or NO_TYPE, {})
        fates[outcome.fate.value] = fates.get(outcome.fate.value, 0) + 1
    return counts


def _log_rejections(request_id: str | None, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.fate is Fate.REJECTED:
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


def _log_faults(request_id: str | None, outcomes: Sequence[Outcome]) -> None:
    """A line a cause: in an outage it is the same for thousands of records."""
    waiting: dict[str | None, list[str]] = {}
    for outcome in outcomes:
        if outcome.fate is Fate.RETRY:
            waiting.setdefault(outcome.cause, []).append(outcome.record_id)
    for cause, records in waiting.items():
        logger.error(
            "retry",
            extra={
                "function_request_id": request_id,
                "cause": cause,
                "records": len(records),
                "first_record": records[0],
            },
        )


def _emit(source: str, outcomes: Sequence[Outcome], fates: Counter[Fate]) -> None:
    metrics.add_dimension("source", source)
    metrics.add_metric("Received", MetricUnit.Count, len(outcomes))
    for fate, name in _METRIC_NAMES.items():
        metrics.add_metric(name, MetricUnit.Count, fates[fate])
    metrics.add_metric("UnknownFields", MetricUnit.Count, sum(outcome.unknown_fields for outcome in outcomes))
    metrics.flush_metrics()
    reasons = Counter(outcome.cause for outcome in outcomes if outcome.fate is Fate.REJECTED)
    for reason, count in reasons.items():
        with single_metric("RejectedByReason", MetricUnit.Count, count, namespace=NAMESPACE) as metric:
            metric.add_dimension("service", SERVICE)
            metric.add_dimension("reason", str(reason))
