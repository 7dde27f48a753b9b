"""Which fields of stored bodies the catalogue does not know."""

from collections.abc import Sequence
from typing import NamedTuple

from boto3.dynamodb.conditions import Attr
from rich.progress import Progress

from cli.catalogue import model
from cli.stack.hierarchy import malformation
from cli.stack.plain_values import document_client
from cli.stack.stack import Stack, family
from cli.stack.table_scan import scan


class UnknownField(NamedTuple):
    """A field that the catalogue does not know, in how many items, and the key of one of them.

    ``kind`` is the kind of entity. ``field`` is None where the event type itself is not in the catalogue.
    """

    event_type: str
    kind: str
    field: str | None
    items: int
    example: tuple[str, str]


def list_unknown_fields(
    stack: Stack, variables: Sequence[str], event_type: str | None, progress: Progress
) -> tuple[list[UnknownField], list[str]]:
    """The unknown fields in the tables of these variables; those that ``event_type`` last wrote, or all.

    Malformed items are left out; the second result names each, with what is wrong.
    """
    client, catalogue = document_client(stack), model.load()
    condition = {"FilterExpression": Attr("event_name").eq(event_type)} if event_type else {}
    found: dict[tuple[str, str, str | None], UnknownField] = {}
    malformed: list[str] = []
    for variable in variables:
        for item in scan(client, stack.entity_tables[variable], progress, f"reading {variable}", **condition):
            problem = malformation(item)
            if problem:
                malformed.append(f"{family(variable)} {item['context']} {item['entity']}: {problem}")
                continue
            name, kind = item["event_name"], item["entity"].partition("#")[0]
            known = catalogue[name].fields.keys() if name in catalogue else None
            for field in [None] if known is None else item["body"].keys() - known:
                key, example = (name, kind, field), (item["context"], item["entity"])
                before = found.get(key) or UnknownField(*key, 0, example)
                found[key] = before._replace(items=before.items + 1)
    fields = sorted(found.values(), key=lambda entry: (entry.event_type, entry.kind, entry.field or ""))
    return fields, malformed
