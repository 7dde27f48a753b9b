"""Whose events are processed, and of which types."""

from dataclasses import replace
from datetime import timedelta

import pytest

from cli.ui.messages import describe_violation
from handlers.intake.admit import admit
from handlers.intake.decode import LiveEvent
from handlers.outcome import Rejection, RejectionReason, Violation
from handlers.settings import Settings
from tests.support.engines import EVENT_TYPES

SETTINGS = Settings({}, None, timedelta(days=90))


def event(name: str = "module_created", **metadata: object) -> LiveEvent:
    """An event with this metadata."""
    return LiveEvent(name, {"event_name": name, "root_account_uuid": "mine"} | metadata, {})


def rejection_of(live_event: LiveEvent, settings: Settings = SETTINGS) -> Rejection:
    """Why the event is not admitted."""
    with pytest.raises(Rejection) as caught:
        admit(live_event, EVENT_TYPES, settings)
    return caught.value


@pytest.mark.parametrize(
    "hostname",
    [
        "canvas-example.beta.instructure.com",
        "canvas-example.test.instructure.com",
        "Canvas-Example.Beta.Instructure.COM",
        "canvas-example.beta.instructure.com.",
        "canvas-example.test.instructure.com:443",
        "canvas-example.beta.instructure.com.:443",
        " canvas-example.test.instructure.com\n",
    ],
)
def test_event_of_beta_or_test_is_rejected_unless_allowed(hostname: str) -> None:
    """Their ids and account are those of production, which their events would overwrite."""
    violation = Violation("metadata.hostname", "environment", "a host of Canvas's production environment")
    assert rejection_of(event(hostname=hostname)) == Rejection(RejectionReason.OTHER_ENVIRONMENT, violation)
    allowing = replace(SETTINGS, allow_beta_and_test=True)
    assert admit(event(hostname=hostname), EVENT_TYPES, allowing) is EVENT_TYPES["module_created"]


@pytest.mark.parametrize(
    "hostname",
    [
        "canvas-example.instructure.com",
        "test.instructure.com",
        "beta-instructure.com",
        "canvas.beta.example.edu",
        "canvas.beta.instructure.com.example.edu",
        "canvas.example.edu:443",
        "",
        None,
        7,
        True,
        ["x.beta.instructure.com"],
        {"x.beta.instructure.com": 1},
    ],
)
def test_event_of_any_other_host_is_admitted(hostname: object) -> None:
    """Production, domains of an institution's own and values that are no host are not taken for Beta or Test."""
    assert admit(event(hostname=hostname), EVENT_TYPES, SETTINGS) is EVENT_TYPES["module_created"]


def test_event_without_a_host_is_admitted() -> None:
    """An event of a background job says no host, so it cannot be told apart."""
    assert admit(event(), EVENT_TYPES, SETTINGS) is EVENT_TYPES["module_created"]


def test_account_decides_before_environment_and_environment_before_type() -> None:
    """A stranger's event is foreign wherever it comes from, and an unknown type of Beta is of another environment."""
    of_beta = event("no_such_type", hostname="x.beta.instructure.com")
    only_others = replace(SETTINGS, allowed_root_accounts=frozenset({"another"}))
    assert rejection_of(of_beta, only_others).reason is RejectionReason.FOREIGN_ACCOUNT
    assert rejection_of(of_beta).reason is RejectionReason.OTHER_ENVIRONMENT
    assert rejection_of(event("no_such_type")).reason is RejectionReason.UNKNOWN_EVENT_TYPE


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            name,
            "metadata.event_name is not an event type of Canvas, but of New Quizzes,"
            " which the catalogue does not describe.",
        )
        for name in ("quizzes.quiz_created", "quizzes-lti.grade_changed", "quiz_caliper.quiz_started")
    ]
    + [
        (name, "metadata.event_name is not an event type of schemas/catalogue.")
        for name in ("quizzes_created", "new.quizzes.x", "quiz_updatedd")
    ],
)
def test_event_type_of_new_quizzes_says_so(name: str, message: str) -> None:
    """New Quizzes is another program with event types of its own, and somebody may look for them in the catalogue."""
    rejection = rejection_of(event(name))
    assert rejection.reason is RejectionReason.UNKNOWN_EVENT_TYPE
    assert [describe_violation(violation, None) for violation in rejection.violations] == [message]
