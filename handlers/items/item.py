"""An item of a table, in DynamoDB's JSON."""

from collections.abc import Mapping
from typing import NamedTuple

from handlers.items.attributes import AttributeDeclaration
from handlers.outcome import Rejection, RejectionReason, Violation
from handlers.storage.attribute_value import MAX_ITEM_BYTES, fits_in_item, serialize


class PrimaryKey(NamedTuple):
    """The names and values of the partition key and the sort key: ``(("context", "a#Course#1"), ("entity", …))``."""

    partition: tuple[str, str]
    sort: tuple[str, str]


class Item(NamedTuple):
    """An item of the table that the environment variable ``table_variable`` names.

    ``version`` sorts as the versions of the item do; None where an item is written once. ``attributes`` are all
    attributes, those of the key among them, by name, in DynamoDB's JSON: ``{"deleted": '{"BOOL":true}', …}``; the
    declarations in ``handlers.items.attributes`` say which there can be. ``insert_first`` is a guess that the table
    does not have the key yet.
    """

    table_variable: str
    key: PrimaryKey
    version: str | None
    attributes: Mapping[str, str]
    insert_first: bool


def make_item(
    declaration: AttributeDeclaration,
    table_variable: str,
    key: PrimaryKey,
    attributes: dict[str, str],
    *,
    version: str | None = None,
    insert_first: bool,
) -> Item:
    """Make an item of its key and its other attributes.

    Raises ``UndeclaredAttributeError``, and ``Rejection`` for an item larger than DynamoDB allows.
    """
    for name, value in key:
        attributes[name] = serialize(value)
    declaration.check(attributes)
    if not fits_in_item(attributes):
        expected = f"an item of at most {MAX_ITEM_BYTES} bytes"
        raise Rejection(RejectionReason.TOO_LARGE, Violation("", "size", expected))
    return Item(table_variable, key, version, attributes, insert_first)
