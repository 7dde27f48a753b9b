"""The dashboard of a run as one HTML page: static SVG plots, inline styles, no script, nothing loaded from elsewhere.

Loads Matplotlib, which takes about a second; import it only where a page is rendered.
"""

import io
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from itertools import cycle, product
from typing import Any

import matplotlib as mpl
from markdown_it import MarkdownIt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from cli.local.dashboard import AlarmState, LogTable, Plot, RunMetrics, Series, Widget, format_number
from cli.local.metrics import period_start
from cli.local.ministack import STACK

# In pixels: about the width of a plot, both in a column of a desktop and on a phone, so that text keeps its size.
_WIDTH, _HEIGHT = 300, 190
_PIXELS_PER_INCH = 72  # of Matplotlib's SVG, in which a point is a pixel

_STYLE: Any = {
    "axes.edgecolor": "#888888",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "figure.constrained_layout.w_pad": 0.1,  # the browser's font may be wider
    "font.size": 10.5,
    "grid.color": "#88888855",
    "lines.linewidth": 1.6,
    "lines.markersize": 3.5,
    "svg.fonttype": "none",  # text stays text, in the font of the page
    "svg.hashsalt": STACK,
    "xtick.color": "#888888",
    "ytick.color": "#888888",
}
# Distinguishable on white and on black, then again with dashes. As (color, SVG's stroke-dasharray in pixels).
Line = tuple[str, str]
_LINES: list[Line] = [
    (color, dashes)
    for dashes, color in product(
        ("", "5 2", "1.5 1.5"),
        ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#e377c2", "#17becf", "#8c8c2a"),
    )
]
_THRESHOLD = ("#d62728", "2 3")

# Between the ticks of a time axis, in seconds: up to a day.
_TICK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_MAX_TICK_STEPS = 4  # so many labels fit side by side

_STATES = {"OK": ("ok", "OK"), "ALARM": ("alarm", "Alarm"), "INSUFFICIENT_DATA": ("unknown", "No data")}

_CSS = """
:root { color-scheme: light dark; --page: #f2f3f3; --card: #fff; --text: #16191f; --muted: #5f6b7a; --line: #d5dbdb;
  --ok: #1d7f3e; --alarm: #c22f1c; }
@media (prefers-color-scheme: dark) { :root { --page: #0f1419; --card: #1b222a; --text: #e9ebed; --muted: #a4b0bd;
  --line: #37424f; --ok: #4fc67a; --alarm: #ff7d6b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 120rem; background: var(--page); color: var(--text);
  font: 0.875rem/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.375rem; margin: 0; line-height: 1.25; }
h2 { font-size: 0.9375rem; margin: 0 0 0.625rem; line-height: 1.3; }
p { margin: 0.25rem 0 0; }
header { margin-bottom: 1rem; max-width: 60rem; }
.muted { color: var(--muted); }
main { display: grid; gap: 0.75rem; grid-template-columns: minmax(0, 1fr); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem; padding: 0.75rem;
  min-width: 0; }
.plot { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; align-items: flex-start; }
.plot figure { margin: 0; flex: 1 1 16rem; max-width: 25rem; min-width: 0; }
.plot svg.chart { display: block; width: 100%; height: auto; }
.chart text { fill: currentColor !important; font-family: inherit !important; text-rendering: geometricPrecision; }
.plot table { flex: 1 1 16rem; max-width: 30rem; }
table { border-collapse: collapse; width: 100%; min-width: 0; }
th { color: var(--muted); font-weight: normal; font-size: 0.8125rem; text-align: left; }
th, td { padding: 0.125rem 0.375rem; vertical-align: top; }
th:first-child, td:first-child { padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
td { border-top: 1px solid var(--line); }
.number { text-align: right; overflow-wrap: normal; white-space: nowrap; font-variant-numeric: tabular-nums; }
.key { width: 1.75rem; }
.key svg { display: block; margin-top: 0.3125rem; }
.single { font-size: 1.75rem; line-height: 1.2; }
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 0 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); }
li { display: grid; grid-template-columns: 4.25rem 1fr; border-top: 1px solid var(--line); padding: 0.25rem 0; }
.state { font-weight: 600; }
.state.ok { color: var(--ok); }
.state.alarm { color: var(--alarm); }
.state.unknown { color: var(--muted); font-weight: normal; }
li .muted { display: block; font-size: 0.8125rem; }
@media (min-width: 40rem) { main { grid-template-columns: repeat(2, minmax(0, 1fr)); } .wide { grid-column: 1 / -1; } }
@media (min-width: 68rem) { main { grid-template-columns: repeat(24, minmax(0, 1fr)); }
  section { grid-column: var(--x) / span var(--width); } }
"""


def render_page(run: RunMetrics) -> str:
    """Render a run's dashboard as an HTML document."""
    with mpl.rc_context(_STYLE):
        sections = "\n".join(_section(widget) for widget in run.widgets())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{STACK}: dashboard of a local run</title>
<style>{_CSS}</style>
</head>
<body>
<header>
<h1>{STACK}: dashboard of a local run</h1>
<p>{_time_range(run.start, run.end)}. Each point covers {_duration(run.period)}, unless a title says otherwise.</p>
<p class="muted">The number beside a label covers the whole run. A dash (–) marks what only AWS measures. An alarm is
compared with the whole run, where CloudWatch compares it with each of its periods.</p>
</header>
<main>
{sections}
</main>
</body>
</html>
"""


def _section(widget: Widget) -> str:
    size = ' class="wide"' if widget.width > 12 else ""  # of 24 columns
    title = f"<h2>{escape(widget.title)}</h2>" if widget.title else ""
    position = f"--x: {widget.x + 1}; --width: {widget.width}"
    return f'<section{size} style="{position}">{title}{_content(widget)}</section>'


def _content(widget: Widget) -> str:
    match widget.content:
        case Plot(is_single_value=True) as plot:
            return "".join(map(_single_value, plot.series))
        case Plot() as plot if any(series.points for series in plot.series):
            return f'<div class="plot"><figure>{_chart(plot, widget.title)}</figure>{_legend(plot)}</div>'
        case Plot():
            return '<p class="muted">No data in this run</p>'
        case LogTable(columns, rows):
            return _log_table(columns, rows)
        case str(markdown):
            return str(MarkdownIt("js-default").render(markdown))
        case alarms:
            return f"<ul>{''.join(map(_alarm, alarms))}</ul>"


def _chart(plot: Plot, title: str) -> str:
    figure = Figure(figsize=(_WIDTH / _PIXELS_PER_INCH, _HEIGHT / _PIXELS_PER_INCH), layout="constrained")
    axes = figure.add_subplot()
    if plot.is_stacked:
        _draw_stacked(axes, plot)
    else:
        _draw_lines(axes, plot)
    axes.set_ylim(0, None if any(point.value for series in plot.series for point in series.points) else 1)
    color, dashes = _THRESHOLD
    for _, value in plot.thresholds:
        if _is_within(plot, value):
            axes.axhline(value, color=color, linestyle=_linestyle(dashes))
    _label_axes(axes, plot)
    svg = io.StringIO()
    # Without a background, so that the page's shows through; without metadata, so that equal runs give equal pages.
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(svg, format="svg", transparent=True, metadata=metadata)
    _, start, content = svg.getvalue().partition("<svg ")
    # Every plot counts its elements from 1. Only ids that are referenced matter, and those derive from their content.
    content = re.sub(r' id="[a-zA-Z0-9.]+_\d+"', "", content)
    return f'{start}class="chart" role="img" aria-label="{escape(title)}" {content}'


def _draw_lines(axes: Axes, plot: Plot) -> None:
    for series, (color, dashes) in _with_lines(plot.series):
        times = [point.timestamp.timestamp() for point in series.points]
        values = [point.value for point in series.points]
        axes.plot(times, values, color=color, linestyle=_linestyle(dashes), marker="o", clip_on=False)


def _draw_stacked(axes: Axes, plot: Plot) -> None:
    width = plot.period.total_seconds()
    tops: dict[datetime, float] = {}
    for series, (color, dashes) in _with_lines(plot.series):
        times = [point.timestamp.timestamp() for point in series.points]
        values = [point.value for point in series.points]
        bottoms = [tops.get(point.timestamp, 0) for point in series.points]
        hatch = "///" if dashes else None
        axes.bar(times, values, width, bottoms, align="edge", color=color, hatch=hatch, edgecolor="#ffffff55")
        tops |= {point.timestamp: tops.get(point.timestamp, 0) + point.value for point in series.points}


def _label_axes(axes: Axes, plot: Plot) -> None:
    axes.set_title(plot.unit)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=plot.unit == "Count"))
    axes.yaxis.set_major_formatter(FuncFormatter(_tick_label))
    axes.set_xlim(plot.start.timestamp(), plot.end.timestamp())
    axes.xaxis.set_major_locator(FixedLocator([tick.timestamp() for tick in _ticks(plot.start, plot.end)]))
    tick_format = _tick_format(plot.end - plot.start)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{datetime.fromtimestamp(x, UTC):{tick_format}}"))
    axes.set_xlabel(f"{_dates(plot.start, plot.end)}, UTC")
    axes.tick_params(labelcolor="black")  # the page replaces it by the color of its text


def _is_within(plot: Plot, value: float) -> bool:
    """Whether a threshold lies among the values; one far above them would press them flat."""
    return any(value <= point.value for series in plot.series for point in series.points)


def _tick_label(value: float, _: object) -> str:
    """Format a number for the value axis, in thousands and millions from 10,000 on, to leave room for the plot."""
    if value < 10_000:
        return format_number(value)
    return f"{value / 1_000_000:g}M" if value >= 1_000_000 else f"{value / 1_000:g}k"


def _ticks(start: datetime, end: datetime) -> list[datetime]:
    """Choose round times of day between two times."""
    seconds = next((step for step in _TICK_STEPS if end - start <= _MAX_TICK_STEPS * timedelta(seconds=step)), None)
    days = -(-(end - start) // timedelta(days=_MAX_TICK_STEPS))
    step = timedelta(seconds=seconds) if seconds else timedelta(days=days)
    first = period_start(start + step - timedelta.resolution, step)
    return [first + index * step for index in range((end - first) // step + 1)]


def _with_lines(series: Sequence[Series]) -> Iterator[tuple[Series, Line]]:
    """Pair every series with its color and dashes, the same in plot and legend."""
    yield from zip(series, cycle(_LINES))


def _linestyle(dashes: str) -> tuple[int, tuple[float, ...]] | str:
    return (0, tuple(map(float, dashes.split()))) if dashes else "solid"


def _legend(plot: Plot) -> str:
    rows: list[tuple[Line | None, str, str]] = [
        (line if series.points else None, series.label, _text(series.total))
        for series, line in _with_lines(plot.series)
    ]
    for label, value in plot.thresholds:
        line = _THRESHOLD if _is_within(plot, value) else None
        rows.append((line, f"{label} (threshold)", format_number(value)))
    body = "".join(
        f'<tr><td class="key">{_key(line)}</td><td>{_breakable(label)}</td><td class="number">{number}</td></tr>'
        for line, label, number in rows
    )
    return f'<table class="legend"><tr><th></th><th></th><th class="number">Whole run</th></tr>{body}</table>'


def _key(line: Line | None) -> str:
    if line is None:
        return ""
    color, dashes = line
    stroke = f'stroke="{color}" stroke-width="3" stroke-dasharray="{dashes}"'
    return f'<svg width="22" height="10" aria-hidden="true"><path d="M0 5h22" {stroke}/></svg>'


def _single_value(series: Series) -> str:
    return f'<p><span class="single">{_text(series.total)}</span> {escape(series.label)}</p>'


def _log_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return '<p class="muted">No data in this run</p>'
    # Below one another, since a widget is too narrow for columns of text.
    *names, count = columns
    body = "".join(
        f'<tr><td>{_breakable(first)}<div class="muted">{"<br>".join(map(_breakable, filter(None, others)))}</div></td>'
        f'<td class="number">{escape(number)}</td></tr>'
        for first, *others, number in rows
    )
    head = f'<tr><th>{_breakable(", ".join(names))}</th><th class="number">{escape(count)}</th></tr>'
    return f"<table>{head}{body}</table>"


def _alarm(alarm: AlarmState) -> str:
    style, state = _STATES[alarm.state]
    value = "" if alarm.value is None else f"{format_number(alarm.value)} in this run, "
    return (
        f'<li><span class="state {style}">{state}</span>'
        f'<span>{escape(alarm.name)} <span class="muted">{value}alarms {escape(alarm.condition)}</span></span></li>'
    )


def _breakable(text: str) -> str:
    """Escape a text and let the browser break it after the underscores and dots within names."""
    return re.sub(r"(?<=[_.])(?=\w)", "<wbr>", escape(text))


def _text(value: float | None) -> str:
    return "–" if value is None else format_number(value)


def _tick_format(span: timedelta) -> str:
    if span <= timedelta(minutes=10):
        return "%H:%M:%S"
    return "%H:%M" if span <= timedelta(days=1) else "%d %b\n%H:%M"


def _time_range(start: datetime, end: datetime) -> str:
    if start.date() == end.date():
        return f"{_date(start)}, {start:%H:%M:%S} to {end:%H:%M:%S} UTC"
    return f"{_date(start)}, {start:%H:%M:%S} to {_date(end)}, {end:%H:%M:%S} UTC"


def _dates(start: datetime, end: datetime) -> str:
    return _date(start) if start.date() == end.date() else f"{_date(start)} – {_date(end)}"


def _date(timestamp: datetime) -> str:
    return f"{timestamp.day} {timestamp:%b %Y}"


def _duration(period: timedelta) -> str:
    seconds = period.total_seconds()
    number, unit = (seconds / 60, "minute") if seconds % 60 == 0 else (seconds, "second")
    return f"{number:g} {unit}{'' if number == 1 else 's'}"
