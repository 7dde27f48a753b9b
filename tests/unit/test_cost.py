"""The estimate of a month's bill, and the simulation of a busy day."""

import json

import pytest

from cli.__main__ import main
from cli.cost import capacity, monthly, simulation
from cli.cost.capacity import Configuration
from cli.cost.monthly import Load
from tests.support.template_helpers import ROOT, of_type

MILLION_A_MONTH = 1e6 / monthly.SECONDS_A_MONTH


def usd(load: Load) -> dict[str, float]:
    """Return the bill by item."""
    return {line.item: line.usd for line in monthly.bill(load)}


def test_a_million_events_cost_as_calculated_by_hand() -> None:
    """Writes, storage and requests of a million events agree with a calculation on paper."""
    lines = usd(Load(events_per_second=MILLION_A_MONTH))
    assert lines["writes of activity"] == pytest.approx(0.85 * 0.78)
    assert lines["storage of activity, 365 days"] == pytest.approx(0.85 * 0.55 * 12 * 0.10)
    assert lines["writes of entities and their indexes"] == pytest.approx(0.15 * 1.6 * 0.625)
    full = usd(Load(events_per_second=300))
    assert full["queue: send, receive, delete"] == pytest.approx(300 * 730 * 3600 / 1e6 * 1.2 * 0.40)


@pytest.mark.parametrize("source", ["sqs", "kinesis"])
def test_fixed_costs_agree_with_the_monitoring_page(source: str) -> None:
    """Metrics, alarms and the key cost what docs/monitoring.md says."""
    total = usd(Load(events_per_second=1, source="sqs" if source == "sqs" else "kinesis"))[
        "metrics, alarms and the key"
    ]
    row = next(
        line for line in (ROOT / "docs" / "monitoring.md").read_text().splitlines() if line.startswith("| **fixed**")
    )
    assert f"**{total:.2f}**" == row.split("|")[2 if source == "sqs" else 3].strip()


def test_every_option_changes_the_bill() -> None:
    """More events, a longer retention, an archive and a stream each cost more than the defaults; less activity less."""
    base = monthly.total(monthly.bill(Load(events_per_second=10)))
    for more in (
        Load(events_per_second=11),
        Load(events_per_second=10, retention_days=700),
        Load(events_per_second=10, archive_days=30),
        Load(events_per_second=10, source="kinesis"),
        Load(events_per_second=10, window_seconds=1),
    ):
        assert monthly.total(monthly.bill(more)) > base, more


def test_command_prints_the_lines_and_their_sum(capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON has the bill of the arguments, and its total is the sum of the lines."""
    assert main(["cost", "--events-per-second", "300", "--activity", "0.5", "--archive-days", "30", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    expected = monthly.bill(Load(events_per_second=300, activity=0.5, archive_days=30))
    assert [line["usd"] for line in document["lines"]] == [line.usd for line in expected]
    assert document["usd_per_month"] == pytest.approx(sum(line.usd for line in expected))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--events-per-second", "0"],
        ["--events-per-second", "nan"],
        ["--students", "5", "--events-per-second", "5"],
        ["--students", "5", "--activity", "1.5"],
        ["--students", "5", "--archive-days", "-1"],
    ],
)
def test_invalid_arguments_are_usage_errors(arguments: list[str]) -> None:
    """A size that is missing, given twice or out of range ends with exit status 2."""
    with pytest.raises(SystemExit) as ended:
        main(["cost", *arguments])
    assert ended.value.code == 2


def test_configuration_has_the_defaults_of_the_template() -> None:
    """The capacity and the bill are of the template's own defaults and queue."""
    from tests.support.template_helpers import TEMPLATE

    defaults = {name: parameter["Default"] for name, parameter in TEMPLATE["Parameters"].items()}
    configuration = Configuration()
    assert configuration.maximum_concurrency == int(defaults["MaximumConcurrency"])
    for settings in (configuration, Load(events_per_second=1)):
        assert settings.batch_size == int(defaults["BatchSize"])
        assert settings.window_seconds == int(defaults["MaximumBatchingWindowInSeconds"])
    assert of_type("AWS::SQS::Queue")["Queue"]["Properties"]["VisibilityTimeout"] == 420  # as docs/cost.md says


def test_no_event_of_a_simulated_day_is_lost() -> None:
    """What arrived was stored or waits; a day within all limits leaves nothing waiting."""
    day = simulation.simulate(300, Configuration())
    assert day.stored == pytest.approx(day.arrived)
    assert day.first_limit == ""
    assert day.max_delay_seconds < 1


def test_pollers_limit_first_and_more_concurrency_helps() -> None:
    """3,000 events a second are hours late with the defaults, and seconds with a concurrency of 50."""
    late = simulation.simulate(3_000, Configuration())
    assert late.first_limit == capacity.POLLERS
    assert late.max_delay_seconds > 3_600
    scaled = simulation.simulate(3_000, Configuration(maximum_concurrency=50))
    assert scaled.first_limit == ""
    assert scaled.max_delay_seconds < 60
    assert scaled.max_in_flight < capacity.MESSAGES_IN_FLIGHT


def test_a_new_activity_table_limits_after_the_pollers() -> None:
    """30,000 events a second need warm throughput too: without it, the activity table is the limit."""
    cold = simulation.simulate(30_000, Configuration(maximum_concurrency=500))
    assert cold.first_limit == capacity.ACTIVITY_TABLE
    warm = simulation.simulate(30_000, Configuration(maximum_concurrency=500, warm_write_units=40_000))
    assert warm.first_limit == ""
    assert warm.max_delay_seconds < 60


def test_large_batches_reach_the_messages_in_flight() -> None:
    """Batches that can hold more than 120,000 messages make that the limit."""
    large = Configuration(maximum_concurrency=500, batch_size=1_000, warm_write_units=40_000)
    assert capacity.first_limit(large, 500)[0] == capacity.IN_FLIGHT
