"""The catalogue of event types, read from ``schemas/catalogue/*.toml``."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cli.errors import CommandError
from handlers.items.event_types import SCHEMAS_DIR

CATALOGUE = SCHEMAS_DIR / "catalogue"
NOT_KEPT = "not_kept.toml"  # the one file of the catalogue that is not a family

_ENTRY = {"about", "events", "context", "fields"}
_ALSO = {"aliases", "course", "requires", "user", "without_account"}

KINDS = frozenset(
    {
        *("gid", "lid", "uuid", "str", "state", "text", "time", "ruby_time", "date"),
        *("num", "int", "bool", "obj", "list", "ids"),
    }
)

# What append-only entities may have in their keys besides body fields.
METADATA = {"metadata.user_id": "gid", "metadata.context_type": "str", "metadata.context_id": "gid"}

# The kinds of fields that a key may contain: the others have no single text form.
KEY_KINDS = frozenset({"gid", "lid", "str", "uuid"})

# The beginning of a sort key.
_ENTITY_NAME = re.compile("[a-z][a-z_]*")

# A part of a key: a word or a field. Without "#" between two fields, two entities could have the same key.
_KEY_PART = re.compile(r"[A-Za-z]+|\{([A-Za-z0-9_.]+)\}")


class CatalogueError(CommandError):
    """A catalogue file is not valid; the message names the file and the entry."""


@dataclass(frozen=True)
class Field:
    """A field of an event's body: its kind (one of ``KINDS``) and its meaning in a sentence.

    ``states`` are the known values of a field of the kind ``state``; Canvas may send others.
    """

    kind: str
    about: str
    states: tuple[str, ...] = ()


@dataclass(frozen=True)
class EntityDefinition:
    """An entity: what an item describes, and how its key follows from an event's body.

    ``kind`` begins the sort key: the entity's name, or the name that several append-only entities share.
    ``table_variable`` is the environment variable with the table's name. ``id_templates`` and ``context_templates``
    give the entity's id and what contains it, such as ``{context_type}#{context_id}``; the first whose fields the
    event has is used. Append-only entities have no ``id_templates``. ``course_templates`` and ``user_templates`` give
    the course and the person to find an item by, such as ``Course#{course_id}``; empty where its partition is the
    course or the person, or its events name none. ``requires`` is the field without which an event
    does not describe the entity; None if every event does. ``field_aliases`` maps other names that Canvas uses to the
    names under which the fields are stored. ``fields`` has members of objects by path. ``without_account`` is true
    where Canvas sends no root account.
    """

    name: str
    kind: str
    table_variable: str
    about: str
    events: tuple[str, ...]
    id_templates: tuple[str, ...]
    context_templates: tuple[str, ...]
    course_templates: tuple[str, ...]
    user_templates: tuple[str, ...]
    requires: str | None
    field_aliases: Mapping[str, str]
    without_account: bool
    fields: Mapping[str, Field]

    @cached_property
    def id(self) -> str | None:
        """The field that is the entity's id, if a single field is."""
        if len(self.id_templates) != 1 or self.id_templates[0] != f"{{{names(self.id_templates[0])[0]}}}":
            return None
        return names(self.id_templates[0])[0]

    @cached_property
    def key_fields(self) -> tuple[str, ...]:
        """The fields that every event of the entity needs: those in all id templates, or in all context templates."""
        return tuple(name for name in self.key_paths if name in self.fields and self._is_needed(name))

    @cached_property
    def key_paths(self) -> tuple[str, ...]:
        """Everything that keys may contain."""
        templates = (*self.id_templates, *self.context_templates)
        return tuple(dict.fromkeys(name for template in templates for name in names(template)))

    @cached_property
    def index_paths(self) -> tuple[str, ...]:
        """Everything that the attributes ``course`` and ``user`` may contain."""
        templates = (*self.course_templates, *self.user_templates)
        return tuple(dict.fromkeys(name for template in templates for name in names(template)))

    def _is_needed(self, name: str) -> bool:
        if not self.id_templates or self.requires:
            return False  # an append-only item without a context gets a partition of its own
        return any(
            all(name in names(template) for template in templates)
            for templates in (self.id_templates, self.context_templates)
        )


@dataclass(frozen=True)
class Family:
    """A file of the catalogue: entities that share a table, whose name is in the variable ``table_variable``."""

    name: str
    about: str
    table_variable: str
    entities: tuple[EntityDefinition, ...]


@dataclass(frozen=True)
class EventTypeDefinition:
    """An event type and the entities it describes; the first keeps the fields that the catalogue does not know."""

    name: str
    table_variable: str
    entities: tuple[EntityDefinition, ...]

    @cached_property
    def fields(self) -> dict[str, Field]:
        """All known fields of the body."""
        return {name: field for entity in self.entities for name, field in entity.fields.items()}

    @cached_property
    def field_aliases(self) -> dict[str, str]:
        """The known fields by the other names that Canvas uses for them."""
        return {alias: name for entity in self.entities for alias, name in entity.field_aliases.items()}

    @cached_property
    def key_fields(self) -> tuple[str, ...]:
        """The fields that every event of the type needs."""
        return tuple(dict.fromkeys(name for entity in self.entities for name in entity.key_fields))

    @cached_property
    def key_paths(self) -> tuple[str, ...]:
        """Everything that the keys of its items may contain."""
        return tuple(dict.fromkeys(name for entity in self.entities for name in entity.key_paths))


def names(template: str) -> tuple[str, ...]:
    """Return the fields of a template. Raises ``ValueError`` if it is not valid, or the same for all entities."""
    parts = [_KEY_PART.fullmatch(part) for part in template.split("#")]
    fields = tuple(part[1] for part in parts if part and part[1])
    if not all(parts) or not fields:
        raise ValueError(f"{template!r}: a key consists of words and {{fields}}, at least one field, separated by #")
    return fields


def load(folder: Path = CATALOGUE) -> dict[str, EventTypeDefinition]:
    """Read every family in ``folder`` and return the event types by name; raises as ``families`` does."""
    entities_by_event: dict[str, list[EntityDefinition]] = {}
    for family in families(folder):
        for entity in family.entities:
            for event in entity.events:
                entities_by_event.setdefault(event, []).append(entity)
    return {event: _event_type(event, tuple(entities)) for event, entities in entities_by_event.items()}


def families(folder: Path = CATALOGUE) -> list[Family]:
    """Read every family in ``folder``.

    Raises ``CatalogueError`` naming the file and the entry that is wrong.
    """
    read = [_family(path) for path in sorted(folder.glob("*.toml")) if path.name != NOT_KEPT]
    if not read:
        # A consumer without event types would reject everything.
        raise CatalogueError(f"There are no catalogue files in {folder}.")
    files: dict[str, str] = {}
    for family in read:
        for entity in family.entities:
            if entity.name in files:
                raise CatalogueError(f"{family.name}.toml: [{entity.name}] is already in {files[entity.name]}.toml")
            files[entity.name] = family.name
    return read


def not_kept(folder: Path = CATALOGUE) -> dict[str, str]:
    """Return what Canvas sends the event types for that are not kept, by event type.

    Raises ``CatalogueError`` if their file is missing or wrong, or lists a type of a family.
    """
    try:
        listed = _strings(tomllib.loads((folder / NOT_KEPT).read_text(encoding="utf-8")), "the file")
    except (FileNotFoundError, TypeError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(f"{NOT_KEPT}: {error}") from error
    kept = {event for family in families(folder) for entity in family.entities for event in entity.events}
    both = sorted(listed.keys() & kept)
    if both:
        raise CatalogueError(f"{NOT_KEPT}: {', '.join(both)} is an event type of a family. Remove it from either file.")
    return listed


def _family(path: Path) -> Family:
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
        about, table_variable = str(entries.pop("about", "")), str(entries.pop("table", ""))
        entities = tuple(_entity(name, table_variable, entry) for name, entry in entries.items())
    except (CatalogueError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path.name}: {error}") from error
    if not about or not table_variable.endswith("_TABLE"):
        raise CatalogueError(f'{path.name}: the file must begin with about = "…" and table = "…_TABLE"')
    return Family(path.stem, about, table_variable, entities)


def _entity(name: str, table_variable: str, entry: object) -> EntityDefinition:
    if not isinstance(entry, dict) or entry.keys() - _ALSO not in (_ENTRY | {"id"}, _ENTRY | {"append_only"}):
        raise CatalogueError(
            f"[{name}] must have {', '.join(sorted(_ENTRY))} and either id or append_only; it may also have"
            f" {', '.join(sorted(_ALSO))}, and nothing else"
        )
    kind = str(entry.get("append_only", name))
    if not _ENTITY_NAME.fullmatch(kind):
        raise CatalogueError(f"[{name}] {kind!r} begins sort keys, so it must be a lower-case word such as activity")
    if entry.get("without_account", True) is not True:
        raise CatalogueError(f"[{name}] without_account must be true or absent")
    try:
        entity = EntityDefinition(
            name=name,
            kind=kind,
            table_variable=table_variable,
            about=str(entry["about"]),
            events=tuple(_list(entry["events"])),
            id_templates=_ids(entry["id"]) if "id" in entry else (),
            context_templates=_templates(entry["context"]),
            course_templates=_index_templates("Course", entry.get("course")),
            user_templates=_index_templates("User", entry.get("user")),
            requires=_requires(entry.get("requires")),
            field_aliases=_strings(entry.get("aliases", {}), "aliases"),
            without_account="without_account" in entry,
            fields={field: _field(field, text) for field, text in _strings(entry["fields"], "fields").items()},
        )
        _check_fields(entity)
    except (TypeError, ValueError) as error:
        raise CatalogueError(f"[{name}] {error}") from error
    return entity


def _check_fields(entity: EntityDefinition) -> None:
    """Raise ``ValueError`` for keys and aliases of unknown fields, keys of unsuitable kinds, and wrong paths."""
    kinds = {name: field.kind for name, field in entity.fields.items()}
    known = kinds if entity.id_templates else kinds | METADATA
    indexed = (*entity.key_paths, *entity.index_paths)
    for path in (*indexed, *entity.field_aliases.values(), *([entity.requires] if entity.requires else [])):
        if path.removesuffix(".class") not in known:
            raise ValueError(f"{path} is used, but is not among the fields")
    for path in indexed:
        if known[path.removesuffix(".class")] not in KEY_KINDS:
            raise ValueError(f"{path} cannot be part of a key: its kind must be one of {', '.join(sorted(KEY_KINDS))}")
    for path in kinds:
        parent, _, member = path.partition(".")
        if member and kinds.get(parent) != "obj":
            raise ValueError(f"fields: {path} is a member of {parent}, which is not a field of the kind obj")
        if member and parent == "metadata":
            raise ValueError(f"fields: {path} would be read from the metadata of the event, not from its body")


def _ids(value: object) -> tuple[str, ...]:
    return _templates(f"{{{value}}}" if isinstance(value, str) else value)


def _index_templates(class_name: str, value: object) -> tuple[str, ...]:
    """The templates of ``course`` or ``user``: of an id, or of what may be of another class as well."""
    if value is None:
        return ()
    given = (value,) if isinstance(value, str) else tuple(_list(value))
    return _templates([text if "{" in text else f"{class_name}#{{{text}}}" for text in given])


def _templates(value: object) -> tuple[str, ...]:
    templates = (value,) if isinstance(value, str) else tuple(_list(value))
    if not templates:
        raise ValueError("id and context must name at least one field")
    return templates


def _requires(value: object) -> str | None:
    if value is None or (isinstance(value, str) and value.isidentifier()):
        return value
    raise ValueError(f"requires must name a field of the body, not {value!r}")


def _field(name: str, text: str) -> Field:
    kind, _, about = text.partition(" ")
    if kind not in KINDS:
        raise ValueError(f"fields: {name} has the unknown kind {kind!r}; kinds are {', '.join(sorted(KINDS))}")
    if kind == "state":
        states = tuple(state.strip() for state in about.split(","))
        return Field(kind, f"Its state: {', '.join(states)}; Canvas may send others.", states)
    return Field(kind, about.strip())


def _event_type(name: str, entities: tuple[EntityDefinition, ...]) -> EventTypeDefinition:
    if entities[0].requires:
        raise CatalogueError(
            f"[{entities[0].name}] is the first entity of {name}, so it cannot have requires: every event gives an item"
        )
    tables = {entity.table_variable for entity in entities}
    if len(tables) > 1:
        raise CatalogueError(f"{name} describes entities of several families: {', '.join(sorted(tables))}")
    known: dict[str, Field] = {}
    for entity in entities:
        for field_name, field in entity.fields.items():
            if known.setdefault(field_name, field).kind != field.kind:
                raise CatalogueError(f"[{entity.name}] {name}: {field_name} has two kinds")
    return EventTypeDefinition(name, entities[0].table_variable, entities)


def _strings(value: object, what: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError(f'{what} must be a table of strings, such as {what} = {{ name = "…" }}')
    for name, text in value.items():
        if not isinstance(text, str):
            raise TypeError(f"{what}: `{name}` is not a string. Does its line belong to another table of the file?")
    return value


def _list(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise TypeError(f"expected a list of strings, not {value!r}")
    return value
