"""The programs in examples/ at work on a local stack."""

import contextlib
import io
import json
import re
import runpy
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.catalogue.generated import ROOT
from tests.support.engines import EventFactory
from tests.support.local_stack import Command, Local, eventually

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


@pytest.fixture
def run_example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Run an example with arguments, as Python runs a script in its own folder; return the lines that it prints."""
    monkeypatch.syspath_prepend(ROOT / "examples")

    def run(name: str, *arguments: str) -> list[str]:
        capsys.readouterr()
        runpy.run_path(str(ROOT / "examples" / name))["main"](arguments)
        return capsys.readouterr().out.splitlines()

    return run


def test_queries_answer_from_sample_events(
    local: Local,
    canvas_events: Command,
    event: EventFactory,
    run_example: Callable[..., list[str]],
    tmp_path: Path,
) -> None:
    """early_alert lists exactly the quiet students of a course, and grade_audit the changes of their grades."""
    for number, change in enumerate(
        (
            {"enrollment_id": "1", "user_id": "8201", "user_name": "Noor Field"},
            {"enrollment_id": "2", "user_id": "8202", "user_name": "A Teacher", "type": "TeacherEnrollment"},
            {"enrollment_id": "3", "user_id": "8203", "user_name": "Has Left", "workflow_state": "completed"},
            {"enrollment_id": "4", "user_id": "8204", "user_name": "Elsewhere", "course_id": "2042"},
        )
    ):
        (tmp_path / f"{number}.json").write_text(event("enrollment_created", **change))
    names = ("enrollment_created", "assignment_updated", "submission_created", "grade_change", "logged_in")
    samples = [ROOT / "events" / "samples" / f"{name}.json" for name in names]
    assert canvas_events("send", *map(str, (*samples, *tmp_path.iterdir())), "--local").status == 0
    local.settle()

    never = "8201  Noor Field: submitted never, seen never"
    quiet = "8123  Mara Quill: submitted 2026-09-16T20:15:44.000000Z, seen 2026-09-07T18:20:02.119000Z"
    assert run_example("early_alert.py", "2041", "--since", "2026-09-16", "--local") == [never]
    assert run_example("early_alert.py", "2041", "--since", "2026-09-17", "--local") == [never, quiet]
    assert run_example("grade_audit.py", "2041", "--local") == [
        "2026-09-18T13:07:41.239000Z  Lab report 1, student 8123: 17 → 18.5, by 4711"
    ]
    assert run_example("grade_audit.py", "2042", "--local") == []
