"""The catalogue, its validation, and what the functions read from the schemas."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cli.catalogue import json_schema
from cli.catalogue.model import KINDS, NOT_KEPT, CatalogueError, load, not_kept
from handlers.items import event_types as deployed
from handlers.items.normalize import NORMALIZERS

GOOD = """
about = "Things."
table = "T_TABLE"
[thing]
about = "A thing."
events = ["thing_created"]
id = "thing_id"
context = "Course#{course_id}"
[thing.fields]
thing_id = "lid  The thing."
course_id = "lid  Its course."
"""


def load_text(folder: Path, text: str) -> None:
    """Load a catalogue of one family."""
    (folder / "things.toml").write_text(text)
    load(folder)


def test_catalogue_contains_the_required_event_types() -> None:
    """The fifteen required event types are known, each with the table of its family."""
    tables = {name: event_type.table_variable for name, event_type in load().items()}
    mission = {
        "assignment_created": "ASSIGNMENTS_TABLE",
        "assignment_group_created": "ASSIGNMENTS_TABLE",
        "assignment_group_updated": "ASSIGNMENTS_TABLE",
        "assignment_override_created": "ASSIGNMENTS_TABLE",
        "assignment_override_updated": "ASSIGNMENTS_TABLE",
        "assignment_updated": "ASSIGNMENTS_TABLE",
        "discussion_entry_created": "DISCUSSIONS_TABLE",
        "discussion_entry_submitted": "DISCUSSIONS_TABLE",
        "discussion_topic_created": "DISCUSSIONS_TABLE",
        "discussion_topic_updated": "DISCUSSIONS_TABLE",
        "module_created": "MODULES_TABLE",
        "module_item_created": "MODULES_TABLE",
        "module_item_updated": "MODULES_TABLE",
        "module_updated": "MODULES_TABLE",
        "syllabus_updated": "COURSES_TABLE",
    }
    assert tables | mission == tables
    assert {name: event_type.table_variable for name, event_type in deployed.load().items()} == tables


def test_key_fields_follow_from_id_and_context(tmp_path: Path) -> None:
    """An entity's events require its id and the fields of its context."""
    (tmp_path / "things.toml").write_text(GOOD)
    assert load(tmp_path)["thing_created"].key_fields == ("thing_id", "course_id")


def test_field_of_a_single_alternative_is_optional(tmp_path: Path) -> None:
    """A field that only one of several templates uses may be missing; one that all of them use may not."""
    alternatives = 'context = ["Course#{course_id}#Of#{thing_id}", "Thing#{thing_id}"]'
    (tmp_path / "things.toml").write_text(GOOD.replace('context = "Course#{course_id}"', alternatives))
    assert load(tmp_path)["thing_created"].key_fields == ("thing_id",)


def test_a_condition_is_needed_by_nobody(tmp_path: Path) -> None:
    """The key of an entity that an event need not describe asks for nothing; the condition is in the schema."""
    other = GOOD.split("\n", 3)[3].replace("[thing", "[other").replace('id = "thing_id"', 'id = "other_id"')
    other = other.replace("events", 'requires = "other_id"\nevents') + 'other_id = "lid  Another."\n'
    (tmp_path / "things.toml").write_text(GOOD + other)
    event_type = load(tmp_path)["thing_created"]
    assert event_type.key_fields == ("thing_id", "course_id")
    assert [each["requires"] for each in json_schema.schema(event_type, {})["x-entities"]] == [None, "other_id"]


def test_member_of_an_object_can_be_a_key(tmp_path: Path) -> None:
    """An id within an object is required by its path, and the schema requires the object and the member."""
    member = '"thing.id" = "lid  Its id."\nthing = "obj  The thing."'
    text = GOOD.replace('id = "thing_id"', 'id = "thing.id"').replace('thing_id = "lid  The thing."', member)
    (tmp_path / "things.toml").write_text(text)
    event_type = load(tmp_path)["thing_created"]
    assert event_type.key_fields == ("thing.id", "course_id")
    body = json_schema.schema(event_type, {})["properties"]["body"]
    assert body["required"] == ["thing", "course_id"]
    assert body["properties"]["thing"]["type"] == ["object"]
    assert body["properties"]["thing"]["required"] == ["id"]


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (
            GOOD.replace('"lid  Its', '"ild  Its'),
            r"things.toml: \[thing\] fields: course_id has the unknown kind 'ild'",
        ),
        (GOOD.replace("{course_id}", "{section_id}"), r"things.toml: \[thing\] section_id is used, but is not"),
        (GOOD.replace('table = "T_TABLE"', ""), "things.toml: the file must begin with about = .* and table ="),
        (GOOD.replace('about = "Things."', ""), "things.toml: the file must begin with about = .* and table ="),
        (GOOD.replace('["thing_created"]', '"thing_created"'), r"things.toml: \[thing\] expected a list of strings"),
        (GOOD.replace("[thing]", "[thing"), "things.toml: "),
        (
            GOOD + '\nevents = ["thing_lost"]',
            r"things.toml: \[thing\] fields: `events` is not a string\. Does its line",
        ),
        (
            GOOD + GOOD.split("\n", 3)[3].replace("[thing", "[other").replace("lid  Its", "gid  Its"),
            r"\[other\] thing_created: course_id has two kinds",
        ),
        (
            GOOD.replace('about = "A', 'abuot = "A'),
            r"things.toml: \[thing\] must have about, context, events, fields and either id or app",
        ),
        (GOOD.replace("[thing.fields]", "alaises = {}\n[thing.fields]"), r"\[thing\] must have .* and nothing else"),
        (GOOD.replace("#{course_id}", "#{course_id"), r"things.toml: \[thing\] "),
        (GOOD.replace('id = "thing_id"', 'id = "thing_id"\naliases = { a = "b" }'), r"\[thing\] b is used, but"),
        (GOOD.replace('id = "thing_id"', ""), r"\[thing\] must have .* either id or append_only"),
        (
            GOOD.replace('id = "thing_id"', 'id = "thing_id"\nappend_only = "activity"'),
            r"\[thing\] must have .* either id or app",
        ),
        (GOOD.replace("#{course_id}", "#{metadata.context_id}"), r"\[thing\] metadata.context_id is used, but"),
        (GOOD.replace("#{course_id}", "%{course_id}"), r"\[thing\] 'Course%{course_id}': a key consists of words"),
        (
            GOOD.replace("#{course_id}", ""),
            r"\[thing\] 'Course': a key consists of words and {fields}, at least one field",
        ),
        (GOOD.replace("Course#{course_id}", "{course_id}{thing_id}"), r"\[thing\] .* separated by #"),
        (GOOD.replace("{course_id}", "{course_id!r}"), r"\[thing\] 'Course#{course_id!r}': a key consists of words"),
        (GOOD.replace('"thing_id"', '["thing_id"]'), r"\[thing\] 'thing_id': a key consists of words and {fields}"),
        (GOOD.replace('"thing_id"', '""'), r"\[thing\] '{}': a key consists of words and {fields}"),
        (GOOD.replace('"thing_id"', "[]"), r"\[thing\] id and context must name at least one field"),
        (GOOD.replace('"Course#{course_id}"', "[]"), r"\[thing\] id and context must name at least one field"),
        (
            GOOD.replace("lid  Its", "int  Its"),
            r"\[thing\] course_id cannot be part of a key: its kind must be one of gid, lid",
        ),
        (GOOD.replace('id = "thing_id"', 'append_only = "a#b"'), r"\[thing\] 'a#b' begins sort keys, so it must be"),
        (
            GOOD.replace('id = "thing_id"', 'id = "thing_id"\nwithout_account = "yes"'),
            r"\[thing\] without_account must be true or absent",
        ),
        (
            GOOD.replace('id = "thing_id"', 'id = "thing_id"\nrequires = "other_id"'),
            r"\[thing\] other_id is used, but is not among the fields",
        ),
        (
            GOOD.replace('id = "thing_id"', 'id = "thing_id"\nrequires = "thing.id"'),
            r"\[thing\] requires must name a field of the body, not 'thing.id'",
        ),
        (
            GOOD.replace('id = "thing_id"', 'id = "thing_id"\nrequires = ["thing_id"]'),
            r"\[thing\] requires must name a field of the body, not \['thing_id'\]",
        ),
        (
            GOOD.replace('id = "thing_id"', 'id = "thing_id"\nrequires = "course_id"'),
            r"\[thing\] is the first entity of thing_created, so it cannot have requires",
        ),
        (GOOD.replace('"thing_id"', '"thing.id"'), r"\[thing\] thing.id is used, but is not among the fields"),
        (
            GOOD + 'metadata = "obj  A."\n"metadata.user_id" = "lid  B."',
            r"\[thing\] fields: metadata.user_id would be read from the metadata",
        ),
        (
            GOOD + '"course_id.id" = "lid  No."',
            r"\[thing\] fields: course_id.id is a member of course_id, which is not .* obj",
        ),
    ],
)
def test_family_error_names_file_and_entry(tmp_path: Path, wrong: str, complaint: str) -> None:
    """An error in a catalogue file names the file, the entry and the problem."""
    with pytest.raises(CatalogueError, match=complaint):
        load_text(tmp_path, wrong)


def test_entity_in_two_families_is_an_error(tmp_path: Path) -> None:
    """The error names both files."""
    (tmp_path / "again.toml").write_text(GOOD)
    with pytest.raises(CatalogueError, match=r"things.toml: \[thing\] is already in again.toml"):
        load_text(tmp_path, GOOD)


def test_event_type_with_entities_in_two_tables_is_an_error(tmp_path: Path) -> None:
    """All entities of an event type must be in one table."""
    (tmp_path / "others.toml").write_text(GOOD.replace("[thing", "[other").replace("T_TABLE", "O_TABLE"))
    with pytest.raises(CatalogueError, match="describes entities of several families: O_TABLE, T_TABLE"):
        load_text(tmp_path, GOOD)


def test_empty_catalogue_is_an_error(tmp_path: Path) -> None:
    """A package without its catalogue does not start, instead of rejecting every event."""
    with pytest.raises(CatalogueError, match="There are no catalogue files in"):
        load(tmp_path)


def test_types_that_are_not_kept_are_listed_and_have_no_schema() -> None:
    """The functions ignore exactly the types that the catalogue lists as not kept, each for a reason."""
    assert deployed.load_not_kept() == not_kept().keys()
    assert not_kept().keys().isdisjoint(load())
    assert not_kept().keys() >= {
        *("quizzes_next_quiz_duplicated", "quizzes_next_migration_urls_complete"),
        *("scan_youtube_links", "convert_new_quiz_youtube_link"),
    }
    assert all(about.endswith(".") for about in not_kept().values())


def test_type_cannot_be_kept_and_not_kept(tmp_path: Path) -> None:
    """A type in a family and in the list would be ignored in spite of its schema, so it is a mistake."""
    (tmp_path / "things.toml").write_text(GOOD)
    (tmp_path / NOT_KEPT).write_text('thing_created = "Nothing."')
    with pytest.raises(CatalogueError, match=r"not_kept\.toml: thing_created is an event type of a family"):
        not_kept(tmp_path)


@pytest.mark.parametrize("text", [None, "thing_created", "thing_created = 7", "[thing_created]"])
def test_broken_list_of_types_that_are_not_kept_is_named(tmp_path: Path, text: str | None) -> None:
    """A list that is missing or is not names with reasons is a mistake of that file."""
    (tmp_path / "things.toml").write_text(GOOD)
    if text is not None:
        (tmp_path / NOT_KEPT).write_text(text)
    with pytest.raises(CatalogueError, match=r"^not_kept\.toml: "):
        not_kept(tmp_path)


def test_package_without_the_list_of_types_that_are_not_kept_is_named(tmp_path: Path) -> None:
    """A package that lost the list does not start, instead of rejecting these events."""
    with pytest.raises(deployed.SchemaFileError, match=r"There is no not_kept\.txt in .* Run `make generate`"):
        deployed.load_not_kept(tmp_path)


# Of imports from a student information system Canvas keeps the record.
NEVER_DELETED = {"sis_batch"}


def test_every_state_field_lists_its_known_values() -> None:
    """Every state field has the kind state, so that new values are detected; and each entity can be deleted."""
    for event_type in load().values():
        if "workflow_state" in event_type.fields:
            field = event_type.fields["workflow_state"]
            assert field.kind == "state"
            assert all(re.fullmatch("[a-z_]+", state) for state in field.states)
            assert "deleted" in field.states or event_type.entities[0].name in NEVER_DELETED, (
                f"{event_type.name}: add deleted to its states, or its entity to NEVER_DELETED"
            )


def test_every_kind_has_a_schema_and_a_normalizer() -> None:
    """Each kind is known to the schema generator and to the item builder, which stores some kinds unchanged."""
    as_they_came = {"text", "num", "int", "bool", "obj", "list"}
    assert json_schema.KINDS.keys() == KINDS
    assert NORMALIZERS.keys() == KINDS - as_they_came


@pytest.mark.parametrize("name", load())
def test_schemas_carry_the_catalogue_to_the_functions(name: str) -> None:
    """Entities, kinds, aliases and key templates are the same in the schema as in the catalogue."""
    definition, deployed_type = load()[name], deployed.load()[name]
    assert deployed_type.name == name
    assert [
        (
            entity.name,
            entity.table_variable,
            entity.fields,
            entity.append_only,
            entity.key_paths,
            entity.index_paths,
            entity.requires,
        )
        for entity in deployed_type.entities
    ] == [
        (
            entity.kind,
            entity.table_variable,
            frozenset(entity.fields) - deployed_type.member_kinds.keys(),
            not entity.id_templates,
            entity.key_paths,
            entity.index_paths,
            entity.requires,
        )
        for entity in definition.entities
    ]
    fields = {path: f"<{path}>" for entity in definition.entities for path in entity.key_paths}
    for mapping, entity in zip(deployed_type.entities, definition.entities, strict=True):
        for templates, defined in (
            (mapping.id_templates, entity.id_templates),
            (mapping.context_templates, entity.context_templates),
        ):
            assert [template % fields for template in templates] == [
                template.replace("{", "<").replace("}", ">") for template in defined
            ]
    assert deployed_type.requires_root_account == (not any(entity.without_account for entity in definition.entities))
    assert {**deployed_type.field_kinds, **deployed_type.member_kinds} == {
        field_name: field.kind for field_name, field in definition.fields.items()
    }
    assert not any("." in field_name for field_name in deployed_type.field_kinds)
    assert deployed_type.field_aliases == definition.field_aliases
    assert deployed_type.known_states == {
        field_name: frozenset(field.states) for field_name, field in definition.fields.items() if field.kind == "state"
    }
    assert deployed_type.schema["properties"]["body"]["required"] == list(
        dict.fromkeys(name.partition(".")[0] for name in definition.key_fields)
    )


def schema() -> dict[str, Any]:
    """Return a schema of this release."""
    read: dict[str, Any] = json.loads((deployed.SCHEMAS_DIR / "module_created.json").read_text())
    return read


def without(name: str) -> str:
    """Return a schema of another release, which lacks this member."""
    return json.dumps({key: value for key, value in schema().items() if key != name})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"module_created"',
        "{}",
        "\udcff",  # not UTF-8
        without("x-entities"),
        without("x-field-kinds"),
        without("x-member-kinds"),
        without("x-field-aliases"),
        without("x-known-states"),
        without("x-requires-root-account"),
        json.dumps(schema() | {"x-known-states": None}),
        json.dumps(schema() | {"x-entities": None}),
        json.dumps(schema() | {"x-entities": [{"name": "module"}]}),
        json.dumps(schema() | {"x-entities": [schema()["x-entities"][0] | {"colour": "green"}]}),
    ],
)
def test_schema_of_another_release_is_an_error(tmp_path: Path, text: str) -> None:
    """A function with a broken or older schema does not start; the error names the schema and the command to run."""
    (tmp_path / "assignment_created.json").write_text((deployed.SCHEMAS_DIR / "assignment_created.json").read_text())
    (tmp_path / "module_created.json").write_text(text, errors="surrogateescape")
    complaint = r"module_created\.json is not a schema of this release\. Run `make generate`\."
    with pytest.raises(deployed.SchemaFileError, match=f"^{complaint}$"):
        deployed.load(tmp_path)


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_package_without_schemas_is_an_error(tmp_path: Path, folder: str) -> None:
    """A package without its schemas does not start, instead of rejecting every event; the error names the folder."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "module_created.toml").touch()
    with pytest.raises(
        deployed.SchemaFileError, match=f"There are no schemas in {tmp_path / folder}. Run `make generate`"
    ):
        deployed.load(tmp_path / folder)
