"""A Live Event against the JSON Schema of its type."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator, FormatChecker, TypeChecker, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from handlers.catalogue import SCHEMAS
from handlers.decode import LiveEvent
from handlers.fates import Reason, Rejected, Violation
from handlers.instants import instant

MOST_VIOLATIONS = 20  # enough to mend a contract by, and a bound on what a hostile event can make us write

FORMATS = FormatChecker(formats=("date",))


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    # Our own reading of date-times decides, so that what is valid is exactly what can be stored.
    if isinstance(value, str):
        instant(value)
    return True


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


def schema_file(event_name: str) -> Path:
    """Where the schema of an event type of the catalogue is."""
    return SCHEMAS / f"{event_name}.json"


@cache
def validator(event_name: str) -> Validator:
    """The validator of an event type of the catalogue, made once."""
    schema = json.loads(schema_file(event_name).read_text(encoding="utf-8"))
    return _Validator(schema, format_checker=FORMATS)


def validate(event: LiveEvent) -> None:
    """Raise ``Rejected`` with every rule that the event breaks, ``MOST_VIOLATIONS`` at most."""
    errors = validator(event.name).iter_errors({"metadata": event.metadata, "body": event.body})
    violations = dict.fromkeys(violation for error in errors for violation in _violations(error))
    if violations:
        raise Rejected(Reason.SCHEMA_VIOLATION, *islice(violations, MOST_VIOLATIONS))


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
