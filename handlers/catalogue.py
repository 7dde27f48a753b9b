"""The catalogue of event types, as their schema files say it: which items an event becomes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"


class CatalogueError(Exception):
    """The package has no schemas, or one that does not say what becomes of its events."""


@dataclass(frozen=True, slots=True)
class Entity:
    """What an item speaks of, and how its key follows from an event's body.

    ``table`` is the environment variable that names the table. ``id`` is the field with the entity's id.
    ``context`` is a template of what contains the entity, as ``{context_type}#{context_id}``. ``fields`` are the
    fields that its item keeps.
    """

    name: str
    table: str
    id: str
    context: str
    fields: frozenset[str]


@dataclass(frozen=True, eq=False)
class EventType:
    """An event type and the entities it speaks of; the first keeps what the schema does not know.

    ``kinds`` are the kinds of the known fields of the body, ``renamed`` the names of fields that Canvas also sends
    under others, by those others, ``states`` the known values of the fields that hold a state, ``key_fields`` the
    fields that the keys of all its items are made of.
    """

    name: str
    schema: Mapping[str, Any]
    entities: tuple[Entity, ...]
    kinds: Mapping[str, str]
    renamed: Mapping[str, str]
    states: Mapping[str, frozenset[str]]

    @cached_property
    def table(self) -> str:
        """The environment variable of the table of its entities."""
        return self.entities[0].table

    @cached_property
    def known_names(self) -> frozenset[str]:
        """The names under which known fields may come."""
        return frozenset(self.kinds) | frozenset(self.renamed)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The fields that Canvas cuts when they are long."""
        return tuple(name for name, kind in self.kinds.items() if kind == "text")

    @cached_property
    def key_fields(self) -> tuple[str, ...]:
        """The fields that no event of the type can do without."""
        return tuple(self.schema["properties"]["body"]["required"])


def load(folder: Path = SCHEMAS) -> dict[str, EventType]:
    """Read every schema in ``folder``; the event types by name.

    Raises ``CatalogueError``: a consumer that knows no event type would reject everything.
    """
    event_types = {path.stem: _read(path) for path in sorted(folder.glob("*.json"))}
    if not event_types:
        raise CatalogueError(f"there is no schema in {folder}: run `make generate` before `make build`")
    return event_types


def _read(path: Path) -> EventType:
    try:
        schema = json.loads(path.read_bytes())
        entities = tuple(Entity(**entity | {"fields": frozenset(entity["fields"])}) for entity in schema["x-entities"])
        states = {name: frozenset(known) for name, known in schema["x-states"].items()}
        return EventType(path.stem, schema, entities, schema["x-kinds"], schema["x-renamed"], states)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CatalogueError(f"{path.name} is no schema of this release: run `make generate`") from error
