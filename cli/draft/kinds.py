"""The kind of a field, inferred from the types of its values, or, where those do not decide, from its name."""

import re
from collections import Counter
from dataclasses import dataclass

from cli.draft.observed import IDS, MAX_ENUM_VALUES, ObservedField, ValueType, is_id, is_state

_NUMBERS = frozenset({ValueType.INTEGER, ValueType.DECIMAL})
_TIMES = frozenset({ValueType.TIME, ValueType.RUBY_TIME})
_STRINGS = frozenset({ValueType.STRING, ValueType.TEXT, ValueType.UUID, ValueType.DATE}) | _TIMES | IDS

# Ids from other systems may look like those of Canvas.
_EXTERNAL_ID = re.compile(r"(?:^|_)(?:sis(?!_batch)|lti|integration|vendor)_")
_IDS_NAME = re.compile(r"_ids$")
_TEXT_NAME = re.compile(r"(?:^|_)(?:body|description|text|title|message|comment|comments|html)$")
_DECIMAL_NAME = re.compile(r"(?:^|_)(?:points?|scores?|weight|percent\w*|possible|grade|rate|ratio|mastery)(?:_|$)")

# The kind of a field without values; the first pattern that matches its name decides.
_KINDS_BY_NAME = (
    ("ids", _IDS_NAME),
    ("time", re.compile(r"_at$")),
    ("date", re.compile(r"_date$")),
    ("bool", re.compile(r"^(?:is|has|can)_")),
    ("str", re.compile(r"(?:^|_)(?:type|uuid|name|url)$")),
    ("num", _DECIMAL_NAME),
    ("text", _TEXT_NAME),
)


@dataclass(frozen=True)
class KindInference:
    """The inferred kind of a field; ``states`` are those of the kind ``state``.

    ``is_certain`` says whether the values decided it. ``remark`` is for the person who reviews the draft.
    """

    kind: str
    states: tuple[str, ...] = ()
    is_certain: bool = True
    remark: str = ""


def infer_kind(name: str, field: ObservedField) -> KindInference:
    """Infer the kind of a field of this name."""
    types = field.non_null_types
    if not types:
        remark = "no value was observed, so the kind is a guess from the name"
        return KindInference(_kind_by_name(name), is_certain=False, remark=remark)
    kind = _kind_by_values(name, field)
    if kind is None:
        return _majority(name, field)
    if kind == "state":
        return KindInference("state", states(field), remark="are there other states?")
    if _is_time(name) and not types & (_TIMES | {ValueType.DATE}):
        remark = f"the name suggests a date-time, but the values are: {describe_types(field)}"
        return KindInference(kind, is_certain=False, remark=remark)
    if types == IDS:
        return KindInference(kind, remark=f"has ids in both forms: {describe_types(field)}")
    return KindInference(kind)


def describe_types(field: ObservedField, only: frozenset[ValueType] = frozenset(ValueType) - {ValueType.NULL}) -> str:
    """Describe the types that were observed, most frequent first: ``a global id (3), a local id (1)``."""
    return ", ".join(f"{value_type} ({count})" for value_type, count in field.types.most_common() if value_type in only)


def states(field: ObservedField) -> tuple[str, ...]:
    """Return the states that were observed."""
    return tuple(sorted(field.enum_values))


def type_names(field: ObservedField) -> tuple[str, ...]:
    """Return the type names that were observed, or none where there are too many to be type names."""
    return tuple(sorted(field.enum_values)) if len(field.enum_values) <= MAX_ENUM_VALUES else ()


def _kind_by_values(name: str, field: ObservedField) -> str | None:
    """Return the kind that fits all values, or None where no kind does."""
    types = field.non_null_types
    if types <= IDS:
        return "str" if _EXTERNAL_ID.search(name) else _id_kind(field)
    if types <= _NUMBERS:
        return "num" if ValueType.DECIMAL in types or _DECIMAL_NAME.search(name) else "int"
    if types <= _TIMES:
        return "ruby_time" if ValueType.RUBY_TIME in types else "date" if name.endswith("_date") else "time"
    if types <= {ValueType.DATE, ValueType.TIME}:
        return "date"
    for value_type, kind in (
        (ValueType.BOOL, "bool"),
        (ValueType.OBJECT, "obj"),
        (ValueType.LIST, "ids" if _IDS_NAME.search(name) and not _EXTERNAL_ID.search(name) else "list"),
        (ValueType.UUID, "uuid"),
    ):
        if types == {value_type}:
            return kind
    if types <= {ValueType.STRING, ValueType.TEXT}:
        return _string_kind(name, field)
    # A text may look like anything, such as a date. In a field of times, however, other strings are a disagreement.
    return _string_kind(name, field) if types <= _STRINGS and ValueType.STRING in types and not _is_time(name) else None


def _id_kind(field: ObservedField) -> str:
    return "gid" if field.types[ValueType.GLOBAL_ID] >= field.types[ValueType.LOCAL_ID] else "lid"


def _string_kind(name: str, field: ObservedField) -> str:
    if is_state(name) and field.enum_values:
        return "state"
    return "text" if ValueType.TEXT in field.non_null_types or _TEXT_NAME.search(name) else "str"


def _is_time(name: str) -> bool:
    return name.endswith(("_at", "_on", "_date"))


def _majority(name: str, field: ObservedField) -> KindInference:
    """Return the kind of most values."""
    commonest = max(field.non_null_types, key=lambda value_type: (field.types[value_type], value_type in _TIMES))
    kind = _kind_by_values(name, ObservedField(Counter([commonest]))) or "str"
    remark = f"the values have different types: {describe_types(field)}"
    return KindInference(kind, is_certain=False, remark=remark)


def _kind_by_name(name: str) -> str:
    if is_id(name):
        return "str" if _EXTERNAL_ID.search(name) else "lid"
    return next((kind for kind, pattern in _KINDS_BY_NAME if pattern.search(name)), "str")
