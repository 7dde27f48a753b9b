"""The fixtures of all tests: the engines, their tables, and events made from the samples."""

import json
import shutil
import socket
from collections.abc import Iterator
from typing import Any

import pytest

import tests.support.hypothesis_profiles  # noqa: F401  # before any property test is defined
from cli.local.local_server import PORT, local_server
from cli.local.ministack import LocalAws, ministack
from tests.support.browser import Page, chromium
from tests.support.engines import (
    DYNAMODB_LOCAL,
    SAMPLES,
    Consumer,
    EventFactory,
    Tables,
    _without_ellipses,
    empty_tables,
)
from tests.support.optional_programs import skip_without


@pytest.fixture(scope="session")
def dynamodb_local() -> Iterator[LocalAws]:
    """DynamoDB Local, in memory."""
    if not shutil.which("java"):
        skip_without("Java", "install it with your system's package manager")
    if not (DYNAMODB_LOCAL / "DynamoDBLocal.jar").exists():
        skip_without("DynamoDB Local", "run `make dynamodb-local`")
    # Without the optimizing compiler, whose work does not pay within the minutes of a test run.
    options = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.library.path=DynamoDBLocal_lib"]
    command = ["java", *options, "-jar", "DynamoDBLocal.jar", "-inMemory", "-port", PORT]
    with local_server("DynamoDB Local", command, cwd=DYNAMODB_LOCAL) as port:
        yield LocalAws(f"http://127.0.0.1:{port}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Page]:
    """A page in a real browser."""
    command = shutil.which("chromium") or skip_without("Chromium", "on Debian, run `apt-get install chromium`")
    with chromium(command) as page:
        yield page


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """MiniStack, empty at the start."""
    with ministack() as aws:
        yield aws


@pytest.fixture(params=["dynamodb_local", "local_aws"])
def tables(request: pytest.FixtureRequest) -> "Tables":
    """Empty tables in each of the engines."""
    return empty_tables(request.getfixturevalue(request.param))


@pytest.fixture
def engine(dynamodb_local: LocalAws) -> "Tables":
    """Empty tables in DynamoDB Local."""
    return empty_tables(dynamodb_local)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A loopback port on which nobody listens or can start to listen."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture(scope="session", autouse=True)
def own_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Isolate the tests from a stack that is running on this machine, and from the last run."""
    folder = tmp_path_factory.mktemp("own-files")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cli.local.ministack.STACK_FILE", folder / "local-stack.json")
        patch.setattr("cli.local.dashboard.LAST_RUN", folder / "dashboard.json")
        yield


@pytest.fixture
def event() -> EventFactory:
    """Make an event from a sample: ``event("module_updated", name="Week 2", metadata={"user_id": None})``.

    A value of ``...`` leaves the field out.
    """

    def make(event_name: str, metadata: dict[str, Any] | None = None, **body: Any) -> str:
        sample = json.loads(SAMPLES[event_name])
        sample["metadata"] = _without_ellipses(sample["metadata"] | (metadata or {}))
        sample["body"] = _without_ellipses(sample["body"] | body)
        return json.dumps(sample)

    return make


@pytest.fixture
def consumer(tables: Tables) -> Consumer:
    """The pipeline over empty tables."""
    return Consumer(tables)
