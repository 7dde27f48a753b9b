"""The attributes of items, declared once.

``make_item`` rejects an item that differs from its declaration, and an update removes every optional attribute that
the newer item lacks (``handlers.storage.statements``). To add an attribute, declare it here and set it in the builder.
"""

from collections.abc import Mapping


class UndeclaredAttributeError(Exception):
    """A builder set an attribute that is not declared, or left out one that is required."""


class AttributeDeclaration:
    """The attributes of one kind of item: ``required`` ones, which every item has, and ``optional`` ones."""

    def __init__(self, required: set[str], optional: set[str]) -> None:
        self.required = frozenset(required)
        self.optional = frozenset(optional)
        self._declared = self.required | self.optional

    def check(self, attributes: Mapping[str, object]) -> None:
        """Raise ``UndeclaredAttributeError`` for an attribute that is not declared, or is required and missing."""
        if not (self.required <= attributes.keys() <= self._declared):
            missing = sorted(self.required - attributes.keys())
            undeclared = sorted(attributes.keys() - self._declared)
            raise UndeclaredAttributeError(f"missing: {missing}, not declared: {undeclared}")


# The current state of an entity, or its tombstone.
ENTITY = AttributeDeclaration(
    required={"context", "entity", "version", "event_name", "event_time", "body"},
    optional={"course", "deleted", "user", "user_id"},
)

# An event that is an item of its own, written once.
APPEND_ONLY = AttributeDeclaration(
    required={"context", "entity", "event_name", "event_time", "body", "expires_at"},
    optional={"course", "request_context", "user_id"},
)

# A rejected record, written once.
REJECTED = AttributeDeclaration(
    required={"reason", "record", "rejected_at", "errors", "source", "payload", "expires_at"},
    optional={"event_name"},
)
