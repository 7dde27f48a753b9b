"""What would become of a record: the handlers' own pipeline, with nowhere to write to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from handlers.deadline import Deadline
from handlers.intake.record import Record
from handlers.items import event_types, rejection
from handlers.items.compact import ItemKey
from handlers.items.event_types import EventType
from handlers.items.item import Item
from handlers.outcome import Outcome
from handlers.pipeline import Pipeline
from handlers.settings import Settings
from handlers.storage.writer import Writer, WriteResult, WriteStatus
from handlers.telemetry.batch_stats import BatchStats

_NO_HASTE_MS = 600_000  # half of it to judge in


@dataclass(frozen=True)
class Verdict:
    """The fate that a record would have, and the items that it would write."""

    outcome: Outcome
    items: tuple[Item, ...]


class Judge:
    """Judges records by the schemas that are here.

    ``environment`` are the settings of a function; without, all tables are there and every account is welcome.
    Raises ``SettingsError`` when it is wrong.
    """

    def __init__(self, known: Mapping[str, EventType] | None = None, environment: Mapping[str, str] | None = None):
        self.event_types = event_types.load() if known is None else known
        tables = frozenset(event_type.table_variable for event_type in self.event_types.values())
        everything = dict.fromkeys((*tables, rejection.TABLE_VARIABLE), "here")
        self._writer = _Recorder()
        settings = Settings.from_env(everything if environment is None else environment, tables)
        self._pipeline = Pipeline(settings, self.event_types, self._writer, lambda: datetime.now(UTC))

    def judge(self, data: bytes) -> Verdict:
        """The verdict on a record with this data."""
        record = Record("", data, datetime.now(UTC), "")
        (outcome,) = self._pipeline.process([(record.id, lambda: record)], Deadline(lambda: _NO_HASTE_MS), BatchStats())
        return Verdict(outcome, self._writer.items)


class _Recorder(Writer):
    """Takes items down instead of writing them."""

    def __init__(self) -> None:
        self.items: tuple[Item, ...] = ()

    def write(
        self,
        items: Mapping[ItemKey, Item],
        deadline: Deadline,  # noqa: ARG002  # as Writer's
        stats: BatchStats,  # noqa: ARG002  # as Writer's
    ) -> dict[ItemKey, WriteResult]:
        self.items = tuple(items.values())
        return dict.fromkeys(items, WriteResult(WriteStatus.STORED))
