"""How Hypothesis chooses examples: the same ones in every run of `make test`, random ones in `make prove`."""

import os

from hypothesis import HealthCheck, settings

DEFAULT_PROFILE = "repeatable"

for _name, _options in {
    # The same examples on every machine and in every run: a test that passed once passes again.
    DEFAULT_PROFILE: settings(max_examples=25, derandomize=True, database=None),
    # Random examples, to find unexpected failures, which are printed in a form that reproduces them.
    "search": settings(max_examples=int(os.environ.get("EXAMPLES", "2000")), print_blob=True),
}.items():
    settings.register_profile(
        _name,
        _options,
        deadline=None,  # an engine may pause
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", DEFAULT_PROFILE))


def examples(count: int) -> settings:
    """Try at least ``count`` examples: for a test whose examples cost little."""
    return settings(max_examples=max(count, settings().max_examples))
