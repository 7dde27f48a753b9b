"""Conversions of values of rows to those that events have."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

_TRUE, _FALSE = frozenset({"true", "t", "1"}), frozenset({"false", "f", "0"})


def _comma_separated(value: Any, _: Mapping[str, Any]) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list) else value


def _drop_rules(value: Any, _: Mapping[str, Any]) -> Any:
    """``{"drop_lowest": 1, "never_drop": [9001]}`` as lines: canvas-lms, ``AssignmentGroup#rules_hash=``."""
    if not isinstance(value, dict):
        return value
    lines = [f"{name}:{value[name]}\n" for name in ("drop_lowest", "drop_highest") if value.get(name)]
    return "".join(lines + [f"never_drop:{assignment}\n" for assignment in value.get("never_drop") or ()])


def _published_state(value: Any, _: Mapping[str, Any]) -> Any:
    return None if value is None else "active" if value else "unpublished"


def _is_announcement(value: Any, _: Mapping[str, Any]) -> bool:
    return bool(value == "Announcement")


def _override_type(_: Any, row: Mapping[str, Any]) -> str | None:
    for column, type_ in (("student_ids", "ADHOC"), ("group_id", "Group"), ("course_section_id", "CourseSection")):
        if row.get(column) is not None:
            return type_
    return None


CONVERSIONS: Mapping[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "comma_separated": _comma_separated,
    "drop_rules": _drop_rules,
    "published_state": _published_state,
    "is_announcement": _is_announcement,
    "override_type": _override_type,
    "if_course_section": lambda value, row: value if row.get("set_type") == "CourseSection" else None,
    "if_group": lambda value, row: value if row.get("set_type") == "Group" else None,
}


def of_kind(value: Any, kind: str) -> Any:
    """Convert the text of CSV to the kind of its field; anything else, and what is not of the kind, stays as it is."""
    if not isinstance(value, str):
        return str(value) if kind in ("str", "text") and isinstance(value, int | Decimal) else value
    if kind in ("num", "int"):
        try:
            return int(value) if kind == "int" else Decimal(value)
        except (InvalidOperation, ValueError):
            return value
    if kind == "bool" and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    return value
