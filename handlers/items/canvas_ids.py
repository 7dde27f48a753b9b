"""Canvas ids: global to all of Canvas, or local to the shard of an institution.

A global id is ``shard * 10**13 + local``; Canvas also writes it ``shard~local``. Global ids change when an
institution moves to another shard, local ones never do (Instructure, "Canvas Event Metadata").
"""

IDS_PER_SHARD = 10**13
MAX_ID = 2**63 - 1  # a bigint of Canvas's database

ID_PATTERN = "^(?:[1-9][0-9]{0,18}|[1-9][0-9]{0,5}~[1-9][0-9]{0,12})$"
# An empty id means null: Canvas sends it for a status of a grade where there is none.
NULLABLE_ID_PATTERN = "^(?:[1-9][0-9]{0,18}|[1-9][0-9]{0,5}~[1-9][0-9]{0,12})?$"


def parse_id(value: str | int) -> int:
    """Return an id as a number: ``"2107~565"``, ``"21070000000000565"`` and the same integer are one id.

    Raises ``ValueError`` or ``TypeError`` for anything else, which the schemas do not let through.
    """
    if isinstance(value, str) and "~" in value:
        shard, _, local = value.partition("~")
        return int(shard) * IDS_PER_SHARD + int(local)
    return int(value)


def shard_of(root_account_id: str | int | None) -> int | None:
    """Return the shard of an institution, from the global id of its root account; None if the id has no shard."""
    return parse_id(root_account_id) // IDS_PER_SHARD or None if root_account_id else None


def to_local_id(value: str | int, shard: int | None) -> str:
    """Return an id as text, local to ``shard`` wherever possible: an id of another shard stays global."""
    if isinstance(value, str) and value.isdigit() and len(value) < len(str(IDS_PER_SHARD)):
        return value
    number = parse_id(value)
    return str(number % IDS_PER_SHARD if number // IDS_PER_SHARD == shard else number)


def is_ambiguous(value: str | int, shard: int | None) -> bool:
    """Whether an id's form cannot be decided: it is global, and the shard of the institution is unknown."""
    return shard is None and parse_id(value) >= IDS_PER_SHARD
