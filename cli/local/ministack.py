"""MiniStack, an AWS in one process on this machine, and the template deployed into it."""

import contextlib
import hashlib
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
from typing import Any

import boto3
from botocore.exceptions import ClientError

from cli.catalogue.generated import ROOT
from cli.errors import CommandError
from cli.local.local_server import PORT, local_server

STACK = "canvas-live-events"
REGION = "eu-west-1"
SECONDS_TO_START = 60

KEPT = ROOT / ".cache" / "local-stack.json"  # where the stack is that was left up, for the commands' --local


class LocalStackError(CommandError):
    """The local stack does not do what it should; the text says why."""


class LocalAws:
    """Clients of the AWS at ``endpoint``."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.session = _session()

    def client(self, service: Any, **options: Any) -> Any:
        """A client of a service, as ``boto3.client`` makes it."""
        return self.session.client(service, endpoint_url=self.endpoint, **options)

    def environment(self) -> dict[str, str]:
        """What ``aws`` and boto3 need in the environment to talk to it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }


@cache
def _session() -> boto3.Session:
    """One for all, since each reads the models of AWS's services anew; MiniStack asks for no real credentials."""
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)  # noqa: S106  # no real ones


@contextlib.contextmanager
def ministack() -> Iterator[LocalAws]:
    """Run MiniStack on a free port of the loopback address, and end it.

    Raises ``LocalServerError`` with what it said when it does not come up.
    """
    # It unpacks the functions' code into the folder for temporary files, and leaves it there.
    with (
        tempfile.TemporaryDirectory(prefix="canvas-events-", ignore_cleanup_errors=True) as folder,
        local_server(
            "MiniStack",
            [sys.executable, "-m", "ministack"],
            # Its MQTT listener would take a port that this has no use for.
            env=_environment()
            | {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": PORT, "IOT_MTLS_ENABLED": "0", "TMPDIR": folder},
        ) as port,
    ):
        yield LocalAws(f"http://127.0.0.1:{port}")


def _environment() -> dict[str, str]:
    """Ours without tables: MiniStack hands it on to functions, which must have none of a family that is not kept."""
    return {name: value for name, value in os.environ.items() if not name.endswith("_TABLE")}


@contextlib.contextmanager
def kept(aws: LocalAws) -> Iterator[None]:
    """Let the commands find this stack by ``--local`` for as long as it is up."""
    KEPT.parent.mkdir(exist_ok=True)
    text = json.dumps({"endpoint": aws.endpoint})
    before = KEPT.read_text() if KEPT.exists() else None
    KEPT.write_text(text)
    try:
        yield
    finally:
        # Another one may have been left up before, or since.
        if KEPT.exists() and KEPT.read_text() == text:
            KEPT.unlink() if before is None else KEPT.write_text(before)


def left_up() -> LocalAws | None:
    """The AWS of the stack that was left up on this machine; None where none was."""
    try:
        return LocalAws(json.loads(KEPT.read_text())["endpoint"])
    except (OSError, ValueError, LookupError):
        return None


def deploy(aws: LocalAws, parameters: Mapping[str, str]) -> dict[str, str]:
    """Create the stack from ``template.yaml`` itself; its outputs by name.

    The functions' code is what ``package/`` links to. MiniStack runs it with this Python, which has the libraries.
    Raises ``LocalStackError`` with CloudFormation's reason.
    """
    s3 = aws.client("s3")
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):  # by a deployment that failed
        s3.create_bucket(Bucket="packages", CreateBucketConfiguration={"LocationConstraint": REGION})
    aws.client("cloudformation").create_stack(**_uploaded(aws, parameters))
    return _outputs(aws)


def redeploy(aws: LocalAws, changed: Mapping[str, str]) -> dict[str, str]:
    """Bring the stack that is there to the template, code and schemas of now; its outputs by name.

    Of its parameters those that are ``changed`` change. Raises as ``deploy``.
    """
    cloudformation = aws.client("cloudformation")
    stack = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
    try:
        cloudformation.update_stack(**_uploaded(aws, {**parameters, **changed}))
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise
    return _outputs(aws)


def _uploaded(aws: LocalAws, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Upload template and package, as ``sam deploy`` does; what CloudFormation is then to be asked for."""
    package = _package()
    # By its content: CloudFormation takes new code only from a new place.
    key = f"{hashlib.sha256(package).hexdigest()}.zip"
    aws.client("s3").put_object(Bucket="packages", Key=key, Body=package)
    template = (ROOT / "template.yaml").read_text().replace("CodeUri: package/", f"CodeUri: s3://packages/{key}")
    template = _without_splits(template, parameters.get("Families", "all"))
    # From a bucket: CloudFormation takes a megabyte there, and 51,200 bytes directly.
    aws.client("s3").put_object(Bucket="packages", Key="template.yaml", Body=template.encode())
    return {
        "StackName": STACK,
        "TemplateURL": f"{aws.endpoint}/packages/template.yaml",
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    }


def _outputs(aws: LocalAws) -> dict[str, str]:
    """Wait until the stack is made, or changed; its outputs."""
    cloudformation = aws.client("cloudformation")
    until = time.monotonic() + SECONDS_TO_START
    while True:
        stack = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        if stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            _mend_concurrency(aws.client("lambda"))
            return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        if not stack["StackStatus"].endswith("_IN_PROGRESS") or time.monotonic() > until:
            reason = stack.get("StackStatusReason", "")
            raise LocalStackError(f"The stack was not deployed: {stack['StackStatus']} {reason}")
        time.sleep(0.1)  # until the next look


def _without_splits(template: str, families: str) -> str:
    """MiniStack 1.5 neither splits nor joins in a condition, so it gets there what CloudFormation would make of it."""
    pattern = r'!Join \["", !Split \[(\w+), !Ref Families\]\]'
    return re.sub(pattern, lambda found: json.dumps("".join(families.split(found[1]))), template)


def _mend_concurrency(lambda_: Any) -> None:
    """MiniStack 1.5 leaves a number that comes from a parameter as text, and its poller stumbles over it."""
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
        if link.is_dir():
            yield from (path for path in link.resolve().rglob("*") if path.is_file() and path.suffix != ".pyc")
