"""Validate a Live Event against the JSON Schema of its type.

Two engines read the same schema. jsonschema-rs accepts what is valid, far faster; what it does not accept, jsonschema
decides and explains. Nearly every event is valid, so the second one is imported only when it is needed.
"""

from functools import cache

import jsonschema_rs

from handlers.intake.decode import LiveEvent
from handlers.items.event_types import EventType
from handlers.items.timestamps import is_date, is_date_time, is_ruby_time


def validate(event: LiveEvent, event_type: EventType) -> None:
    """Raise ``Rejection`` with the rules that the event breaks, if it breaks any."""
    document = {"metadata": event.metadata, "body": event.body}
    try:
        if _fast_validator(event_type).is_valid(document):
            return
    except ValueError:
        pass  # text or a number that this engine cannot read
    from handlers.intake import violations  # importing jsonschema takes as long as making a boto3 client

    violations.raise_violations(document, event_type)


@cache
def _fast_validator(event_type: EventType) -> jsonschema_rs.Draft202012Validator:
    # Without annotations and examples, which take as long to read as the rules.
    rules = {name: event_type.schema[name] for name in ("type", "required", "properties")}
    return jsonschema_rs.Draft202012Validator(
        rules, validate_formats=True, formats={"date-time": is_date_time, "date": is_date, "ruby-time": is_ruby_time}
    )
