"""The settings of a function: its environment variables, read and checked once at cold start."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from handlers.items import rejection
from handlers.items.build import DEFAULT_ACTIVITY_RETENTION
from handlers.items.canvas_ids import ID_PATTERN, IDS_PER_SHARD, parse_id
from handlers.items.event_types import load_not_kept

DEFAULT_REJECTED_RETENTION = timedelta(days=90)
MAX_RETENTION_DAYS = 3650

_EVENT_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


class SettingsError(Exception):
    """An environment variable is missing or wrong; the message names it and says what to set."""


@dataclass(frozen=True)
class Settings:
    """The settings of a function.

    ``tables`` maps the environment variables of the deployed tables to their names:
    ``{"MODULES_TABLE": "canvas-modules", …}``. Events of root accounts whose uuid or id is not in
    ``allowed_root_accounts`` are rejected; None allows all. ``rejected_retention`` counts from the rejection,
    ``activity_retention`` from the event. Events from Canvas's Beta and Test environments are rejected unless
    ``allow_beta_and_test``. ``ignored_event_types`` are those that the catalogue lists as not kept, and any others.
    ``archive_bucket`` is the bucket in which batches are archived, ``objects_bucket`` the one whose objects the source
    ``objects`` processes.
    """

    tables: Mapping[str, str]
    allowed_root_accounts: frozenset[str] | None
    rejected_retention: timedelta
    activity_retention: timedelta = DEFAULT_ACTIVITY_RETENTION
    allow_beta_and_test: bool = False
    ignored_event_types: frozenset[str] = field(default_factory=load_not_kept)
    archive_bucket: str | None = None
    objects_bucket: str | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str], entity_tables: frozenset[str]) -> "Settings":
        """Read the settings; ``entity_tables`` are the table variables of the catalogue.

        Raises ``SettingsError``, and ``SchemaFileError`` if the package does not list the types that are not kept.
        """
        if not environ.get(rejection.TABLE_VARIABLE):
            raise SettingsError(
                f"{rejection.TABLE_VARIABLE} is not set. Set it to the name of the table of rejected events."
            )
        variables = (*sorted(entity_tables), rejection.TABLE_VARIABLE)
        return cls(
            {variable: environ[variable] for variable in variables if environ.get(variable)},
            _allowed_root_accounts(environ),
            _retention(environ, "REJECTED_RETENTION_DAYS", DEFAULT_REJECTED_RETENTION),
            _retention(environ, "ACTIVITY_RETENTION_DAYS", DEFAULT_ACTIVITY_RETENTION),
            _allow_beta_and_test(environ),
            load_not_kept() | _ignored_event_types(environ),
            environ.get("ARCHIVE_BUCKET") or None,
            environ.get("OBJECTS_BUCKET") or None,
        )


def normalize_root_account(account: object) -> str:
    """Return one form of a root account: its uuid, or its global id (``2107~1`` is ``21070000000000001``).

    Empty for what is neither.
    """
    if isinstance(account, bool) or not isinstance(account, str | int):
        return ""
    text = str(account)
    return str(parse_id(text)) if re.fullmatch(ID_PATTERN, text) else text


def _allowed_root_accounts(environ: Mapping[str, str]) -> frozenset[str] | None:
    text = environ.get("ALLOWED_ROOT_ACCOUNTS", "")
    accounts = frozenset(normalize_root_account(part.strip()) for part in text.split(",") if part.strip())
    if text and not accounts:
        raise SettingsError(
            "ALLOWED_ROOT_ACCOUNTS contains no account. Set it to root account uuids or ids, separated by commas,"
            " or leave it unset to accept events of every account."
        )
    for account in accounts:
        if account.isdigit() and int(account) < IDS_PER_SHARD:
            raise SettingsError(
                f"ALLOWED_ROOT_ACCOUNTS contains {account}, a local id that exists at every institution. Use the"
                " account's uuid, or its global id, which events have in root_account_id."
            )
    return accounts or None


def _allow_beta_and_test(environ: Mapping[str, str]) -> bool:
    text = environ.get("ALLOW_BETA_AND_TEST") or "false"
    if text not in ("true", "false"):
        raise SettingsError("ALLOW_BETA_AND_TEST must be true or false.")
    return text == "true"


def _ignored_event_types(environ: Mapping[str, str]) -> frozenset[str]:
    names = [part.strip() for part in environ.get("IGNORED_EVENT_TYPES", "").split(",") if part.strip()]
    for name in names:
        if not _EVENT_TYPE.fullmatch(name):
            raise SettingsError(
                f"IGNORED_EVENT_TYPES contains {name!r}, which is not an event type. Set it to event types such as"
                " quizzes.quiz_created, separated by commas, or leave it unset."
            )
    return frozenset(names)


def _retention(environ: Mapping[str, str], variable: str, default: timedelta) -> timedelta:
    text = environ.get(variable) or str(default.days)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_RETENTION_DAYS):
        raise SettingsError(f"{variable} must be a whole number of days from 1 to {MAX_RETENTION_DAYS}.")
    return timedelta(days=int(text))
