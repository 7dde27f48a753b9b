"""Batches of records to outcomes and tables."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cli.catalogue.samples import as_self_hosted, rejected_samples
from handlers.intake.decode import decode
from handlers.items.build import build_items
from handlers.items.compact import compact
from handlers.items.event_types import load, load_not_kept
from handlers.items.item import Item, PrimaryKey
from handlers.items.route import route
from handlers.items.timestamps import format_utc, parse_datetime
from handlers.outcome import Drift, Fate, Outcome, RejectionReason, Violation
from handlers.settings import Settings
from handlers.telemetry.errors import describe_error
from tests.guarantees.model import newest as newest_of
from tests.support.engines import NOW, SAMPLES, TABLES, Consumer, EventFactory, Tables

CATALOGUE = load()
STORED, SUPERSEDED, IGNORED, REJECTED, RETRY = Fate.STORED, Fate.SUPERSEDED, Fate.IGNORED, Fate.REJECTED, Fate.RETRIED


def test_batch_stores_only_the_newest_event_of_an_item(consumer: Consumer, event: EventFactory, tables: Tables) -> None:
    """Of the events of one item in a batch the newest is stored, whatever their order; the others are superseded."""
    times = ["2026-09-01T08:00:00Z", "2026-09-01T10:00:00Z", "2026-09-01T09:00:00Z"]
    texts = [event("module_updated", {"event_time": time}, name=time) for time in times]
    assert consumer.fates(*texts, texts[1]) == [SUPERSEDED, STORED, SUPERSEDED, SUPERSEDED]
    (item,) = tables.items("modules")
    assert item["body"]["M"]["name"] == {"S": times[1]}


def test_late_event_does_not_replace_a_tombstone(consumer: Consumer, event: EventFactory, tables: Tables) -> None:
    """A tombstone stays, and older events are superseded."""
    deleted = event("module_updated", {"event_time": "2026-09-02T08:00:00Z"}, workflow_state="deleted")
    late = event("module_created", {"event_time": "2026-09-01T08:00:00Z"})
    assert consumer.fates(deleted) == [STORED]
    assert consumer.fates(late) == [SUPERSEDED]
    (item,) = tables.items("modules")
    assert item["deleted"] == {"BOOL": True}
    undeleted = event("module_updated", {"event_time": "2026-09-03T08:00:00Z"})
    assert consumer.fates(undeleted) == [STORED]
    assert "deleted" not in tables.items("modules")[0]


def test_newer_event_clears_missing_field(consumer: Consumer, event: EventFactory, tables: Tables) -> None:
    """A newer event replaces the body, so a cleared due date does not remain."""
    consumer.deliver(event("assignment_created"))
    consumer.deliver(event("assignment_updated", due_at=...))
    (item,) = tables.items("assignments")
    assert "due_at" not in item["body"]["M"]


def test_graded_reply_gives_the_same_items_in_either_order(
    consumer: Consumer, event: EventFactory, tables: Tables
) -> None:
    """The created and submitted events of one reply leave the same two items in either order."""
    created, submitted = event("discussion_entry_created"), event("discussion_entry_submitted")
    assert consumer.fates(submitted) == [STORED]
    assert consumer.fates(created) == [SUPERSEDED]
    after = tables.items("discussions")
    assert [(item["entity"]["S"], item["event_name"]["S"]) for item in after] == [
        ("discussion_entry#30021", "discussion_entry_submitted"),
        ("discussion_submission#30021", "discussion_entry_submitted"),
    ]
    tables.empty()
    assert consumer.fates(created, submitted) == [SUPERSEDED, STORED]
    assert tables.items("discussions") == after


def test_order_duplicates_batches_and_envelopes_do_not_change_the_tables(
    consumer: Consumer, event: EventFactory, tables: Tables
) -> None:
    """Any order, duplication, batching and envelope of the same events leaves the same tables."""
    chance = random.Random(7)  # noqa: S311  # a shuffle that can be repeated
    good = [*SAMPLES.values()]
    for minute in range(4):
        metadata = {"event_time": f"2026-09-06T08:0{minute}:00+01:00"}
        states = ["active", "deleted", None]
        good += [event(name, metadata, workflow_state=chance.choice(states)) for name in SAMPLES]
    # At one instant only the digest decides.
    good += [event("module_updated", {"event_time": "2026-09-07T08:00:00Z"}, position=n) for n in range(5)]
    texts = [*good, *rejected_samples().values()]
    seen = []
    for _ in range(4):
        deliveries = texts + chance.sample(texts, 20)
        chance.shuffle(deliveries)
        while deliveries:
            batch = [deliveries.pop() for _ in range(min(len(deliveries), chance.randint(1, 30)))]
            either = [as_self_hosted(text) if text in good and chance.random() < 0.5 else text for text in batch]
            fates = consumer.fates(*either)
            assert RETRY not in fates
            assert len(fates) == len(batch)
        seen.append(tables.entities())
        tables.empty()
    assert seen[0] == seen[1] == seen[2] == seen[3]
    assert sum(map(len, seen[0].values())) == len(newest_of(good))


def test_outcome_names_record_event_type_and_violations(tables: Tables, event: EventFactory) -> None:
    """Each outcome has its record id, its event type if that may be logged, and the violated rules."""
    metadata = json.loads(event("module_created"))["metadata"]
    sample_time = format_utc(parse_datetime(json.loads(event("module_updated"))["metadata"]["event_time"]))
    deployed = {name: table for name, table in TABLES.items() if name != "COURSES_TABLE"}
    stranger = {"root_account_uuid": "stranger", "root_account_id": "99990000000000001"}
    unknown = {"event_name": "grades_leaked"}
    not_json = Violation("", "json", "JSON text in UTF-8")
    foreign = Violation("metadata.root_account_uuid", "account", "one of ALLOWED_ROOT_ACCOUNTS")
    outcomes = Consumer(tables, frozenset({metadata["root_account_uuid"]}), deployed).deliver(
        event("module_updated", {"event_time": "2026-08-01T08:00:00Z"}),
        event("module_updated", shade=1),
        event("syllabus_updated"),
        event("module_updated", unknown),
        event("module_updated", stranger),
        event("module_updated", stranger | unknown),
        event("module_updated", position="first"),
        "no JSON",
    )
    assert outcomes == [
        Outcome("0", SUPERSEDED, "module_updated", event_time="2026-08-01T08:00:00.000000Z", enqueued_at=NOW),
        Outcome("1", STORED, "module_updated", event_time=sample_time, enqueued_at=NOW, drift=Drift(1)),
        Outcome("2", IGNORED, "syllabus_updated"),
        Outcome(
            "3",
            REJECTED,
            "grades_leaked",
            RejectionReason.UNKNOWN_EVENT_TYPE,
            violations=(Violation("metadata.event_name", "enum", "an event type of schemas/catalogue"),),
        ),
        Outcome("4", REJECTED, "module_updated", RejectionReason.FOREIGN_ACCOUNT, violations=(foreign,)),
        Outcome("5", REJECTED, None, RejectionReason.FOREIGN_ACCOUNT, violations=(foreign,)),
        Outcome("6", REJECTED, "module_updated", RejectionReason.SCHEMA_VIOLATION, violations=outcomes[6].violations),
        Outcome(
            "7",
            REJECTED,
            None,
            RejectionReason.MALFORMED_JSON,
            violations=(not_json,),
        ),
    ]


@pytest.mark.parametrize("reason", rejected_samples())
def test_rejected_sample_is_stored_with_its_reason(consumer: Consumer, tables: Tables, reason: str) -> None:
    """Each file of events/rejected is rejected for the reason in its name, and its neighbours are stored."""
    good = SAMPLES["module_created"]
    outcomes = consumer.deliver(good, rejected_samples()[reason])
    assert [outcome.fate for outcome in outcomes] == [STORED, REJECTED]
    assert outcomes[1].reason == reason
    assert outcomes[1].violations
    (item,) = tables.items("rejected")
    assert item["reason"] == {"S": reason}
    assert len(tables.items("modules")) == 1


def test_record_rejected_twice_is_one_item(consumer: Consumer, tables: Tables) -> None:
    """A duplicate of a rejected record, in the same batch or a later one, adds nothing."""
    text = rejected_samples()["unroutable"]
    assert consumer.fates(text, text) == [REJECTED, REJECTED]
    assert consumer.fates(text) == [REJECTED]
    assert len(tables.items("rejected")) == 1


def test_event_of_an_account_that_is_not_allowed_is_rejected(tables: Tables, event: EventFactory) -> None:
    """If a list of accounts is set, only their events are accepted, named by UUID or by id."""
    mine = json.loads(event("module_created"))["metadata"]
    stranger = event("module_created", {"root_account_uuid": "stranger", "root_account_id": "99990000000000001"})
    nobody = event("module_created", {"root_account_uuid": ..., "root_account_id": ...})
    for allowed in (mine["root_account_uuid"], mine["root_account_id"]):
        outcomes = Consumer(tables, frozenset({allowed})).deliver(event("module_created"), stranger, nobody)
        assert outcomes[0].fate in (STORED, SUPERSEDED)
        assert [(outcome.fate, outcome.reason) for outcome in outcomes[1:]] == [
            (REJECTED, RejectionReason.FOREIGN_ACCOUNT)
        ] * 2


def test_events_of_a_family_that_is_not_deployed_are_ignored(tables: Tables, event: EventFactory) -> None:
    """Without its table variable a family's events are acknowledged, valid or not, and the others stored."""
    deployed = {name: table for name, table in TABLES.items() if name != "COURSES_TABLE"}
    consumer = Consumer(tables, deployed=deployed)
    fates = consumer.fates(
        event("syllabus_updated"), event("syllabus_updated", course_id=None), event("module_created")
    )
    assert fates == [IGNORED, IGNORED, STORED]
    assert tables.items("courses") == tables.items("rejected") == []


def test_types_that_are_not_kept_leave_nothing_behind(tables: Tables, event: EventFactory) -> None:
    """Those of the catalogue and of the settings are ignored by name, even from an account that is not allowed."""
    stranger = {"root_account_uuid": "stranger", "root_account_id": None}
    names = [*sorted(load_not_kept()), "quizzes-lti.grade_changed", "wiki_page_created"]
    environment = TABLES | {"IGNORED_EVENT_TYPES": "quizzes-lti.grade_changed, wiki_page_created"}
    settings = replace(Settings.from_env(environment, frozenset(TABLES)), allowed_root_accounts=frozenset({"Rk3f"}))
    consumer = Consumer(tables, settings=settings)
    outcomes = consumer.deliver(*[event("wiki_page_created", stranger | {"event_name": name}) for name in names])
    assert outcomes == [Outcome(str(number), IGNORED, name) for number, name in enumerate(names)]
    assert {"scan_youtube_links", "quizzes_next_quiz_duplicated"} <= set(names)
    assert not any(tables.entities().values())
    assert tables.items("rejected") == []


def test_unknown_event_name_is_logged_only_if_it_looks_like_one(
    consumer: Consumer, event: EventFactory, tables: Tables
) -> None:
    """A hostile event name that does not look like an event type is kept out of the log."""
    loggable = ["grades_leaked", "a.v2_9", "quizzes-lti.grade_changed", "x" * 64]
    hidden = ["../settings", "x" * 65, "x" * 5_000, "__proto__", "9lives", "-a", "aB", "", "a\n"]
    names = [*loggable, *hidden]
    outcomes = consumer.deliver(*[event("module_created", {"event_name": name}) for name in names])
    assert {outcome.reason for outcome in outcomes} == {RejectionReason.UNKNOWN_EVENT_TYPE}
    assert [outcome.event_name for outcome in outcomes] == loggable + [None] * len(hidden)
    stored_names = {item["event_name"]["S"] for item in tables.items("rejected") if "event_name" in item}
    assert stored_names == {name for name in names if 0 < len(name) < 256}


def test_record_too_large_for_the_rejected_table_is_retried(
    consumer: Consumer, event: EventFactory, tables: Tables
) -> None:
    """A record too large even for the rejected table is retried, so that it ends whole in the failure destination."""
    noise = "".join(random.Random(1).choices("0123456789abcdefghijklmnopqrstuvwxyz+/", k=900_000))  # noqa: S311
    outcomes = consumer.deliver(event("syllabus_updated", syllabus_body=noise), noise, event("module_created"))
    assert [(outcome.fate, outcome.error) for outcome in outcomes] == [(RETRY, "too_large")] * 2 + [(STORED, None)]
    assert tables.items("rejected") == []


def test_large_compressible_event_is_rejected_with_its_payload(
    consumer: Consumer, event: EventFactory, tables: Tables
) -> None:
    """An item over 400 KB is rejected, and its payload is stored compressed."""
    outcomes = consumer.deliver(event("syllabus_updated", syllabus_body="long " * 150_000))
    assert [(outcome.fate, outcome.reason) for outcome in outcomes] == [(REJECTED, RejectionReason.TOO_LARGE)]
    assert len(tables.items("rejected")) == 1


def test_rejected_records_are_retried_while_their_table_is_missing(
    consumer: Consumer, event: EventFactory, tables: Tables
) -> None:
    """A record that cannot be stored as rejected is not acknowledged."""
    tables.client.delete_table(TableName="rejected")
    assert consumer.fates(rejected_samples()["unroutable"], event("module_created")) == [RETRY, STORED]


def test_compacted_events_are_retried_with_the_newest_one(
    consumer: Consumer, event: EventFactory, tables: Tables
) -> None:
    """An older event is not acknowledged as superseded before the newer one is stored."""
    tables.client.delete_table(TableName="modules")
    older = event("module_created")
    newer = event("module_updated")
    outcomes = consumer.deliver(older, newer, event("syllabus_updated"))
    assert [outcome.fate for outcome in outcomes] == [RETRY, RETRY, STORED]
    assert [outcome.error for outcome in outcomes[:2]] == ["ResourceNotFound"] * 2


@pytest.mark.parametrize("stage", ["decode", "admit", "validate", "route", "build_items", "rejection_item"])
def test_bug_retries_only_the_record_that_triggers_it(
    consumer: Consumer, event: EventFactory, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """An unexpected exception in any stage retries the record that triggered it, and its location is logged."""
    original: Callable[..., Any] = getattr(__import__("handlers.pipeline", fromlist=["x"]), stage)

    def with_a_bug(*arguments: Any) -> Any:
        if "POISON" in repr(arguments):
            raise KeyError("a secret of the event")
        return original(*arguments)

    monkeypatch.setattr(f"handlers.pipeline.{stage}", with_a_bug)
    poisoned = event("module_created", name="POISON", **({"module_id": None} if stage == "rejection_item" else {}))
    outcomes = consumer.deliver(
        event("module_created", module_id="1"), poisoned, event("module_created", module_id="2")
    )
    assert [outcome.fate for outcome in outcomes] == [STORED, RETRY, STORED]
    error = str(outcomes[1].error)
    assert outcomes[1] == Outcome("1", RETRY, error=error)
    assert error.startswith("KeyError at pipeline.py:")
    assert "secret" not in error


@pytest.mark.parametrize("place", ["write_plan", "FlowControl.record_round"])
def test_bug_in_the_writer_retries_the_unwritten_records(
    consumer: Consumer, event: EventFactory, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """An exception of the writer is logged with its location, and no unwritten record is acknowledged."""
    nothing: dict[str, str] = {}
    monkeypatch.setattr(f"handlers.storage.writer.{place}", lambda *_: nothing["a secret of the event"])
    (outcome,) = consumer.deliver(event("module_created"))
    assert outcome.fate is RETRY
    assert re.fullmatch(r"KeyError at writer\.py:\d+", str(outcome.error))


def test_bug_is_located_at_the_innermost_frame_of_the_handlers(event: EventFactory) -> None:
    """A bug is described by its type and the last line of the handlers in its traceback, or else its own line."""
    live_event = decode(event("module_created", {"event_time": None}).encode())
    with pytest.raises(TypeError) as ours:
        build_items(route(live_event, CATALOGUE["module_created"]))
    assert re.fullmatch(r"TypeError at timestamps\.py:\d+", describe_error(ours.value))
    nothing: dict[str, str] = {}
    with pytest.raises(KeyError) as theirs:
        nothing["a secret"]
    assert describe_error(theirs.value) == f"KeyError at test_pipeline.py:{theirs.tb.tb_lineno}"


NUMBERS = [
    "1e5000",
    "1e2000000",
    "-1e999999999",
    "1e-2000000",
    "9" * 4_000,
    "1" + "0" * 30 + ".5",
    "1E400",
    "0.1e1",
    "-0",
]


@pytest.mark.parametrize("event_name", SAMPLES)
def test_record_with_any_number_is_stored_or_rejected_at_once(
    engine: Tables, event: EventFactory, event_name: str
) -> None:
    """Whatever number a field of any kind or a key contains, its record is never retried."""
    event_type = CATALOGUE[event_name]
    one_of_each_kind = {kind: field for field, kind in event_type.field_kinds.items()}.values()
    in_keys = {path for entity in event_type.entities for path in entity.key_paths} & event_type.field_kinds.keys()
    fields = sorted({*one_of_each_kind, *in_keys})
    texts = [event(event_name, **{field: "@"}).replace('"@"', number) for field in fields for number in NUMBERS]
    texts += [
        event(event_name, {field: "@"}).replace('"@"', number)
        for field in ("root_account_id", "user_id", "event_time", "event_name")
        for number in NUMBERS
    ]
    outcomes = Consumer(engine).deliver(*texts, SAMPLES[event_name])
    assert {outcome.fate for outcome in outcomes} <= {STORED, SUPERSEDED, REJECTED}
    assert outcomes[-1].fate in (STORED, SUPERSEDED)


@pytest.mark.parametrize("depth", [90, 101, 985, 5_000])
def test_record_with_any_depth_is_rejected_at_once(consumer: Consumer, event: EventFactory, depth: int) -> None:
    """However deep a value is nested, in any field, its record is rejected and its neighbours are stored."""
    deep = "[" * depth + "]" * depth
    texts = [event("assignment_updated", **{field: "@"}).replace('"@"', deep) for field in ("title", "due_at", "new")]
    texts.append(event("assignment_updated", {"user_id": "@"}).replace('"@"', deep))
    assert consumer.fates(*texts, event("module_created")) == [REJECTED] * 4 + [STORED]


def test_records_beyond_the_processing_time_are_retried(
    consumer: Consumer, event: EventFactory, tables: Tables
) -> None:
    """Records that are not processed in half of the time are retried, and those before them are stored."""
    clock = iter([60_000] * 11)
    texts = [event("module_created", module_id=str(n)) for n in range(1, 21)]
    outcomes = consumer.deliver(*texts, remaining_ms=lambda: next(clock, 20_000))
    assert [outcome.fate for outcome in outcomes[:10]] == [STORED] * 10
    assert outcomes[10:] == [Outcome(str(n), RETRY, error="DeadlineExceeded") for n in range(10, 20)]
    assert len(tables.items("modules")) == 10


def test_empty_batch_has_no_outcomes_and_no_requests(consumer: Consumer) -> None:
    """Without records there are no outcomes and no requests."""
    assert consumer.deliver() == []


def test_secrets_in_urls_reach_no_table(consumer: Consumer, event: EventFactory, tables: Tables) -> None:
    """Links keep no secret in whatever field or depth of a body, and the same event redacted before gives the same."""
    link = "https://files.example.edu/7?a=1&verifier=s3cret&x=1"
    presigned = "https://bucket.s3.amazonaws.com/q?X-Amz-Signature=s3cret"
    html = f'<a href="{link.replace("&", "&amp;")}">'
    texts = [
        event("assignment_updated", resource_map=link, description=html, new=[link]),
        event("content_migration_completed", resource_map_url=link),
        event("quiz_export_complete", qti_export={"url": presigned, "others": [{link: None}]}),
        event("discussion_entry_submitted", text=link),
        event("asset_accessed", asset_name=link),
    ]
    assert consumer.fates(*texts) == [STORED] * len(texts)
    stored = tables.entities()
    assert "s3cret" not in str(stored)
    assert str(stored).count("verifier=REDACTED&x=1") + str(stored).count("verifier=REDACTED&amp;x=1") == 7
    assert str(stored).count("X-Amz-Signature=REDACTED") == 1
    assert consumer.fates(*[text.replace("s3cret", "REDACTED") for text in texts]) == [SUPERSEDED] * len(texts)
    assert tables.entities() == stored


def test_unknown_fields_are_stored_and_counted(consumer: Consumer, event: EventFactory, tables: Tables) -> None:
    """A field that Canvas adds in future is stored unchanged and counted in the outcome."""
    (outcome,) = consumer.deliver(event("module_updated", colour="green", tags=["a", {"b": None}]))
    assert outcome.drift == Drift(unknown_field_count=2)
    (item,) = tables.items("modules")
    assert item["body"]["M"]["colour"] == {"S": "green"}
    assert item["body"]["M"]["tags"] == {"L": [{"S": "a"}, {"M": {"b": {"NULL": True}}}]}


def test_compact_preserves_the_order_of_keys() -> None:
    """Compaction keeps the greatest version of each key, with the keys in the order of their first occurrence."""

    def item(key: str, version: str | None) -> Item:
        return Item("T", PrimaryKey(("context", "c"), ("entity", key)), version, {}, insert_first=False)

    newest = compact([item("b", "1"), item("a", "2"), item("b", "3"), item("a", "1"), item("b", "2")])
    assert [(newest_item.key[1][1], newest_item.version) for newest_item in newest.values()] == [("b", "3"), ("a", "2")]
    first, second = item("c", None), item("c", None)
    (newest_first,) = compact([first, second]).values()
    assert newest_first is first
