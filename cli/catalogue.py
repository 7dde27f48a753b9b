"""The catalogue of event types, as ``schemas/catalogue/*.toml`` says it."""

import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cli.errors import CommandError
from handlers.catalogue import SCHEMAS

_ENTRY = {"about", "events", "id", "context", "fields"}

KINDS = frozenset({"gid", "lid", "str", "state", "text", "time", "date", "num", "int", "bool", "obj", "list", "uuid"})


class CatalogueError(CommandError):
    """A catalogue file says something that cannot be."""


@dataclass(frozen=True)
class Field:
    """A field of an event's body: its kind (see ``KINDS``) and what it means, in a sentence.

    ``states`` are the values that are known of the kind ``state``; Canvas may send others.
    """

    kind: str
    about: str
    states: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entity:
    """What an item speaks of, and how its key follows from an event's body.

    ``table`` is the environment variable that names the table. ``id`` is the field with the entity's id.
    ``context`` is a template of what contains the entity, as ``{context_type}#{context_id}``. ``renamed`` maps
    names that Canvas also uses to the names under which the fields are kept.
    """

    name: str
    table: str
    about: str
    events: tuple[str, ...]
    id: str
    context: str
    renamed: Mapping[str, str]
    fields: Mapping[str, Field]

    @cached_property
    def key_fields(self) -> tuple[str, ...]:
        """The fields that the key is made of: no event of the entity can do without them."""
        in_context = (name for _, name, _, _ in string.Formatter().parse(self.context) if name)
        return tuple(dict.fromkeys([self.id, *in_context]))


@dataclass(frozen=True)
class EventType:
    """An event type and the entities it speaks of; the first keeps what the catalogue does not know."""

    name: str
    table: str
    entities: tuple[Entity, ...]

    @cached_property
    def fields(self) -> dict[str, Field]:
        """Every known field of the body."""
        return {name: field for entity in self.entities for name, field in entity.fields.items()}

    @cached_property
    def renamed(self) -> dict[str, str]:
        """Other names of known fields."""
        return {other: name for entity in self.entities for other, name in entity.renamed.items()}

    @cached_property
    def key_fields(self) -> tuple[str, ...]:
        """The fields that the keys of all its items are made of."""
        return tuple(dict.fromkeys(name for entity in self.entities for name in entity.key_fields))


def load(folder: Path = SCHEMAS / "catalogue") -> dict[str, EventType]:
    """Read every family in ``folder``; the event types by name.

    Raises ``CatalogueError`` naming the file and the entry that is wrong.
    """
    speakers: dict[str, list[Entity]] = {}
    files: dict[str, str] = {}
    for path in sorted(folder.glob("*.toml")):
        for entity in _family(path):
            if entity.name in files:
                raise CatalogueError(f"{path.name}: [{entity.name}] is in {files[entity.name]} already")
            files[entity.name] = path.name
            for event in entity.events:
                speakers.setdefault(event, []).append(entity)
    if not speakers:
        # A consumer that knows no event type would reject everything.
        raise CatalogueError(f"there is no family in {folder}")
    return {event: _event_type(event, tuple(entities)) for event, entities in speakers.items()}


def _family(path: Path) -> list[Entity]:
    try:
        family = tomllib.loads(path.read_text(encoding="utf-8"))
        table = str(family.pop("table", ""))
        return [_entity(name, table, entry) for name, entry in family.items()]
    except (CatalogueError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(f"{path.name}: {error}") from error


def _entity(name: str, table: str, entry: object) -> Entity:
    if not table.endswith("_TABLE"):
        raise CatalogueError('the first line must say which table: table = "…_TABLE"')
    if not isinstance(entry, dict) or entry.keys() - {"renamed"} != _ENTRY:
        raise CatalogueError(f"[{name}] must say {', '.join(sorted(_ENTRY))}, may say renamed, and nothing else")
    try:
        entity = Entity(
            name=name,
            table=table,
            about=str(entry["about"]),
            events=tuple(_list(entry["events"])),
            id=str(entry["id"]),
            context=str(entry["context"]),
            renamed=_strings(entry.get("renamed", {})),
            fields={field: _field(field, text) for field, text in _strings(entry["fields"]).items()},
        )
        needed = (*entity.key_fields, *entity.renamed.values())
    except (TypeError, ValueError) as error:
        raise CatalogueError(f"[{name}] {error}") from error
    for field in needed:
        if field not in entity.fields:
            raise CatalogueError(f"[{name}] speaks of {field}, which is not among its fields")
    return entity


def _field(name: str, text: str) -> Field:
    kind, _, about = text.partition(" ")
    if kind not in KINDS:
        raise ValueError(f"fields: {name} is of the kind {kind!r}; kinds are {', '.join(sorted(KINDS))}")
    if kind == "state":
        states = tuple(state.strip() for state in about.split(","))
        return Field(kind, f"Its state: {', '.join(states)}; Canvas may send others.", states)
    return Field(kind, about.strip())


def _event_type(name: str, entities: tuple[Entity, ...]) -> EventType:
    tables = {entity.table for entity in entities}
    if len(tables) > 1:
        raise CatalogueError(f"{name} speaks of entities in several families: {', '.join(sorted(tables))}")
    known: dict[str, Field] = {}
    for entity in entities:
        for field_name, field in entity.fields.items():
            if known.setdefault(field_name, field).kind != field.kind:
                raise CatalogueError(f"[{entity.name}] {name}: {field_name} is of two kinds")
    return EventType(name, entities[0].table, entities)


def _strings(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise TypeError(f"expected a table of strings, not {value!r}")
    return value


def _list(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise TypeError(f"expected a list of strings, not {value!r}")
    return value
