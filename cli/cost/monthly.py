"""The cost of a deployment a month: a list of lines, each with its arithmetic.

Prices are in ``prices.toml``. What is not a price is an assumption and has a name here.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

PRICES: dict[str, Any] = tomllib.loads((Path(__file__).parent / "prices.toml").read_text(encoding="utf-8"))

HOURS_A_MONTH = 730
SECONDS_A_MONTH = HOURS_A_MONTH * 3600
DAYS_A_MONTH = HOURS_A_MONTH / 24

# Assumptions. No published figures of Canvas are known: measure yours (docs/cost.md says how).
EVENTS_PER_STUDENT_DAY = 100.0
BUSY_FACTOR = 5.0  # the events of a busy second, against the mean of the month
CREATED_SHARE = 0.3  # of the events of entities, those that create one; the others update it
INDEX_ENTRIES = 2.0  # of a new entity, in by_course and by_user: a write unit each, and no more when it is updated

ACTIVITY_KB = 0.55  # some 450 bytes, and 100 that DynamoDB counts for each item
ENTITY_KB = 1.0
INDEX_ENTRY_KB = 0.3
RECORD_KB = 2.0  # of the stream
ARCHIVED_KB = 0.3  # compressed

POLLERS = 5  # of a queue that is almost empty; each fills a batch of its own
EMPTY_POLLS_A_MINUTE = 3  # of each poller: a poll waits for 20 seconds
MESSAGES_A_RECEIVE = 10  # at most, and as many a delete

BATCH_SECONDS, EVENT_SECONDS = 0.02, 0.0003  # of a function with 1 GB: an estimate, see docs/speed.md
BATCH_LOG_KB, EVENT_LOG_KB = 2.0, 0.01

# As docs/monitoring.md counts them: with the queue alone, and with queue and stream.
METRICS = {"sqs": 13 + 5, "kinesis": 26 + 5 + 6}
ALARMS = {"sqs": 11, "kinesis": 22}


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a deployment is asked to do, and how it is configured.

    ``events_per_second`` is the mean over the month; ``activity`` the share of page views and logins, between 0 and 1.
    """

    events_per_second: float
    activity: float = 0.85
    retention_days: int = 365
    archive_days: int = 0
    source: Literal["sqs", "kinesis"] = "sqs"
    batch_size: int = 100
    window_seconds: int = 5

    @property
    def events(self) -> float:
        """Events a month."""
        return self.events_per_second * SECONDS_A_MONTH

    @property
    def batch(self) -> float:
        """Events of a batch in a busy hour, when most events come."""
        waiting = self.events_per_second * BUSY_FACTOR * self.window_seconds / POLLERS
        return min(self.batch_size, max(1.0, waiting))


class CostLine(NamedTuple):
    """A line of the bill: what is paid for, how it is calculated, and USD a month."""

    item: str
    arithmetic: str
    usd: float


def of_students(students: int, events_per_student_day: float = EVENTS_PER_STUDENT_DAY) -> float:
    """Return the events per second, as the mean of a month in term, of a school with so many students."""
    return students * events_per_student_day / 86_400


def bill(load: Load) -> list[CostLine]:
    """Return the lines of a month's bill, with storage at its largest.

    That is after the retention for activity, and after a year for entities.
    """
    return [*_dynamodb(load), *_source(load), *_function(load), *_archive(load), _monitoring(load)]


def total(lines: list[CostLine]) -> float:
    """Return USD a month."""
    return sum(line.usd for line in lines)


def _dynamodb(load: Load) -> Iterator[CostLine]:
    price = PRICES["dynamodb"]
    activity, entities = load.events * load.activity / 1e6, load.events * (1 - load.activity) / 1e6
    units = 1 + CREATED_SHARE * INDEX_ENTRIES
    write, rare_write = price["million_write_units"], price["million_write_units_infrequent_access"]
    yield CostLine("writes of activity", f"{activity:,.2f} M × {rare_write}", activity * rare_write)
    yield CostLine("writes of entities and their indexes", f"{entities:,.2f} M × {units} × {write}",
                   entities * units * write)  # fmt: skip
    months = load.retention_days / DAYS_A_MONTH
    stored, storage = activity * ACTIVITY_KB * months, price["storage_gb_month_infrequent_access"]
    yield CostLine(f"storage of activity, {load.retention_days} days", f"{stored:,.1f} GB × {storage}",
                   stored * storage)  # fmt: skip
    kept = entities * CREATED_SHARE * 12 * (ENTITY_KB + INDEX_ENTRIES * INDEX_ENTRY_KB)
    yield CostLine("storage of entities, after a year", f"{kept:,.1f} GB × {price['storage_gb_month']}",
                   kept * price["storage_gb_month"])  # fmt: skip
    recoverable = entities * CREATED_SHARE * 12 * ENTITY_KB
    yield CostLine("point-in-time recovery of entities", f"{recoverable:,.1f} GB × {price['recovery_gb_month']}",
                   recoverable * price["recovery_gb_month"])  # fmt: skip


def _source(load: Load) -> Iterator[CostLine]:
    million = load.events / 1e6
    request = PRICES["sqs"]["million_requests"]
    # The template always creates the queue, and its pollers ask whether it is empty.
    polls = POLLERS * EMPTY_POLLS_A_MINUTE * 60 * HOURS_A_MONTH / 1e6
    if load.source == "sqs":
        requests = million * (1 + 2 / min(MESSAGES_A_RECEIVE, load.batch))
        yield CostLine("queue: send, receive, delete", f"{requests:,.2f} M × {request}", requests * request)
    yield CostLine("queue: polling while it is empty, at most", f"{polls:.2f} M × {request}", polls * request)
    if load.source == "kinesis":
        price, gb = PRICES["kinesis"], million * RECORD_KB
        retained = gb * 6 / DAYS_A_MONTH  # of the seven days of retention, the first is free
        yield CostLine("stream, before its first record", f"{HOURS_A_MONTH} × {price['stream_hour']}",
                       HOURS_A_MONTH * price["stream_hour"])  # fmt: skip
        yield CostLine("stream: write and read", f"{gb:,.1f} GB × ({price['gb_written']} + {price['gb_read']})",
                       gb * (price["gb_written"] + price["gb_read"]))  # fmt: skip
        yield CostLine("stream: retention of 7 days", f"{retained:,.1f} GB × {price['retention_gb_month']}",
                       retained * price["retention_gb_month"])  # fmt: skip


def _function(load: Load) -> Iterator[CostLine]:
    price, batches = PRICES["lambda"], load.events / load.batch
    seconds = batches * (BATCH_SECONDS + EVENT_SECONDS * load.batch)
    log_gb = batches * (BATCH_LOG_KB + EVENT_LOG_KB * load.batch) / 1e6
    logs = PRICES["cloudwatch"]["logs_gb"]
    yield CostLine(f"Lambda: batches of {load.batch:.0f}", f"{batches / 1e6:,.2f} M × {price['million_requests']}",
                   batches / 1e6 * price["million_requests"])  # fmt: skip
    yield CostLine("Lambda: time, with 1 GB", f"{seconds:,.0f} s × {price['gb_second']:.10f}",
                   seconds * price["gb_second"])  # fmt: skip
    yield CostLine("logs", f"{log_gb:,.2f} GB × {logs}", log_gb * logs)


def _archive(load: Load) -> Iterator[CostLine]:
    if not load.archive_days:
        return
    price, objects = PRICES["s3"], load.events / load.batch / 1e6
    gb = load.events / 1e6 * ARCHIVED_KB * load.archive_days / DAYS_A_MONTH
    yield CostLine("archive: an object a batch", f"{objects:,.2f} M × {price['million_writes']}",
                   objects * price["million_writes"])  # fmt: skip
    yield CostLine(f"archive: storage, {load.archive_days} days", f"{gb:,.1f} GB × {price['storage_gb_month']}",
                   gb * price["storage_gb_month"])  # fmt: skip


def _monitoring(load: Load) -> CostLine:
    metrics, alarms = METRICS[load.source], ALARMS[load.source]
    metric, alarm, key = (
        PRICES["cloudwatch"]["metric_month"],
        PRICES["cloudwatch"]["alarm_month"],
        PRICES["kms"]["key_month"],
    )
    arithmetic = f"{metrics} × {metric} + {alarms} × {alarm} + {key:.2f}"
    return CostLine("metrics, alarms and the key", arithmetic, metrics * metric + alarms * alarm + key)
