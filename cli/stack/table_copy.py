"""Copy the items of one table to another by the rule of the functions: nothing newer is overwritten."""

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from cli.errors import CommandError
from cli.stack.hierarchy import StoredItem
from cli.stack.table_scan import describe

MAX_KEYS = 100  # Amazon DynamoDB API reference, "BatchGetItem"
MAX_CONCURRENT_WRITES = 16


class CopyResult(StrEnum):
    """What a copy does with an item."""

    ADDED = "added"
    REPLACED = "replaced an older version"
    UNCHANGED = "there already, at this version or a newer one"


class TableCopy:
    """Copies items in DynamoDB's form. ``counts`` is what was done so far, also after an interruption.

    Raises ``CommandError`` when a table does not exist, or the two have different keys.
    """

    def __init__(self, client: Any, source: str, target: str) -> None:
        self.counts: Counter[CopyResult] = Counter(dict.fromkeys(CopyResult, 0))
        self.source, self.target = source, target
        self._client = client
        keys = [_key_names(client, table) for table in (source, target)]
        if source == target:
            raise CommandError(f"{source} cannot be copied to itself.")
        if keys[0] != keys[1]:
            raise CommandError(
                f"{source} has the keys {' and '.join(keys[0])}, and {target} {' and '.join(keys[1])}: they hold"
                " different things."
            )
        self._key_names = keys[0]

    def run(self, items: Iterable[StoredItem], *, dry_run: bool) -> None:
        """Copy items: an item is written if the target has none of its key, or an older version.

        Each write is conditional, so an event that arrives meanwhile is not overwritten either.
        """
        rest = iter(items)
        with ThreadPoolExecutor(MAX_CONCURRENT_WRITES) as pool:
            while chunk := list(islice(rest, MAX_KEYS)):
                versions = self._versions(chunk)
                expected = [self._compare(item, versions) for item in chunk]
                results = expected if dry_run else pool.map(self._write, chunk, expected)
                for result in results:
                    self.counts[result] += 1

    def _compare(self, item: StoredItem, versions: dict[tuple[str, ...], str]) -> CopyResult:
        version = versions.get(self._key(item))
        if version is None:
            return CopyResult.ADDED
        return CopyResult.REPLACED if version < _version(item) else CopyResult.UNCHANGED

    def _write(self, item: StoredItem, expected: CopyResult) -> CopyResult:
        if expected is CopyResult.UNCHANGED:
            return expected
        names = {"#key": self._key_names[0], "#version": "version"}
        try:
            self._client.put_item(
                TableName=self.target, Item=item,
                ConditionExpression="attribute_not_exists(#key) OR #version < :version",
                ExpressionAttributeNames=names, ExpressionAttributeValues={":version": {"S": _version(item)}},
            )  # fmt: skip
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
                raise
            return CopyResult.UNCHANGED
        return expected

    def _versions(self, items: Iterable[StoredItem]) -> dict[tuple[str, ...], str]:
        """The versions that the target has of these items, by key; empty for an item without versions."""
        names = {f"#{number}": name for number, name in enumerate((*self._key_names, "version"))}
        keys = [{name: item[name] for name in self._key_names} for item in items]
        request: Any = {
            self.target: {
                "Keys": keys, "ConsistentRead": True,
                "ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names,
            }
        }  # fmt: skip
        versions: dict[tuple[str, ...], str] = {}
        while request:
            answer = self._client.batch_get_item(RequestItems=request)
            versions |= {self._key(item): _version(item) for item in answer["Responses"].get(self.target, ())}
            request = answer.get("UnprocessedKeys", {})
        return versions

    def _key(self, item: StoredItem) -> tuple[str, ...]:
        return tuple(item[name]["S"] for name in self._key_names)


def only_of_kinds(items: Iterable[StoredItem], kinds: frozenset[str], target: str) -> Iterator[StoredItem]:
    """The items as they are. Raises ``CommandError`` at the first one whose kind the target's family does not have."""
    for item in items:
        kind = item["entity"]["S"].partition("#")[0]
        if kind not in kinds:
            raise CommandError(
                f"it holds items of the kind {kind}, and the family of {target} has none: it has"
                f" {', '.join(sorted(kinds))}."
            )
        yield item


def _key_names(client: Any, table: str) -> tuple[str, ...]:
    return tuple(key["AttributeName"] for key in describe(client, table)["KeySchema"])


def _version(item: StoredItem) -> str:
    return str(item.get("version", {}).get("S", ""))
