"""Within a batch, of the items under one key only the newest is written."""

from collections.abc import Iterable

from handlers.items import build
from handlers.items.build import Item

Key = tuple[str, build.Key]


def key_of(item: Item) -> Key:
    """What makes an item the same item: its table and its key."""
    return item.table, item.key


def newest(items: Iterable[Item]) -> dict[Key, Item]:
    """The newest item of each key, in the order in which the keys first came."""
    kept: dict[Key, Item] = {}
    for item in items:
        standing = kept.setdefault(key_of(item), item)
        if (item.version or "") > (standing.version or ""):
            kept[key_of(item)] = item
    return kept
