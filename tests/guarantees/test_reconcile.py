"""The promise with snapshots: rows of Canvas and repairs join the set of events, in any order."""

import gzip
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from cli.reconcile.compare import State
from cli.reconcile.reconcile import Reconciliation
from cli.reconcile.row import Row
from cli.reconcile.snapshot import Account
from cli.stack.plain_values import plain_values
from handlers.archive.bucket import BucketError
from handlers.archive.processor import ObjectProcessor, Snapshots
from handlers.items.snapshot import snapshot_types
from handlers.pipeline import Pipeline
from handlers.settings import Settings
from handlers.sources import SOURCES
from handlers.storage.writer import Writer
from tests.support.engines import EVENT_TYPES, NOW, TABLES, Consumer, Tables, client_of

EXAMPLES = settings(max_examples=max(5, settings().max_examples // 20))
ACCOUNT = Account("an-account", "21070000000000001")
START = datetime(2026, 9, 1, tzinfo=UTC)
TYPES = snapshot_types(EVENT_TYPES.values())
CONTEXT: Any = SimpleNamespace(aws_request_id=None, get_remaining_time_in_millis=lambda: 60_000)


class Change(NamedTuple):
    """A state of a module: when it began, its name and position, and whether Canvas sent an event of it."""

    module: int
    time: datetime
    name: str
    position: int
    state: str
    is_silent: bool

    def event(self) -> str:
        """Return the event of the change, posted shortly after the commit."""
        return json.dumps({
            "metadata": {
                "event_name": "module_updated", "event_time": (self.time + timedelta(milliseconds=300)).isoformat(),
                "root_account_uuid": ACCOUNT.uuid, "root_account_id": ACCOUNT.id,
            },
            "body": {
                "module_id": self.module, "context_id": 1, "context_type": "Course", "name": self.name,
                "position": self.position, "workflow_state": self.state, "only_in_events": "stays",
            },
        })  # fmt: skip


class System:
    """The queue's function, the objects' function over a bucket in memory, and reconcile."""

    name = "ours"

    def __init__(self, tables: Tables) -> None:
        self.objects: dict[str, bytes] = {}
        self._tables = tables
        self._consumer = Consumer(tables)
        configuration = Settings(TABLES, None, timedelta(days=90))
        writer = Writer(client_of(tables), TABLES)
        pipelines = {False: self._consumer.pipeline}
        snapshots = Snapshots(TYPES, Pipeline(configuration, TYPES, writer, lambda: NOW))
        self._objects = ObjectProcessor(SOURCES["objects"], self, EVENT_TYPES, pipelines, snapshots)

    def write(self, key: str, data: bytes) -> None:
        """Write an object."""
        self.objects[key] = data

    def open(self, key: str) -> Any:
        """Read an object."""
        if key not in self.objects:
            raise BucketError("NoSuchKey")
        return io.BytesIO(self.objects[key])

    def deliver(self, *texts: str) -> None:
        """Deliver events through the queue."""
        self._consumer.deliver(*texts)

    def reconcile(self, rows: Sequence[Row]) -> tuple[Reconciliation, str]:
        """Compare rows; return what was found, and the lines of the repair, which is not written yet."""
        lines: list[str] = []
        reconciliation = Reconciliation(
            self._tables.client, TABLES, TYPES, ACCOUNT, "canvas_data",
            lambda snapshot, stored: lines.append(snapshot.repair(stored) if stored else snapshot.line()),
        )  # fmt: skip
        for _ in reconciliation.compare(rows):
            pass
        return reconciliation, "".join(lines)

    def repair(self, lines: str) -> None:
        """Let the objects function store the lines of a repair."""
        if not lines:
            return
        self.objects["snapshots/a-run/1"] = gzip.compress(lines.encode())
        message = {"bucket": self.name, "key": "snapshots/a-run/1", "run": "a-run"}
        event = {"Records": [{"messageId": "1", "body": json.dumps(message)}]}
        assert self._objects.handle(event, CONTEXT) == {"batchItemFailures": []}
        result = json.loads(self.objects["results/a-run/snapshots/a-run/1.json"])
        assert {fate for counts in result["outcomes"].values() for fate in counts} <= {"stored", "superseded"}

    def modules(self) -> dict[str, dict[str, Any]]:
        """Return the items of modules as plain values, by sort key."""
        return {item["entity"]: item for item in map(plain_values, self._tables.items("modules"))}


def rows_at(changes: Sequence[Change], time: datetime) -> list[Row]:
    """Return the rows of Canvas as of a time."""
    newest = {change.module: change for change in changes if change.time <= time}
    return [
        Row(
            "context_modules",
            {
                "id": change.module, "context_id": 1, "context_type": "Course", "name": change.name,
                "position": change.position, "workflow_state": change.state, "updated_at": change.time.isoformat(),
            },
            "U",
            time,
        )
        for change in newest.values()
    ]  # fmt: skip


@st.composite
def histories(draw: st.DrawFn, *, silent: bool) -> list[Change]:
    """A history of a few modules, seconds apart."""
    count = draw(st.integers(1, 6))
    return [
        Change(
            draw(st.integers(1, 3)),
            START + timedelta(seconds=5 * number, milliseconds=draw(st.integers(0, 999))),
            draw(st.sampled_from("ab")),
            draw(st.integers(1, 2)),
            draw(st.sampled_from(["active", "active", "unpublished", "deleted"])),
            silent and draw(st.booleans()),
        )
        for number in range(count)
    ]


def interleave(system: System, changes: Sequence[Change], events: Sequence[str], data: st.DataObject) -> list[str]:
    """Deliver events in any order, some twice, between reconciliations with lagging copies; return the repairs.

    A repair is stored at once, later, or twice.
    """
    repairs: list[str] = []
    for text in data.draw(st.permutations([*events, *events[: len(events) // 2]])):
        system.deliver(text)
        if data.draw(st.booleans()):
            time = data.draw(st.sampled_from([change.time for change in changes])) + timedelta(seconds=1)
            repairs.append(system.reconcile(rows_at(changes, time))[1])
            system.repair(data.draw(st.sampled_from(repairs)))
    for lines in data.draw(st.permutations(repairs)):
        system.repair(lines)
    return repairs


@EXAMPLES
@given(changes=histories(silent=False), data=st.data())
def test_without_loss_the_tables_are_those_of_the_events(
    engine: Tables, changes: list[Change], data: st.DataObject
) -> None:
    """Whatever rows and repairs come between, the newest events win: the items are the same, byte for byte."""
    engine.empty()
    system = System(engine)
    events = [change.event() for change in changes]
    system.deliver(*events)
    expected = system.modules()
    engine.empty()
    interleave(system, changes, events, data)
    found = system.modules()
    assert found.keys() == expected.keys()
    newest = {f"module#{change.module}": change for change in changes}
    for entity, item in found.items():
        assert item["body"] == expected[entity]["body"]
        assert item.get("deleted", False) == (newest[entity].state == "deleted")
        # A repair that came after the newest event changed nothing else than the version.
        assert item["version"].partition("~")[0] == expected[entity]["version"]


@EXAMPLES
@given(changes=histories(silent=True), data=st.data())
def test_after_loss_one_reconciliation_makes_every_field_right(
    engine: Tables, changes: list[Change], data: st.DataObject
) -> None:
    """Events are lost or never sent; a reconciliation that sees the end repairs all, and late events undo nothing."""
    engine.empty()
    system = System(engine)
    sent = [change.event() for change in changes if not change.is_silent]
    lost = data.draw(st.sets(st.sampled_from(sent))) if sent else set()
    repairs = interleave(system, changes, [text for text in sent if text not in lost], data)
    end = rows_at(changes, changes[-1].time + timedelta(minutes=1))
    system.repair(system.reconcile(end)[1])
    assert system.reconcile(end)[1] == ""
    system.deliver(*sent)
    for lines in repairs:
        system.repair(lines)
    reconciliation, lines = system.reconcile(end)
    if not lost:
        assert lines == ""
        assert reconciliation.totals.count(State.EQUAL) == len(end)
    system.repair(lines)  # an event that only came now, after the first repair of its item
    assert system.reconcile(end)[1] == ""


def test_every_planted_difference_is_found_and_nothing_else(engine: Tables) -> None:
    """Among 600 rows, those that are missing, different, deleted or newer here are found, and repaired at once."""
    system = System(engine)
    changes = [
        Change(number, START + timedelta(seconds=number), "a", number, "active", False) for number in range(1, 601)
    ]
    missing, different, gone = set(range(10, 600, 50)), set(range(11, 600, 200)), set(range(13, 600, 400))
    texts = [change.event() for change in changes if change.module not in missing]
    for start in range(0, len(texts), 500):
        system.deliver(*texts[start : start + 500])
    end = START + timedelta(days=1)
    newer = changes[499]._replace(time=end + timedelta(hours=1), name="b")
    system.deliver(newer.event())
    rows = rows_at(
        [
            change._replace(
                position=change.position + (change.module in different),
                state="deleted" if change.module in gone else "active",
            )
            for change in changes
        ],
        end,
    )
    reconciliation, lines = system.reconcile(rows)
    totals = reconciliation.totals.entities["module"]
    assert totals.states == {
        State.MISSING: len(missing), State.DIFFERENT: len(different), State.DELETED_IN_CANVAS: len(gone),
        State.NEWER_HERE: 1, State.EQUAL: 600 - len(missing) - len(different) - len(gone) - 1,
    }  # fmt: skip
    assert totals.rows == 600
    assert totals.fields == {"position": len(different), "workflow_state": len(gone), "name": 1}
    system.repair(lines)
    assert system.reconcile(rows)[1] == ""
    assert system.modules()["module#11"]["body"]["only_in_events"] == "stays"
    before = system.modules()
    system.repair(lines)
    for start in range(0, len(texts), 500):
        system.deliver(*texts[start : start + 500])
    assert system.modules() == before
