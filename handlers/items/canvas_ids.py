"""Canvas ids: global to all of Canvas, or local to the shard that an institution lives on.

A global id is ``shard * 10**13 + local``; Canvas also writes it ``shard~local``. Global ids change when an
institution moves to another shard, local ones never do (Instructure, "Canvas Event Metadata").
"""

SHARD = 10**13
LARGEST = 2**63 - 1  # a bigint of Canvas's database

PATTERN = "^(?:[1-9][0-9]{0,18}|[1-9][0-9]{0,5}~[1-9][0-9]{0,12})$"


def as_number(value: str | int) -> int:
    """The id as one number: ``"2107~565"``, ``"21070000000000565"`` and the same integer are one id.

    The schemas let nothing else come here; ``ValueError`` or ``TypeError`` otherwise.
    """
    if isinstance(value, str) and "~" in value:
        shard, _, local = value.partition("~")
        return int(shard) * SHARD + int(local)
    return int(value)


def shard_of(root_account_id: str | int | None) -> int | None:
    """The shard of an institution by its root account's id; None where that does not say it."""
    return None if root_account_id is None else as_number(root_account_id) // SHARD or None


def localised(value: str | int, shard: int | None) -> str:
    """The id as text, local wherever it can be: an id of another shard than ``shard`` stays global."""
    if isinstance(value, str) and value.isdigit() and len(value) < len(str(SHARD)):
        return value
    number = as_number(value)
    return str(number % SHARD if number // SHARD == shard else number)


def is_ambiguous(value: str | int, shard: int | None) -> bool:
    """Whether nobody can say which form the id takes: it is global, and the institution's shard unknown."""
    return shard is None and as_number(value) >= SHARD
