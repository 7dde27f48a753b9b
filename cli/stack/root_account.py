"""Which Canvas root account the tables of a stack belong to."""

import re

from cli.errors import CommandError
from cli.stack.stack import Stack
from cli.ui.output import info
from handlers.items.canvas_ids import ID_PATTERN

MAX_ITEMS_TO_SCAN = 1_000  # of each table


def only_root_account(stack: Stack) -> str:
    """The UUID of the one root account whose items the tables hold.

    ``AllowedRootAccounts`` names it, or the first items of each table do. Raises ``CommandError`` when there is no
    root account, or more than one.
    """
    allowed = [part.strip() for part in stack.parameters.get("AllowedRootAccounts", "").split(",") if part.strip()]
    if allowed and not any(re.fullmatch(ID_PATTERN, account) for account in allowed):
        accounts = sorted(set(allowed))
    else:
        accounts = _accounts_in_tables(stack)
    if not accounts:
        raise CommandError(f"the tables of {stack.name} are still empty.")
    if len(accounts) > 1:
        listed = "\n".join(f"  --account {account}" for account in accounts)
        raise CommandError(f"there are several root accounts; choose one:\n{listed}")
    return accounts[0]


def _accounts_in_tables(stack: Stack) -> list[str]:
    """The root accounts of the first items of each table.

    No index lists them, and only a full scan could not miss one, so a remark says when a table holds more.
    """
    client = stack.client("dynamodb")
    found: set[str] = set()
    read_units, is_complete = 0.0, True
    for table in stack.entity_tables.values():
        page = client.scan(
            TableName=table, Limit=MAX_ITEMS_TO_SCAN, ProjectionExpression="#c",
            ExpressionAttributeNames={"#c": "context"}, ReturnConsumedCapacity="TOTAL",
        )  # fmt: skip
        found |= {account for item in page["Items"] if (account := item["context"]["S"].partition("#")[0])}
        read_units += page.get("ConsumedCapacity", {}).get("CapacityUnits", 0)
        is_complete = is_complete and "LastEvaluatedKey" not in page
    if not is_complete:
        info(
            f"Without --account, up to {MAX_ITEMS_TO_SCAN:,} items of each table were scanned to find the root account"
            f" ({read_units:g} read units). Pass --account to avoid the scan."
        )
    return sorted(found)
