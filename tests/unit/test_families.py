"""Every event type of every family: the expected key of its items, and that no request changes it."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cli.catalogue.model import EntityDefinition, Family, families, names
from cli.catalogue.samples import as_self_hosted
from handlers.intake.decode import decode
from handlers.intake.validate import validate
from handlers.items.build import build_items
from handlers.items.event_types import load
from handlers.items.item import Item
from handlers.items.route import route
from handlers.outcome import Rejection, RejectionReason
from tests.support.engines import SAMPLES, EventFactory

CATALOGUE = load()
FAMILIES = families()
STATES = [name for name, event_type in CATALOGUE.items() if not event_type.entities[0].append_only]
_WORKED_OUT: dict[str, dict[str, Any]] = {
    event_name: expected
    for path in sorted((Path(__file__).parents[1] / "keys").glob("*.toml"))
    for event_name, expected in tomllib.loads(path.read_text()).items()
}
KEYS: dict[str, list[list[str]]] = {event_name: expected["keys"] for event_name, expected in _WORKED_OUT.items()}
# By event type and field: the keys where an event has no such field.
KEYS_WITHOUT: dict[str, dict[str, list[list[str]]]] = {
    event_name: expected.get("without", {}) for event_name, expected in _WORKED_OUT.items()
}


def routed(text: str) -> tuple[Item, ...]:
    """Return the items of a valid event."""
    event = decode(text.encode())
    validate(event, CATALOGUE[event.name])
    return build_items(route(event, CATALOGUE[event.name]))


def keys(text: str) -> list[list[str]]:
    """Return the keys of an event's items."""
    return [[value for _, value in item.key] for item in routed(text)]


def test_every_canvas_event_type_is_in_the_catalogue() -> None:
    """Ninety-one types that Canvas sends, four that only its documentation has, and what comes are each in a family."""
    assert len(CATALOGUE) >= 95
    assert {f"{family.name.upper()}_TABLE" for family in FAMILIES} == {family.table_variable for family in FAMILIES}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_event_type_has_an_expected_key(family: Family) -> None:
    """Adding an event type requires the expected key of its sample."""
    missing = {event for entity in family.entities for event in entity.events} - KEYS.keys()
    assert not missing, f"write the keys of these samples by hand into tests/keys/{family.name}.toml: {missing}"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_alternative_key_is_worked_out(family: Family) -> None:
    """Nobody adds an alternative to a key, or a condition, without having thought about the keys on its other side."""
    missing = [
        (event, fields)
        for entity in family.entities
        for event in entity.events
        for fields in _decisive_fields(entity)
        if fields.isdisjoint(KEYS_WITHOUT[event])
    ]
    assert not missing, f"add the keys without one of these fields to tests/keys/{family.name}.toml: {missing}"


def _decisive_fields(entity: EntityDefinition) -> list[set[str]]:
    """Sets of fields without any of which events of an entity have other keys."""
    if not entity.id_templates:
        return []  # tests/integration/test_append_only.py
    alternatives = [each for each in (entity.id_templates, entity.context_templates) if len(each) > 1]
    return [
        *(set(names(templates[0])) for templates in alternatives),
        *([{entity.requires}] if entity.requires else []),
    ]


@pytest.mark.parametrize(
    ("event_name", "field"), [(event_name, field) for event_name, fields in KEYS_WITHOUT.items() for field in fields]
)
@pytest.mark.parametrize("value", [..., None, ""])
def test_without_a_field_the_keys_are_those_worked_out(
    event: EventFactory, event_name: str, field: str, value: object
) -> None:
    """A missing field, a null and an empty id give the same keys: those said in tests/keys."""
    assert keys(event(event_name, **{field: value})) == KEYS_WITHOUT[event_name][field]


@pytest.mark.parametrize("event_name", SAMPLES)
def test_sample_gets_its_expected_key(event_name: str) -> None:
    """From either envelope the handlers build the keys that tests/keys specifies."""
    for text in (SAMPLES[event_name], as_self_hosted(SAMPLES[event_name])):
        built = keys(text)
        if CATALOGUE[event_name].entities[0].append_only:
            built = [[context, entity[: -len("0" * 32)]] for context, entity in built]
        assert built == KEYS[event_name]


@pytest.mark.parametrize("event_name", STATES)
def test_no_request_changes_the_key_of_an_entity(event: EventFactory, event_name: str) -> None:
    """An entity has one key, whether a job, another course or another person changed it."""
    nobody = event(event_name, dict.fromkeys(("context_type", "context_id", "user_id"), ...))
    elsewhere = event(event_name, {"context_type": "Account", "context_id": "10150000000000001", "user_id": "1"})
    assert keys(nobody) == keys(elsewhere) == KEYS[event_name]


@pytest.mark.parametrize("event_name", SAMPLES)
def test_id_notation_does_not_change_the_items(event_name: str) -> None:
    """Each id may be local, global, an integer or with a tilde; the items stay the same, byte for byte."""
    sent = json.loads(SAMPLES[event_name])
    if "root_account_id" not in sent["metadata"]:
        return
    expected_items = routed(json.dumps(sent))
    kinds = CATALOGUE[event_name].field_kinds
    for form in (lambda local: f"1015~{local}", lambda local: 1015 * 10**13 + local, lambda local: local, str):
        again = {name: _reformed(value, form) if kinds.get(name) in ("gid", "lid") else value
                 for name, value in sent["body"].items()}  # fmt: skip
        assert routed(json.dumps(sent | {"body": again})) == expected_items


def _reformed(value: Any, form: Any) -> Any:
    if value == "":
        return value
    number = int(value)
    return form(number % 10**13) if number // 10**13 in (0, 1015) else value


@pytest.mark.parametrize("event_name", STATES)
def test_no_partition_is_shared_by_a_whole_institution(event_name: str) -> None:
    """Data that grows with the institution is partitioned more finely than by account."""
    for context, _ in keys(SAMPLES[event_name]):
        kind = context.split("#")[1]
        # What an account itself holds, as its groups and outcomes, stands under the account.
        assert (
            kind != "Account"
            or "context_type" in CATALOGUE[event_name].field_kinds
            or event_name.startswith("account_")
        )


@pytest.mark.parametrize(
    ("one", "other", "entities"),
    [
        ("submission_updated", "grade_change", {"submission", "submission_grade"}),
        ("submission_updated", "submission_custom_grade_status", {"submission", "submission_custom_status"}),
        ("enrollment_updated", "enrollment_state_updated", {"enrollment", "enrollment_state"}),
        ("grade_override", "final_grade_custom_status", {"grade_override", "final_grade_custom_status"}),
        ("course_updated", "syllabus_updated", {"course", "syllabus"}),
    ],
)
def test_event_types_with_different_fields_of_one_object_have_their_own_items(
    event: EventFactory, one: str, other: str, entities: set[str]
) -> None:
    """Event types that describe different aspects of one object do not overwrite each other's items."""
    (first,), (second,) = keys(event(one)), keys(event(other))
    assert {first[1].partition("#")[0], second[1].partition("#")[0]} == entities
    ids = {"submission_id": "10150000000000007", "assignment_id": "8", "enrollment_id": "5", "course_id": "3"}
    known = [
        {name: value for name, value in ids.items() if name in CATALOGUE[event_name].field_kinds}
        for event_name in (one, other)
    ]
    contexts = [keys(event(event_name, **fields))[0][0] for event_name, fields in zip((one, other), known, strict=True)]
    assert contexts[0] == contexts[1]


@pytest.mark.parametrize(
    ("event_name", "moved"),
    [
        ("enrollment_updated", {"course_id": "10150000000000777", "course_section_id": "10150000000000778"}),
        ("course_section_updated", {"course_id": "777", "nonxlist_course_id": "2041"}),
        ("course_updated", {"account_id": "10150000000000777"}),
        ("account_updated", {"parent_account_id": 777}),
        ("grade_override", {"course_id": "777"}),
    ],
)
def test_moved_entity_keeps_its_key(event: EventFactory, event_name: str, moved: dict[str, Any]) -> None:
    """A cross-listed section, or a course that changes its account, leaves no stale item behind."""
    assert keys(event(event_name, **moved)) == keys(event(event_name))


def test_global_outcome_is_its_own_context(event: EventFactory) -> None:
    """Canvas has global outcomes, which belong to no account or course."""
    (key,) = keys(event("learning_outcome_updated", context_id=..., context_type=None))
    assert key[0].endswith("#LearningOutcome#" + key[1].partition("#")[2])


def test_result_without_id_is_keyed_by_student_and_asset(event: EventFactory) -> None:
    """Canvas's documentation shows a result without id: student and assessed asset identify it."""
    fields = {"user_uuid": "Uu1", "associated_asset_type": "Assignment", "associated_asset_id": "1015~7"}
    (key,) = keys(event("learning_outcome_result_created", id=..., learning_outcome_id="5", **fields))
    assert key[0].endswith("#LearningOutcome#5")
    assert key[1] == "learning_outcome_result#Uu1#Assignment#7"


def test_id_within_an_object_is_local_in_the_key_and_unchanged_in_the_body(event: EventFactory) -> None:
    """Progress is keyed by the ids within the event's objects, which are stored unchanged."""
    course = {"id": "10150000000002041", "name": "Biology", "account_id": 12}
    (item,) = routed(event("course_progress", course=course))
    assert dict(item.key)["context"].endswith("#Course#2041")
    assert json.loads(item.attributes["body"])["M"]["course"]["M"]["id"] == {"S": "10150000000002041"}


@pytest.mark.parametrize("value", ["a#b", "7", 7, {"id": 7}])
def test_body_field_named_like_a_member_path_is_not_a_key(event: EventFactory, value: Any) -> None:
    """A body field whose name looks like the path of a member does not affect the key."""
    text = event("course_progress", **{"course.id": value, "user.id": value})
    assert keys(text) == KEYS["course_progress"]


@pytest.mark.parametrize(
    "objects",
    [{"course": {"id": "a#b"}}, {"course": {"id": ""}}, {"course": {}}, {"user": {"id": None}}, {"user": None}],
)
def test_key_member_that_is_not_an_id_is_rejected(event: EventFactory, objects: dict[str, Any]) -> None:
    """A value within an object that is not an id violates the schema, as it does elsewhere."""
    with pytest.raises(Rejection) as caught:
        routed(event("course_progress", **objects))
    assert caught.value.reason is RejectionReason.SCHEMA_VIOLATION


def test_ruby_formatted_time_is_normalized(event: EventFactory) -> None:
    """Canvas's documentation shows such times in enrollment_state."""
    (item,) = routed(event("enrollment_state_updated", state_started_at="2018-11-05 05:38:00 -0800"))
    assert '"state_started_at":{"S":"2018-11-05T13:38:00.000000Z"}' in item.attributes["body"]
