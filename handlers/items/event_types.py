"""The catalogue of event types, as their schema files say it: which items an event becomes."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"

_ID_KINDS = frozenset({"gid", "lid"})

_BRACES = re.compile(r"\{([^}]*)\}")


class CatalogueError(Exception):
    """The package has no schemas, or one that does not say what becomes of its events."""


@dataclass(frozen=True, slots=True)
class Entity:
    """What an item speaks of, and how its key follows from an event.

    ``name`` begins the sort key. ``table`` is the environment variable that names the table. ``ids`` and ``contexts``
    are templates for ``%`` of the entity's id and of what contains it, as ``%(context_type)s#%(context_id)s``; of
    several the first counts of which the event says all. ``fields`` are the fields that its item keeps.
    ``occurrence`` is true where each event is an item of its own, without state, and has no id but that.
    """

    name: str
    table: str
    ids: tuple[str, ...]
    contexts: tuple[str, ...]
    fields: frozenset[str]
    occurrence: bool

    @property
    def paths(self) -> tuple[str, ...]:
        """What the key may be made of: fields, and by their paths members of objects and metadata."""
        return tuple(dict.fromkeys(re.findall(r"%\(([^)]*)\)s", "".join((*self.ids, *self.contexts)))))


@dataclass(frozen=True, eq=False)
class EventType:
    """An event type and the entities it speaks of; the first keeps what the schema does not know.

    ``kinds`` are the kinds of the known fields of the body, ``members`` those of members of its objects by their paths
    (``course.id``), ``renamed`` the names of fields that Canvas also sends under others, by those others, ``states``
    the known values of the fields that hold a state. ``needs_account`` is false where Canvas itself sends no root
    account.
    """

    name: str
    schema: Mapping[str, Any]
    entities: tuple[Entity, ...]
    kinds: Mapping[str, str]
    members: Mapping[str, str]
    renamed: Mapping[str, str]
    states: Mapping[str, frozenset[str]]
    needs_account: bool

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
    def keys_are_flat(self) -> bool:
        """Whether the fields of the body are all that keys are made of."""
        return not any("." in path for entity in self.entities for path in entity.paths)

    def is_id(self, path: str) -> bool:
        """Whether a Canvas id stands there: in the body, in an object of it, or in the metadata."""
        if path.startswith("metadata."):
            return path.endswith("_id")
        return self.kinds.get(path) in _ID_KINDS or self.members.get(path) in _ID_KINDS


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
        return EventType(
            path.stem,
            schema,
            tuple(_entity(**entity) for entity in schema["x-entities"]),
            schema["x-kinds"],
            schema["x-members"],
            schema["x-renamed"],
            {name: frozenset(known) for name, known in schema["x-states"].items()},
            schema["x-needs-account"],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CatalogueError(f"{path.name} is no schema of this release: run `make generate`") from error


def _entity(*, name: str, table: str, id: list[str], context: list[str], fields: list[str]) -> Entity:  # noqa: A002  # the catalogue's own word
    ids, contexts = (tuple(_BRACES.sub(r"%(\1)s", template) for template in templates) for templates in (id, context))
    return Entity(name, table, ids, contexts, frozenset(fields), occurrence=not ids)
