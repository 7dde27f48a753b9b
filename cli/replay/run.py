"""A run: what a replay processes, under an id by which it can be resumed.

The bucket keeps it as ``results/<run>/run.json``, beside the results of its objects, for as long as these.
"""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cli.errors import CommandError
from handlers.archive.result import PREFIX
from handlers.items.timestamps import format_utc

_MAX_LISTED = 5


@dataclass(frozen=True, kw_only=True)
class Run:
    """Which objects and lines of the archive a replay processes, and how.

    ``start`` and ``end`` (UTC) bound the time of arrival: from ``start`` on, before ``end``. Only lines of ``families``
    and of ``types`` are processed, of all where that is None. ``rewrite`` writes items anew whose event has been stored
    already.
    """

    id: str
    start: datetime
    end: datetime
    families: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    rewrite: bool = False

    @property
    def prefix(self) -> str:
        """The prefix of the results in the bucket, and of the run itself."""
        return f"{PREFIX}{self.id}/"

    def message(self, bucket: str, key: str) -> bytes:
        """Return the message that has an object processed, as ``handlers.archive.message`` parses it."""
        filters = {name: names for name in ("families", "types") if (names := getattr(self, name)) is not None}
        rewrite = {"rewrite": True} if self.rewrite else {}
        return json.dumps({"bucket": bucket, "key": key, "run": self.id, **filters, **rewrite}).encode()

    def as_json(self) -> dict[str, Any]:
        """Return the run as JSON has it."""
        return {
            "run": self.id,
            "from": format_utc(self.start),
            "to": format_utc(self.end),
            "families": self.families,
            "types": self.types,
            "rewrite": self.rewrite,
        }


def new_id() -> str:
    """Return the id of a new run: the time, and what tells runs of one second apart."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def save(s3: Any, bucket: str, run: Run) -> None:
    """Write a run to the bucket, so that ``load`` finds it."""
    s3.put_object(Bucket=bucket, Key=f"{run.prefix}run.json", Body=json.dumps(run.as_json()).encode())


def load(s3: Any, bucket: str, run_id: str) -> Run:
    """Return the run with an id. Raises ``CommandError`` naming the newest runs where there is none."""
    try:
        saved = json.loads(s3.get_object(Bucket=bucket, Key=f"{PREFIX}{run_id}/run.json")["Body"].read())
        return Run(
            id=run_id,
            start=datetime.fromisoformat(saved["from"]),
            end=datetime.fromisoformat(saved["to"]),
            families=_names(saved["families"]),
            types=_names(saved["types"]),
            rewrite=saved["rewrite"],
        )
    except s3.exceptions.NoSuchKey:
        raise CommandError(f"there is no replay {run_id}. {_newest(s3, bucket)}") from None
    except (ValueError, LookupError, TypeError):
        raise CommandError(
            f"{PREFIX}{run_id}/run.json in the bucket {bucket} is not as this command writes it. Start a new replay."
        ) from None


def _names(value: list[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


def _newest(s3: Any, bucket: str) -> str:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX, Delimiter="/")
    ids = [prefix["Prefix"].split("/")[1] for page in pages for prefix in page.get("CommonPrefixes", ())]
    listed = f"The newest are {', '.join(sorted(ids)[-_MAX_LISTED:])}." if ids else "There is none at all."
    return f"{listed} They are kept for 30 days."
