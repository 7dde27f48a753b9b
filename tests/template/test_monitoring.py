"""Alarms and dashboard as deployed, compared with the metrics that the deployed functions emit."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.catalogue.samples import rejected_samples
from cli.local import dashboard
from cli.local.dashboard import AlarmState, LogTable, Plot, RunMetrics, Widget
from cli.local.dashboard_page import render_page
from cli.local.function_logs import complete_logs, log_lines, settle
from cli.local.local_run import PARAMETERS
from cli.local.metrics import Metric, MetricData, find_searches, parse_embedded_metrics
from cli.local.ministack import STACK, LocalAws, deploy, ministack
from handlers.outcome import RejectionReason
from handlers.telemetry.logs_and_metrics import NAMESPACE
from tests.support.browser import Page
from tests.support.engines import SAMPLES
from tests.support.template_helpers import (
    FAMILIES,
    INTEGERS,
    ROOT,
    TABLES,
    TEMPLATE,
    Json,
    condition_of,
    of_type,
    properties,
)

ALARMS = of_type("AWS::CloudWatch::Alarm")
OF_OBJECTS = {name: alarm for name, alarm in ALARMS.items() if alarm.get("Condition") == "HasReplay"}
OF_THE_STREAM = {name: alarm for name, alarm in ALARMS.items() if alarm.get("Condition") == "ReadStream"}
RUNBOOK = re.compile(r"docs/runbook\.md#([a-z-]+)$")

# What AWS measures itself, and by which dimensions. Sources: Amazon SQS Developer Guide, "Available CloudWatch
# metrics"; AWS Lambda Developer Guide, "Types of metrics for Lambda functions"; Amazon Kinesis Data Streams Developer
# Guide, "Monitor with CloudWatch"; Amazon S3 User Guide, "Metrics and dimensions"; Amazon DynamoDB Developer Guide,
# "DynamoDB metrics and dimensions"; Amazon CloudWatch Logs User Guide, "Monitoring with CloudWatch metrics".
OF_AWS = {
    ("AWS/SQS", ("QueueName",)): {
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesVisible",
        "NumberOfEmptyReceives",
        "NumberOfMessagesDeleted",
        "NumberOfMessagesReceived",
        "NumberOfMessagesSent",
    },
    ("AWS/Lambda", ("FunctionName",)): {
        "DestinationDeliveryFailures",
        "Duration",
        "Errors",
        "Invocations",
        "IteratorAge",
        "Throttles",
    },
    ("AWS/Lambda", ("EventSourceMappingUUID",)): {"OnFailureDestinationDeliveredEventCount"},
    ("AWS/Kinesis", ("StreamName",)): {"GetRecords.Bytes", "IncomingBytes", "IncomingRecords"},
    ("AWS/S3", ("BucketName", "StorageType")): {"NumberOfObjects"},
    ("AWS/DynamoDB", ("TableName",)): {"ConsumedWriteCapacityUnits", "WriteThrottleEvents"},
    ("AWS/Logs", ("LogGroupName",)): {"IncomingBytes"},
}


@dataclass(frozen=True)
class MonitoredStack:
    """A stack in MiniStack that received events: its alarms and dashboard, and the metrics that it emitted."""

    alarms: dict[str, Json]
    dashboard: Json
    emitted: frozenset[Metric]
    names: dict[str, set[str]]
    totals: dict[str, float]
    snapshot: Json

    def metrics_of_alarms(self) -> dict[str, Metric]:
        """Return the metric of each alarm."""
        return {name: metric_of(alarm) for name, alarm in self.alarms.items()}

    def entries(self) -> Iterator[Any]:
        """Return every metric entry of every widget."""
        for widget in self.dashboard["widgets"]:
            yield from widget["properties"].get("metrics", ())


def metric_of(alarm: Json) -> Metric:
    """Return the metric of an alarm."""
    dimensions = frozenset((dimension["Name"], dimension["Value"]) for dimension in alarm["Dimensions"])
    return Metric(alarm["Namespace"], alarm["MetricName"], dimensions)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MonitoredStack]:
    """The template with a stream, after every kind of event arrived through both sources."""
    with ministack() as aws, pytest.MonkeyPatch.context() as patch:
        patch.setattr(dashboard, "LAST_RUN", tmp_path_factory.mktemp("last-run") / "dashboard.json")
        outputs = deploy(aws, PARAMETERS)
        texts = [*SAMPLES.values(), *rejected_samples().values(), _drifted()]
        with complete_logs(aws):
            for text in texts:
                aws.client("sqs").send_message(QueueUrl=outputs["QueueUrl"], MessageBody=text)
                aws.client("kinesis").put_record(StreamName=outputs["StreamName"], PartitionKey="1", Data=text.encode())
            settle(aws, outputs["QueueUrl"], 2 * len(texts))
        cloudwatch = aws.client("cloudwatch")
        (entry,) = cloudwatch.list_dashboards()["DashboardEntries"]
        body = cloudwatch.get_dashboard(DashboardName=entry["DashboardName"])["DashboardBody"]
        alarms = cloudwatch.describe_alarms()["MetricAlarms"]
        yield MonitoredStack(
            alarms={alarm["AlarmName"]: alarm for alarm in alarms},
            dashboard=json.loads(body),
            emitted=frozenset(_emitted(aws)),
            names=_names(aws),
            totals={
                f"{metric.dimension('source')} {metric.name.lower()}": sum(data.values)
                for metric, data in _emitted(aws).items()
            },
            snapshot=dashboard.snapshot(aws),
        )


def _emitted(aws: LocalAws) -> dict[Metric, MetricData]:
    return parse_embedded_metrics(line for lines in log_lines(aws).values() for line in lines)


def _drifted() -> str:
    event = json.loads(SAMPLES["assignment_updated"])
    event["body"] |= {"colour": "green", "workflow_state": "frozen", "description": "word " * 1637 + "..."}
    return json.dumps(event)


def _names(aws: LocalAws) -> dict[str, set[str]]:
    """Return the existing resources, by the metric dimension that names them."""
    logs = aws.client("logs").describe_log_groups()["logGroups"]
    return {
        "QueueName": {url.rpartition("/")[2] for url in aws.client("sqs").list_queues()["QueueUrls"]},
        "FunctionName": {function["FunctionName"] for function in aws.client("lambda").list_functions()["Functions"]},
        "EventSourceMappingUUID": {
            mapping["UUID"] for mapping in aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        },
        "StreamName": set(aws.client("kinesis").list_streams()["StreamNames"]),
        "BucketName": {bucket["Name"] for bucket in aws.client("s3").list_buckets()["Buckets"]},
        "StorageType": {"AllStorageTypes"},
        "TableName": set(aws.client("dynamodb").list_tables()["TableNames"]),
        "LogGroupName": {group["logGroupName"] for group in logs},
    }


def is_emitted(metric: Metric, deployed: MonitoredStack) -> bool:
    """Return whether a metric is emitted, by the functions or by AWS for an existing resource."""
    if metric.namespace == NAMESPACE:
        return metric in deployed.emitted
    dimensions = dict(metric.dimensions)
    return metric.name in OF_AWS.get((metric.namespace, tuple(sorted(dimensions))), ()) and all(
        value in deployed.names[name] for name, value in dimensions.items()
    )


def test_every_alarm_uses_an_emitted_metric(deployed: MonitoredStack) -> None:
    """Namespace, name and every dimension of an alarm match an emitted metric."""
    assert len(deployed.alarms) == len(ALARMS)
    assert [name for name, metric in deployed.metrics_of_alarms().items() if not is_emitted(metric, deployed)] == []


@pytest.mark.parametrize(
    ("namespace", "name", "dimensions"),
    [
        (NAMESPACE, "Rejected", {"service": STACK, "source": "queue"}),
        (NAMESPACE, "Rejected", {"service": "other", "source": "sqs"}),
        (NAMESPACE, "Rejected", {"service": STACK}),
        (NAMESPACE, "Rejects", {"service": STACK, "source": "sqs"}),
        ("CanvasEvents", "Rejected", {"service": STACK, "source": "sqs"}),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "another"}),
        ("AWS/Lambda", "Throttled", {"FunctionName": "a"}),
    ],
)
def test_alarm_on_a_metric_that_is_not_emitted_is_detected(
    deployed: MonitoredStack, namespace: str, name: str, dimensions: dict[str, str]
) -> None:
    """The check above fails for a metric that differs in any part."""
    assert not is_emitted(Metric(namespace, name, frozenset(dimensions.items())), deployed)


def test_every_dashboard_metric_is_emitted(deployed: MonitoredStack) -> None:
    """Each metric on the dashboard is emitted, and each search for our metrics finds some."""
    for entry in deployed.entries():
        texts = [part for part in entry if isinstance(part, str)]
        if texts:
            namespace, name, *pairs = texts
            metric = Metric(namespace, name, frozenset(zip(pairs[::2], pairs[1::2], strict=True)))
            assert is_emitted(metric, deployed), metric
        for search in find_searches(entry[-1].get("expression", "") if isinstance(entry[-1], dict) else ""):
            if search.namespace == NAMESPACE:
                assert any(search.matches(metric) for metric in deployed.emitted), search
            else:
                (name,) = search.terms["MetricName"]
                assert name in OF_AWS[search.namespace, search.dimensions], search
                assert search.terms["TableName"] <= deployed.names["TableName"] | {"none"}, search


def test_every_emitted_metric_is_on_the_dashboard(deployed: MonitoredStack) -> None:
    """Each metric costs money, so each one is on the dashboard."""
    expressions = [entry[-1].get("expression", "") for entry in deployed.entries() if isinstance(entry[-1], dict)]
    shown = [search for expression in expressions for search in find_searches(expression)]
    assert [metric for metric in deployed.emitted if not any(search.matches(metric) for search in shown)] == []


@pytest.mark.parametrize("name", ["ThrottledWrites", "WriteCosts"])
def test_table_metrics_name_every_deployed_family_once(name: str) -> None:
    """Each deployed family is in exactly one of the table lists of a widget."""
    variables = properties("Dashboard")["DashboardBody"]["Fn::Sub"][1]
    _, lists = variables[name]["Fn::Sub"]
    parts = [part for table_names in lists.values() for part in table_names["Fn::Join"][1]]
    assert [part for part in parts if "Fn::If" in part] == [
        {"Fn::If": [condition_of(family), {"Fn::Sub": f'\\"${{{TABLES[family]}}}\\" OR '}, ""]} for family in FAMILIES
    ]


def test_every_table_widget_shows_all_tables(deployed: MonitoredStack) -> None:
    """The searches of a widget together name all existing tables."""
    for widget in deployed.dashboard["widgets"]:
        expressions = [
            entry[-1].get("expression", "")
            for entry in widget["properties"].get("metrics", ())
            if isinstance(entry[-1], dict)
        ]
        names = [
            search.terms["TableName"]
            for text in expressions
            for search in find_searches(text)
            if "TableName" in search.terms
        ]
        if names:
            assert frozenset().union(*names) - {"none"} == deployed.names["TableName"]
            assert sum(len(part - {"none"}) for part in names) == len(deployed.names["TableName"])


def test_every_alarm_is_on_the_dashboard(deployed: MonitoredStack) -> None:
    """The status row includes every alarm."""
    (row,) = [widget["properties"] for widget in deployed.dashboard["widgets"] if widget["type"] == "alarm"]
    assert sorted(row["alarms"]) == sorted(alarm["AlarmArn"] for alarm in deployed.alarms.values())


def test_widgets_do_not_overlap(deployed: MonitoredStack) -> None:
    """The dashboard is a grid of 24 columns with at most one widget in every cell."""
    cells = [
        (x, y)
        for widget in deployed.dashboard["widgets"]
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23


def test_dashboard_without_a_stream_does_not_mention_it() -> None:
    """The default dashboard is equally complete, and nothing on it mentions a stream."""
    with ministack() as aws:
        deploy(aws, {"DeletionProtection": "false", "SilenceAlarmHours": "0"})
        cloudwatch = aws.client("cloudwatch")
        (entry,) = cloudwatch.list_dashboards()["DashboardEntries"]
        body = cloudwatch.get_dashboard(DashboardName=entry["DashboardName"])["DashboardBody"]
        alarms = cloudwatch.describe_alarms()["MetricAlarms"]
    text = json.dumps(json.loads(body))
    assert "AWS/Kinesis" not in text
    assert len(alarms) == len(ALARMS) - len(OF_THE_STREAM) - len(OF_OBJECTS) - len(["silence"])
    assert not [alarm["AlarmName"] for alarm in alarms if "stream" in alarm["AlarmName"]]


@pytest.mark.parametrize("name", ALARMS)
def test_alarm_description_names_its_runbook_section(name: str) -> None:
    """Its name is a heading of the runbook, its description fits the limit, and it notifies one topic."""
    alarm = properties(name)
    section = RUNBOOK.search(alarm["AlarmDescription"])
    assert section
    called = alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName} ").partition(" (")[0]
    assert section[1] == called.replace(" ", "-")
    assert len(alarm["AlarmDescription"]) <= 1024
    assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]
    assert alarm.get("OKActions", alarm["AlarmActions"]) == alarm["AlarmActions"]


def test_missing_data_raises_only_the_alarm_for_silence() -> None:
    """A night without events raises no alarm, and a week without them does."""
    missing = {name: properties(name)["TreatMissingData"] for name in ALARMS}
    assert missing.pop("SilenceAlarm") == "breaching"
    assert set(missing.values()) == {"notBreaching"}


def test_alarm_for_silence_watches_the_source_of_events() -> None:
    """With a stream it watches the stream, otherwise the queue; with 0 hours it does not exist."""
    alarm = ALARMS["SilenceAlarm"]
    assert alarm["Condition"] == "HasSilenceAlarm"
    assert {"Name": "source", "Value": {"Fn::If": ["ReadStream", "kinesis", "sqs"]}} in alarm["Properties"][
        "Dimensions"
    ]


def test_both_functions_have_the_same_alarms() -> None:
    """The Kinesis function has the same alarms and thresholds as the queue function."""
    for name in [name for name in ALARMS if name.startswith("Queue") and name != "QueueDelayAlarm"]:
        of_the_queue, of_the_stream = properties(name), properties(name.replace("Queue", "Stream"))
        for fact in ("Namespace", "MetricName", "Statistic", "Period", "EvaluationPeriods", "Threshold"):
            assert of_the_queue[fact] == of_the_stream[fact], (name, fact)


def test_duration_alarm_is_raised_before_the_timeout() -> None:
    """The default is below the functions' timeout, and above the time that they reserve for the response."""
    limit = properties("SqsFunction")["Timeout"]
    assert int(TEMPLATE["Parameters"]["DurationAlarmSeconds"]["Default"]) < limit
    assert INTEGERS["DurationAlarmSeconds"][1] == limit == properties("KinesisFunction")["Timeout"]


def test_cloudwatch_may_publish_to_the_topic_and_use_its_key() -> None:
    """Otherwise alarms could not notify the topic."""
    assert properties("AlarmTopic")["KmsMasterKeyId"] == {"Ref": "AlarmKey"}
    key = properties("AlarmKey")["KeyPolicy"]["Statement"]
    topic = properties("AlarmTopicPolicy")["PolicyDocument"]["Statement"]
    cloudwatch = {"Service": "cloudwatch.amazonaws.com"}
    (use,) = [statement for statement in key if statement["Principal"] == cloudwatch]
    assert use["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
    (publish,) = [statement for statement in topic if statement["Principal"] == cloudwatch]
    assert publish["Action"] == "sns:Publish"
    # Source: Amazon SNS Developer Guide, "Enable compatibility between event sources from AWS services and encrypted
    # topics", which AWS's own Modern Data Architecture Accelerator follows for alarms with this condition.
    own_account = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert use["Condition"] == publish["Condition"] == own_account


def test_email_is_subscribed_only_if_an_address_is_set() -> None:
    """Without an address the topic exists all the same, for other subscribers."""
    assert of_type("AWS::SNS::Subscription")["AlarmMail"]["Condition"] == "HasAlarmEmail"
    assert TEMPLATE["Parameters"]["AlarmEmail"]["Default"] == ""
    assert "Condition" not in of_type("AWS::SNS::Topic")["AlarmTopic"]


def test_documentation_states_the_number_of_metrics(deployed: MonitoredStack) -> None:
    """The documented numbers of metrics for a source, for all reasons and for an event type are correct."""
    by_source = {metric.name for metric in deployed.emitted if metric.dimension("source") == "sqs"}
    assert by_source == {metric.name for metric in deployed.emitted if metric.dimension("source") == "kinesis"}
    by_event_type = {metric.name for metric in deployed.emitted if metric.dimension("event_type")}
    most = {"by source": len(by_source), "by reason": len(RejectionReason), "by event type": len(by_event_type)}
    text = (ROOT / "docs" / "monitoring.md").read_text()
    for kind, count in most.items():
        assert re.search(rf"\| {kind}[^|]*\|[^|]*\| {count} \|", text), (kind, count)
    of_both = len(ALARMS) - len(OF_OBJECTS)
    of_the_queue = of_both - len(OF_THE_STREAM)
    assert f"| alarms | {of_the_queue}: {of_the_queue / 10:.2f} | {of_both}: {of_both / 10:.2f} |" in text
    assert f"| {len(by_source)}: {0.3 * len(by_source):.2f} USD | {2 * len(by_source)}: " in text


def test_documentation_names_every_metric_and_alarm(deployed: MonitoredStack) -> None:
    """Every metric and alarm in CloudWatch is in the documentation."""
    text = (ROOT / "docs" / "monitoring.md").read_text()
    assert [metric.name for metric in deployed.emitted if f"`{metric.name}`" not in text] == []
    names = [
        name.removeprefix(f"{STACK} ").removesuffix(" (queue)").removesuffix(" (stream)") for name in deployed.alarms
    ]
    assert [name for name in names if name not in text] == []


@pytest.fixture(scope="module")
def widgets(deployed: MonitoredStack) -> dict[str, Widget]:
    """Return the widgets of the run's dashboard, by title."""
    return {widget.title: widget for widget in RunMetrics(deployed.snapshot).widgets()}


def totals(widget: Widget) -> dict[str, float | None]:
    """Return the total of each series of a plot over the whole run, by label."""
    assert isinstance(widget.content, Plot)
    return {series.label: series.total for series in widget.content.series}


def test_local_dashboard_has_every_widget_with_the_emitted_numbers(
    deployed: MonitoredStack, widgets: dict[str, Widget]
) -> None:
    """The widgets are those of the deployed dashboard, and their totals are the sums of what the functions emitted."""
    assert [*widgets] == [widget["properties"]["title"] for widget in deployed.dashboard["widgets"]]
    outcomes = totals(widgets["Outcomes"])
    assert len(outcomes) == 12
    assert outcomes == {label: deployed.totals[label] for label in outcomes}
    assert set(totals(widgets["Rejected events by reason"]).values()) == {2}
    rules = widgets["Rejected events by rule"].content
    assert isinstance(rules, LogTable)
    assert rules.columns == ["reason", "event_name", "rule", "records"]
    assert sum(int(records) for *_, records in rules.rows) == 2 * len(rejected_samples())
    assert totals(widgets["Schema drift"]) == {
        "assignment_updated unknown fields": 2,
        "assignment_updated unknown states": 2,
        "assignment_updated truncated fields": 2,
    }
    assert totals(widgets["Backlog of the queue"])["in the dead-letter queue"] == 0
    assert (totals(widgets["Duration of invocations, ms"])["sqs maximum"] or 0) > 0
    assert totals(widgets["Oldest event in the queue, s"]) == {"queue": None}


def test_local_dashboard_compares_alarms_with_the_run(widgets: dict[str, Widget]) -> None:
    """An alarm has the value of its metric over the whole run and the state that follows; without a value, none."""
    states = widgets["Alarms"].content
    assert isinstance(states, list)
    alarms: dict[str, AlarmState] = {alarm.name: alarm for alarm in states}
    assert alarms["events rejected (queue)"] == AlarmState(
        "events rejected (queue)", "OK", len(rejected_samples()), "above 100"
    )
    assert alarms["silence"].state == "OK"
    assert alarms["queue delayed"] == AlarmState("queue delayed", "INSUFFICIENT_DATA", None, "above 1,800")


def test_local_dashboard_spreads_sums_over_time(widgets: dict[str, Widget]) -> None:
    """The points of a sum add up to its total, lie within the axis, and have different times."""
    plot = widgets["Outcomes"].content
    assert isinstance(plot, Plot)
    assert plot.unit == "Count"
    for series in plot.series:
        assert sum(point.value for point in series.points) == series.total
        assert all(plot.start <= point.timestamp < plot.end for point in series.points)
    assert len({point.timestamp for series in plot.series for point in series.points}) > 1


@pytest.mark.parametrize(("width", "is_mobile"), [(390, True), (1280, False)])
def test_local_dashboard_is_readable_in_a_browser(
    deployed: MonitoredStack, widgets: dict[str, Widget], browser: Page, tmp_path: Path, width: int, is_mobile: bool
) -> None:
    """On a phone and on a desktop every widget and number is visible, and nothing overlaps or sticks out."""
    path = tmp_path / "dashboard.html"
    path.write_text(render_page(RunMetrics(deployed.snapshot)), encoding="utf-8")
    browser.open(path, width, is_mobile=is_mobile)
    layout = browser.layout()
    assert layout["width"] == width
    assert layout["headings"] == [*widgets]
    assert (layout["overflowing"], layout["overlapping"]) == ([], [])
    assert layout["smallest"] >= 9
    plots = {title: widget.content for title, widget in widgets.items() if isinstance(widget.content, Plot)}
    with_data = {title: plot for title, plot in plots.items() if any(series.points for series in plot.series)}
    assert [chart["title"] for chart in layout["charts"]] == [*with_data]
    for chart in layout["charts"]:
        assert chart["width"] > 200
        assert chart["height"] > 120
        assert with_data[chart["title"]].unit in ("", *chart["labels"])
        assert len([label for label in chart["labels"] if re.fullmatch(r"\d\d:\d\d(:\d\d)?", label)]) >= 2, "times"
        assert [label for label in chart["labels"] if label.endswith(" UTC")], "date"
        assert "0" in chart["labels"], "values"
    assert layout["texts"].count("No data in this run") == len(plots) - len(with_data)
    assert browser.requests() == [path.as_uri()]
    assert browser.errors() == []


def test_last_snapshot_is_used_when_the_stack_is_down(
    deployed: MonitoredStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If the endpoint of the running stack does not respond, the saved snapshot is loaded."""
    (tmp_path / "local-stack.json").write_text('{"endpoint": "http://127.0.0.1:9"}')
    monkeypatch.setattr("cli.local.ministack.STACK_FILE", tmp_path / "local-stack.json")
    assert dashboard.latest_snapshot() == json.loads(json.dumps(deployed.snapshot))


def test_thresholds_are_in_the_units_of_their_metrics(deployed: MonitoredStack) -> None:
    """Seconds stay seconds for SQS, and become milliseconds for Lambda."""
    thresholds = {name.removeprefix(f"{STACK} "): alarm["Threshold"] for name, alarm in deployed.alarms.items()}
    assert thresholds["queue delayed"] == 1800
    assert thresholds["stream delayed"] == 1_800_000
    assert thresholds["function near its time limit (stream)"] == 45_000


def test_stream_mapping_emits_its_metrics_of_discarded_records() -> None:
    """Lambda emits the metric of discarded records only if the mapping enables it."""
    assert properties("KinesisFunctionStream")["MetricsConfig"] == {"Metrics": ["EventCount"]}
