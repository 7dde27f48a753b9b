"""The bad way to DynamoDB's own engine."""

from collections.abc import Iterator

import pytest

from cli.local.ministack import LocalAws
from tests.guarantees.proxy import Proxy, proxy_to


@pytest.fixture(scope="session")
def shared_proxy(dynamodb_local: LocalAws) -> Iterator[Proxy]:
    """A proxy to the engine, which takes seconds to start."""
    with proxy_to(dynamodb_local.endpoint) as proxy:
        yield proxy


@pytest.fixture
def proxy(shared_proxy: Proxy) -> Iterator[Proxy]:
    """A proxy to the engine that breaks nothing yet; what is under way through it ends before the next test."""
    yield shared_proxy
    shared_proxy.mend()
    shared_proxy.settle()
