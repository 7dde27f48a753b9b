"""The event types and the entities they describe, as their schema files define them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

SCHEMAS_DIR = Path(__file__).resolve().parents[2] / "schemas"
NOT_KEPT_FILE = "not_kept.txt"

_ID_KINDS = frozenset({"gid", "lid"})
_NULL_IF_EMPTY = _ID_KINDS | {"uuid"}

_PLACEHOLDER = re.compile(r"\{([^}]*)\}")


class SchemaFileError(Exception):
    """The package has no schemas, or one that does not define the items of its events."""


@dataclass(frozen=True, slots=True)
class EntityMapping:
    """How events of a type become items of one entity.

    ``name`` begins the sort key. ``table_variable`` is the environment variable with the table's name.
    ``id_templates`` and ``context_templates`` are templates for ``%`` that give the entity's id and what contains it,
    such as ``%(context_type)s#%(context_id)s``; the first whose variables the event has is used. ``course_templates``
    and ``user_templates`` give the course and the person to find it by in the same way; they may be empty. ``fields``
    are the body fields that the item keeps. An ``append_only`` entity has no id of its own: each event is an item.
    ``requires`` is the body field without which an event does not describe the entity; None if every event does.
    """

    name: str
    table_variable: str
    id_templates: tuple[str, ...]
    context_templates: tuple[str, ...]
    course_templates: tuple[str, ...]
    user_templates: tuple[str, ...]
    fields: frozenset[str]
    append_only: bool
    requires: str | None

    @property
    def key_paths(self) -> tuple[str, ...]:
        """The variables of the key: body fields, and the paths of members of objects and of metadata."""
        return _variables(*self.id_templates, *self.context_templates)

    @property
    def index_paths(self) -> tuple[str, ...]:
        """The variables of the course and the person."""
        return _variables(*self.course_templates, *self.user_templates)


@dataclass(frozen=True, eq=False)
class EventType:
    """An event type and the entities it describes; the first one keeps the fields that the schema does not know.

    ``field_kinds`` are the kinds of the known body fields by name, ``member_kinds`` those of members of its objects
    by path (``course.id``), ``field_aliases`` the names of fields by other names that Canvas also uses for them,
    ``known_states`` the known values of state fields. ``requires_root_account`` is false where Canvas itself sends no
    root account. ``is_snapshot`` is true of the types that ``handlers.items.snapshot`` makes.
    """

    name: str
    schema: Mapping[str, Any]
    entities: tuple[EntityMapping, ...]
    field_kinds: Mapping[str, str]
    member_kinds: Mapping[str, str]
    field_aliases: Mapping[str, str]
    known_states: Mapping[str, frozenset[str]]
    requires_root_account: bool
    is_snapshot: bool = False

    @cached_property
    def table_variable(self) -> str:
        """The environment variable with the name of its entities' table."""
        return self.entities[0].table_variable

    @cached_property
    def family(self) -> str:
        """The name of its family, such as ``groups``."""
        return self.table_variable.removesuffix("_TABLE").lower()

    @cached_property
    def known_field_names(self) -> frozenset[str]:
        """All names under which Canvas sends the known fields."""
        return frozenset(self.field_kinds) | frozenset(self.field_aliases)

    @cached_property
    def null_if_empty(self) -> frozenset[str]:
        """The fields whose empty string means null, those of a single id, under all their names."""
        names = {name for name, kind in self.field_kinds.items() if kind in _NULL_IF_EMPTY}
        return frozenset(names | {alias for alias, name in self.field_aliases.items() if name in names})

    @cached_property
    def text_fields(self) -> tuple[str, ...]:
        """The fields that Canvas truncates when they are long."""
        return tuple(name for name, kind in self.field_kinds.items() if kind == "text")

    @cached_property
    def keys_use_body_fields_only(self) -> bool:
        """Whether no key, of the table or of an index, needs a member of an object or of the metadata."""
        return not any("." in path for entity in self.entities for path in (*entity.key_paths, *entity.index_paths))

    def is_canvas_id(self, path: str) -> bool:
        """Whether the path names a Canvas id: in the body, in one of its objects, or in the metadata."""
        if path.startswith("metadata."):
            return path.endswith("_id")
        return self.field_kinds.get(path) in _ID_KINDS or self.member_kinds.get(path) in _ID_KINDS


def load(folder: Path = SCHEMAS_DIR) -> dict[str, EventType]:
    """Read every schema in ``folder`` and return the event types by name.

    Raises ``SchemaFileError``, also if there is none: a consumer without event types would reject everything.
    """
    event_types = {path.stem: _read(path) for path in sorted(folder.glob("*.json"))}
    if not event_types:
        raise SchemaFileError(f"There are no schemas in {folder}. Run `make generate` before `sam build`.")
    return event_types


def load_not_kept(folder: Path = SCHEMAS_DIR) -> frozenset[str]:
    """Read the event types that the catalogue lists as not kept: a name a line.

    Raises ``SchemaFileError`` if ``folder`` does not list them.
    """
    try:
        return frozenset((folder / NOT_KEPT_FILE).read_text(encoding="utf-8").split())
    except FileNotFoundError:
        raise SchemaFileError(
            f"There is no {NOT_KEPT_FILE} in {folder}. Run `make generate` before `sam build`."
        ) from None


def _read(path: Path) -> EventType:
    try:
        schema = json.loads(path.read_bytes())
        return EventType(
            path.stem,
            schema,
            tuple(_entity(**entity) for entity in schema["x-entities"]),
            schema["x-field-kinds"],
            schema["x-member-kinds"],
            schema["x-field-aliases"],
            {name: frozenset(known) for name, known in schema["x-known-states"].items()},
            schema["x-requires-root-account"],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SchemaFileError(f"{path.name} is not a schema of this release. Run `make generate`.") from error


def _entity(
    *,
    name: str,
    table: str,
    id: list[str],  # noqa: A002  # the catalogue's name for it
    context: list[str],
    course: list[str],
    user: list[str],
    requires: str | None,
    fields: list[str],
) -> EntityMapping:
    ids, contexts, courses, users = (
        tuple(_PLACEHOLDER.sub(r"%(\1)s", template) for template in templates)
        for templates in (id, context, course, user)
    )
    return EntityMapping(
        name, table, ids, contexts, courses, users, frozenset(fields), append_only=not ids, requires=requires
    )


def _variables(*templates: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(re.findall(r"%\(([^)]*)\)s", "".join(templates))))
