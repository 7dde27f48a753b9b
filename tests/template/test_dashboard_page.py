"""The dashboard page with runs and widgets that differ from the template's."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.local.dashboard import RunMetrics, format_number
from cli.local.dashboard_page import render_page
from tests.support.browser import Page

NOON = datetime(2026, 9, 7, 12, 0, tzinfo=UTC)
REPORT = "REPORT RequestId: 1\tDuration: {} ms\tBilled Duration: 1 ms"


def snapshot(*widgets: dict[str, Any], durations: dict[timedelta, float]) -> dict[str, Any]:
    """Return a run that ended at noon, with invocations of these ages and durations in milliseconds."""
    events = [(int((NOON - ago).timestamp() * 1000), REPORT.format(ms)) for ago, ms in durations.items()]
    return {
        "taken": NOON.isoformat(),
        "dashboard": {"widgets": [{"x": 0, "y": 0, "width": 6, "height": 5} | widget for widget in widgets]},
        "alarms": [],
        "log_groups": {"f": "/f"},
        "log_events": {"/f": events},
        "queues": {"q": {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"}},
    }


def metric_widget(title: str, **properties: Any) -> dict[str, Any]:
    """Return a widget of the function's duration."""
    metrics = [["AWS/Lambda", "Duration", "FunctionName", "f", {"label": "longest", "stat": "Maximum"}]]
    return {"type": "metric", "properties": {"title": title, "metrics": metrics} | properties}


@pytest.mark.parametrize(
    ("span", "labels"),
    [
        (timedelta(seconds=0), ["12:00:00", "12:00:01"]),
        (timedelta(seconds=7), ["11:59:54", "11:59:56", "11:59:58", "12:00:00"]),
        (timedelta(minutes=50), ["11:15", "11:30", "11:45", "12:00"]),
        (timedelta(hours=30), ["06 Sep", "12:00", "07 Sep", "00:00", "07 Sep", "12:00"]),
        (timedelta(days=9), ["01 Sep", "00:00", "04 Sep", "00:00", "07 Sep", "00:00"]),
    ],
)
def test_time_axis_has_round_times_for_any_length_of_run(
    browser: Page, tmp_path: Path, span: timedelta, labels: list[str]
) -> None:
    """From a moment to days, the axis has two to five round times in UTC, which do not overlap."""
    path = tmp_path / "dashboard.html"
    path.write_text(render_page(RunMetrics(snapshot(metric_widget("Duration"), durations={span: 40.0}))))
    browser.open(path, 390, is_mobile=True)
    layout = browser.layout()
    (chart,) = layout["charts"]
    assert [label for label in chart["labels"] if re.fullmatch(r"\d\d:\d\d(:\d\d)?|\d\d [A-Z]..", label)] == labels
    assert layout["overlapping"] == []


def test_threshold_far_above_the_data_appears_only_in_the_legend() -> None:
    """A threshold within reach of the data is drawn; one far above would flatten it, so only the legend names it."""

    def page(threshold: float) -> str:
        annotations = {"horizontal": [{"label": "alarm", "value": threshold}]}
        widget = metric_widget("Duration", annotations=annotations)
        return render_page(RunMetrics(snapshot(widget, durations={timedelta(seconds=3): 40.0})))

    for threshold, keys in ((20, 2), (45_000, 1)):
        assert page(threshold).count('stroke-width="3"') == keys
        assert "alarm (threshold)" in page(threshold)
    assert "45,000" in page(45_000)


def test_other_widgets_of_cloudwatch_are_rendered(browser: Page, tmp_path: Path) -> None:
    """A text widget appears as text, a single value as a number without a plot, and markup in titles as it is."""
    path = tmp_path / "dashboard.html"
    text = {"type": "text", "y": 9, "properties": {"markdown": "# Read *this*\n<script>alert(1)</script>"}}
    number = metric_widget("Number <b>", view="singleValue")
    path.write_text(render_page(RunMetrics(snapshot(number, text, durations={timedelta(seconds=1): 1234.0}))))
    browser.open(path, 1280)
    layout = browser.layout()
    assert layout["charts"] == []
    assert {"Number <b>", "1,234", "longest", "Read", "this", "<script>alert(1)</script>"} <= set(layout["texts"])
    assert browser.errors() == []


def test_unknown_widget_type_is_an_error() -> None:
    """A widget type that the page does not support fails with its name, instead of being left out."""
    with pytest.raises(ValueError, match="unsupported type of widget: explorer"):
        RunMetrics(snapshot({"type": "explorer", "properties": {}}, durations={})).widgets()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (1234567.8, "1,234,568"),
        (5.64, "5.6"),
        (0.5, "0.5"),
        (0.4321, "0.43"),
        (0.0000152, "0.000015"),
    ],
)
def test_numbers_are_formatted_for_readability(value: float, text: str) -> None:
    """Large numbers have separators, small ones two digits, and none has an exponent."""
    assert format_number(value) == text


def test_browser_checks_detect_a_broken_page(browser: Page, tmp_path: Path) -> None:
    """A request, an error in a script, and content that overflows or overlaps are all detected."""
    path = tmp_path / "broken.html"
    path.write_text(
        '<p style="width: 900px">wide</p><p style="position: absolute; top: 0">one</p>'
        '<p style="position: absolute; top: 0">two</p><img src="missing.png"><script>throw Error("broken")</script>'
    )
    browser.open(path, 390)
    layout = browser.layout()
    assert [name for name in layout["overflowing"] if "wide" in name]
    assert ["two", "one"] in layout["overlapping"]
    assert browser.requests() == [path.as_uri(), (tmp_path / "missing.png").as_uri()]
    assert browser.errors()
