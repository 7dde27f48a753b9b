"""The maps of ``schemas/maps``: where the fields of an entity are in a row of Canvas Data 2 or of the REST API."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from cli.errors import CommandError
from cli.reconcile import convert
from handlers.items.event_types import SCHEMAS_DIR

FOLDER = SCHEMAS_DIR / "maps"

Source = Literal["canvas_data", "rest"]

_NOT_FIELDS = frozenset({"table", "same", "only", "except", "required", "deleted", "not_compared"})
_CONSTANT = re.compile("'([^']*)'")


@dataclass(frozen=True)
class FieldMap:
    """Where a field comes from: a column that a conversion takes, or a constant. ``column`` is None of a constant."""

    name: str
    column: str | None
    constant: str | None
    conversion: str | None
    is_compared: bool


@dataclass(frozen=True)
class EntityMap:
    """How a row of ``table`` becomes an entity.

    ``only`` and ``excluded`` choose rows by the values of columns; a row without the column ``required`` says nothing
    of the entity. ``deleted`` are values that say that it is gone. ``missing`` are the fields that the row lacks, with
    the reason.
    """

    entity: str
    table: str
    fields: tuple[FieldMap, ...]
    only: Mapping[str, list[Any]]
    excluded: Mapping[str, list[Any]]
    required: str | None
    deleted: Mapping[str, list[Any]]
    missing: Mapping[str, str]


@cache
def load(source: Source) -> Mapping[str, tuple[EntityMap, ...]]:
    """Return the maps of a source by table. Raises ``CommandError`` naming a map that is wrong."""
    by_table: dict[str, tuple[EntityMap, ...]] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        for entity, definition in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if source in definition:
                missing = definition.get("not_in_canvas_data", {}) if source == "canvas_data" else {}
                found = _entity_map(entity, definition[source], missing)
                by_table[found.table] = (*by_table.get(found.table, ()), found)
    return by_table


def _entity_map(entity: str, definition: Mapping[str, Any], missing: Mapping[str, str]) -> EntityMap:
    columns = {name: name for name in definition.get("same", ())}
    columns |= {name: column for name, column in definition.items() if name not in _NOT_FIELDS}
    not_compared = set(definition.get("not_compared", ()))
    if unknown := not_compared - columns.keys():
        raise CommandError(f"{FOLDER}: {entity}: not_compared names {', '.join(sorted(unknown))}, which no line maps.")
    return EntityMap(
        entity,
        definition["table"],
        tuple(_field_map(entity, name, column, name not in not_compared) for name, column in columns.items()),
        definition.get("only", {}),
        definition.get("except", {}),
        definition.get("required"),
        definition.get("deleted", {}),
        missing,
    )


def _field_map(entity: str, name: str, text: str, is_compared: bool) -> FieldMap:
    if constant := _CONSTANT.fullmatch(text):
        return FieldMap(name, None, constant[1], None, is_compared)
    column, _, conversion = text.partition(" | ")
    if conversion and conversion not in convert.CONVERSIONS:
        raise CommandError(f"{FOLDER}: {entity}.{name}: there is no conversion {conversion}.")
    return FieldMap(name, column, None, conversion or None, is_compared)
