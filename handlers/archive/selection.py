"""Which records of an object are processed, and how many are skipped."""

from collections.abc import Iterable, Iterator, Mapping

from handlers.archive.erased import ErasedPeople
from handlers.archive.message import ObjectMessage
from handlers.intake.decode import decode
from handlers.intake.record import Record
from handlers.items.event_types import EventType
from handlers.outcome import Rejection


class Selection:
    """Chooses the records that a message asks for, without erased people; ``skipped`` counts the others."""

    def __init__(self, message: ObjectMessage, event_types: Mapping[str, EventType], erased: ErasedPeople) -> None:
        self.skipped = 0
        self._families, self._types = message.families, message.types
        self._event_types = event_types
        self._erased = erased

    def choose(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield the records to process, one after the other."""
        for record in records:
            chosen = self._choose(record) if self._includes(record) else None
            if chosen:
                yield chosen
            else:
                self.skipped += 1

    def _choose(self, record: Record) -> Record | None:
        return self._erased.without(record, self._event_types) if self._erased else record

    def _includes(self, record: Record) -> bool:
        if self._families is None and self._types is None:
            return True
        try:
            name = decode(record.data).name
        except Rejection:
            return False  # of no family and no type
        event_type = self._event_types.get(name)
        in_family = self._families is None or (event_type is not None and event_type.family in self._families)
        return in_family and (self._types is None or name in self._types)
