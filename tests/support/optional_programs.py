"""Programs that only some tests need, and that may not be installed."""

import os
from typing import NoReturn

import pytest


def skip_without(program: str, remedy: str) -> NoReturn:
    """Skip the test if a program is missing; fail it if ``REQUIRE_ALL_TESTS`` is set, as on the build server."""
    reason = f"{program} is missing: {remedy}"
    if os.environ.get("REQUIRE_ALL_TESTS"):
        pytest.fail(reason)
    pytest.skip(reason)
