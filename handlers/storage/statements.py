"""The PartiQL statements that write an item, and the order in which to try them.

PartiQL has no upsert. INSERT fails when the key exists (``DuplicateItem``). A conditional UPDATE fails both when the
key does not exist and when the item has a version at least as new (``ConditionalCheckFailed``); only in the second case
does the response contain the old item. So each item has a plan: when the condition of a statement fails, the next
statement is tried. After the last one, or when a failed UPDATE returns the old item, a version at least as new exists.
No statement reads first: another function could write between the read and the write.
Sources: Amazon DynamoDB Developer Guide, "PartiQL insert statements for DynamoDB" and "PartiQL update statements for
DynamoDB"; API Reference, ``BatchStatementRequest`` and ``BatchStatementError``.
"""

from collections.abc import Callable, Sequence
from functools import cache

from handlers.items.attributes import ENTITY
from handlers.items.item import Item
from handlers.storage.transport import Statement

# Builds a statement for an item and the name of its table.
StatementBuilder = Callable[[Item, str], Statement]


def write_plan(item: Item) -> Sequence[StatementBuilder]:
    """Return the statements to try for an item, one after the other, as long as their conditions fail."""
    if item.version is None:
        return (insert,)
    # When an UPDATE fails because there is no item, and the INSERT after it fails because another function has just
    # inserted an older version, only a second UPDATE can replace that version.
    return (insert, update) if item.insert_first else (update, insert, update)


def insert(item: Item, table: str) -> Statement:
    """Build the statement that writes an item whose key does not exist."""
    return Statement(_insert_text(table, tuple(item.attributes)), tuple(item.attributes.values()))


def update(item: Item, table: str) -> Statement:
    """Build the statement that replaces an older version of an item."""
    key = tuple(name for name, _ in item.key)
    others = tuple(name for name in item.attributes if name not in key)
    parameters = tuple(item.attributes[name] for name in (*others, *key, "version"))
    return Statement(_update_text(table, key, others), parameters, return_old_item=True)


# Cached because few sets of attributes occur, and each request would otherwise build 25 texts.
@cache
def _insert_text(table: str, names: tuple[str, ...]) -> str:
    members = ", ".join(f"'{name}': ?" for name in names)
    return f'INSERT INTO "{table}" VALUE {{{members}}}'


@cache
def _update_text(table: str, key: tuple[str, ...], others: tuple[str, ...]) -> str:
    sets = " ".join(f'SET "{name}" = ?' for name in others)
    # A newer event replaces the whole item, so attributes that it does not have are removed.
    removes = "".join(f' REMOVE "{name}"' for name in sorted(ENTITY.optional) if name not in others)
    where = " AND ".join(f'"{name}" = ?' for name in key)
    return f'UPDATE "{table}" {sets}{removes} WHERE {where} AND "version" < ?'
