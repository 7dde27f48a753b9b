"""The programs in examples/ at work on a local stack."""

import contextlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from cli.catalogue.generated import ROOT
from tests.support.local_stack import Local, eventually

NOTIFY = ROOT / "examples" / "notify"
COURSE = "Rk3fXcVbqZ7TnWm2LhY8sDpAe5JgU1oK9iC4wQxB#Course#2041"


@pytest.fixture
def notify(local: Local) -> Iterator[str]:
    """Deploy examples/notify beside the stack, and return the name of its function."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.write(NOTIFY / "notify.py", "notify.py")
    local.stack.client("s3").put_object(Bucket="packages", Key="notify.zip", Body=package.getvalue())
    template = (NOTIFY / "template.yaml").read_text().replace("CodeUri: .", "CodeUri: s3://packages/notify.zip")
    cloudformation = local.stack.client("cloudformation")
    cloudformation.create_stack(
        StackName="notify",
        TemplateBody=template,
        Parameters=[{"ParameterKey": "StreamArn", "ParameterValue": local.stack.outputs["AssignmentsTableStreamArn"]}],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )

    def stack() -> Any:
        return cloudformation.describe_stacks(StackName="notify")["Stacks"][0]

    eventually(lambda: not stack()["StackStatus"].endswith("_IN_PROGRESS"))
    assert stack()["StackStatus"] == "CREATE_COMPLETE", stack()
    function = cloudformation.describe_stack_resource(StackName="notify", LogicalResourceId="Function")
    # In one environment, so that an empty batch brings out the lines that MiniStack holds back.
    name = function["StackResourceDetail"]["PhysicalResourceId"]
    local.stack.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    yield name
    cloudformation.delete_stack(StackName="notify")
    # Other tests invoke every function of the account.
    functions = local.stack.client("lambda").list_functions()["Functions"]
    assert name not in [function["FunctionName"] for function in functions]


def reports(local: Local, function: str) -> list[dict[str, Any]]:
    """Return what the function reported so far."""
    lambda_ = local.stack.client("lambda")
    with contextlib.suppress(lambda_.exceptions.TooManyRequestsException):  # it is processing a batch
        lambda_.invoke(FunctionName=function, Payload=json.dumps({"Records": []}))
    events = local.stack.client("logs").filter_log_events(logGroupName="/aws/lambda/notify")["events"]
    return [json.loads(event["message"]) for event in events if event["message"].startswith("{")]


def test_notify_reports_the_date_that_moved(local: Local, notify: str) -> None:
    """Of changes to the table, only a date of an assignment that differs from before is reported, with both values.

    MiniStack puts no PartiQL write into a stream, so the items are written with PutItem; that the functions' own
    writes reach a stream is shown on DynamoDB Local (``integration/test_change_streams.py``).
    """
    local.put("ASSIGNMENTS_TABLE", COURSE, "assignment#9001", title="Lab", due_at="2026-09-07T06:00:00.000000Z")
    local.put("ASSIGNMENTS_TABLE", COURSE, "assignment_group#310", due_at="2026-09-01T06:00:00.000000Z")
    local.put("ASSIGNMENTS_TABLE", COURSE, "assignment_group#310", due_at="2026-09-02T06:00:00.000000Z")
    local.put("ASSIGNMENTS_TABLE", COURSE, "assignment#9001", title="Lab 1", due_at="2026-09-07T06:00:00.000000Z")
    local.put("ASSIGNMENTS_TABLE", COURSE, "assignment#9001", title="Lab 1", due_at="2026-09-14T06:00:00.000000Z")
    local.put("ASSIGNMENTS_TABLE", COURSE, "assignment#9001", title="Lab 1", lock_at="2026-09-21T06:00:00.000000Z")
    moved: dict[str, Any] = {"message": "date moved", "context": COURSE, "entity": "assignment#9001"}
    expected: list[dict[str, Any]] = [
        {"date": "due_at", "before": "2026-09-07T06:00:00.000000Z", "after": "2026-09-14T06:00:00.000000Z"},
        {"date": "due_at", "before": "2026-09-14T06:00:00.000000Z", "after": None},
        {"date": "lock_at", "before": None, "after": "2026-09-21T06:00:00.000000Z"},
    ]
    eventually(lambda: len(reports(local, notify)) >= len(expected))
    assert reports(local, notify) == [moved | report for report in expected]


def test_notify_returns_the_first_record_that_fails() -> None:
    """A record that cannot be read is named in the partial batch response, and none after it is processed."""
    namespace: dict[str, Any] = {}
    exec((NOTIFY / "notify.py").read_text(), namespace)  # noqa: S102  # it is no module of the package
    bad = {"dynamodb": {"SequenceNumber": "7", "Keys": {}, "NewImage": {}}}
    never_read = {"dynamodb": {"SequenceNumber": "8"}}
    response = namespace["handler"]({"Records": [bad, never_read]}, None)
    assert response == {"batchItemFailures": [{"itemIdentifier": "7"}]}
    assert namespace["handler"]({"Records": []}, None) == {"batchItemFailures": []}


def test_notify_may_do_no_more_than_read_its_stream() -> None:
    """No statement of its role has a wildcard action, and the only wildcard resource is below its own table."""
    text = (NOTIFY / "template.yaml").read_text()
    assert re.findall(r"Action:.*\*", text) == []
    assert re.findall(r"^.*[/\"' ]\*.*$", text.partition("Policies:")[2], re.MULTILINE) == [
        "                  - ${Table}/stream/*"
    ]
