"""The catalogue of event types, as ``schemas/catalogue/*.toml`` says it."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cli.errors import CommandError
from handlers.items.event_types import SCHEMAS

CATALOGUE = SCHEMAS / "catalogue"

_ENTRY = {"about", "events", "context", "fields"}
_ALSO = {"renamed", "without_account"}

KINDS = frozenset(
    {
        *("gid", "lid", "uuid", "str", "url", "state", "text", "time", "ruby_time", "date"),
        *("num", "int", "bool", "obj", "list"),
    }
)

# What occurrences may be keyed by beside their bodies.
METADATA = {"metadata.user_id": "gid", "metadata.context_type": "str", "metadata.context_id": "gid"}

# Of these a key may be made: what is no text has no form there.
KEY_KINDS = frozenset({"gid", "lid", "str", "uuid"})

# What a sort key begins with.
_KIND = re.compile("[a-z][a-z_]*")

# A part of a key: a word, or a field. Two fields without "#" between them would give two entities one key.
_PART = re.compile(r"[A-Za-z]+|\{([A-Za-z0-9_.]+)\}")


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

    ``kind`` begins the sort key: the entity's name, or for occurrences what they are occurrences of. ``table`` is the
    environment variable that names the table. ``ids`` and ``contexts`` are templates of the entity's id, and of what
    contains it, as ``{context_type}#{context_id}``; of several the first counts of which the event says all.
    Occurrences have no ``ids``. ``renamed`` maps names that Canvas also uses to the names under which the fields are
    kept. ``fields`` has members of objects under their paths. ``without_account`` is true where Canvas sends no root
    account.
    """

    name: str
    kind: str
    table: str
    about: str
    events: tuple[str, ...]
    ids: tuple[str, ...]
    contexts: tuple[str, ...]
    renamed: Mapping[str, str]
    without_account: bool
    fields: Mapping[str, Field]

    @cached_property
    def id(self) -> str | None:
        """The field that is the entity's id, where one field is."""
        if len(self.ids) != 1 or self.ids[0] != f"{{{names(self.ids[0])[0]}}}":
            return None
        return names(self.ids[0])[0]

    @cached_property
    def key_fields(self) -> tuple[str, ...]:
        """The fields that no event of the entity can do without: those in all of its ids, or all of its contexts."""
        return tuple(name for name in self.paths if name in self.fields and self._is_needed(name))

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """All that keys may be made of."""
        templates = (*self.ids, *self.contexts)
        return tuple(dict.fromkeys(name for template in templates for name in names(template)))

    def _is_needed(self, name: str) -> bool:
        if not self.ids:
            return False  # an occurrence of which nobody says whose it is stands by itself
        return any(all(name in names(each) for each in templates) for templates in (self.ids, self.contexts))


@dataclass(frozen=True)
class Family:
    """A file of the catalogue: entities that share a table. ``table`` is the environment variable that names it."""

    name: str
    about: str
    table: str
    entities: tuple[Entity, ...]


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
        """The fields that no event of the type can do without."""
        return tuple(dict.fromkeys(name for entity in self.entities for name in entity.key_fields))

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """All that the keys of its items may be made of."""
        return tuple(dict.fromkeys(name for entity in self.entities for name in entity.paths))


def names(template: str) -> tuple[str, ...]:
    """The fields in a template. Raises ``ValueError`` for what is none, or would be the same for all entities."""
    parts = [_PART.fullmatch(part) for part in template.split("#")]
    fields = tuple(part[1] for part in parts if part and part[1])
    if not all(parts) or not fields:
        raise ValueError(f"{template!r}: a key is of words and {{fields}}, one field at least, with # between them")
    return fields


def load(folder: Path = CATALOGUE) -> dict[str, EventType]:
    """Read every family in ``folder``; the event types by name. Raises ``CatalogueError`` as ``families`` does."""
    speakers: dict[str, list[Entity]] = {}
    for family in families(folder):
        for entity in family.entities:
            for event in entity.events:
                speakers.setdefault(event, []).append(entity)
    return {event: _event_type(event, tuple(entities)) for event, entities in speakers.items()}


def families(folder: Path = CATALOGUE) -> list[Family]:
    """Read every family in ``folder``.

    Raises ``CatalogueError`` naming the file and the entry that is wrong.
    """
    read = [_family(path) for path in sorted(folder.glob("*.toml"))]
    if not read:
        # A consumer that knows no event type would reject everything.
        raise CatalogueError(f"there is no family in {folder}")
    files: dict[str, str] = {}
    for family in read:
        for entity in family.entities:
            if entity.name in files:
                raise CatalogueError(f"{family.name}.toml: [{entity.name}] is in {files[entity.name]}.toml already")
            files[entity.name] = family.name
    return read


def _family(path: Path) -> Family:
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
        about, table = str(entries.pop("about", "")), str(entries.pop("table", ""))
        entities = tuple(_entity(name, table, entry) for name, entry in entries.items())
    except (CatalogueError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(f"{path.name}: {error}") from error
    if not about or not table.endswith("_TABLE"):
        raise CatalogueError(f'{path.name}: it must begin with about = "…" and table = "…_TABLE"')
    return Family(path.stem, about, table, entities)


def _entity(name: str, table: str, entry: object) -> Entity:
    if not isinstance(entry, dict) or entry.keys() - _ALSO not in (_ENTRY | {"id"}, _ENTRY | {"occurrence"}):
        raise CatalogueError(
            f"[{name}] must say {', '.join(sorted(_ENTRY))} and id or occurrence, may say {', '.join(sorted(_ALSO))},"
            " and nothing else"
        )
    kind = str(entry.get("occurrence", name))
    if not _KIND.fullmatch(kind):
        raise CatalogueError(f"[{name}] sort keys would begin with {kind!r}: a word it must be, as activity")
    if entry.get("without_account", True) is not True:
        raise CatalogueError(f"[{name}] without_account is true, or is not there")
    try:
        entity = Entity(
            name=name,
            kind=kind,
            table=table,
            about=str(entry["about"]),
            events=tuple(_list(entry["events"])),
            ids=_ids(entry["id"]) if "id" in entry else (),
            contexts=_templates(entry["context"]),
            renamed=_strings(entry.get("renamed", {}), "renamed"),
            without_account="without_account" in entry,
            fields={field: _field(field, text) for field, text in _strings(entry["fields"], "fields").items()},
        )
        _check_fields(entity)
    except (TypeError, ValueError) as error:
        raise CatalogueError(f"[{name}] {error}") from error
    return entity


def _check_fields(entity: Entity) -> None:
    """Raise ``ValueError`` for what the entity speaks of and has not, or cannot make a key of."""
    kinds = {name: field.kind for name, field in entity.fields.items()}
    known = kinds if entity.ids else kinds | METADATA
    for path in (*entity.paths, *entity.renamed.values()):
        if path.removesuffix(".class") not in known:
            raise ValueError(f"speaks of {path}, which is not among its fields")
    for path in entity.paths:
        if known[path.removesuffix(".class")] not in KEY_KINDS:
            raise ValueError(f"{path} is no part of a key: it must be {', '.join(sorted(KEY_KINDS))}")
    for path in kinds:
        holder, _, member = path.partition(".")
        if member and kinds.get(holder) != "obj":
            raise ValueError(f"fields: {path} is in {holder}, which is no field of the kind obj")
        if member and holder == "metadata":
            raise ValueError(f"fields: {path} would be read in the metadata of the event, and not in its body")


def _ids(value: object) -> tuple[str, ...]:
    return _templates(f"{{{value}}}" if isinstance(value, str) else value)


def _templates(value: object) -> tuple[str, ...]:
    templates = (value,) if isinstance(value, str) else tuple(_list(value))
    if not templates:
        raise ValueError("id and context name one field at least")
    return templates


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


def _strings(value: object, what: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError(f'{what} is a table of strings, as {what} = {{ name = "…" }}')
    for name, text in value.items():
        if not isinstance(text, str):
            raise TypeError(f"{what}: `{name}` is no string. Does its line belong into another table of the file?")
    return value


def _list(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise TypeError(f"expected a list of strings, not {value!r}")
    return value
