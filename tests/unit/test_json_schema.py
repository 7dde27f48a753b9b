"""The generated schemas: in step, valid, and neither narrower nor wider than what Canvas sends."""

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
from tests.support.engines import SAMPLES, Change

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
    """A schema as it stands in the repository."""
    loaded: dict[str, Any] = json.loads((SCHEMAS_DIR / f"{name}.json").read_text())
    return loaded


def accepts(text: str) -> bool:
    """Whether the event is valid."""
    try:
        event = decode(text.encode())
        validate(event, DEPLOYED[event.name])
    except Rejection:
        return False
    return True


def fields_of(event_type: EventTypeDefinition) -> dict[str, Field]:
    """The fields of the body, without members of objects."""
    return {name: field for name, field in event_type.fields.items() if "." not in name}


def needed(event_type: EventTypeDefinition) -> set[str]:
    """The fields of the body that no event of the type can do without."""
    return {name.partition(".")[0] for name in event_type.key_fields}


def test_generated_files_are_in_step() -> None:
    """The schemas and the sample invocations are what the catalogue and the samples make."""
    assert stale() == []


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_schema_is_complete(name: str) -> None:
    """Each schema is valid 2020-12 by itself, says what it is, and describes every field."""
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
def test_its_examples_are_accepted_by_any_validator(name: str) -> None:
    """The examples of a schema pass plain jsonschema with its formats checked, and ours."""
    document = schema(name)
    assert document["examples"]
    for example in document["examples"]:
        Draft202012Validator(document, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(example)
        assert accepts(json.dumps(example))


@pytest.mark.parametrize("event_type", CATALOGUE.values(), ids=CATALOGUE)
def test_null_missing_and_unknown_fields_are_taken(event: Change, event_type: EventTypeDefinition) -> None:
    """Every field but those of the key may be null or missing, and unknown fields and states may come."""
    others = fields_of(event_type).keys() - needed(event_type)
    assert accepts(event(event_type.name, **dict.fromkeys(others)))
    assert accepts(event(event_type.name, **dict.fromkeys(others, ...)))
    assert accepts(event(event_type.name, workflow_state="on_the_moon", a_field_of_tomorrow={"deep": [1, None]}))


@pytest.mark.parametrize("event_type", CATALOGUE.values(), ids=CATALOGUE)
def test_a_key_field_must_be_there(event: Change, event_type: EventTypeDefinition) -> None:
    """An event without a field of its key is refused, whether the field is missing or null."""
    for name in needed(event_type):
        assert not accepts(event(event_type.name, **{name: ...}))
        assert not accepts(event(event_type.name, **{name: None}))


@pytest.mark.parametrize("event_type", CATALOGUE.values(), ids=CATALOGUE)
def test_ids_come_in_every_form_and_no_other(event: Change, event_type: EventTypeDefinition) -> None:
    """Ids are taken as digits, as integers and with a tilde; what is no id is refused."""
    for name, field in fields_of(event_type).items():
        if field.kind in ("gid", "lid"):
            for right in ("565", 565, 565.0, "21070000000000565", 21070000000000565, "2107~565"):
                assert accepts(event(event_type.name, **{name: right})), (name, right)
            for wrong in WRONG_IDS:
                assert not accepts(event(event_type.name, **{name: wrong})), (name, wrong)


@pytest.mark.parametrize("event_type", CATALOGUE.values(), ids=CATALOGUE)
def test_an_empty_id_is_taken_where_no_key_needs_it(event: Change, event_type: EventTypeDefinition) -> None:
    """Canvas sends an empty id for none: only where the key needs the id is that refused."""
    for name, field in fields_of(event_type).items():
        if field.kind in ("gid", "lid"):
            assert accepts(event(event_type.name, **{name: ""})) == (name not in needed(event_type)), name


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
def test_each_kind_is_taken_as_itself_only(event: Change, event_type: EventTypeDefinition) -> None:
    """A value of the wrong type or form is refused, in every field that is not there for keys alone."""
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
def test_metadata_that_an_item_cannot_be_made_of_is_refused(event: Change, metadata: dict[str, Any]) -> None:
    """Broken times, and what would break the form of a key, are refused."""
    assert not accepts(event("module_created", metadata))


def test_the_rest_of_the_metadata_may_be_anything(event: Change) -> None:
    """Of metadata that nothing is made of, nothing is asked."""
    assert accepts(event("module_created", {"context_id": [], "client_ip": None, "new": {"a": 1}, "user_id": None}))
    assert accepts(event("module_created", {"root_account_id": "", "user_id": ""}))


def test_there_is_a_sample_of_each_event_type() -> None:
    """The project has a sample event of its own for every event type."""
    assert SAMPLES.keys() == CATALOGUE.keys()
