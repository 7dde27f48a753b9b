"""The page views and logins from before a time: count them, delete them."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from boto3.dynamodb.conditions import Attr
from rich.progress import Progress

from cli.errors import CommandError
from cli.stack.hierarchy import StoredItem
from cli.stack.plain_values import document_client
from cli.stack.stack import Stack
from cli.stack.table_scan import delete_items, scan
from handlers.items.timestamps import format_utc


class OldActivity:
    """The activity of a stack that happened before a time.

    ``counts`` has the items by table variable and event type, as far as they were last counted or deleted. Raises
    ``CommandError`` when the stack keeps no activity.
    """

    def __init__(self, stack: Stack, before: datetime) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._stack, self._before = stack, before
        self._client = document_client(stack)
        variables = stack.append_only_tables & stack.entity_tables.keys()
        if not variables:
            raise CommandError(f"the stack {stack.name} keeps no activity.")
        self._tables = {variable: stack.entity_tables[variable] for variable in sorted(variables)}

    def count(self, progress: Progress) -> None:
        """Count the items."""
        self.counts.clear()
        for variable in self._tables:
            for _ in self._keys(variable, progress, "reading"):
                pass

    def delete(self, progress: Progress) -> None:
        """Delete the items."""
        self.counts.clear()
        for variable, table in self._tables.items():
            delete_items(self._stack, table, self._keys(variable, progress, "deleting from"))

    def _keys(self, variable: str, progress: Progress, verb: str) -> Iterator[StoredItem]:
        names = {"#context": "context", "#entity": "entity", "#event": "event_name"}
        items = scan(
            self._client, self._tables[variable], progress, f"{verb} {variable}",
            FilterExpression=Attr("event_time").lt(format_utc(self._before)),
            ProjectionExpression=", ".join(names), ExpressionAttributeNames=names,
        )  # fmt: skip
        for item in items:
            self.counts[variable, str(item.pop("event_name", "(no event type)"))] += 1
            yield item
