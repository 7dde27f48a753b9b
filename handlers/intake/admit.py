"""Whose events are processed, and of which types."""

from collections.abc import Mapping

from handlers.intake.decode import LiveEvent
from handlers.items.event_types import EventType
from handlers.outcome import Rejection, RejectionReason, Violation
from handlers.settings import normalize_root_account


def admit(
    event: LiveEvent, event_types: Mapping[str, EventType], allowed_root_accounts: frozenset[str] | None
) -> EventType:
    """Return the event's type.

    Raises ``Rejection`` for an event of an account that is not allowed, or of a type that the catalogue lacks.
    ``allowed_root_accounts`` are in the form of ``normalize_root_account``; None allows every account.
    """
    event_type = event_types.get(event.name)
    if allowed_root_accounts is not None and not _is_allowed(event, event_type, allowed_root_accounts):
        expected = "one of ALLOWED_ROOT_ACCOUNTS"
        raise Rejection(RejectionReason.FOREIGN_ACCOUNT, Violation("metadata.root_account_uuid", "account", expected))
    if event_type is None:
        expected = "an event type of schemas/catalogue"
        raise Rejection(RejectionReason.UNKNOWN_EVENT_TYPE, Violation("metadata.event_name", "enum", expected))
    return event_type


def _is_allowed(event: LiveEvent, event_type: EventType | None, allowed: frozenset[str]) -> bool:
    accounts = [event.metadata.get(name) for name in ("root_account_uuid", "root_account_id")]
    if event_type is not None and not event_type.requires_root_account and accounts == [None, None]:
        return True
    return not allowed.isdisjoint(normalize_root_account(account) for account in accounts)
