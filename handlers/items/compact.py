"""Compact a batch: of the items with the same key only the newest is written."""

from collections.abc import Iterable

from handlers.items.item import Item, PrimaryKey

ItemKey = tuple[str, PrimaryKey]


def item_key(item: Item) -> ItemKey:
    """Return what identifies an item: the variable of its table, and its primary key."""
    return item.table_variable, item.key


def compact(items: Iterable[Item]) -> dict[ItemKey, Item]:
    """Return the newest item of each key, in the order in which the keys first occur."""
    newest: dict[ItemKey, Item] = {}
    for item in items:
        current = newest.setdefault(item_key(item), item)
        if (item.version or "") > (current.version or ""):
            newest[item_key(item)] = item
    return newest
