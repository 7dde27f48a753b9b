"""The dashboard of ``template.yaml`` with the data of a run on this machine.

``snapshot`` records what there is to know of the local stack; ``RunMetrics`` computes from it what each widget shows.
"""

import contextlib
import json
import re
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from cli.catalogue.generated import ROOT
from cli.errors import CommandError
from cli.local.function_logs import log_events
from cli.local.metrics import (
    DataPoint,
    Metric,
    MetricData,
    Search,
    by_period,
    evaluate,
    find_searches,
    from_epoch_ms,
    parse_embedded_metrics,
    period_for,
    period_start,
    statistic,
)
from cli.local.ministack import STACK, LocalAws, running_stack

LAST_RUN = ROOT / ".cache" / "last-run" / "dashboard.json"

Snapshot = dict[str, Any]

# SQS's own names of what CloudWatch calls by the names on the left.
_QUEUE_ATTRIBUTES = {
    "ApproximateNumberOfMessagesVisible": "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible": "ApproximateNumberOfMessagesNotVisible",
}
_ALARM_MEMBERS = (
    "AlarmArn",
    "AlarmName",
    "ComparisonOperator",
    "Dimensions",
    "MetricName",
    "Namespace",
    "Statistic",
    "Threshold",
    "TreatMissingData",
)


@dataclass(frozen=True)
class Series:
    """One line of a plot; ``total`` is its statistic over the whole run, None when nothing on this machine measures it.

    ``unit`` is CloudWatch's name of the unit, empty for the result of metric math.
    """

    label: str
    unit: str
    total: float | None
    points: Sequence[DataPoint]


@dataclass(frozen=True)
class Plot:
    """The series of a metric widget between two times; each point stands at the start of its ``period``."""

    series: Sequence[Series]
    thresholds: Sequence[tuple[str, float]]
    start: datetime
    end: datetime
    period: timedelta
    is_stacked: bool
    is_single_value: bool

    @property
    def unit(self) -> str:
        """The unit of the series, or an empty string when they have several or none."""
        units = {series.unit for series in self.series if series.points}
        return units.pop() if len(units) == 1 else ""


@dataclass(frozen=True)
class AlarmState:
    """An alarm, with its metric over the whole run compared with its threshold.

    ``state`` is ``OK``, ``ALARM`` or ``INSUFFICIENT_DATA``; ``condition`` is when it alarms, such as ``above 100``.
    """

    name: str
    state: str
    value: float | None
    condition: str


@dataclass(frozen=True)
class LogTable:
    """The result of a query over the logs."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Widget:
    """A widget in the dashboard's 24 columns; ``content`` is text in Markdown for a text widget."""

    title: str
    x: int
    width: int
    content: Plot | Sequence[AlarmState] | LogTable | str


def latest_snapshot() -> Snapshot:
    """Take a snapshot of the stack that is running on this machine, or load that of the last run.

    Raises ``CommandError`` when there is neither, or when the file of the last run is damaged.
    """
    aws = running_stack()
    if aws and _is_running(aws.endpoint):
        return snapshot(aws)
    if LAST_RUN.exists():
        return _last_snapshot()
    raise CommandError("There is no run to show. Run `make run` first, then `make dashboard`.")


def _last_snapshot() -> Snapshot:
    try:
        loaded: Snapshot = json.loads(LAST_RUN.read_text(encoding="utf-8"))
    except ValueError:
        raise CommandError(f"{LAST_RUN} is damaged. Run `make run` again, then `make dashboard`.") from None
    return loaded


def snapshot(aws: LocalAws) -> Snapshot:
    """Record the deployed dashboard, alarms, logs and queues of a running stack, and save them as the last run."""
    cloudwatch, sqs = aws.client("cloudwatch"), aws.client("sqs")
    (entry,) = cloudwatch.list_dashboards(DashboardNamePrefix=STACK)["DashboardEntries"]
    taken: Snapshot = {
        "taken": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "dashboard": json.loads(cloudwatch.get_dashboard(DashboardName=entry["DashboardName"])["DashboardBody"]),
        "alarms": [
            {name: alarm[name] for name in _ALARM_MEMBERS} for alarm in cloudwatch.describe_alarms()["MetricAlarms"]
        ],
        "log_groups": {
            function["FunctionName"]: function["LoggingConfig"]["LogGroup"]
            for function in aws.client("lambda").list_functions()["Functions"]
        },
        "log_events": log_events(aws),
        "queues": {
            url.rpartition("/")[2]: sqs.get_queue_attributes(
                QueueUrl=url, AttributeNames=list(_QUEUE_ATTRIBUTES.values())
            )["Attributes"]
            for url in sqs.list_queues()["QueueUrls"]
        },
    }
    LAST_RUN.parent.mkdir(parents=True, exist_ok=True)
    LAST_RUN.write_text(json.dumps(taken, ensure_ascii=False), encoding="utf-8")
    return taken


class RunMetrics:
    """The metrics of a run, and the widgets of its dashboard.

    ``start`` and ``end`` are the times of the first and the last data point, ``period`` is that of the plots.
    """

    def __init__(self, taken: Snapshot) -> None:
        self._body = taken["dashboard"]
        self._alarms = {alarm["AlarmArn"]: alarm for alarm in taken["alarms"]}
        self._lines = [line for events in taken["log_events"].values() for _, line in events]
        self._metrics = parse_embedded_metrics(self._lines)
        for function, group in taken["log_groups"].items():
            self._metrics |= _lambda_metrics(function, group, taken["log_events"].get(group, []))
        self._metrics |= _queue_metrics(taken["queues"], datetime.fromisoformat(taken["taken"]))
        timestamps = [point.timestamp for data in self._metrics.values() for point in data.points]
        self.start, self.end = min(timestamps), max(timestamps)
        self.period = period_for(self.end - self.start)

    def widgets(self) -> list[Widget]:
        """Compute every widget, row by row."""
        widgets = sorted(self._body["widgets"], key=lambda widget: (widget["y"], widget["x"]))
        return [
            Widget(widget["properties"].get("title", ""), widget["x"], widget["width"], self._content(widget))
            for widget in widgets
        ]

    def _content(self, widget: Mapping[str, Any]) -> Plot | Sequence[AlarmState] | LogTable | str:
        properties = widget["properties"]
        match widget["type"]:
            case "metric":
                return self._plot(properties)
            case "alarm":
                return [self._alarm_state(self._alarms[arn]) for arn in properties["alarms"]]
            case "log":
                return self._query(properties["query"])
            case "text":
                return str(properties["markdown"])
        raise ValueError(f"unsupported type of widget: {widget['type']}")

    def _plot(self, properties: Mapping[str, Any]) -> Plot:
        period = timedelta(seconds=properties["period"]) if "period" in properties else self.period
        points: dict[str, list[DataPoint]] = {}
        for start, values in by_period(self._metrics, period).items():
            for label, _, value in self._evaluate(properties, values):
                if value is not None:
                    points.setdefault(label, []).append(DataPoint(start, value))
        whole_run = {metric: data.values for metric, data in self._metrics.items()}
        bounds = max(period, timedelta(seconds=1))  # the axis names whole seconds
        horizontal = properties.get("annotations", {}).get("horizontal", [])
        return Plot(
            series=[
                Series(label, unit, value, points.get(label, []))
                for label, unit, value in self._evaluate(properties, whole_run)
            ],
            thresholds=[(annotation["label"], annotation["value"]) for annotation in horizontal],
            start=period_start(self.start, bounds),
            end=period_start(self.end, bounds) + bounds,
            period=period,
            is_stacked=properties.get("stacked", False),
            is_single_value=properties.get("view") == "singleValue",
        )

    def _evaluate(
        self, properties: Mapping[str, Any], values: Mapping[Metric, Sequence[float]]
    ) -> Iterator[tuple[str, str, float | None]]:
        """Yield (label, unit, value) of each visible entry of a widget, from the values within a span of time."""
        by_id: dict[str, float | None] = {}
        for entry in properties["metrics"]:
            options = entry[-1]
            expression = options.get("expression", "")
            if not expression:
                metric = _parse_metric(entry)
                value = statistic(values.get(metric, ()), options.get("stat") or properties.get("stat", "Average"))
                by_id[options.get("id", "")] = value
                if options.get("visible", True):
                    yield options["label"], self._unit(metric), value
            elif expression.startswith("SEARCH"):
                (search,) = find_searches(expression)
                for metric in sorted(filter(search.matches, values), key=_sort_key):
                    yield (
                        _render_label(options["label"], metric),
                        self._unit(metric),
                        statistic(values[metric], search.statistic),
                    )
            else:
                yield options["label"], "", evaluate(expression, by_id, partial(_search, values))

    def _unit(self, metric: Metric) -> str:
        return self._metrics[metric].unit if metric in self._metrics else ""

    def _alarm_state(self, alarm: Mapping[str, Any]) -> AlarmState:
        dimensions = frozenset((dimension["Name"], dimension["Value"]) for dimension in alarm["Dimensions"])
        data = self._metrics.get(Metric(alarm["Namespace"], alarm["MetricName"], dimensions))
        value = statistic(data.values, alarm["Statistic"]) if data else None
        threshold, is_upper = alarm["Threshold"], alarm["ComparisonOperator"] == "GreaterThanThreshold"
        if value is None:
            state = "ALARM" if alarm["TreatMissingData"] == "breaching" else "INSUFFICIENT_DATA"
        else:
            state = "ALARM" if (value > threshold if is_upper else value < threshold) else "OK"
        condition = f"{'above' if is_upper else 'below'} {format_number(threshold)}"
        return AlarmState(alarm["AlarmName"].removeprefix(f"{STACK} "), state, value, condition)

    def _query(self, query: str) -> LogTable:
        """Run a query that counts the log lines with one message, grouped by some of their fields."""
        match = re.search(r"message = '(\w+)' \| stats count\(\*\) as (\w+) by ([^|]*)", query)
        if not match:
            raise ValueError(f"unsupported query: {query}")
        message, count_name, by = match.groups()
        fields = [field.partition(" as ")[::2] for field in (part.strip() for part in by.split(","))]
        documents = [json.loads(line) for line in self._lines if line.startswith("{")]
        counts = Counter(
            tuple(_field_value(document, path) for path, _ in fields)
            for document in documents
            if document.get("message") == message
        )
        columns = [*(name or path for path, name in fields), count_name]
        return LogTable(columns, [[*group, format_number(count)] for group, count in counts.most_common()])


def format_number(value: float) -> str:
    """Format a number for people: with thousands separators, and with two digits where it is below 1."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 1:
        return f"{value:,.1f}"
    return f"{value:.{_decimals(value)}f}".rstrip("0")


def _decimals(value: float) -> int:
    """How many decimals show two significant digits of a number between -1 and 1."""
    return 1 - int(f"{value:.1e}".partition("e")[2])


def _lambda_metrics(function: str, group: str, events: Iterable[tuple[int, str]]) -> dict[Metric, MetricData]:
    """Derive from a function's log what Lambda and CloudWatch Logs would measure."""
    by_function = frozenset({("FunctionName", function)})
    duration, invocations = MetricData("Milliseconds"), MetricData("Count")
    incoming_bytes = MetricData("Bytes")
    for milliseconds, line in events:
        timestamp = from_epoch_ms(milliseconds)
        incoming_bytes.points.append(DataPoint(timestamp, len(line.encode())))
        if match := re.match(r"REPORT .*?\tDuration: ([\d.]+) ms", line):
            duration.points.append(DataPoint(timestamp, float(match[1])))
            invocations.points.append(DataPoint(timestamp, 1))
    return {
        Metric("AWS/Lambda", "Duration", by_function): duration,
        Metric("AWS/Lambda", "Invocations", by_function): invocations,
        Metric("AWS/Logs", "IncomingBytes", frozenset({("LogGroupName", group)})): incoming_bytes,
    }


def _queue_metrics(queues: Mapping[str, Mapping[str, str]], taken: datetime) -> dict[Metric, MetricData]:
    return {
        Metric("AWS/SQS", name, frozenset({("QueueName", queue)})): MetricData(
            "Count", [DataPoint(taken, float(attributes[attribute]))]
        )
        for queue, attributes in queues.items()
        for name, attribute in _QUEUE_ATTRIBUTES.items()
    }


def _search(values: Mapping[Metric, Sequence[float]], search: Search) -> Iterable[float]:
    totals = (statistic(values[metric], search.statistic) for metric in values if search.matches(metric))
    return [total for total in totals if total is not None]


def _parse_metric(entry: Sequence[Any]) -> Metric:
    """Parse a metric as a dashboard writes it: ``[namespace, name, dimension, value, …, {options}]``."""
    namespace, name, *pairs = entry[:-1]
    return Metric(namespace, name, frozenset(zip(pairs[::2], pairs[1::2], strict=True)))


def _sort_key(metric: Metric) -> list[tuple[str, str]]:
    return sorted(metric.dimensions)


def _render_label(template: str, metric: Metric) -> str:
    return re.sub(r"\$\{PROP\('Dim\.(\w+)'\)\}", lambda match: metric.dimension(match[1]), template)


def _field_value(document: Mapping[str, Any], path: str) -> str:
    """Return a field such as ``reason``, or an element of a list such as ``violations.0``; empty when it is absent."""
    name, _, index = path.partition(".")
    value = document.get(name) or ""
    return str(value[int(index)] if index and value else value)


def _is_running(endpoint: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=1):  # noqa: S310  # always http on the loopback address
        return True
    return False
