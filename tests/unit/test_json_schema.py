"""The generated schemas: up to date, valid, and neither narrower nor wider than what Canvas sends."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cli.catalogue.generated import stale
from cli.catalogue.model import EventTypeDefinition, Field, load
from handlers.intake.decode import decode
from handlers.intake.validate import validate
from handlers.items import event_types
from handlers.items.event_types import SCHEMAS_DIR
from handlers.outcome import Rejection
from tests.support.engines import SAMPLES, EventFactory

CATALOGUE = load()
DEPLOYED = event_types.load()
WRONG_IDS = [
    "2107~0",
    "21070000000000565.0",
    "abc",
    "0",
    "12x",
    " 12",
    "12\n",
    "-1",
    "2107~",
    "~565",
    "1~2~3",
    "9" * 20,
    -1,
    0,
    1.5,
    2**63,
    True,
    {},
    [],
]


def schema(name: str) -> dict[str, Any]:
    """Return a schema of the repository."""
    loaded: dict[str, Any] = json.loads((SCHEMAS_DIR / f"{name}.json").read_text())
    return loaded


def accepts(text: str) -> bool:
    """Return whether the event is valid."""
    try:
        event = decode(text.encode())
        validate(event, DEPLOYED[event.name])
    except Rejection:
        return False
    return True


def fields_of(event_type: EventTypeDefinition) -> dict[str, Field]:
    """Return the fields of the body, without members of objects."""
    return {name: field for name, field in event_type.fields.items() if "." not in name}


def required_fields(event_type: EventTypeDefinition) -> set[str]:
    """Return the required fields of the body."""
    return {name.partition(".")[0] for name in event_type.key_fields}


def test_generated_files_are_up_to_date() -> None:
    """The schemas and sample invocations are what the catalogue and the samples generate."""
    assert stale() == []


@pytest.mark.parametrize("name", CATALOGUE)
def test_schema_is_complete(name: str) -> None:
    """Each schema is valid 2020-12 by itself, has a description, and describes every field."""
    document = schema(name)
    Draft202012Validator.check_schema(document)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["$id"].endswith(name)
    assert document["title"] == name
    assert document["description"]
    assert "$ref" not in json.dumps(document)
    for part in ("metadata", "body"):
        assert all(field["description"] for field in document["properties"][part]["properties"].values())


@pytest.mark.parametrize("name", CATALOGUE)
def test_schema_examples_are_valid(name: str) -> None:
    """The examples of a schema are valid in plain jsonschema with format checks, and in our validator."""
    document = schema(name)
    assert document["examples"]
    for example in document["examples"]:
        Draft202012Validator(document, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(example)
        assert accepts(json.dumps(example))


@pytest.mark.parametrize("event_type", CATALOGUE.values(), ids=CATALOGUE)
def test_null_missing_and_unknown_fields_are_accepted(event: EventFactory, event_type: EventTypeDefinition) -> None:
    """Every field except key fields may be null or missing, and unknown fields and states are accepted."""
    others = fields_of(event_type).keys() - required_fields(event_type)
    assert accepts(event(event_type.name, **dict.fromkeys(others)))
    assert accepts(event(event_type.name, **dict.fromkeys(others, ...)))
    assert accepts(event(event_type.name, workflow_state="on_the_moon", a_field_of_tomorrow={"deep": [1, None]}))


@pytest.mark.parametrize("event_type", CATALOGUE.values(), ids=CATALOGUE)
def test_missing_key_field_is_rejected(event: EventFactory, event_type: EventTypeDefinition) -> None:
    """An event whose key field is missing or null is rejected."""
    for name in required_fields(event_type):
        assert not accepts(event(event_type.name, **{name: ...}))
        assert not accepts(event(event_type.name, **{name: None}))


@pytest.mark.parametrize("event_type", CATALOGUE.values(), ids=CATALOGUE)
def test_ids_are_accepted_in_every_notation_and_no_other(event: EventFactory, event_type: EventTypeDefinition) -> None:
    """Digits, integers and the tilde form are accepted; other values are rejected."""
    for name, field in fields_of(event_type).items():
        if field.kind in ("gid", "lid"):
            for right in ("565", 565, 565.0, "21070000000000565", 21070000000000565, "2107~565"):
                assert accepts(event(event_type.name, **{name: right})), (name, right)
            for wrong in WRONG_IDS:
                assert not accepts(event(event_type.name, **{name: wrong})), (name, wrong)


@pytest.mark.parametrize("event_type", CATALOGUE.values(), ids=CATALOGUE)
def test_an_empty_id_is_taken_where_no_key_needs_it(event: EventFactory, event_type: EventTypeDefinition) -> None:
    """Canvas sends an empty id for none: only where the key needs the id is that refused."""
    for name, field in fields_of(event_type).items():
        if field.kind in ("gid", "lid"):
            assert accepts(event(event_type.name, **{name: ""})) == (name not in required_fields(event_type)), name


WRONG_BY_KIND: dict[str, list[Any]] = {
    "str": [True, 1.5, {}, []],
    "state": [True, 1, 1.5, {}, []],
    "text": [True, 1, {}, []],
    "uuid": [True, 1.5, {}, []],
    "time": ["2019-11-01", "019-11-01T19:11:01.163Z", "2019-11-05 07:38:00 -0800", "", 1572635471, True, {}],
    "ruby_time": ["2019-11-05 07:38:00", "2019-02-30 07:38:00 -0800", "2019-11-05 25:38:00 UTC", "", 1572635471, {}],
    "date": ["2019-02-30", "10/08/2019", "", 20190810, {}],
    "num": ["100", True, {}, []],
    "int": [1.5, "1", True, {}],
    "bool": ["true", 1, {}],
    "obj": ["{}", 1, []],
    "list": ["[]", 1, {}],
    "ids": ["1", 1, {}, [0], ["abc"], [["1"]], [{}]],
}
RIGHT_BY_KIND: dict[str, list[Any]] = {
    "str": ["", "ü"],
    "state": ["active", "a_state_of_tomorrow"],
    "text": ["", "x" * 10_000],
    "uuid": ["8b81d12c-fda4-4317-8d83-e987a6d2014a", "opaque", ""],
    "time": ["2019-11-01T19:11:11Z", "2019-11-01T19:11:11.123456+05:30"],
    "ruby_time": ["2019-11-01T19:11:11Z", "2019-11-05 07:38:00 -0800", "2019-11-05 07:38:00 UTC"],
    "date": ["2019-08-10", "2019-08-10T00:00:00Z"],
    "num": [0, -1.25, 33.333333333333336],
    "int": [0, 7, 7.0],
    "bool": [True, False],
    "obj": [{}, {"a": None}],
    "list": [[], [1]],
    "ids": [[], ["565", 565, "2107~565", "", None]],
}


@pytest.mark.parametrize("event_type", CATALOGUE.values(), ids=CATALOGUE)
def test_value_of_the_wrong_kind_is_rejected(event: EventFactory, event_type: EventTypeDefinition) -> None:
    """A value of the wrong type or format is rejected in every field that is not only part of a key."""
    in_keys = {path.partition(".")[0] for path in event_type.key_paths if not path.endswith(".class")}
    for name, field in fields_of(event_type).items():
        if field.kind in RIGHT_BY_KIND and name not in in_keys:
            for right in RIGHT_BY_KIND[field.kind]:
                assert accepts(event(event_type.name, **{name: right})), (name, right)
            for wrong in WRONG_BY_KIND[field.kind]:
                assert not accepts(event(event_type.name, **{name: wrong})), (name, wrong)


@pytest.mark.parametrize(
    "metadata",
    [
        {"event_time": ...},
        {"event_time": None},
        {"event_time": "2019-11-05 07:38:00 -0800"},
        {"root_account_uuid": "with space"},
        {"root_account_uuid": "a#b"},
        {"root_account_uuid": "a\n"},
        {"root_account_uuid": ""},
        {"root_account_uuid": 7},
        {"root_account_id": "abc"},
        {"user_id": "abc"},
    ],
)
def test_unusable_metadata_is_rejected(event: EventFactory, metadata: dict[str, Any]) -> None:
    """Invalid times, and values that would break the format of a key, are rejected."""
    assert not accepts(event("module_created", metadata))


def test_unused_metadata_is_not_validated(event: EventFactory) -> None:
    """Metadata that no item uses may have any value."""
    assert accepts(event("module_created", {"context_id": [], "client_ip": None, "new": {"a": 1}, "user_id": None}))
    assert accepts(event("module_created", {"root_account_id": "", "user_id": ""}))


def test_every_event_type_has_a_sample() -> None:
    """The project has a sample event for every event type."""
    assert SAMPLES.keys() == CATALOGUE.keys()
