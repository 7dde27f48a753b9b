"""The table of sources: no source may acknowledge a record that has to be retried."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from cli.catalogue.samples import kinesis_event, sqs_event
from handlers.intake.record import ReadRecord, Record
from handlers.outcome import Fate, Outcome, RejectionReason
from handlers.sources import SOURCES, RecordsToRetry, Source, partial_batch_response
from tests.support.engines import SAMPLES
from tests.support.template_helpers import of_type, properties


def _read_event_bridge(event: dict[str, Any]) -> Iterator[tuple[str, ReadRecord]]:
    yield event["id"], partial(_from_event_bridge, event)


def _from_event_bridge(event: dict[str, Any]) -> Record:
    enqueued_at = datetime.fromisoformat(event["time"]).astimezone(UTC)
    return Record(event["id"], json.dumps(event["detail"]).encode(), enqueued_at, event["resources"][0])


# An example of a source that pushes: EventBridge invokes the function once for each event and ignores its response.
EVENT_BRIDGE = Source("event_bridge", _read_event_bridge)


def event_bridge_event(texts: Sequence[str]) -> dict[str, Any]:
    """Make an invocation by EventBridge, which delivers one event."""
    return {
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "time": "2026-09-01T08:00:00Z",
        "resources": ["arn:aws:events:eu-west-1:123456789012:rule/canvas"],
        "detail": json.loads(texts[0]),
    }


def records_of_an_object(texts: Sequence[str]) -> list[Record]:
    """Return the records of an object's lines, which the objects handler reads before the source does."""
    enqueued_at = datetime(2026, 9, 1, 8, tzinfo=UTC)
    return [Record(str(n), text.encode(), enqueued_at, "arn:aws:s3:::bucket/key") for n, text in enumerate(texts)]


EVERY_SOURCE = (*SOURCES.values(), EVENT_BRIDGE)
INVOCATIONS: dict[str, Callable[[list[str]], Any]] = {
    "sqs": sqs_event,
    "kinesis": kinesis_event,
    "objects": records_of_an_object,
    "event_bridge": event_bridge_event,
}


def ids(source: Source) -> list[str]:
    """Return the record ids of an invocation, as the source reads them."""
    texts = [SAMPLES["module_created"], SAMPLES["module_updated"], SAMPLES["assignment_created"]]
    return [record_id for record_id, _ in source.read(INVOCATIONS[source.name](texts))]


def acknowledged(source: Source, outcomes: Sequence[Outcome]) -> set[str]:
    """Return the records that the service considers processed: all except those reported, or none after an error."""
    try:
        response = source.respond(outcomes)
    except Exception:  # noqa: BLE001  # whatever it is, the invocation has failed
        return set()
    done = {outcome.record_id for outcome in outcomes}
    if source.respond is partial_batch_response:
        done -= {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
    return done


@pytest.mark.parametrize("source", EVERY_SOURCE, ids=lambda source: source.name)
@pytest.mark.parametrize("fate", Fate)
def test_no_source_acknowledges_a_record_to_retry(source: Source, fate: Fate) -> None:
    """A retried record is never acknowledged, whatever happened to the others; without one, everything is."""
    record_ids = ids(source)
    for position in range(len(record_ids)):
        outcomes = [
            Outcome(record_id, fate if number == position else Fate.STORED)
            for number, record_id in enumerate(record_ids)
        ]
        done = acknowledged(source, outcomes)
        if fate is Fate.RETRIED:
            assert record_ids[position] not in done
        else:
            assert done == set(record_ids)


@pytest.mark.parametrize("source", SOURCES.values(), ids=lambda source: source.name)
def test_only_event_source_mappings_get_a_partial_batch_response(source: Source) -> None:
    """A source that names failed records is a function that only event source mappings invoke, and they act on it."""
    handler = f"handlers.{source.name}.handler"
    functions = [name for name in of_type("AWS::Lambda::Function") if properties(name)["Handler"] == handler]
    assert functions, f"template.yaml has no function for the source {source.name}"
    mappings = [mapping for mapping in of_type("AWS::Lambda::EventSourceMapping") if invokes(mapping, functions)]
    pushes = [permission for permission in of_type("AWS::Lambda::Permission") if invokes(permission, functions)]
    assert mappings or pushes, f"nothing invokes the function of the source {source.name}"
    if source.respond is partial_batch_response:
        assert not pushes
        assert [properties(mapping)["FunctionResponseTypes"] for mapping in mappings] == [
            ["ReportBatchItemFailures"]
        ] * len(mappings)


def invokes(resource: str, functions: list[str]) -> bool:
    """Whether a mapping or a permission is for one of the functions."""
    return any(f"'{function}'" in str(properties(resource)["FunctionName"]) for function in functions)


@pytest.mark.parametrize("source", EVERY_SOURCE, ids=lambda source: source.name)
def test_every_source_reads_its_records(source: Source) -> None:
    """Each record of an invocation is read with its id and its data, enqueued at a UTC time, from an ARN."""
    assert SOURCES.keys() <= INVOCATIONS.keys(), "add a sample invocation of the new source to INVOCATIONS"
    records = [(record_id, read()) for record_id, read in source.read(INVOCATIONS[source.name](list(SAMPLES.values())))]
    assert records
    for (record_id, record), text in zip(records, SAMPLES.values(), strict=False):
        assert record.id == record_id
        assert json.loads(record.data) == json.loads(text)
        assert record.enqueued_at.utcoffset() == datetime.now(UTC).utcoffset()
        assert record.source_arn.startswith("arn:aws:")


def test_source_without_a_response_fails_its_invocation() -> None:
    """A new source that defines no response is safe: it raises an error with counts and no content."""
    outcomes = [Outcome("1", Fate.STORED), Outcome("2", Fate.RETRIED, error="NoResponse")]
    with pytest.raises(RecordsToRetry, match=r"^1 of 2 records must be delivered again$"):
        EVENT_BRIDGE.respond(outcomes)
    rejected = Outcome("1", Fate.REJECTED, reason=RejectionReason.MALFORMED_JSON)
    assert EVENT_BRIDGE.respond([rejected]) is None


def test_a_record_delivered_twice_in_a_batch_is_reported_once() -> None:
    """An id occurs once in the response, though SQS may deliver a message twice in one batch."""
    outcomes = [Outcome("1", Fate.RETRIED), Outcome("1", Fate.RETRIED), Outcome("2", Fate.STORED)]
    assert partial_batch_response(outcomes) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
