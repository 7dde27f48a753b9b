"""Whose events are processed, and of which types."""

from collections.abc import Mapping

from handlers.intake.decode import LiveEvent
from handlers.items.event_types import EventType
from handlers.outcome import Rejection, RejectionReason, Violation
from handlers.settings import Settings, normalize_root_account

# Instructure overwrites Beta and Test with copies of production, root account uuids included, so the items of their
# events would have the keys of production's. Source: Instructure Community, "What is the Canvas release schedule for
# beta, production, and test environments?"
_TEST_ENVIRONMENTS = (".beta.instructure.com", ".test.instructure.com")

# New Quizzes is another program than Canvas, with event types of its own.
_NEW_QUIZZES = ("quizzes.", "quizzes-lti.", "quiz_caliper.")


def admit(event: LiveEvent, event_types: Mapping[str, EventType], settings: Settings) -> EventType:
    """Return the event's type.

    Raises ``Rejection`` for an event of an account that is not allowed, of Canvas's Beta or Test environment unless
    they are allowed, or of a type that the catalogue lacks.
    """
    event_type = event_types.get(event.name)
    allowed = settings.allowed_root_accounts
    if allowed is not None and not _is_allowed(event, event_type, allowed):
        expected = "one of ALLOWED_ROOT_ACCOUNTS"
        raise Rejection(RejectionReason.FOREIGN_ACCOUNT, Violation("metadata.root_account_uuid", "account", expected))
    if not settings.allow_beta_and_test and _is_in_test_environment(event.metadata.get("hostname")):
        expected = "a host of Canvas's production environment"
        raise Rejection(RejectionReason.OTHER_ENVIRONMENT, Violation("metadata.hostname", "environment", expected))
    if event_type is None:
        expected = "an event type of schemas/catalogue"
        if event.name.startswith(_NEW_QUIZZES):
            expected = "an event type of Canvas, but of New Quizzes, which the catalogue does not describe"
        raise Rejection(RejectionReason.UNKNOWN_EVENT_TYPE, Violation("metadata.event_name", "enum", expected))
    return event_type


def _is_allowed(event: LiveEvent, event_type: EventType | None, allowed: frozenset[str]) -> bool:
    accounts = [event.metadata.get(name) for name in ("root_account_uuid", "root_account_id")]
    if event_type is not None and not event_type.requires_root_account and accounts == [None, None]:
        return True
    return not allowed.isdisjoint(normalize_root_account(account) for account in accounts)


def _is_in_test_environment(hostname: object) -> bool:
    """Whether a host is in Beta or Test; it may have a port, and end in the dot of a fully qualified name."""
    if not isinstance(hostname, str):
        return False
    return hostname.strip().partition(":")[0].rstrip(".").lower().endswith(_TEST_ENVIRONMENTS)
