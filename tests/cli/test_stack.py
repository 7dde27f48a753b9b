"""Error messages when the stack, AWS or the connection is not as expected."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from cli.catalogue.generated import ROOT
from cli.catalogue.samples import EVENTS
from cli.commands import COMMANDS as ALL_COMMANDS
from cli.local import ministack as cli_ministack
from cli.local.ministack import LocalAws, published
from cli.ui import aws_errors
from tests.support.local_stack import Command, Local

COMMANDS = [
    ["show", "2041"], ["rejected", "list"], ["rejected", "redrive"], ["rejected", "purge", "--yes", "--all"],
    ["dlq", "list"], ["dlq", "redrive"], ["failures", "list"], ["failures", "redrive"], ["doctor"],
    ["send", str(EVENTS / "samples" / "module_created.json")],
]  # fmt: skip


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_missing_stack_is_reported_in_one_sentence(canvas_events: Command, command: list[str]) -> None:
    """Every command says that the stack does not exist, and how to name another one."""
    result = canvas_events(*command, "--local", "--stack", "no-such-stack")
    assert (result.status, result.out) == (1, "")
    assert result.err.count("\n") == 1
    assert result.err.startswith("error: there is no stack no-such-stack in eu-west-1. Choose yours with --stack")


def test_local_option_without_a_stack_says_how_to_start_one(
    canvas_events: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """--local without a running local stack names the command that starts one."""
    monkeypatch.setattr(cli_ministack, "STACK_FILE", tmp_path / "none.json")
    result = canvas_events("doctor", "--local")
    assert (result.status, "`make run KEEP=1`" in result.err) == (1, True)


def test_stale_state_file_is_recognised_with_a_remedy(
    canvas_events: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, closed_port: int
) -> None:
    """A state file whose stack has ended is recognised, and the message contains a remedy."""
    file = tmp_path / "stale.json"
    file.write_text(f'{{"endpoint": "http://127.0.0.1:{closed_port}"}}')
    monkeypatch.setattr(cli_ministack, "STACK_FILE", file)
    result = canvas_events("doctor", "--local")
    assert (result.status, result.err.count("\n")) == (1, 1)
    assert "stale.json" in result.err
    assert "is no longer running" in result.err
    assert "Start another with `make run KEEP=1`" in result.err


def test_command_without_local_while_a_local_stack_is_running_says_so(
    local: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    """A command without --local warns that it uses AWS before it fails there."""
    assert local.stack.endpoint is not None
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port}")
    result = canvas_events("rejected", "list")
    assert (result.status, result.out) == (1, "")
    assert "a local stack is running; this command uses AWS. Pass --local" in result.err


def test_unknown_profile_and_missing_region_are_reported(
    canvas_events: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error names what is missing in the user's AWS configuration."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert "no AWS region is set. Pass --region" in canvas_events("doctor").err
    assert "aws configure list-profiles" in canvas_events("doctor", "--profile", "nobody").err


def test_aws_configuration_of_the_environment_is_used(
    local: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --local the AWS configuration of the environment applies, as in every other tool."""
    assert local.stack.endpoint is not None
    monkeypatch.setenv("AWS_ENDPOINT_URL", local.stack.endpoint)
    monkeypatch.setattr(cli_ministack, "STACK_FILE", Path("none"))
    local.reject("{}")
    assert len(canvas_events("rejected", "list", "--json").json) == 1
    assert canvas_events("rejected", "purge", "--yes", "--all", "--region", "eu-west-1").status == 0
    assert local.rejected() == []


def test_every_command_is_in_the_documentation() -> None:
    """Every command is documented, and every documented command exists."""
    text = (ROOT / "docs" / "commands.md").read_text()
    listed = re.findall(r"^\| \[?`(?P<name>[a-z]+)`", text.partition("## What an AWS identity needs")[0], re.MULTILINE)
    assert {*listed, "invoke", "generate", "completion"} == ALL_COMMANDS.keys()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ClientError({"Error": {"Code": "AccessDenied", "Message": "arn:secret"}}, "Scan"), "may not call Scan"),
        (ClientError({"Error": {"Code": "ExpiredToken", "Message": "x"}}, "Scan"), "credentials have expired"),
        (ClientError({"Error": {"Code": "InvalidClientTokenId"}}, "Scan"), "does not accept your credentials"),
        (ClientError({"Error": {"Code": "ThrottlingException", "Message": "x"}}, "Scan"), "is throttling"),
        (ClientError({"Error": {"Code": "Odd", "Message": "an odd thing"}}, "Scan"), "rejected Scan: Odd an odd thing"),
        (exceptions.NoCredentialsError(), "there are no AWS credentials"),
        (exceptions.NoRegionError(), "--region"),
        (exceptions.SSOTokenLoadError(error_msg="x"), "aws sso login"),
        (exceptions.UnauthorizedSSOTokenError(), "aws sso login"),
        (exceptions.EndpointConnectionError(endpoint_url="https://x"), "does not respond"),
        (exceptions.ReadTimeoutError(endpoint_url="https://x"), "does not respond"),
        (exceptions.DataNotFoundError(data_path="x"), "could not reach AWS"),
    ],
)  # fmt: skip
def test_aws_errors_are_reported_in_one_sentence(error: exceptions.BotoCoreError | ClientError, expected: str) -> None:
    """Each message says what is wrong and what to do, in one line."""
    text = aws_errors.describe(error)
    assert text is not None
    assert expected in text
    assert "\n" not in text


def test_state_file_exists_while_the_local_stack_is_running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file that --local reads exists while the stack runs, and a file of another stack is not changed."""
    file = tmp_path / "cache" / "local-stack.json"
    monkeypatch.setattr(cli_ministack, "STACK_FILE", file)
    with published(LocalAws("http://127.0.0.1:1")):
        assert "127.0.0.1:1" in file.read_text()
    assert not file.exists()
    with published(LocalAws("http://127.0.0.1:1")):
        file.write_text("another since")
    assert file.read_text() == "another since"
    with published(LocalAws("http://127.0.0.1:1")):
        assert "127.0.0.1:1" in file.read_text()
    assert file.read_text() == "another since"


def test_closed_pipe_is_not_an_error() -> None:
    """When its output is piped into head, a command ends without an error message."""
    command = [sys.executable, "-m", "cli", "check", "--json", str(EVENTS / "sqs" / "mixed.json")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    complaints = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=30), complaints) == (141, "")


@pytest.mark.parametrize(
    "command", [[], ["rejected"], ["no-such-command"], ["show"], ["rejected", "list", "--reason", "x"]]
)
def test_usage_error_has_exit_status_2(canvas_events: Command, command: list[str]) -> None:
    """Exit status 2 is reserved for usage errors."""
    with pytest.raises(SystemExit) as ended:
        canvas_events(*command)
    assert ended.value.code == 2


@pytest.mark.parametrize("command", [command for command in COMMANDS if command[0] != "send"] + [["send"], ["check"]])
def test_every_command_has_help_with_examples(
    canvas_events: Command, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """--help describes the command and shows examples."""
    words = [word for word in command if word.isalpha()]
    with pytest.raises(SystemExit) as ended:
        canvas_events(*words, "--help")
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "examples:" in shown
    assert f"canvas-events {words[0]}" in shown


def test_command_is_installed_next_to_python() -> None:
    """`make` installs the command canvas-events, which works in any folder."""
    command = Path(sys.executable).parent / "canvas-events"
    result = subprocess.run([command, "--help"], cwd="/", capture_output=True, text=True, check=True)
    assert result.stdout.startswith("usage: canvas-events")


class LoginPage(BaseHTTPRequestHandler):
    """Answers every request as the login page of a network does."""

    page = b""

    def do_GET(self) -> None:
        """Respond with the page."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.page)))
        self.end_headers()
        self.wfile.write(self.page)

    do_POST = do_PUT = do_GET  # noqa: N815  # the names of the base class

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the signature of the base class
        """Log nothing."""


@pytest.fixture
def login_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[LoginPage]]:
    """A server that answers everything with a page, as the local stack."""
    with ThreadingHTTPServer(("127.0.0.1", 0), LoginPage) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        file = tmp_path / "local-stack.json"
        file.write_text(json.dumps({"endpoint": f"http://127.0.0.1:{server.server_port}"}))
        monkeypatch.setattr(cli_ministack, "STACK_FILE", file)
        yield LoginPage
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("page", [b"", b"<html><br></html>", b"<html></html>", b"[]", b"null", b"\xff\xfe", b"{"])
def test_response_that_is_not_one_of_aws_is_one_sentence(
    canvas_events: Command, login_page: type[LoginPage], monkeypatch: pytest.MonkeyPatch, page: bytes
) -> None:
    """A page in place of a response, well-formed or not, is an error with its likely cause."""
    monkeypatch.setattr(login_page, "page", page)
    result = canvas_events("rejected", "list", "--local")
    assert (result.status, result.out) == (1, "")
    assert result.err == f"error: {aws_errors.MALFORMED_RESPONSE}\n"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_malformed_response_ends_no_command_in_a_traceback(
    canvas_events: Command, local: Local, command: list[str]
) -> None:
    """Whichever service a page answers for, the command says so; `doctor` goes on with its other checks."""

    def answer_with_page(operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:
        if operation_model.service_model.service_name != "cloudformation":
            response_dict["body"] = b"<html></html>"

    events = local.stack.session.events
    events.register_first("before-parse", answer_with_page)
    try:
        result = canvas_events(*command, "--local")
    finally:
        events.unregister("before-parse", answer_with_page)
    assert "AWS returned a malformed response" in (result.out if command == ["doctor"] else result.err)
    assert result.status == (0 if command == ["doctor"] else 1)


@pytest.mark.parametrize("page", [b"", b"<html><br></html>", b"[]", b"null", b"\xff\xfe", b'"text"', b"{", b"7"])
def test_malformed_json_of_a_service_is_one_sentence(
    login_page: type[LoginPage], monkeypatch: pytest.MonkeyPatch, page: bytes
) -> None:
    """Botocore takes such JSON for a result without members, or fails with an error that is not its own."""
    monkeypatch.setattr(login_page, "page", page)
    aws = cli_ministack.require_running_stack()
    session: Any = boto3.Session("test", "test", region_name="eu-west-1")
    session.events.register("before-parse", aws_errors.reject_malformed_response)
    for service, call, request in (
        ("dynamodb", "scan", {"TableName": "t"}),
        ("lambda", "get_function", {"FunctionName": "f"}),
        ("sqs", "receive_message", {"QueueUrl": f"{aws.endpoint}/q"}),
        ("kinesis", "put_records", {"StreamName": "s", "Records": [{"Data": b"x", "PartitionKey": "1"}]}),
    ):
        client = session.client(service, endpoint_url=aws.endpoint)
        with pytest.raises(aws_errors.MalformedResponseError):
            getattr(client, call)(**request)
