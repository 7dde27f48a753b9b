"""How long failed events are retried and retained, and that an alarm is raised before they expire."""

import pytest

from handlers.storage import flow_control
from tests.support.template_helpers import INTEGERS, ROOT, TEMPLATE, Json, of_type, properties

HOUR = 3600
DAY = 24 * HOUR

# The longest outage of DynamoDB in years: us-east-1, 2025-10-20, 2 h 52 min. Source: AWS, "Summary of the Amazon
# DynamoDB Service Disruption in the Northern Virginia (US-EAST-1) Region".
DYNAMODB_OUTAGE_SECONDS = 2 * HOUR + 52 * 60


def seconds_in_queue() -> int:
    """Return how long a message that always fails stays in the queue."""
    queue = properties("Queue")
    seconds: int = queue["RedrivePolicy"]["maxReceiveCount"] * queue["VisibilityTimeout"]
    return seconds


def seconds_of_attempt() -> float:
    """Return the average duration of an invocation while DynamoDB returns an error for every request."""
    pauses: list[float] = [
        min(flow_control._MAX_DELAY_SECONDS, flow_control._BASE_DELAY_SECONDS * 2**attempt) / 2
        for attempt in range(1, flow_control.MAX_ATTEMPTS)
    ]
    return sum(pauses)


def seconds_until(alarm: Json) -> int:
    """Return the seconds from a condition to the active alarm, including the evaluation of the last period."""
    if alarm["MetricName"] == "ApproximateAgeOfOldestMessage":
        return int(alarm["Threshold"]) + int(alarm["Period"])
    return (int(alarm["EvaluationPeriods"]) + 1) * int(alarm["Period"])


def test_queue_retries_messages_through_the_longest_outage() -> None:
    """After almost three hours without DynamoDB no message needs a manual redrive."""
    assert seconds_in_queue() > 2 * DYNAMODB_OUTAGE_SECONDS


def test_stream_retries_records_through_the_longest_outage() -> None:
    """The stream's mapping retries as long as the queue does, even if Lambda does not pause between attempts."""
    seconds = properties("KinesisFunctionStream")["MaximumRetryAttempts"] * seconds_of_attempt()
    assert seconds > 2 * DYNAMODB_OUTAGE_SECONDS
    assert seconds == pytest.approx(seconds_in_queue(), rel=0.05)


def test_queue_retains_messages_over_the_longest_holidays() -> None:
    """A mapping that is disabled before the holidays loses nothing until they are over."""
    assert properties("Queue")["MessageRetentionPeriod"] == 12 * DAY
    assert INTEGERS["DelayAlarmSeconds"][1] == 12 * DAY


def test_dead_letter_queue_retains_a_message_of_any_age_for_two_days() -> None:
    """A message expires by its first enqueue time, and still stays at least two days in the dead-letter queue."""
    left = properties("DeadLetterQueue")["MessageRetentionPeriod"] - properties("Queue")["MessageRetentionPeriod"]
    assert left == 2 * DAY


@pytest.mark.parametrize("days_in_queue", [0.25, 1, 3.8, 7, 10, 12])
def test_second_alarm_is_raised_before_a_dead_letter_expires(days_in_queue: float) -> None:
    """However long a message waited in the queue, an alarm is raised at least 23 hours before it expires."""
    left = properties("DeadLetterQueue")["MessageRetentionPeriod"] - days_in_queue * DAY
    reminders = [properties(name) for name in ("DeadLetterQueueDayAlarm", "DeadLetterQueueAgeAlarm")]
    assert any(left - seconds_until(alarm) >= 23 * HOUR for alarm in reminders)


def test_dead_letters_alarm_when_they_are_ten_days_old() -> None:
    """The age alarm counts from the move, so it allows for the time in the queue, and leaves four days."""
    alarm = properties("DeadLetterQueueAgeAlarm")
    assert alarm["Threshold"] + seconds_in_queue() == 10 * DAY
    assert properties("DeadLetterQueue")["MessageRetentionPeriod"] - 10 * DAY == 4 * DAY
    assert alarm["Dimensions"] == properties("DeadLetterQueueAlarm")["Dimensions"]


def test_failed_stream_records_alarm_again_before_they_expire() -> None:
    """The bucket's last alarm needs a week, which the default retention leaves by far."""
    alarm = properties("FailureBucketWeekAlarm")
    assert alarm["EvaluationPeriods"] * alarm["Period"] == 7 * DAY
    assert alarm["DatapointsToAlarm"] < alarm["EvaluationPeriods"]
    assert seconds_until(alarm) < int(TEMPLATE["Parameters"]["RejectedRetentionDays"]["Default"]) * DAY


@pytest.mark.parametrize("name", of_type("AWS::CloudWatch::Alarm"))
def test_alarm_evaluates_no_longer_than_cloudwatch_allows(name: str) -> None:
    """At most a week, and a day with periods of less than an hour. Source: API Reference, PutMetricAlarm, Period."""
    alarm = properties(name)
    periods = alarm["EvaluationPeriods"]
    if periods == {"Ref": "SilenceAlarmHours"}:
        _, periods = INTEGERS["SilenceAlarmHours"]
    assert periods * alarm["Period"] <= (7 * DAY if alarm["Period"] >= HOUR else DAY)


def test_documents_state_the_retry_and_retention_times() -> None:
    """The times in the documents match the template."""
    queue, mapping = properties("Queue"), properties("KinesisFunctionStream")
    receives, attempts = queue["RedrivePolicy"]["maxReceiveCount"], f"{mapping['MaximumRetryAttempts']:,}"
    waits = queue["VisibilityTimeout"] // 60
    in_queue = f"{seconds_in_queue() // HOUR} h {seconds_in_queue() % HOUR // 60} min"
    after = properties("DeadLetterQueue")["MessageRetentionPeriod"] - seconds_in_queue()
    assert mapping["MaximumRecordAgeInSeconds"] == 6 * DAY
    assert round(seconds_of_attempt(), 2) == 3.55
    says = {
        "docs/data-model.md": [f"after {receives} receives", f"after {attempts} attempts or six days"],
        "docs/monitoring.md": [f"{receives} × {waits} minutes", f"received {receives} times"],
        "docs/runbook.md": [
            f"after {in_queue} | {after // DAY} d {round(after % DAY / HOUR)} h",
            f"{attempts} attempts, or six days",
            "wait twelve days in the queue, 14 in the dead-letter queue",
            f"each has {receives} receives",
        ],
        "docs/threats.md": [f"{receives} receives", f"for {attempts} attempts"],
        "docs/upgrading.md": ["twelve days; six days, then"],
        "docs/personal-data.md": ["at most 12 days", "| 14 days from when they were sent |"],
    }
    missing = [(name, text) for name, texts in says.items() for text in texts if text not in (ROOT / name).read_text()]
    assert missing == []


# Source: Amazon SQS Developer Guide, "Amazon SQS standard queue quotas", messages per queue (in flight).
MAX_IN_FLIGHT = 120_000


def test_documents_state_when_a_failing_family_delays_the_others() -> None:
    """The documented rates and times are those at which failing messages reach SQS's in-flight limit."""
    text = " ".join((ROOT / "docs" / "guarantees.md").read_text().split())
    within_one_receive = round(MAX_IN_FLIGHT / properties("Queue")["VisibilityTimeout"])
    assert f"With {within_one_receive} failing events per second" in text
    assert f"with 100 after {MAX_IN_FLIGHT // 100 // 60} minutes" in text
    hours, seconds = divmod(MAX_IN_FLIGHT // 10, HOUR)
    assert f"with 10 after {hours} h {seconds // 60} min" in text
    assert f"below {MAX_IN_FLIGHT / seconds_in_queue():.1f} never" in text
