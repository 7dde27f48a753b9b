"""The faulty connection to DynamoDB Local."""

from collections.abc import Iterator

import pytest

from cli.local.ministack import LocalAws
from tests.guarantees.proxy import Proxy, proxy_to


@pytest.fixture(scope="session")
def shared_proxy(dynamodb_local: LocalAws) -> Iterator[Proxy]:
    """A proxy to the engine; it takes seconds to start, so all tests share it."""
    with proxy_to(dynamodb_local.endpoint) as proxy:
        yield proxy


@pytest.fixture
def proxy(shared_proxy: Proxy) -> Iterator[Proxy]:
    """A proxy to the engine without faults; its pending requests end before the next test."""
    yield shared_proxy
    shared_proxy.clear()
    shared_proxy.settle()
