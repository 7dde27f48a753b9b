"""The maps of reconcile: every field of an entity is mapped, or the map says why not."""

import json
import tomllib

import pytest

from cli.reconcile import maps
from handlers.items.event_types import load
from handlers.items.snapshot import SUFFIX, snapshot_types

TYPES = snapshot_types(load().values())
MAPS = [
    entity_map for source in ("canvas_data", "rest") for found in maps.load(source).values() for entity_map in found
]
CANVAS_DATA = [entity_map for found in maps.load("canvas_data").values() for entity_map in found]


@pytest.mark.parametrize("entity_map", MAPS, ids=lambda entity_map: f"{entity_map.entity}-{entity_map.table}")
def test_map_names_only_fields_of_the_catalogue(entity_map: maps.EntityMap) -> None:
    """A field that a map fills is one of the entity, and the fields of its key are among them."""
    event_type = TYPES[f"{entity_map.entity}{SUFFIX}"]
    names = [field.name for field in entity_map.fields]
    assert len(names) == len(set(names))
    assert set(names) <= event_type.entities[0].fields
    assert set(event_type.schema["properties"]["body"]["required"]) <= set(names)


@pytest.mark.parametrize("entity_map", CANVAS_DATA, ids=lambda entity_map: entity_map.entity)
def test_every_field_is_mapped_or_has_a_reason(entity_map: maps.EntityMap) -> None:
    """The fields of an entity are those of its map of Canvas Data 2 and those that it says the row lacks."""
    mapped = {field.name for field in entity_map.fields}
    assert mapped | entity_map.missing.keys() == TYPES[f"{entity_map.entity}{SUFFIX}"].entities[0].fields
    assert not mapped & entity_map.missing.keys()


def test_no_map_reads_a_secret() -> None:
    """No map reads the access code of a quiz, a token, or a communication channel."""
    columns = {field.column for entity_map in MAPS for field in entity_map.fields}
    assert not columns & {"access_code", "token", "email", "path", "communication_channels"}


def test_maps_have_only_entities_with_a_source() -> None:
    """Every entity of the files has a map of Canvas Data 2: what REST alone has could not be loaded."""
    found = {name for path in maps.FOLDER.glob("*.toml") for name in tomllib.loads(path.read_text(encoding="utf-8"))}
    assert found == {entity_map.entity for entity_map in CANVAS_DATA}


def test_queue_and_stream_know_no_snapshot() -> None:
    """The types of snapshots are not among the schemas, which the functions for queue and stream read."""
    assert not TYPES.keys() & load().keys()
    assert json.dumps(sorted(TYPES)).count(SUFFIX) == len(TYPES)
