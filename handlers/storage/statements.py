"""The PartiQL statements that write an item, and the order in which to try them.

PartiQL has no upsert. INSERT fails when the key exists (``DuplicateItem``). A conditional UPDATE fails both when the
key does not exist and when the item has a version at least as new (``ConditionalCheckFailed``); only in the second case
does the response contain the old item. So each item has a plan: when the condition of a statement fails, the next
statement is tried, until the item is stored or a version at least as new is known to exist.

DynamoDB Local never returns the old item. So that an item can be known to be superseded there too, a plan ends with an
UPDATE that changes nothing and succeeds only if a version at least as new exists. DynamoDB itself needs it only where
somebody deletes an item and another function writes it again, both between two statements of a plan.

A plan that rewrites begins with an UPDATE of an item that the same event gave, whatever its digest: the digest is of
the item, which a corrected mapping changes. Its other statements compare versions up to the digest, too. A repair
(``<version>~<time>#<digest>``) is newer than the event before its ``~``, and stays.

No statement reads first: another function could write between the read and the write.
Sources: Amazon DynamoDB Developer Guide, "PartiQL insert statements for DynamoDB" and "PartiQL update statements for
DynamoDB"; API Reference, ``BatchStatementRequest`` and ``BatchStatementError``.
"""

from collections.abc import Callable, Sequence
from functools import cache

from handlers.items.attributes import ENTITY
from handlers.items.item import Item
from handlers.storage.attribute_value import serialize
from handlers.storage.transport import Statement

# Builds a statement for an item and the name of its table.
StatementBuilder = Callable[[Item, str], Statement]


def write_plan(item: Item) -> Sequence[StatementBuilder]:
    """Return the statements to try for an item, one after the other, as long as their conditions fail.

    When all conditions failed, an item without versions exists, and an item with versions may be stored or not.
    """
    if item.version is None:
        return (insert,)
    # Between any two statements another function may insert an older version, which only an UPDATE replaces, or
    # somebody may delete the item, which only an INSERT brings back.
    insert_first = (insert, update, insert, confirm_newer)
    return insert_first if item.insert_first else (update, *insert_first)


def rewrite_plan(item: Item) -> Sequence[StatementBuilder]:
    """Return a plan that also replaces what the same event has written before; a newer item stays."""
    if item.version is None:
        return write_plan(item)
    return (rewrite, update_older_event, insert, update_older_event, insert, confirm_same_event_or_newer)


def insert(item: Item, table: str) -> Statement:
    """Build the statement that writes an item whose key does not exist."""
    return Statement(_insert_text(table, tuple(item.attributes)), tuple(item.attributes.values()))


def update(item: Item, table: str) -> Statement:
    """Build the statement that replaces an older version of an item."""
    return _update(item, table, item.attributes["version"])


def update_older_event(item: Item, table: str) -> Statement:
    """Build the statement that replaces a version of an item that is older up to the digest."""
    return _update(item, table, _same_event(item))


def rewrite(item: Item, table: str) -> Statement:
    """Build the statement that replaces the version of an item that differs at most in the digest."""
    others, parameters = _update_parameters(item)
    text = _rewrite_text(table, _key_names(item), others)
    return Statement(text, (*parameters, _same_event(item), _REPAIRED))


def confirm_newer(item: Item, table: str) -> Statement:
    """Build the statement that succeeds, and changes nothing, if a version at least as new exists."""
    return _confirm(item, table, item.attributes["version"])


def confirm_same_event_or_newer(item: Item, table: str) -> Statement:
    """Build the statement that succeeds, and changes nothing, if a version at least as new up to the digest exists."""
    return _confirm(item, table, _same_event(item))


CONFIRMATIONS = frozenset({confirm_newer, confirm_same_event_or_newer})

_REPAIRED = serialize("~")  # in the versions of repairs, and in no others


def _same_event(item: Item) -> str:
    """Return the part of the version before the digest."""
    return serialize(f"{(item.version or '').rpartition('#')[0]}#")


def _update(item: Item, table: str, older_than: str) -> Statement:
    others, parameters = _update_parameters(item)
    text = _update_text(table, _key_names(item), others)
    return Statement(text, (*parameters, older_than), return_old_item=True)


def _update_parameters(item: Item) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the attributes to set, and the values of these and of the key."""
    key = _key_names(item)
    others = tuple(name for name in item.attributes if name not in key)
    return others, tuple(item.attributes[name] for name in (*others, *key))


def _confirm(item: Item, table: str, at_least: str) -> Statement:
    key = _key_names(item)
    return Statement(_confirm_text(table, key), (*(item.attributes[name] for name in key), at_least))


def _key_names(item: Item) -> tuple[str, ...]:
    return tuple(name for name, _ in item.key)


# Cached because few sets of attributes occur, and each request would otherwise build 25 texts.
@cache
def _insert_text(table: str, names: tuple[str, ...]) -> str:
    members = ", ".join(f"'{name}': ?" for name in names)
    return f'INSERT INTO "{table}" VALUE {{{members}}}'


@cache
def _update_text(table: str, key: tuple[str, ...], others: tuple[str, ...]) -> str:
    return f'{_replace_text(table, key, others)} AND "version" < ?'


@cache
def _rewrite_text(table: str, key: tuple[str, ...], others: tuple[str, ...]) -> str:
    # Two statements where one with OR would do: MiniStack accepts no OR beside a key.
    return f'{_replace_text(table, key, others)} AND begins_with("version", ?) AND NOT contains("version", ?)'


def _replace_text(table: str, key: tuple[str, ...], others: tuple[str, ...]) -> str:
    sets = " ".join(f'SET "{name}" = ?' for name in others)
    # A newer event replaces the whole item, so attributes that it does not have are removed.
    removes = "".join(f' REMOVE "{name}"' for name in sorted(ENTITY.optional) if name not in others)
    return f'UPDATE "{table}" {sets}{removes} WHERE {_key_condition(key)}'


@cache
def _confirm_text(table: str, key: tuple[str, ...]) -> str:
    condition = f'{_key_condition(key)} AND "version" >= ?'
    return f'UPDATE "{table}" SET "version" = "version" WHERE {condition}'  # noqa: S608  # the names are ours


def _key_condition(key: tuple[str, ...]) -> str:
    return " AND ".join(f'"{name}" = ?' for name in key)
