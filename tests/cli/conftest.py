"""The fixtures of the command tests: the template deployed into MiniStack, and a way to run commands."""

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.__main__ import main
from cli.local import ministack as cli_ministack
from cli.local.local_run import PARAMETERS
from cli.local.ministack import deploy, ministack
from cli.stack.stack import Stack, open_stack
from cli.ui.arguments import stack_options
from tests.support.local_stack import Command, CommandResult, Local


@pytest.fixture
def canvas_events(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process: ``canvas_events("show", "2041")``."""
    monkeypatch.setenv("COLUMNS", "250")

    def run(*arguments: str) -> CommandResult:
        capsys.readouterr()
        status = main(arguments)
        captured = capsys.readouterr()
        return CommandResult(status, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Path]]:
    """Deploy the template with a stream into MiniStack; also return the state file that ``--local`` reads."""
    with ministack() as aws, pytest.MonkeyPatch.context() as patched:
        # MiniStack confirms the address at once.
        deploy(aws, PARAMETERS | {"AlarmEmail": "data-team@example.edu", "ChangeStreams": "true"})
        state_file = tmp_path_factory.mktemp("cli") / "local-stack.json"
        state_file.write_text(json.dumps({"endpoint": aws.endpoint}))
        patched.setattr(cli_ministack, "STACK_FILE", state_file)
        yield open_stack(stack_options().parse_args(["--local"])), state_file


@pytest.fixture
def local(deployed: tuple[Stack, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator["Local"]:
    """The deployed stack, emptied; nothing that one test sent arrives in the next."""
    stack, state_file = deployed
    monkeypatch.setattr(cli_ministack, "STACK_FILE", state_file)
    # A test may change its copy of the stack; the clients are shared because they are slow to create.
    isolated = Local(replace(stack, resources=dict(stack.resources), _clients=dict(stack._clients)))
    isolated.empty()
    stack._clients.update(isolated.stack._clients)
    yield isolated
    Local(stack).settle()  # with the original stack, whatever the test changed in its copy


@pytest.fixture
def default_signals() -> Iterator[None]:
    """Let the processes that a test starts handle signals as they would in a terminal.

    A shell starts background jobs with SIGINT and SIGQUIT ignored, and nohup ignores SIGHUP; children inherit that.
    """
    numbers = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
