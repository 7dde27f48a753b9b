"""The tables of a real DynamoDB engine, and how long hypothesis may try."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from cli.ministack import LocalAws
from tests.conftest import Tables

# `make prove` tries longer. What fails is printed in a form that can be repeated.
for profile, examples in (("quick", 40), ("long", 2_000)):
    settings.register_profile(
        profile,
        max_examples=examples,
        deadline=None,  # an engine may pause
        print_blob=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture
def engine(dynamodb_local: LocalAws) -> Iterator[Tables]:
    """The tables in DynamoDB's own engine."""
    tables = Tables(dynamodb_local)
    tables.create()
    yield tables
    tables.delete()
