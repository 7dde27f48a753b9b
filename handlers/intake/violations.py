"""The rules that an event breaks."""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import Any, cast

from jsonschema import Draft202012Validator, FormatChecker, TypeChecker, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from handlers.items.event_types import EventType
from handlers.items.timestamps import is_date, is_date_time, is_ruby_time
from handlers.outcome import Rejection, RejectionReason, Violation

MAX_VIOLATIONS = 20  # enough to fix a schema with, and a bound on what a hostile event can make us store

# The same functions that normalize dates, so that what is valid is exactly what can be stored.
FORMAT_CHECKER = FormatChecker(formats=())


@FORMAT_CHECKER.checks("date-time")
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or is_date_time(value)


@FORMAT_CHECKER.checks("date")
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or is_date(value)


@FORMAT_CHECKER.checks("ruby-time")
def _is_ruby_time(value: object) -> bool:
    return not isinstance(value, str) or is_ruby_time(value)


def _is_integer(_: TypeChecker, value: object) -> bool:
    # In JSON Schema 1.0 is an integer; jsonschema knows that of floats only, and these are Decimals.
    if isinstance(value, Decimal):
        return value == value.to_integral_value()
    return isinstance(value, int) and not isinstance(value, bool)


def _anchored_pattern(_: Validator, pattern: str, value: object, __: object) -> Iterator[ValidationError]:
    # All patterns here are ``^…$``. In JSON Schema ``$`` is the end; in Python's search a line feed may follow it.
    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield ValidationError("does not match")


_Validator: type[Validator] = extend(  # type: ignore[no-untyped-call]  # jsonschema has no types for it
    Draft202012Validator,
    validators={"pattern": _anchored_pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


def raise_violations(document: Mapping[str, Any], event_type: EventType) -> None:
    """Raise ``Rejection`` with the rules that a document breaks, at most ``MAX_VIOLATIONS``, if it breaks any."""
    errors = validator(event_type).iter_errors(document)
    violations = dict.fromkeys(violation for error in errors for violation in _violations(error))
    if violations:
        raise Rejection(RejectionReason.SCHEMA_VIOLATION, *islice(violations, MAX_VIOLATIONS))


@cache
def validator(event_type: EventType) -> Validator:
    """Return the validator of an event type, compiled once."""
    return _Validator(event_type.schema, format_checker=FORMAT_CHECKER)


def _violations(error: ValidationError) -> Iterator[Violation]:
    path = ".".join(str(step) for step in error.absolute_path)
    if error.validator == "required":
        # jsonschema gives one error for each missing field, and each error lists all required fields.
        for name in cast("list[str]", error.validator_value):
            if name not in cast("dict[str, Any]", error.instance):
                yield Violation(f"{path}.{name}", "required", "")
    else:
        yield Violation(path, str(error.validator), _expected(error.validator_value))


def _expected(rule: Any) -> str:
    if isinstance(rule, list) and all(isinstance(value, str) for value in rule):
        return " or ".join(rule)
    return rule if isinstance(rule, str) else json.dumps(rule)
