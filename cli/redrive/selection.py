"""Which records of a backlog a command works on, and the options that choose them; imports nothing heavy."""

import argparse
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli.ui import arguments
from cli.ui.arguments import time_argument


@dataclass(frozen=True)
class Selection:
    """Which records of a backlog to read; by default all of them.

    ``ids`` are keys or their beginnings, ``reason`` is that of a rejection. ``since`` and ``until`` bound when a record
    entered the queue or stream; ``limit`` is the maximum number of entries to read.
    """

    ids: tuple[str, ...] = ()
    reason: str | None = None
    event_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None

    @classmethod
    def from_args(cls, args: argparse.Namespace) -> "Selection":
        """Return the selection that the options of a command describe; not every command has all of them."""
        options = vars(args)
        return cls(
            tuple(options.get("ids", ())),
            options.get("reason"),
            options.get("type"),
            args.since,
            args.until,
            args.limit,
        )

    def includes(self, enqueued_at: datetime | None) -> bool:
        """Return whether a time is within ``since`` and ``until``; an unknown time is."""
        if enqueued_at is None:
            return True
        return (not self.since or enqueued_at >= self.since) and (not self.until or enqueued_at <= self.until)


def add_options(parser: argparse.ArgumentParser, *, default_limit: int | None = None) -> Any:
    """Add the options that every backlog has to narrow down what is read; return their group, to add others."""
    group = parser.add_argument_group("selection (default: everything)")
    group.add_argument(
        "--since", type=time_argument, metavar="TIME", help="enqueued at or after: 2d, 12h, 2026-09-07, …"
    )
    group.add_argument("--until", type=time_argument, metavar="TIME", help="enqueued at or before")
    default = f"{default_limit:,}" if default_limit else "no limit"
    group.add_argument(
        "--limit",
        type=arguments.positive_int,
        default=default_limit,
        metavar="N",
        help=f"read at most N (default: {default})",
    )
    return group


def add_redrive_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every redrive has."""
    parser.add_argument("--dry-run", action="store_true", help="show what would be sent and held back; change nothing")
    parser.add_argument("--force", action="store_true", help="also send what would be rejected or retried")
