"""A row of Canvas: what Canvas Data 2 or the REST API says of an entity."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Action = Literal["U", "D"]


@dataclass(frozen=True, slots=True)
class Row:
    """The state of an entity, under the names of its source.

    ``table`` is a table of Canvas Data 2 or a resource of the REST API. ``action`` is ``U`` where the row exists, and
    ``D`` where it is gone for good; then ``values`` holds its key alone. ``as_of`` is a time, in UTC, at which the row
    was right.
    """

    table: str
    values: dict[str, object]
    action: Action
    as_of: datetime
