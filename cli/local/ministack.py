"""MiniStack, a local AWS emulator in a single process, and the template deployed into it."""

import contextlib
import hashlib
import http.client
import io
import json
import os
import re
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cli.catalogue.generated import ROOT
from cli.errors import CommandError
from cli.local.local_server import PORT, local_server

if TYPE_CHECKING:
    import boto3

STACK = "canvas-live-events"
REGION = "eu-west-1"
SECONDS_TO_START = 60
HEALTH_TIMEOUT_SECONDS = 5

STACK_FILE = ROOT / ".cache" / "local-stack.json"  # tells the commands' --local where the running stack is


class LocalStackError(CommandError):
    """The local stack does not work; the text has the reason."""


class LocalAws:
    """Clients of the AWS emulator at ``endpoint``."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    @property
    def session(self) -> "boto3.Session":
        """The session that the clients are made from."""
        return _session()

    def client(self, service: Any, **options: Any) -> Any:
        """A client of a service, as ``boto3.client`` returns it."""
        return self.session.client(service, endpoint_url=self.endpoint, **options)

    def environment(self) -> dict[str, str]:
        """The environment variables by which ``aws`` and boto3 reach it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def is_running(self) -> bool:
        """Whether MiniStack responds at the endpoint."""
        connection = http.client.HTTPConnection(urlsplit(self.endpoint).netloc, timeout=HEALTH_TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/_ministack/health")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@cache
def _session() -> "boto3.Session":
    """One session for all clients, since each reads the service models again; MiniStack checks no credentials."""
    import boto3

    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)  # noqa: S106  # placeholders


@contextlib.contextmanager
def ministack() -> Iterator[LocalAws]:
    """Run MiniStack on a free port of the loopback address, and stop it at the end.

    Raises ``LocalServerError`` with its output when it does not start.
    """
    # It unpacks the functions' code into the folder for temporary files, and leaves it there.
    with (
        tempfile.TemporaryDirectory(prefix="canvas-events-", ignore_cleanup_errors=True) as folder,
        local_server(
            "MiniStack",
            [sys.executable, "-m", "ministack"],
            # Its MQTT listener would occupy a port that nothing here uses.
            env=_environment()
            | {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": PORT, "IOT_MTLS_ENABLED": "0", "TMPDIR": folder},
            leftovers=[Path(folder), STACK_FILE],
        ) as port,
    ):
        yield LocalAws(f"http://127.0.0.1:{port}")


def _environment() -> dict[str, str]:
    """This environment without tables: MiniStack passes it on to functions, which must ignore disabled families."""
    return {name: value for name, value in os.environ.items() if not name.endswith("_TABLE")}


@contextlib.contextmanager
def published(aws: LocalAws) -> Iterator[None]:
    """Let the commands find this stack by ``--local`` while it is running."""
    STACK_FILE.parent.mkdir(exist_ok=True)
    text = json.dumps({"endpoint": aws.endpoint})
    before = STACK_FILE.read_text() if STACK_FILE.exists() else None
    STACK_FILE.write_text(text)
    try:
        yield
    finally:
        # Another stack may have been published before, or since.
        if STACK_FILE.exists() and STACK_FILE.read_text() == text:
            STACK_FILE.unlink() if before is None else STACK_FILE.write_text(before)


def running_stack() -> LocalAws | None:
    """The emulator of the stack that is running on this machine; None where none is."""
    aws = _published()
    return aws if aws and aws.is_running() else None


def require_running_stack() -> LocalAws:
    """The emulator of the stack that is running on this machine. Raises ``CommandError`` where none is."""
    aws = _published()
    if aws is None:
        raise CommandError("no local stack is running. Start one with `make run KEEP=1` in another terminal.")
    if not aws.is_running():
        raise CommandError(
            f"the local stack that {STACK_FILE} names is no longer running ({aws.endpoint})."
            " Start another with `make run KEEP=1` in another terminal."
        )
    return aws


def _published() -> LocalAws | None:
    try:
        return LocalAws(json.loads(STACK_FILE.read_text())["endpoint"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def deploy(aws: LocalAws, parameters: Mapping[str, str]) -> dict[str, str]:
    """Create the stack from ``template.yaml``; returns its outputs by name.

    The functions' code is what ``package/`` links to. MiniStack runs it with this Python, which has the libraries.
    Raises ``LocalStackError`` with CloudFormation's reason.
    """
    s3 = aws.client("s3")
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):  # from a deployment that failed
        s3.create_bucket(Bucket="packages", CreateBucketConfiguration={"LocationConstraint": REGION})
    aws.client("cloudformation").create_stack(**_upload(aws, parameters))
    return _outputs(aws)


def redeploy(aws: LocalAws, changed: Mapping[str, str]) -> dict[str, str]:
    """Update the running stack to the current template, code and schemas; returns its outputs by name.

    ``changed`` are the parameters that change. Raises ``LocalStackError`` with CloudFormation's reason.
    """
    from botocore.exceptions import ClientError

    cloudformation = aws.client("cloudformation")
    stack = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
    parameters = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack["Parameters"]}
    try:
        cloudformation.update_stack(**_upload(aws, {**parameters, **changed}))
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise
    return _outputs(aws)


def _upload(aws: LocalAws, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Upload template and package, as ``sam deploy`` does; returns the arguments for CloudFormation."""
    package = _package()
    # Named by its content: CloudFormation updates code only when its location changes.
    key = f"{hashlib.sha256(package).hexdigest()}.zip"
    aws.client("s3").put_object(Bucket="packages", Key=key, Body=package)
    template = (ROOT / "template.yaml").read_text().replace("CodeUri: package/", f"CodeUri: s3://packages/{key}")
    template = _without_splits(template, parameters.get("Families", "all"))
    # From a bucket, where CloudFormation accepts a megabyte instead of 51,200 bytes.
    aws.client("s3").put_object(Bucket="packages", Key="template.yaml", Body=template.encode())
    return {
        "StackName": STACK,
        "TemplateURL": f"{aws.endpoint}/packages/template.yaml",
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    }


def _outputs(aws: LocalAws) -> dict[str, str]:
    """Wait until the stack is created or updated; returns its outputs by name."""
    cloudformation = aws.client("cloudformation")
    until = time.monotonic() + SECONDS_TO_START
    while True:
        stack = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        if stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            _fix_string_concurrency(aws.client("lambda"))
            return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        if not stack["StackStatus"].endswith("_IN_PROGRESS") or time.monotonic() > until:
            reason = stack.get("StackStatusReason", "")
            raise LocalStackError(f"the stack was not deployed: {stack['StackStatus']} {reason}")
        time.sleep(0.1)  # until the next look


def _without_splits(template: str, families: str) -> str:
    """The template with ``Fn::Split`` and ``Fn::Join`` evaluated, which MiniStack 1.5 does not do in conditions."""
    pattern = r'!Join \["", !Split \[(\w+), !Ref Families\]\]'
    return re.sub(pattern, lambda match: json.dumps("".join(families.split(match[1]))), template)


def _fix_string_concurrency(lambda_: Any) -> None:
    """Make numbers of ``MaximumConcurrency``, which MiniStack 1.5 takes as text from a parameter and cannot compare."""
    for mapping in lambda_.list_event_source_mappings()["EventSourceMappings"]:
        if "ScalingConfig" in mapping:
            concurrency = int(mapping["ScalingConfig"]["MaximumConcurrency"])
            lambda_.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": concurrency})


def _package() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as package:
        for path in sorted(_files_to_package()):
            package.write(path, path.relative_to(ROOT))
    return content.getvalue()


def _files_to_package() -> Iterator[Path]:
    for link in (ROOT / "package").iterdir():
        if link.is_symlink():
            yield from (path for path in link.resolve().rglob("*") if path.is_file() and path.suffix != ".pyc")
