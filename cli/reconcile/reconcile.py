"""Comparing rows with the tables, a batch of reads at a time: memory does not grow with the number of rows."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from canvas_tables.read import MAX_KEYS_PER_REQUEST, TablesError, read_batch
from cli.errors import CommandError
from cli.reconcile import maps
from cli.reconcile.compare import State, compare
from cli.reconcile.maps import Source
from cli.reconcile.row import Row
from cli.reconcile.snapshot import Account, Snapshot, describes, is_excluded, make_snapshot
from handlers.items.event_types import EventType
from handlers.items.item import PrimaryKey
from handlers.items.snapshot import SUFFIX
from handlers.outcome import Rejection

MAX_EXAMPLES = 5

TO_REPAIR = (State.MISSING, State.DIFFERENT, State.DELETED_IN_CANVAS)

Stored = Mapping[str, Any]


@dataclass
class EntityTotals:
    """What was found of an entity. The states add up to the rows; ``excluded`` rows are not among them."""

    states: Counter[State] = field(default_factory=Counter)
    excluded: int = 0
    repaired: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    examples: dict[State, list[str]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows were compared."""
        return self.states.total()

    def add(self, state: State, key: PrimaryKey | None = None, fields: Iterable[str] = ()) -> None:
        """Count a row; its key is an example where it is among the first."""
        self.states[state] += 1
        self.fields.update(fields)
        examples = self.examples.setdefault(state, [])
        if key and state in TO_REPAIR and len(examples) < MAX_EXAMPLES:
            examples.append(" ".join(value for _, value in key))


@dataclass
class Totals:
    """What was found, by entity."""

    entities: dict[str, EntityTotals] = field(default_factory=dict)

    def of(self, entity: str) -> EntityTotals:
        """Return the totals of an entity, to add to."""
        return self.entities.setdefault(entity, EntityTotals())

    def count(self, *states: State) -> int:
        """Return how many rows are in one of these states."""
        return sum(totals.states[state] for totals in self.entities.values() for state in states)

    @property
    def differences(self) -> int:
        """How many rows a repair would write."""
        return self.count(*TO_REPAIR)

    @property
    def completeness(self) -> float | None:
        """The share of comparable rows that the tables have right; None without such rows."""
        right = self.count(State.EQUAL, State.NEWER_HERE)
        return right / (right + self.differences) if right + self.differences else None

    def as_json(self) -> dict[str, Any]:
        """Return the totals as JSON has them."""
        return {
            "entities": {
                entity: {
                    "rows": totals.rows,
                    **{state.value: totals.states[state] for state in State},
                    "excluded": totals.excluded,
                    "repaired": totals.repaired,
                    "fields": dict(totals.fields.most_common()),
                    "examples": {state.value: keys for state, keys in totals.examples.items() if keys},
                }
                for entity, totals in sorted(self.entities.items())
            },
            "completeness": self.completeness,
        }


class Reconciliation:
    """Compares rows. ``tables`` are the deployed tables by variable; ``on_difference`` is called with each one."""

    def __init__(
        self,
        dynamodb: Any,
        tables: Mapping[str, str],
        snapshot_types: Mapping[str, EventType],
        account: Account,
        source: Source,
        on_difference: Callable[[Snapshot, Stored | None], object] = lambda _, __: None,
    ) -> None:
        self.totals = Totals()
        self._dynamodb = dynamodb
        self._tables = tables
        self._types = snapshot_types
        self._account = account
        self._source = source
        self._maps = maps.load(source)
        self.on_difference = on_difference

    def compare(self, rows: Iterable[Row]) -> Iterator[int]:
        """Compare rows; yield how many after each batch."""
        batch: dict[PrimaryKey, Snapshot] = {}
        for row in rows:
            for snapshot in self._snapshots(row):
                if snapshot.item.key in batch or len(batch) == MAX_KEYS_PER_REQUEST:
                    self._compare_batch(batch)
                    yield len(batch)
                    batch = {}
                batch[snapshot.item.key] = snapshot
        self._compare_batch(batch)
        yield len(batch)

    def _snapshots(self, row: Row) -> Iterator[Snapshot]:
        for entity_map in self._maps.get(row.table, ()):
            event_type = self._types[f"{entity_map.entity}{SUFFIX}"]
            if event_type.table_variable not in self._tables or not describes(row, entity_map):
                continue
            if is_excluded(row, entity_map):
                self.totals.of(entity_map.entity).excluded += 1
                continue
            try:
                yield make_snapshot(row, entity_map, event_type, self._account)
            except Rejection:
                self.totals.of(entity_map.entity).add(State.NOT_COMPARABLE)

    def _compare_batch(self, batch: Mapping[PrimaryKey, Snapshot]) -> None:
        stored = self._read(batch) if batch else {}
        for key, snapshot in batch.items():
            item = stored.get((snapshot.item.table_variable, key))
            state, fields = compare(snapshot, item, self._source)
            self.totals.of(snapshot.entity_map.entity).add(state, key, fields)
            if state in TO_REPAIR:
                self.on_difference(snapshot, item)

    def _read(self, batch: Mapping[PrimaryKey, Snapshot]) -> dict[tuple[str, PrimaryKey], Stored]:
        """Read the items of a batch with eventually consistent reads, which cost half.

        A stale read does no harm: what a repair makes of it is older than whatever was not read yet.
        """
        variables: dict[str, str] = {}
        request: dict[str, Any] = {}
        for key, snapshot in batch.items():
            table = self._tables[snapshot.item.table_variable]
            variables[table] = snapshot.item.table_variable
            reads = request.setdefault(
                table,
                {
                    "Keys": [],
                    "ProjectionExpression": "#c,#e,#v,#b,#d",
                    "ExpressionAttributeNames": {
                        "#c": "context", "#e": "entity", "#v": "version", "#b": "body", "#d": "deleted"
                    },
                },
            )  # fmt: skip
            reads["Keys"].append({name: {"S": value} for name, value in key})
        found: dict[tuple[str, PrimaryKey], Stored] = {}
        try:
            for table, item in read_batch(self._dynamodb, request):
                key = PrimaryKey(("context", item["context"]["S"]), ("entity", item["entity"]["S"]))
                found[variables[table], key] = {
                    name: _plain(item[name]) for name in ("version", "body", "deleted") if name in item
                }
        except TablesError as error:
            raise CommandError(str(error)) from error
        return found


def _plain(value: Mapping[str, Any]) -> Any:
    """Return the plain value of an attribute, as a normalized body has it."""
    ((kind, content),) = value.items()
    match kind:
        case "N":
            return Decimal(content) if "." in content else int(content)
        case "M":
            return {name: _plain(member) for name, member in content.items()}
        case "L":
            return [_plain(element) for element in content]
        case "NULL":
            return None
    return content
