"""What would become of a record: the handlers' own pipeline, with nowhere to write to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from handlers import catalogue, rejected
from handlers.catalogue import EventType
from handlers.deadline import Deadline
from handlers.effort import Effort
from handlers.fates import Outcome
from handlers.fold import Key
from handlers.pipeline import Pipeline
from handlers.record import Record
from handlers.route import Item
from handlers.settings import Settings
from handlers.write import Result, Writer, Written

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

    def __init__(
        self, event_types: Mapping[str, EventType] | None = None, environment: Mapping[str, str] | None = None
    ):
        self.event_types = catalogue.load() if event_types is None else event_types
        tables = frozenset(event_type.table for event_type in self.event_types.values())
        everything = dict.fromkeys((*tables, rejected.TABLE), "here")
        self._writer = _Recorder()
        settings = Settings.read(everything if environment is None else environment, tables)
        self._pipeline = Pipeline(settings, self.event_types, self._writer, lambda: datetime.now(UTC))

    def judge(self, data: bytes) -> Verdict:
        """The verdict on a record with this data."""
        record = Record("", data, datetime.now(UTC), "")
        (outcome,) = self._pipeline.process([(record.id, lambda: record)], Deadline(lambda: _NO_HASTE_MS), Effort())
        return Verdict(outcome, self._writer.items)


class _Recorder(Writer):
    """Takes items down instead of writing them."""

    def __init__(self) -> None:
        self.items: tuple[Item, ...] = ()

    def write(
        self,
        items: Mapping[Key, Item],
        deadline: Deadline,  # noqa: ARG002  # as Writer's
        effort: Effort,  # noqa: ARG002  # as Writer's
    ) -> dict[Key, Result]:
        self.items = tuple(items.values())
        return dict.fromkeys(items, Result(Written.STORED))
