"""The documented commands around a deployment: protecting the stack, and cleaning up after a failed deployment."""

import json
import re
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.local import ministack as local
from cli.local.ministack import STACK, LocalAws, deploy, ministack
from tests.support.aws_cli import run_commands
from tests.support.template_helpers import RESOURCES, ROOT

PARAMETERS = {"Families": "modules", "KinesisStream": "create", "AlarmEmail": "data-team@example.edu"}
POLICY = json.loads((ROOT / "stack-policy.json").read_text())

# Deployed after everything that holds data or costs money, and rejected by CloudFormation.
BROKEN = """
  Broken:
    Type: AWS::Lambda::Url
    DependsOn: [ModulesTable, RejectedTable, Queue, DeadLetterQueue, Stream, FailureBucket, SqsFunction, Dashboard]
    Properties: {TargetFunctionArn: no-such-function, AuthType: AWS_IAM}

"""


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    """An empty AWS account."""
    with ministack() as started:
        yield started


def commands_of(document: str, text: str) -> str:
    """Return the only fenced block of a document that contains a text."""
    blocks = re.findall(r"^```\n(.*?)^```$", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL)
    block: str
    (block,) = [block for block in blocks if text in block]
    return block


def fail_to_deploy(aws: LocalAws) -> None:
    """Create the stack from a template whose last resource cannot be created, and wait for the rollback."""
    s3, cloudformation = aws.client("s3"), aws.client("cloudformation")
    s3.create_bucket(Bucket="packages", CreateBucketConfiguration={"LocationConstraint": local.REGION})
    arguments = local._upload(aws, PARAMETERS)
    template = s3.get_object(Bucket="packages", Key="template.yaml")["Body"].read().decode()
    s3.put_object(
        Bucket="packages", Key="template.yaml", Body=template.replace("\nOutputs:\n", f"{BROKEN}\nOutputs:\n").encode()
    )
    cloudformation.create_stack(**arguments)
    until = time.monotonic() + local.SECONDS_TO_START
    while (status := status_of(aws)).endswith("_IN_PROGRESS"):
        assert time.monotonic() < until, status
        time.sleep(0.1)
    assert status == "ROLLBACK_COMPLETE"


def status_of(aws: LocalAws) -> str:
    """Return the status of the stack."""
    status: str = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"]
    return status


def left_over(aws: LocalAws) -> dict[str, list[str]]:
    """Return what holds data or costs money, by service."""
    buckets = [bucket["Name"] for bucket in aws.client("s3").list_buckets()["Buckets"]]
    return {
        "tables": aws.client("dynamodb").list_tables()["TableNames"],
        "queues": aws.client("sqs").list_queues().get("QueueUrls", []),
        "streams": aws.client("kinesis").list_streams()["StreamNames"],
        "buckets": [name for name in buckets if name != "packages"],
        "functions": [function["FunctionName"] for function in aws.client("lambda").list_functions()["Functions"]],
    }


def test_documented_commands_clean_up_after_a_failed_first_deployment(aws: LocalAws, tmp_path: Path) -> None:
    """Only tables remain, neither stream nor queue, and after the clean-up the stack can be deployed again."""
    fail_to_deploy(aws)
    remaining = left_over(aws)
    assert [re.sub(r".*-(\w+Table)-\w+$", r"\1", name) for name in remaining.pop("tables")] == [
        "ModulesTable", "RejectedTable",
    ]  # fmt: skip
    assert not any(remaining.values()), remaining
    run_commands(commands_of("docs/runbook.md", "DELETE_SKIPPED"), aws, tmp_path)
    assert not any(left_over(aws).values())
    deploy(aws, PARAMETERS)
    assert status_of(aws) == "CREATE_COMPLETE"


def test_documented_clean_up_does_not_touch_a_healthy_stack(aws: LocalAws, tmp_path: Path) -> None:
    """The commands check the status first, so they delete nothing of a stack that was deployed successfully."""
    deploy(aws, PARAMETERS)
    before = left_over(aws)
    run_commands(commands_of("docs/runbook.md", "DELETE_SKIPPED"), aws, tmp_path)
    assert left_over(aws) == before
    assert status_of(aws) == "CREATE_COMPLETE"


def test_documented_commands_protect_the_stack(aws: LocalAws, tmp_path: Path) -> None:
    """After the documented commands the stack cannot be deleted and has the policy of the project."""
    deploy(aws, PARAMETERS)
    run_commands(commands_of("docs/deployment.md", "set-stack-policy"), aws, tmp_path)
    cloudformation = aws.client("cloudformation")
    assert cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["EnableTerminationProtection"] is True
    assert json.loads(cloudformation.get_stack_policy(StackName=STACK)["StackPolicyBody"]) == POLICY


def allows(action: str, resource_type: str) -> bool:
    """Whether the stack policy allows an update of resources of a type: a denial wins, and nothing is the default."""
    effects = [
        statement["Effect"]
        for statement in POLICY["Statement"]
        if statement["Action"] in (action, "Update:*")
        and resource_type in statement.get("Condition", {}).get("StringEquals", {}).get("ResourceType", [resource_type])
    ]
    return "Allow" in effects and "Deny" not in effects


def test_stack_policy_has_a_valid_format() -> None:
    """Each statement has the documented elements and values.

    Source: AWS CloudFormation User Guide, "Prevent updates to stack resources".
    """
    actions = {"Update:Modify", "Update:Replace", "Update:Delete", "Update:*"}
    assert POLICY.keys() == {"Statement"}
    for statement in POLICY["Statement"]:
        condition = statement.get("Condition", {"StringEquals": {"ResourceType": []}})
        assert condition.keys() == {"StringEquals"}
        assert condition["StringEquals"].keys() == {"ResourceType"}
        assert statement.keys() - {"Condition"} == {"Effect", "Action", "Principal", "Resource"}
        assert statement["Effect"] in ("Allow", "Deny")
        assert statement["Action"] in actions
        assert (statement["Principal"], statement["Resource"]) == ("*", "*")


@pytest.mark.parametrize("name", RESOURCES)
def test_stack_policy_denies_only_replacing_resources_that_hold_events(name: str) -> None:
    """No update may replace a table, queue, stream or bucket; every other update is allowed."""
    resource = RESOURCES[name]
    is_queue = resource["Type"] == "AWS::SQS::Queue"
    holds_events = is_queue or resource.get("DeletionPolicy") in ("Retain", "RetainExceptOnCreate")
    assert allows("Update:Replace", resource["Type"]) is not holds_events
    assert allows("Update:Modify", resource["Type"])
    # A family that is taken out of Families leaves the stack; its table is retained.
    assert allows("Update:Delete", resource["Type"])


def test_sam_deploys_with_tags() -> None:
    """A tag that CloudFormation puts on every taggable resource allows costs to be attributed."""
    configuration = tomllib.loads((ROOT / "samconfig.toml").read_text())
    tags = configuration["default"]["deploy"]["parameters"]["tags"]
    assert dict(tag.split("=") for tag in tags.split()) == {"application": STACK}
