"""What is wrong with an event that its schema does not accept."""

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
from handlers.outcome import Reason, Rejected, Violation

MOST_VIOLATIONS = 20  # enough to mend a contract by, and a bound on what a hostile event can make us write

# Our own reading of dates decides, so that what is valid is exactly what can be stored.
FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time")
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or is_date_time(value)


@FORMATS.checks("date")
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or is_date(value)


@FORMATS.checks("ruby-time")
def _is_ruby_time(value: object) -> bool:
    return not isinstance(value, str) or is_ruby_time(value)


def _is_integer(_: TypeChecker, value: object) -> bool:
    # JSON Schema counts 1.0 as an integer; jsonschema itself sees that of floats only, and ours are Decimals.
    if isinstance(value, Decimal):
        return value == value.to_integral_value()
    return isinstance(value, int) and not isinstance(value, bool)


def _pattern(_: Validator, pattern: str, value: object, __: object) -> Iterator[ValidationError]:
    # Our patterns are all ``^…$``. In JSON Schema ``$`` is the end; in Python's search a line feed may follow it.
    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield ValidationError("does not match")


_Validator: type[Validator] = extend(  # type: ignore[no-untyped-call]  # jsonschema has no types for it
    Draft202012Validator,
    validators={"pattern": _pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


def explain(document: Mapping[str, Any], event_type: EventType) -> None:
    """Raise ``Rejected`` with every rule that a document breaks, ``MOST_VIOLATIONS`` at most, if it breaks any."""
    errors = validator(event_type).iter_errors(document)
    violations = dict.fromkeys(violation for error in errors for violation in _violations(error))
    if violations:
        raise Rejected(Reason.SCHEMA_VIOLATION, *islice(violations, MOST_VIOLATIONS))


@cache
def validator(event_type: EventType) -> Validator:
    """The validator of an event type, made once."""
    return _Validator(event_type.schema, format_checker=FORMATS)


def _violations(error: ValidationError) -> Iterator[Violation]:
    path = ".".join(str(step) for step in error.absolute_path)
    if error.validator == "required":
        # One error for each missing field, none of which says which: every error says all of them.
        for name in cast("list[str]", error.validator_value):
            if name not in cast("dict[str, Any]", error.instance):
                yield Violation(f"{path}.{name}", "required", "")
    else:
        yield Violation(path, str(error.validator), _expected(error.validator_value))


def _expected(rule: Any) -> str:
    if isinstance(rule, list) and all(isinstance(each, str) for each in rule):
        return " or ".join(rule)
    return rule if isinstance(rule, str) else json.dumps(rule)
