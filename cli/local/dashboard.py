"""The dashboard of ``template.yaml`` with the numbers of a run on this machine.

Its widgets are read from the stack that was deployed, and their metrics from what the functions printed, from Lambda's
lines beside it, and from the queues, each over the whole run. What nothing here measures has no number.
"""

import contextlib
import json
import re
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from cli.catalogue.generated import ROOT
from cli.errors import CommandError
from cli.local.function_logs import log_lines
from cli.local.metrics import Metric, Search, calculate, embedded, searches, statistic
from cli.local.ministack import STACK, LocalAws, left_up

LAST_RUN = ROOT / ".cache" / "last-run" / "dashboard.json"

Widget = dict[str, Any]
Row = tuple[str, str]

# SQS tells the same numbers by another name to who asks for them.
_OF_A_QUEUE = {
    "ApproximateNumberOfMessagesVisible": "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible": "ApproximateNumberOfMessagesNotVisible",
}
_NO_NUMBER = "–"


def run() -> int:
    """The command: show the stack that is up, or else what the last run left.

    Raises ``CommandError`` when there is neither.
    """
    aws = left_up()
    if aws and _is_up(aws.endpoint):
        picture = keep(aws)
    elif LAST_RUN.exists():
        picture = json.loads(LAST_RUN.read_text(encoding="utf-8"))
    else:
        raise CommandError("there was no run yet: start one with `make run`, then show its dashboard.")
    Console().print(_Screen(picture))
    return 0


def keep(aws: LocalAws) -> dict[str, Any]:
    """Work out the dashboard of the stack that is up, and keep it for when that is down."""
    run = Run(aws)
    body = json.loads(aws.client("cloudwatch").get_dashboard(DashboardName=_dashboard(aws))["DashboardBody"])
    picture = {
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
        "widgets": [
            {"title": each["properties"]["title"], "y": each["y"], "rows": list(run.rows(each))}
            for each in body["widgets"]
        ],
    }
    LAST_RUN.parent.mkdir(parents=True, exist_ok=True)
    LAST_RUN.write_text(json.dumps(picture, indent=2, ensure_ascii=False), encoding="utf-8")
    return picture


class Run:
    """The numbers of a run: metrics, log lines and alarms of the stack that is up."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws
        printed = log_lines(aws)
        self._lines = [line for lines in printed.values() for line in lines]
        self._values = embedded(self._lines)
        for function in aws.client("lambda").list_functions()["Functions"]:
            group = function["LoggingConfig"]["LogGroup"]
            self._values |= _of_lambda(function["FunctionName"], group, printed.get(group, []))

    def rows(self, widget: Widget) -> Iterator[Row]:
        """What a widget shows: labels and numbers."""
        properties = widget["properties"]
        if widget["type"] == "alarm":
            yield from self._alarms(properties["alarms"])
        elif widget["type"] == "log":
            yield from self._counted(properties["query"])
        else:
            yield from self._metrics(properties)

    def _metrics(self, properties: dict[str, Any]) -> Iterator[Row]:
        by_id: dict[str, float | None] = {}
        for entry in properties["metrics"]:
            options = entry[-1] if isinstance(entry[-1], dict) else {}
            if "expression" not in options:
                metric = _metric(entry)
                number = self._number(metric, options.get("stat") or properties.get("stat", "Average"))
                by_id[options.get("id", "")] = number
                if options.get("visible", True):
                    yield options["label"], _text(number)
            elif options["expression"].startswith("SEARCH"):
                (search,) = searches(options["expression"])
                for metric in sorted(filter(search.finds, self._values), key=str):
                    yield _label(options["label"], metric), _text(self._number(metric, search.statistic))
            else:
                yield options["label"], _text(calculate(options["expression"], by_id, self._search))

    def _search(self, search: Search) -> Iterable[float]:
        numbers = (self._number(metric, search.statistic) for metric in self._values if search.finds(metric))
        return [number for number in numbers if number is not None]

    def _number(self, metric: Metric, stat: str) -> float | None:
        if metric in self._values:
            return statistic(self._values[metric], stat)
        if metric.name in _OF_A_QUEUE:
            sqs = self._aws.client("sqs")
            url = sqs.get_queue_url(QueueName=metric.dimension("QueueName"))["QueueUrl"]
            name = _OF_A_QUEUE[metric.name]
            return float(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])
        return None

    def _alarms(self, arns: list[str]) -> Iterator[Row]:
        """Each alarm's number over the whole run, held against its threshold."""
        by_arn = {
            alarm["AlarmArn"]: alarm for alarm in self._aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
        }
        for alarm in (by_arn[arn] for arn in arns):
            dimensions = frozenset((each["Name"], each["Value"]) for each in alarm["Dimensions"])
            number = self._number(Metric(alarm["Namespace"], alarm["MetricName"], dimensions), alarm["Statistic"])
            yield alarm["AlarmName"].removeprefix(f"{STACK} "), _state(alarm, number)

    def _counted(self, query: str) -> Iterator[Row]:
        """A query that counts the lines of one message by some of their fields."""
        matched = re.search(r"message = '(\w+)' \| stats count\(\*\) as \w+ by ([^|]*)", query)
        if not matched:
            raise ValueError(f"a query that is not known here: {query}")
        fields = [field.partition(" as ")[0].strip().partition(".")[::2] for field in matched[2].split(",")]
        lines = (json.loads(line) for line in self._lines if line.startswith("{"))
        counts = Counter(
            " ".join(_field(line, name, index) for name, index in fields)
            for line in lines
            if line.get("message") == matched[1]
        )
        for label, count in counts.most_common():
            yield label, str(count)


class _Screen:
    """The rows of widgets as they are on the dashboard, side by side where there is room."""

    def __init__(self, picture: dict[str, Any]) -> None:
        self._picture = picture

    def __rich_console__(self, console: Console, _: object) -> Iterator[Any]:
        yield f"[bold]{STACK}[/bold], the run of {self._picture['taken']}, each number over all of it;"
        yield f"{_NO_NUMBER} stands for what only AWS measures."
        widgets = self._picture["widgets"]
        for y in sorted({widget["y"] for widget in widgets}):
            panels = [_panel(widget) for widget in widgets if widget["y"] == y]
            yield Columns(panels, width=min(100, max(38, console.width // len(panels) - 1)), padding=(0, 1))


def _panel(widget: Mapping[str, Any]) -> Panel:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    for label, number in widget["rows"] or [("none", "")]:
        style = "dim" if number == _NO_NUMBER else "bold red" if number.startswith("ALARM") else None
        table.add_row(escape(label), escape(number), style=style)
    return Panel(table, title=f"[bold]{escape(widget['title'])}[/bold]", title_align="left")


def _of_lambda(function: str, group: str, lines: list[str]) -> dict[Metric, list[float]]:
    """What Lambda and CloudWatch Logs measure themselves, as the log has it."""
    durations = [float(found[1]) for line in lines if (found := re.match(r"REPORT .*?\tDuration: ([\d.]+) ms", line))]
    by_function = frozenset({("FunctionName", function)})
    return {
        Metric("AWS/Lambda", "Duration", by_function): durations,
        Metric("AWS/Lambda", "Invocations", by_function): [1] * len(durations),
        Metric("AWS/Logs", "IncomingBytes", frozenset({("LogGroupName", group)})): [len(line) for line in lines],
    }


def _metric(entry: list[Any]) -> Metric:
    """A metric as a dashboard writes it: ``[namespace, name, dimension, value, …, {options}]``."""
    namespace, name, *pairs = [part for part in entry if isinstance(part, str)]
    return Metric(namespace, name, frozenset(zip(pairs[::2], pairs[1::2], strict=True)))


def _label(template: str, metric: Metric) -> str:
    return re.sub(r"\$\{PROP\('Dim\.(\w+)'\)\}", lambda found: metric.dimension(found[1]), template)


def _field(line: Mapping[str, Any], name: str, index: str) -> str:
    value = line.get(name) or ""
    return str(value[int(index)] if index and value else value)


def _state(alarm: Mapping[str, Any], number: float | None) -> str:
    if number is None:
        return "ALARM, none came" if alarm["TreatMissingData"] == "breaching" else _NO_NUMBER
    threshold = alarm["Threshold"]
    above = alarm["ComparisonOperator"] == "GreaterThanThreshold"
    is_wrong = number > threshold if above else number < threshold
    return f"{'ALARM' if is_wrong else 'OK'} {_text(number)}, {'at most' if above else 'at least'} {_text(threshold)}"


def _text(number: float | None) -> str:
    if number is None:
        return _NO_NUMBER
    if number == int(number) or abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.2g}" if abs(number) < 1 else f"{number:,.1f}"


def _dashboard(aws: LocalAws) -> str:
    (entry,) = aws.client("cloudwatch").list_dashboards(DashboardNamePrefix=STACK)["DashboardEntries"]
    return str(entry["DashboardName"])


def _is_up(endpoint: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=1):  # noqa: S310  # ours, and http
        return True
    return False
