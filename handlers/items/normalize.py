"""Normalize a body: Canvas's names for fields, local ids, UTC date-times, strings, and no nulls."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from handlers.items.canvas_ids import to_local_id
from handlers.items.event_types import EventType
from handlers.items.timestamps import normalize_datetime, normalize_ruby_datetime

Normalizer = Callable[[Any, int | None], Any]


def normalize_body(body: Mapping[str, Any], event_type: EventType, shard: int | None) -> dict[str, Any]:
    """Return the body as items hold it. A missing field means null, so nulls and empty ids are left out."""
    normalizers = _field_normalizers(event_type)
    return {
        name: normalizers[name](value, shard) if name in normalizers else value
        for name, value in _apply_aliases(_without_empty_ids(body, event_type), event_type).items()
        if value is not None
    }


def _without_empty_ids(body: Mapping[str, Any], event_type: EventType) -> Mapping[str, Any]:
    if "" not in body.values():
        return body
    return {name: value for name, value in body.items() if value != "" or name not in event_type.null_if_empty}


def _apply_aliases(body: Mapping[str, Any], event_type: EventType) -> Mapping[str, Any]:
    """Return the body with the catalogue's names; a field under its own name wins over an alias."""
    aliases = event_type.field_aliases
    if aliases.keys().isdisjoint(body):
        return body
    renamed = {aliases[name]: value for name, value in body.items() if name in aliases and value is not None}
    return renamed | {name: value for name, value in body.items() if name not in aliases and value is not None}


def _local_ids(values: Iterable[str | int | None], shard: int | None) -> list[str]:
    return [to_local_id(value, shard) for value in values if value]


def _datetime(value: str, _: int | None) -> str:
    return normalize_datetime(value)


def _ruby_datetime(value: str, _: int | None) -> str:
    return normalize_ruby_datetime(value)


def _date(value: str, _: int | None) -> str:
    return value if len(value) == len("2019-08-10") else normalize_datetime(value)


def _string(value: str | int, _: int | None) -> str:
    return str(int(value)) if not isinstance(value, str) else value


# By kind of field; values of other kinds stay as they are. Each takes the value and the shard of the institution.
NORMALIZERS: Mapping[str, Normalizer] = {
    "gid": to_local_id,
    "lid": to_local_id,
    "ids": _local_ids,
    "time": _datetime,
    "ruby_time": _ruby_datetime,
    "date": _date,
    "str": _string,
    "state": _string,
    "uuid": _string,
}


@cache
def _field_normalizers(event_type: EventType) -> dict[str, Normalizer]:
    return {name: NORMALIZERS[kind] for name, kind in event_type.field_kinds.items() if kind in NORMALIZERS}
