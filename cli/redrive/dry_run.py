"""Evaluate a record as the functions would, without writing anything: their own pipeline with a fake writer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from botocore.exceptions import ClientError

from cli.stack.stack import Stack
from handlers.archive.errors import ObjectError
from handlers.archive.message import parse_message
from handlers.deadline import Deadline
from handlers.intake.record import Record
from handlers.items import event_types, rejection
from handlers.items.compact import ItemKey
from handlers.items.event_types import EventType
from handlers.items.item import Item
from handlers.outcome import Fate, Outcome
from handlers.pipeline import Pipeline
from handlers.settings import Settings
from handlers.storage.writer import WriteResult, WriteStatus
from handlers.telemetry.batch_stats import BatchStats

_REMAINING_MS = 600_000


@dataclass(frozen=True)
class Evaluation:
    """The outcome that a record would have, and the items that it would write."""

    outcome: Outcome
    items: tuple[Item, ...]

    @property
    def is_storable(self) -> bool:
        """Whether the record's items would be written, unless the tables have newer versions."""
        return self.outcome.fate is Fate.STORED

    @property
    def is_ignored(self) -> bool:
        """Whether the record would be acknowledged and not kept: its type is not, or its family is not deployed."""
        return self.outcome.fate is Fate.IGNORED

    @property
    def cause(self) -> str | None:
        """The reason of a rejection, or the error of a retry."""
        return self.outcome.reason or self.outcome.error

    @property
    def result(self) -> str:
        """The outcome in a few words: ``stored``, ``ignored``, ``rejected: malformed_json``, ``retried: too_large``."""
        return f"{self.outcome.fate}: {self.cause}" if self.cause else str(self.outcome.fate)

    @property
    def explanation(self) -> str:
        """``result`` and the rules that the record breaks: ``rejected: schema_violation: body.name type string``."""
        rules = "; ".join(f"{v.path} {v.rule} {v.expected}".strip() for v in self.outcome.violations)
        return f"{self.result}: {rules}" if rules else self.result


class Evaluator(Protocol):
    """Evaluates what waits in a backlog."""

    def evaluate(self, data: bytes) -> Evaluation:
        """Return what would become of a record or message with this data."""


class DryRun:
    """Evaluates records with the local code and schemas.

    ``environment`` has a function's settings, as environment variables. By default, every table is deployed and the
    events of every root account are allowed. Raises ``SettingsError`` when a setting is invalid.
    """

    def __init__(self, known: Mapping[str, EventType] | None = None, environment: Mapping[str, str] | None = None):
        self.event_types = event_types.load() if known is None else known
        tables = frozenset(event_type.table_variable for event_type in self.event_types.values())
        all_tables = dict.fromkeys((*tables, rejection.TABLE_VARIABLE), "table")
        self._writer = _FakeWriter()
        settings = Settings.from_env(all_tables if environment is None else environment, tables)
        self._pipeline = Pipeline(settings, self.event_types, self._writer, lambda: datetime.now(UTC))

    def evaluate(self, data: bytes) -> Evaluation:
        """Evaluate a record with this data."""
        record = Record("", data, datetime.now(UTC), "")
        (outcome,) = self._pipeline.process([(record.id, lambda: record)], Deadline(lambda: _REMAINING_MS))
        return Evaluation(outcome, self._writer.items)


class ObjectDryRun:
    """Evaluates messages that name objects: whether each is in the bucket. Its lines are not read."""

    def __init__(self, stack: Stack) -> None:
        self._s3 = stack.client("s3")
        self._bucket = stack.resource("Bucket", "bucket")

    def evaluate(self, data: bytes) -> Evaluation:
        """Evaluate a message; one that could be processed counts as stored."""
        try:
            message = parse_message(data.decode(errors="replace"), self._bucket)
            self._s3.head_object(Bucket=self._bucket, Key=message.key)
        except ObjectError as error:
            return Evaluation(Outcome("", Fate.RETRIED, error=error.code), ())
        except ClientError as error:
            return Evaluation(Outcome("", Fate.RETRIED, error=f"S3 error {error.response['Error']['Code']}"), ())
        return Evaluation(Outcome("", Fate.STORED), ())


class _FakeWriter:
    """An ``ItemWriter`` that keeps the items of the last batch and reports them as stored."""

    def __init__(self) -> None:
        self.items: tuple[Item, ...] = ()

    def write(
        self,
        items: Mapping[ItemKey, Item],
        deadline: Deadline,  # noqa: ARG002  # the protocol's signature
        stats: BatchStats,  # noqa: ARG002  # the protocol's signature
    ) -> dict[ItemKey, WriteResult]:
        self.items = tuple(items.values())
        return dict.fromkeys(items, WriteResult(WriteStatus.STORED))
