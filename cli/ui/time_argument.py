"""Moments as a person says them."""

import argparse
import re
from datetime import UTC, datetime, timedelta

_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def moment(said: str) -> datetime:
    """``2d``, ``12h``, ``30m`` ago, or an ISO 8601 date or date-time; UTC where it names no offset.

    Raises ``argparse.ArgumentTypeError``.
    """
    ago = re.fullmatch(r"(\d{1,4})([dhm])", said)
    if ago:
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        named = datetime.fromisoformat(said)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{said!r} is no time: say 2d, 12h, 30m, 2026-09-07 or 2026-09-07T12:00Z"
        ) from None
    return named if named.tzinfo else named.replace(tzinfo=UTC)
