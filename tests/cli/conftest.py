"""The fixtures of the command tests: the template deployed into MiniStack, and the commands."""

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
from tests.support.local_stack import Command, Done, Local


@pytest.fixture
def canvas_events(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command here: ``canvas_events("show", "2041")``."""
    monkeypatch.setenv("COLUMNS", "250")

    def run(*arguments: str) -> Done:
        capsys.readouterr()
        status = main(arguments)
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Path]]:
    """The template in MiniStack, with a stream; and the file by which ``--local`` finds it."""
    with ministack() as aws, pytest.MonkeyPatch.context() as patched:
        deploy(aws, PARAMETERS | {"AlarmEmail": "data-team@example.edu"})  # MiniStack confirms it at once
        kept = tmp_path_factory.mktemp("cli") / "local-stack.json"
        kept.write_text(json.dumps({"endpoint": aws.endpoint}))
        patched.setattr(cli_ministack, "STACK_FILE", kept)
        yield open_stack(stack_options().parse_args(["--local"])), kept


@pytest.fixture
def local(deployed: tuple[Stack, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator["Local"]:
    """The deployed stack, emptied; what a test sent does not arrive in the next one."""
    stack, kept = deployed
    monkeypatch.setattr(cli_ministack, "STACK_FILE", kept)
    # A test may change what it knows of the stack; the clients, which take long to make, are shared.
    made = Local(replace(stack, resources=dict(stack.resources), _clients=dict(stack._clients)))
    made.empty()
    stack._clients.update(made.stack._clients)
    yield made
    Local(stack).settle()  # by the stack as it is, whatever the test made of its own view of it


@pytest.fixture
def default_signals() -> Iterator[None]:
    """Let the processes that a test starts react to signals as from a terminal.

    A shell starts background jobs with SIGINT and SIGQUIT ignored, and nohup ignores SIGHUP; children inherit that.
    """
    numbers = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
