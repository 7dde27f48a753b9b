"""What the environment says, read and checked once, when a function starts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from handlers.items import rejection
from handlers.items.build import ACTIVITY_RETENTION
from handlers.items.canvas_ids import PATTERN, SHARD, as_number

REJECTED_RETENTION = timedelta(days=90)
MOST_DAYS = 3650


class SettingsError(Exception):
    """An environment variable is missing or wrong; the text names it and says what to set."""


@dataclass(frozen=True)
class Settings:
    """The environment variables of a function.

    ``tables`` are the names of the tables that are deployed, by their variables. ``allowed_root_accounts`` are
    the uuids and ids of the root accounts whose events are taken; None takes those of any. The retentions are how long
    rejected events are kept after their rejection, and occurrences after they happened.
    """

    tables: Mapping[str, str]
    allowed_root_accounts: frozenset[str] | None
    rejected_retention: timedelta
    activity_retention: timedelta = ACTIVITY_RETENTION

    @classmethod
    def read(cls, environ: Mapping[str, str], entity_tables: frozenset[str]) -> "Settings":
        """Read the settings; ``entity_tables`` are the variables of the catalogue's tables.

        Raises ``SettingsError``.
        """
        if not environ.get(rejection.TABLE):
            raise SettingsError(f"{rejection.TABLE} is not set: give it the name of the table of rejected events.")
        tables = {name: environ[name] for name in (*sorted(entity_tables), rejection.TABLE) if environ.get(name)}
        return cls(
            tables,
            _accounts(environ),
            _days(environ, "REJECTED_RETENTION_DAYS", REJECTED_RETENTION),
            _days(environ, "ACTIVITY_RETENTION_DAYS", ACTIVITY_RETENTION),
        )


def account_name(account: object) -> str:
    """One spelling for a root account: its id as a number (``2107~1`` is ``21070000000000001``), or its uuid.

    Empty for what can be neither.
    """
    if isinstance(account, bool) or not isinstance(account, str | int):
        return ""
    text = str(account)
    return str(as_number(text)) if re.fullmatch(PATTERN, text) else text


def _accounts(environ: Mapping[str, str]) -> frozenset[str] | None:
    text = environ.get("ALLOWED_ROOT_ACCOUNTS", "")
    accounts = frozenset(account_name(account.strip()) for account in text.split(",") if account.strip())
    if text and not accounts:
        raise SettingsError(
            "ALLOWED_ROOT_ACCOUNTS names no account: give it root account uuids or ids, separated by commas,"
            " or leave it unset to take the events of any account."
        )
    for account in accounts:
        if account.isdigit() and int(account) < SHARD:
            raise SettingsError(
                f"ALLOWED_ROOT_ACCOUNTS names the account {account}, an id that every institution has: give the"
                " account's uuid, or its global id as events have it in root_account_id."
            )
    return accounts or None


def _days(environ: Mapping[str, str], name: str, default: timedelta) -> timedelta:
    text = environ.get(name) or str(default.days)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_DAYS):
        raise SettingsError(f"{name} must be a whole number of days from 1 to {MOST_DAYS}.")
    return timedelta(days=int(text))
