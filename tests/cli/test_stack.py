"""What a person is told when the stack, AWS or the way there is not as it should be."""

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
def test_a_stack_that_is_not_there_is_one_sentence(canvas_events: Command, command: list[str]) -> None:
    """Every command says that there is no such stack, and how to name another."""
    done = canvas_events(*command, "--local", "--stack", "no-such-stack")
    assert (done.status, done.out) == (1, "")
    assert done.err.count("\n") == 1
    assert done.err.startswith("error: there is no stack no-such-stack in eu-west-1. Choose yours with --stack")


def test_without_a_local_stack_it_says_how_to_start_one(
    canvas_events: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """--local without a stack on this machine names the command that leaves one up."""
    monkeypatch.setattr(cli_ministack, "STACK_FILE", tmp_path / "none.json")
    done = canvas_events("doctor", "--local")
    assert (done.status, "`make run KEEP=1`" in done.err) == (1, True)


def test_stale_state_file_is_recognised_with_a_remedy(
    canvas_events: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, closed_port: int
) -> None:
    """A state file whose stack has ended is recognised, and the remedy named."""
    file = tmp_path / "stale.json"
    file.write_text(f'{{"endpoint": "http://127.0.0.1:{closed_port}"}}')
    monkeypatch.setattr(cli_ministack, "STACK_FILE", file)
    done = canvas_events("doctor", "--local")
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert "stale.json" in done.err
    assert "is no longer running" in done.err
    assert "Start another with `make run KEEP=1`" in done.err


def test_command_without_local_while_a_local_stack_is_running_says_so(
    local: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    """Whoever forgets --local is told that the command works on AWS, before it fails there."""
    assert local.stack.endpoint is not None
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port}")
    done = canvas_events("rejected", "list")
    assert (done.status, done.out) == (1, "")
    assert "a local stack is running; this command uses AWS. Pass --local" in done.err


def test_an_unknown_profile_and_a_missing_region_are_said(
    canvas_events: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The configuration of AWS is the person's own; what is missing in it is named."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert "no AWS region is set. Pass --region" in canvas_events("doctor").err
    assert "aws configure list-profiles" in canvas_events("doctor", "--profile", "nobody").err


def test_a_stack_of_the_persons_own_configuration(
    local: Local, canvas_events: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --local the AWS configuration of the environment decides, as for every other tool."""
    assert local.stack.endpoint is not None
    monkeypatch.setenv("AWS_ENDPOINT_URL", local.stack.endpoint)
    monkeypatch.setattr(cli_ministack, "STACK_FILE", Path("none"))
    local.reject("{}")
    assert len(canvas_events("rejected", "list", "--json").json) == 1
    assert canvas_events("rejected", "purge", "--yes", "--all", "--region", "eu-west-1").status == 0
    assert local.rejected() == []


def test_every_command_is_in_the_documentation() -> None:
    """What can be called is described, and what is described can be called."""
    text = (ROOT / "docs" / "commands.md").read_text()
    listed = re.findall(r"^\| \[?`(?P<name>[a-z]+)`", text.partition("## What an AWS identity needs")[0], re.MULTILINE)
    assert {*listed, "invoke", "generate", "completion"} == ALL_COMMANDS.keys()


@pytest.mark.parametrize(
    ("error", "said"),
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
def test_errors_of_aws_become_sentences(error: exceptions.BotoCoreError | ClientError, said: str) -> None:
    """Each says what is wrong and what to do, in one line."""
    text = aws_errors.describe(error)
    assert text is not None
    assert said in text
    assert "\n" not in text


def test_the_local_stack_is_found_for_as_long_as_it_is_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file that --local reads is there while the stack is, and one that another stack wrote is left alone."""
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


def test_a_reader_who_has_seen_enough_is_no_error() -> None:
    """Piped into head, a command ends without a complaint."""
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
def test_a_wrong_call_is_told_from_a_fault(canvas_events: Command, command: list[str]) -> None:
    """Exit status 2 is for how the command was called."""
    with pytest.raises(SystemExit) as ended:
        canvas_events(*command)
    assert ended.value.code == 2


@pytest.mark.parametrize("command", [command for command in COMMANDS if command[0] != "send"] + [["send"], ["check"]])
def test_every_command_has_help_with_examples(
    canvas_events: Command, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """--help says what a command does and shows how it is called."""
    words = [word for word in command if word.isalpha()]
    with pytest.raises(SystemExit) as ended:
        canvas_events(*words, "--help")
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "examples:" in shown
    assert f"canvas-events {words[0]}" in shown


def test_the_command_is_installed_beside_python() -> None:
    """`make` installs the command canvas-events, from any folder."""
    command = Path(sys.executable).parent / "canvas-events"
    done = subprocess.run([command, "--help"], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: canvas-events")


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
    done = canvas_events("rejected", "list", "--local")
    assert (done.status, done.out) == (1, "")
    assert done.err == f"error: {aws_errors.MALFORMED_RESPONSE}\n"


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
        done = canvas_events(*command, "--local")
    finally:
        events.unregister("before-parse", answer_with_page)
    assert "AWS returned a malformed response" in (done.out if command == ["doctor"] else done.err)
    assert done.status == (0 if command == ["doctor"] else 1)


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
