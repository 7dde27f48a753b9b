"""The environment, validated once at cold start."""

from datetime import timedelta

import pytest

from handlers.items.event_types import load_not_kept
from handlers.settings import Settings, SettingsError, normalize_root_account

ENTITY_TABLES = frozenset({"ASSIGNMENTS_TABLE", "MODULES_TABLE"})


def read(**environ: str) -> Settings:
    """Return the settings of an environment with the required variable."""
    return Settings.from_env({"REJECTED_TABLE": "rejected"} | environ, ENTITY_TABLES)


def test_table_variables_alone_are_sufficient() -> None:
    """With only the table variables, other settings have their defaults; a table without variable is not deployed."""
    assert read(MODULES_TABLE="modules", ASSIGNMENTS_TABLE="") == Settings(
        {"REJECTED_TABLE": "rejected", "MODULES_TABLE": "modules"}, None, timedelta(days=90)
    )


@pytest.mark.parametrize("environ", [{}, {"REJECTED_TABLE": ""}])
def test_missing_rejected_table_is_an_error(environ: dict[str, str]) -> None:
    """Without a table for rejected events the function does not start, and the error names the variable."""
    with pytest.raises(SettingsError, match="REJECTED_TABLE is not set"):
        Settings.from_env(environ, ENTITY_TABLES)


def test_allowed_accounts_are_uuids_and_ids_in_any_notation() -> None:
    """Accounts are identified by UUID or id, and an id by its number."""
    settings = read(ALLOWED_ROOT_ACCOUNTS=" VicYj3cu ,2107~1,, 10150000000000001")
    assert settings.allowed_root_accounts == frozenset({"VicYj3cu", "21070000000000001", "10150000000000001"})
    assert read(ALLOWED_ROOT_ACCOUNTS="").allowed_root_accounts is None


@pytest.mark.parametrize("account", ["1", "2107, 1"])
def test_local_account_id_is_rejected(account: str) -> None:
    """A local id exists at every institution, so the function does not start, and the error says what to use."""
    with pytest.raises(SettingsError, match=r"a local id that exists at every institution\. Use the account's uuid"):
        read(ALLOWED_ROOT_ACCOUNTS=account)


@pytest.mark.parametrize("account", [None, [], {}, 1.5, True])
def test_invalid_account_of_an_event_is_never_allowed(account: object) -> None:
    """A value that is not an account never matches the list."""
    assert normalize_root_account(account) == ""


def test_account_list_of_commas_only_is_rejected() -> None:
    """A list of nothing but commas would allow every account, so the function does not start."""
    with pytest.raises(SettingsError, match="ALLOWED_ROOT_ACCOUNTS contains no account"):
        read(ALLOWED_ROOT_ACCOUNTS=" , ")


def test_beta_and_test_are_allowed_only_by_name() -> None:
    """Only ``true`` lets events of Beta and Test in, and what is neither true nor false stops the function."""
    assert [read(ALLOW_BETA_AND_TEST=text).allow_beta_and_test for text in ("", "false", "true")] == [
        False,
        False,
        True,
    ]
    for text in ("yes", "True", "1"):
        with pytest.raises(SettingsError, match="ALLOW_BETA_AND_TEST must be true or false"):
            read(ALLOW_BETA_AND_TEST=text)


def test_ignored_event_types_are_added_to_those_of_the_catalogue() -> None:
    """The types that the catalogue does not keep are always ignored, and those of the setting as well."""
    assert read().ignored_event_types == load_not_kept()
    assert read(IGNORED_EVENT_TYPES=" quizzes.a,quizzes-lti.b ,").ignored_event_types == load_not_kept() | {
        "quizzes.a",
        "quizzes-lti.b",
    }


@pytest.mark.parametrize("names", ["quizzes.*", "a b", "#"])
def test_ignored_event_types_must_be_event_types(names: str) -> None:
    """A pattern or two names without a comma would ignore nothing: the function does not start."""
    with pytest.raises(SettingsError, match=r"IGNORED_EVENT_TYPES contains .*, which is not an event type"):
        read(IGNORED_EVENT_TYPES=names)


@pytest.mark.parametrize("name", ["REJECTED_RETENTION_DAYS", "ACTIVITY_RETENTION_DAYS"])
@pytest.mark.parametrize("days", ["0", "-1", "x", "1.5", "3651", "²"])
def test_invalid_retention_is_rejected(name: str, days: str) -> None:
    """A retention that is not a number of days, or exceeds the maximum, is an error that names the variable."""
    with pytest.raises(SettingsError, match=f"{name} must be a whole number of days from 1 to 3650"):
        read(**{name: days})


def test_each_retention_has_its_own_variable() -> None:
    """Rejected events and activity are each retained for as long as their own variable says."""
    settings = read(REJECTED_RETENTION_DAYS="7", ACTIVITY_RETENTION_DAYS="3650")
    assert (settings.rejected_retention.days, settings.activity_retention.days) == (7, 3650)
    assert read().activity_retention == timedelta(days=365)
