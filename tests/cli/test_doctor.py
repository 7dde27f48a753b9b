"""``doctor``: a healthy stack, and one that is broken in each way that the checks look for."""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from cli.catalogue.samples import kinesis_event
from cli.stack import checks
from cli.stack.checks import deployment, functions, queues, storage
from cli.stack.checks.finding import Finding, State, missing_resource
from cli.stack.stack import Resource, Stack, family, variable
from handlers.items.event_types import SCHEMAS_DIR
from tests.support.local_stack import Command, Local
from tests.support.template_helpers import FAMILIES, properties, resolve

CANVAS = "636161780776"
CANVAS_USER = "arn:aws:iam::123456789012:user/canvas-live-events"

# What MiniStack does not do of what the template says, and what the local stack leaves open.
NOT_HERE = ("items never expire in ", "point-in-time recovery is disabled in ", "events of every institution are ")


def troubles(check: Any, stack: Stack) -> list[tuple[State, str]]:
    """Return the findings of a check that are not OK."""
    return [(finding.state, finding.text) for finding in check(stack) if finding.state is not State.OK]


@pytest.mark.usefixtures("local")
def test_freshly_deployed_stack_is_healthy(canvas_events: Command) -> None:
    """Every check runs, and none reports an error."""
    result = canvas_events("doctor", "--local", "--json")
    assert result.status == 0
    assert {finding["area"] for finding in result.json} == set(checks.ALL)
    assert all(finding["finding"].startswith(NOT_HERE) for finding in result.json if finding["state"] != "ok")
    shown = canvas_events("doctor", "--local")
    assert "0 errors" in shown.out
    assert "canvas-live-events: a standard queue with a name that Canvas accepts" in shown.out


def test_every_error_and_warning_has_a_remedy(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """No error or warning leaves the user without a next step."""
    monkeypatch.setattr(local.stack, "status", "ROLLBACK_COMPLETE")
    found = [finding for check in checks.ALL.values() for finding in check(local.stack)]
    assert [finding for finding in found if finding.state is State.ERROR]
    assert all(finding.remedy for finding in found if finding.state in (State.ERROR, State.WARNING))


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("UPDATE_COMPLETE", State.OK),
        ("UPDATE_IN_PROGRESS", State.WARNING),
        ("UPDATE_ROLLBACK_COMPLETE", State.WARNING),
        ("UPDATE_ROLLBACK_FAILED", State.ERROR),
        ("ROLLBACK_COMPLETE", State.ERROR),
        ("DELETE_FAILED", State.ERROR),
    ],
)
def test_stack_status_determines_the_finding(
    local: Local, monkeypatch: pytest.MonkeyPatch, status: str, state: State
) -> None:
    """A failed deployment is distinguished from a rolled-back one and from one in progress."""
    monkeypatch.setattr(local.stack, "status", status)
    assert [finding.state for finding in deployment.status(local.stack)] == [state]


def statement(principal: Any, action: Any = "sqs:SendMessage", effect: str = "Allow") -> dict[str, Any]:
    """Return a statement of a queue policy."""
    return {"Effect": effect, "Principal": principal, "Action": action, "Resource": "*"}


@pytest.mark.parametrize(
    ("statements", "states"),
    [
        ([statement({"AWS": CANVAS})], [State.OK, State.OK]),
        ([statement({"AWS": f"arn:aws:iam::{CANVAS}:root"})], [State.OK, State.OK]),
        ([statement({"AWS": [CANVAS]}, ["SQS:SendMessage"]), statement("*", "sqs:*", "Deny")], [State.OK, State.OK]),
        ([], [State.ERROR, State.OK]),
        ([statement({"AWS": "111111111111"})], [State.ERROR, State.ERROR]),
        ([statement({"AWS": [CANVAS, "111111111111"]})], [State.OK, State.ERROR]),
        ([statement("*")], [State.ERROR, State.ERROR]),
        ([statement({"AWS": "*"}), statement({"AWS": CANVAS})], [State.OK, State.ERROR]),
        ([statement({"AWS": CANVAS}, "sqs:*")], [State.WARNING, State.OK, State.OK]),
        ([statement({"AWS": CANVAS}, "sqs:ReceiveMessage")], [State.WARNING, State.ERROR, State.OK]),
        ([statement({"AWS": CANVAS}), statement({"Service": "sns.amazonaws.com"})], [State.OK, State.ERROR]),
        ([statement({"AWS": CANVAS}), {"Effect": "Allow", "NotPrincipal": {"AWS": "1"}, "Action": "*"}],
         [State.WARNING, State.OK, State.ERROR]),
    ],
)  # fmt: skip
def test_queue_policy_must_allow_only_canvas_to_send(statements: list[dict[str, Any]], states: list[State]) -> None:
    """Canvas must be allowed to send and nobody else, however the policy is written."""
    assert [finding.state for finding in queues._senders({"Statement": statements}, CANVAS)] == states


@pytest.mark.parametrize(
    ("principal", "states"),
    [
        (CANVAS_USER, [State.OK, State.OK]),
        # What IAM puts in the place of a user that was deleted. Source: IAM User Guide, "AWS JSON policy elements:
        # Principal".
        ("AIDACKCEVSQ6C2EXAMPLE", [State.ERROR, State.ERROR]),
        (CANVAS, [State.ERROR, State.ERROR]),
        ([CANVAS_USER, CANVAS], [State.OK, State.ERROR]),
    ],
)
def test_canvas_user_replaces_the_shared_account_in_the_queue_policy(principal: Any, states: list[State]) -> None:
    """With CanvasUserArn only that user may send; Instructure's account must not, like any other."""
    policy = {"Statement": [statement({"AWS": principal})]}
    assert [finding.state for finding in queues._senders(policy, CANVAS_USER)] == states


@pytest.mark.parametrize(
    ("parameters", "warned"),
    [
        ({"AllowedRootAccounts": ""}, True),
        ({"AllowedRootAccounts": "VicYj3cu5BIFpoZhDVU4DZumnlBrWi1grgJEzADs"}, False),
        ({"AllowedRootAccounts": "", "CanvasUserArn": CANVAS_USER}, False),
    ],
)
def test_accepting_events_of_every_institution_is_a_warning(
    local: Local, queue_attributes: Any, parameters: dict[str, str], warned: bool
) -> None:
    """With the shared account and no filter, any institution that knows the queue's URL can make Canvas write to it."""
    local.stack.parameters = {**local.stack.parameters, **parameters}
    sender = parameters.get("CanvasUserArn", CANVAS)
    queue_attributes(Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement({"AWS": sender})]}))
    found = troubles(queues.queue, local.stack)
    text = "events of every institution are accepted: the parameter AllowedRootAccounts is empty"
    assert found == ([(State.WARNING, text)] if warned else [])


def test_queue_that_canvas_cannot_use_is_an_error(local: Local) -> None:
    """A name without the required prefix, or a FIFO queue, is an error."""
    for name in ("live-events", "canvas-live-events.fifo"):
        local.stack.queue_url = f"http://127.0.0.1/000000000000/{name}"
        first = next(iter(queues.queue(local.stack)))
        assert (first.state, name in first.text) == (State.ERROR, True)


@pytest.fixture
def queue_attributes(local: Local) -> Iterator[Any]:
    """Set attributes of the queue and restore them at the end."""
    sqs, url = local.stack.client("sqs"), local.stack.queue_url
    names = ["VisibilityTimeout", "RedrivePolicy", "MessageRetentionPeriod", "Policy"]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    yield lambda **attributes: sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    sqs.set_queue_attributes(QueueUrl=url, Attributes=before)


def test_manual_policy_change_is_detected(local: Local, queue_attributes: Any) -> None:
    """The check reads the deployed policy, so it finds manual changes."""
    queue_attributes(Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement("*")]}))
    assert [state for state, _ in troubles(queues.queue, local.stack)] == [State.ERROR, State.ERROR, State.WARNING]


def test_misconfigured_redrive_policy_is_detected(local: Local, queue_attributes: Any) -> None:
    """It finds another target, too low a receive count, and a queue whose retention exceeds the dead-letter queue's."""
    local.stack.client("sqs").create_queue(QueueName="another")
    policy = {"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:000000000000:another", "maxReceiveCount": 3}
    queue_attributes(RedrivePolicy=json.dumps(policy), MessageRetentionPeriod="1209600")
    assert [state for state, _ in troubles(queues.dead_letters, local.stack)] == [
        State.ERROR, State.WARNING, State.ERROR,
    ]  # fmt: skip


def test_short_visibility_timeout_is_reported(local: Local, queue_attributes: Any) -> None:
    """A visibility timeout below six times the function timeout is reported with both values."""
    queue_attributes(VisibilityTimeout="60")
    found = troubles(functions.functions, local.stack)
    assert {state for state, _ in found} == {State.WARNING}
    assert all("a visibility timeout of only 60 s" in text for _, text in found)


def test_disabled_event_source_mapping_is_an_error(local: Local) -> None:
    """A queue that no function polls is an error, and the remedy is the command that enables the mapping."""
    client, uuid = local.stack.client("lambda"), local.stack.resources["SqsFunctionQueue"].physical_id
    client.update_event_source_mapping(UUID=uuid, Enabled=False, FunctionResponseTypes=[])
    try:
        found = [finding for finding in functions.mappings(local.stack) if finding.state is State.ERROR]
    finally:
        client.update_event_source_mapping(UUID=uuid, Enabled=True, FunctionResponseTypes=["ReportBatchItemFailures"])
    assert [finding.text for finding in found] == [
        found[0].text, "SqsFunctionQueue does not use partial batch responses",
    ]  # fmt: skip
    assert f"--enabled --uuid {uuid}" in found[0].remedy


@pytest.mark.parametrize(
    ("change", "state", "text"),
    [
        ({"REJECTED_TABLE": ""}, State.ERROR, "does not start: REJECTED_TABLE is not set"),
        ({"REJECTED_RETENTION_DAYS": "soon"}, State.ERROR, "does not start: REJECTED_RETENTION_DAYS"),
        ({"MODULES_TABLE": ""}, State.WARNING, "ignores events because MODULES_TABLE is not set"),
        ({"MODULES_TABLE": "another"}, State.ERROR, "writes to tables outside the stack: MODULES_TABLE"),
        ({}, State.OK, "has the table of every selected family"),
    ],
)
def test_wrong_function_environment_is_detected(local: Local, change: dict[str, str], state: State, text: str) -> None:
    """It finds variables that stop the function from starting, name another table or omit a family."""
    finding = functions._settings("SqsFunction", {**local.stack.environment, **change}, local.stack)
    assert (finding.state, text in finding.text) == (state, True)


@pytest.mark.parametrize(("reserved", "state"), [(0, State.ERROR), (5, State.WARNING)])
def test_low_reserved_concurrency_is_reported(local: Local, reserved: int, state: State) -> None:
    """A function that can run never or too rarely is reported with the command that removes the limit."""
    client, function = local.stack.client("lambda"), local.stack.resources["SqsFunction"].physical_id
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=reserved)
    try:
        (finding,) = [finding for finding in functions.functions(local.stack) if finding.state is not State.OK]
    finally:
        client.delete_function_concurrency(FunctionName=function)
    assert (finding.state, finding.text) == (state, f"SqsFunction has a reserved concurrency of {reserved}")
    assert f"aws lambda delete-function-concurrency --function-name {function}" in finding.remedy


@pytest.mark.parametrize(("available", "states"), [(10, [State.WARNING]), (11, []), (1000, [])])
def test_low_account_concurrency_is_a_warning(local: Local, available: int, states: list[State]) -> None:
    """A new AWS account has a low limit; if the queue can use all of it, nothing is left for other functions."""
    client = local.stack.client("lambda")

    class Lambda:
        def __getattr__(self, name: str) -> Any:
            return getattr(client, name)

        def get_account_settings(self) -> Any:
            return {"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": available}}

    local.stack._clients["lambda"] = Lambda()
    assert local.stack.parameters["MaximumConcurrency"] == "10"
    assert [state for state, _ in troubles(functions.functions, local.stack)] == states


@pytest.mark.parametrize(
    ("hours", "states"),
    [
        (24, [State.ERROR]),
        (96, [State.ERROR]),
        (144, [State.ERROR]),
        (168, []),
        (169, [State.INFO]),
        (8760, [State.INFO]),
    ],
)
def test_stream_retention_outside_the_useful_range_is_reported(local: Local, hours: int, states: list[State]) -> None:
    """Too short a retention loses records during an outage; a long one fills the bucket at the first start."""

    class Kinesis:
        def describe_stream_summary(self, **_: str) -> Any:
            return {"StreamDescriptionSummary": {"StreamStatus": "ACTIVE", "RetentionPeriodHours": hours}}

    local.stack._clients["kinesis"] = Kinesis()
    found = [finding for finding in storage.stream(local.stack) if finding.state is not State.OK]
    assert [finding.state for finding in found] == states
    assert properties("Stream")["RetentionPeriodHours"] == storage._RETENTION_HOURS
    if states == [State.ERROR]:
        assert f"--stream-arn {local.stack.stream_arn} --retention-period-hours 168`" in found[0].remedy


def test_missing_permission_is_reported_with_its_resource(local: Local) -> None:
    """An action that a role lacks is named with its resource."""
    iam, role = local.stack.client("iam"), local.stack.resources["SqsFunctionRole"].physical_id
    policy = local.stack.resources["WriteTablesPolicy"].physical_id
    iam.detach_role_policy(RoleName=role, PolicyArn=policy)
    try:
        ((state, text),) = troubles(functions.permissions, local.stack)
    finally:
        iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    assert state is State.ERROR
    assert text.startswith("SqsFunction may not: dynamodb:PartiQLInsert on arn:aws:dynamodb:")
    assert "sqs:" not in text


def test_permissions_are_simulated_with_the_condition_key_of_the_bucket(local: Local) -> None:
    """IAM's simulator has no condition keys unless they are passed; without this one every write would be denied."""
    iam = local.stack.client("iam")

    class Iam:
        calls: ClassVar[list[dict[str, Any]]] = []

        def simulate_principal_policy(self, **call: Any) -> Any:
            self.calls.append(call)
            return iam.simulate_principal_policy(**call)

    local.stack._clients["iam"] = Iam()
    assert troubles(functions.permissions, local.stack) == []
    writes = [call for call in Iam.calls if call["ActionNames"] == ["s3:PutObject"]]
    prefixes = sorted(call["ResourceArns"][0].split("/")[1] for call in writes)
    assert prefixes == ["aws", "events", "events", "results"]  # the failure bucket, and the archive of either source
    account = functions.configurations(local.stack)["SqsFunction"]["FunctionArn"].split(":")[4]
    condition = {"ContextKeyName": "s3:ResourceAccount", "ContextKeyValues": [account], "ContextKeyType": "string"}
    assert [call["ContextEntries"] for call in writes] == [[condition]] * 4


def test_missing_table_or_wrong_key_schema_is_an_error(local: Local) -> None:
    """A table that was deleted outside of the stack, or has other keys, is an error; the other tables are not."""
    local.stack._tables.update(MODULES_TABLE="gone", COURSES_TABLE=local.stack.rejected_table)
    faults = [text for state, text in troubles(storage.tables, local.stack) if state is State.ERROR]
    assert faults == [
        f"COURSES_TABLE {local.stack.rejected_table} has the keys reason, record", "MODULES_TABLE gone was deleted",
    ]  # fmt: skip


def test_missing_index_is_a_warning(local: Local) -> None:
    """An index that the template has and a table lacks is named; the one of activity is expected only by parameter."""
    tables = local.stack.entity_tables
    local.stack.entity_tables = tables | {"GROUPS_TABLE": tables["MODULES_TABLE"]}
    finding = storage._indexes(local.stack, local.stack.entity_tables)
    assert (finding.state, "by_user of groups" in finding.text) == (State.WARNING, True)
    assert "activity" not in finding.text
    local.stack.parameters = {**local.stack.parameters, "IndexActivityByCourse": "true"}
    assert "by_course of activity" in storage._indexes(local.stack, tables).text


def test_family_without_a_table_is_a_warning(local: Local) -> None:
    """A family in the catalogue without a table in the stack is a warning, because it may be intentional."""
    del local.stack._tables["MODULES_TABLE"]
    assert (State.WARNING, "the stack has no table for MODULES_TABLE, so its events are ignored") in troubles(
        storage.tables, local.stack
    )


def test_excluded_family_is_information_only(local: Local) -> None:
    """A family excluded by Families is listed, but is neither a warning nor an error of the stack or function."""
    local.stack.parameters = {**local.stack.parameters, "Families": "assignments, courses ,discussions"}
    left_out = {"MODULES_TABLE"} | {name for name in local.stack.entity_tables if name not in local.stack.chosen_tables}
    for name in left_out:
        del local.stack._tables[name]
    local.stack.__dict__.pop("entity_tables")
    states = {finding.text: finding.state for finding in storage.tables(local.stack)}
    assert states["stored families: assignments, courses, discussions"] is State.OK
    (text,) = [text for text, state in states.items() if state is State.INFO]
    assert text.startswith("ignored families, not in the parameter Families: ")
    assert {f"{name.upper()}_TABLE" for name in text.partition(": ")[2].split(", ")} == left_out
    assert not [text for text in states if "events are ignored" in text]
    finding = functions._settings("SqsFunction", local.stack.environment, local.stack)
    assert finding.state is State.OK
    chosen_and_missing = {**local.stack.environment, "COURSES_TABLE": ""}
    finding = functions._settings("SqsFunction", chosen_and_missing, local.stack)
    assert (finding.state, "because COURSES_TABLE is not set" in finding.text) == (State.WARNING, True)


def test_tables_have_time_to_live_or_point_in_time_recovery(local: Local) -> None:
    """Rejected events and activity must have a time to live, and all other tables point-in-time recovery."""
    local.stack.append_only_tables = frozenset({"ACTIVITY_TABLE"})
    local.stack.entity_tables = {name: local.stack._tables[name] for name in ("ACTIVITY_TABLE", "MODULES_TABLE")}
    dynamodb = local.stack.client("dynamodb")
    found = [text for _, text in troubles(storage.tables, local.stack)]
    assert "items never expire in activity, rejected: time to live is disabled" in found
    assert "point-in-time recovery is disabled in modules, rejected" in found
    on = {"Enabled": True, "AttributeName": "expires_at"}
    for table in (local.stack.entity_tables["ACTIVITY_TABLE"], local.stack.rejected_table):
        dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=on)
    for table in (local.stack.entity_tables["MODULES_TABLE"], local.stack.rejected_table):
        dynamodb.update_continuous_backups(
            TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
    try:
        texts = [finding.text for finding in storage.tables(local.stack)]
    finally:
        for table in (local.stack.entity_tables["ACTIVITY_TABLE"], local.stack.rejected_table):
            dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification={**on, "Enabled": False})
        for table in (local.stack.entity_tables["MODULES_TABLE"], local.stack.rejected_table):
            dynamodb.update_continuous_backups(
                TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
            )
    assert "items expire in activity, rejected" in texts
    assert "point-in-time recovery is enabled" in texts


def test_activity_table_requires_no_update_permission(local: Local) -> None:
    """Activity and rejected records are only inserted, so doctor requires no other permission."""
    local.stack.append_only_tables = frozenset({"ACTIVITY_TABLE"})
    local.stack.entity_tables = {name: local.stack._tables[name] for name in ("ACTIVITY_TABLE", "MODULES_TABLE")}
    configuration = functions.configurations(local.stack)["SqsFunction"]
    needed = {
        arn.rpartition("/")[2]: actions
        for arn, actions in functions._required_actions(local.stack, configuration).items()
    }
    insert, update = "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"
    assert needed[local.stack.entity_tables["ACTIVITY_TABLE"]] == (insert,)
    assert needed[local.stack.rejected_table] == (insert,)
    assert needed[local.stack.entity_tables["MODULES_TABLE"]] == (insert, update)


def test_deleted_resource_is_an_error() -> None:
    """A deleted resource is an error, unlike one that the user may not read."""
    deleted = ClientError({"Error": {"Code": "NoSuchBucket", "Message": ""}}, "ListObjectsV2")
    finding = missing_resource(deleted)
    assert finding is not None
    assert finding.state is State.ERROR
    assert missing_resource(ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "ListObjectsV2")) is None


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize(
    ("trouble", "text"),
    [
        (OSError("the package is not a zip file"), "the download failed: the package is not a zip file"),
        (ResponseParserError("<html>"), "AWS returned a malformed response"),
        (ReadTimeoutError(endpoint_url="https://x"), "AWS does not respond"),
    ],
)
def test_unresponsive_service_skips_only_its_check(
    canvas_events: Command, monkeypatch: pytest.MonkeyPatch, trouble: Exception, text: str
) -> None:
    """A missing or malformed response stops one check and no other."""

    def fail(_: Stack) -> Iterator[Finding]:
        raise trouble
        yield

    monkeypatch.setattr(checks, "ALL", {**checks.ALL, "package": fail})
    result = canvas_events("doctor", "--local", "--json")
    assert result.status == 0
    (not_checked,) = [finding for finding in result.json if finding["state"] == "not checked"]
    assert not_checked["finding"].startswith(text)
    assert result.json[-1]["area"] == "failed records"


@pytest.mark.usefixtures("local")
def test_check_without_permission_is_skipped(canvas_events: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a permission a check is reported as skipped, the others continue, and it is not an error."""
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "SimulatePrincipalPolicy")

    def deny(_: Stack) -> Iterator[Finding]:
        yield Finding(State.OK, "so far")
        raise denied

    monkeypatch.setattr(checks, "ALL", {**checks.ALL, "permissions": deny})
    result = canvas_events("doctor", "--local", "--json")
    assert result.status == 0
    (not_checked,) = [finding for finding in result.json if finding["state"] == "not checked"]
    assert not_checked["finding"].startswith("your AWS identity may not call SimulatePrincipalPolicy")
    assert result.json[-1]["area"] == "failed records"


def test_stack_without_an_alarm_topic_is_reported(local: Local) -> None:
    """A stack of an older template notifies nobody of alarms, and doctor says so."""
    local.stack.resources = {}
    assert troubles(deployment.alarms, local.stack) == [(State.WARNING, "the stack has no topic for alarms")]


def test_topic_without_a_confirmed_subscription_is_a_warning(local: Local) -> None:
    """Without a confirmed subscription there is a warning, and with one there is none."""
    sns = local.stack.client("sns")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    local.stack.resources = {**local.stack.resources, "AlarmTopic": Resource("AWS::SNS::Topic", topic)}
    assert troubles(deployment.alarms, local.stack) == [
        (State.WARNING, "alarms reach nobody: the topic has no confirmed subscription")
    ]
    queue = "arn:aws:sqs:eu-west-1:000000000000:canvas-live-events-alarms"
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    assert troubles(deployment.alarms, local.stack) == []


@pytest.mark.parametrize(
    ("arns", "states"),
    [
        (["PendingConfirmation"], [State.WARNING]),
        (["PendingConfirmation", "arn:aws:sns:eu-west-1:1:alarms:1"], [State.OK, State.WARNING]),
    ],
)
def test_pending_subscription_counts_as_unconfirmed(local: Local, arns: list[str], states: list[State]) -> None:
    """A subscription that SNS lists as pending notifies nobody; MiniStack does not emulate this state."""

    class Sns:
        def get_paginator(self, _: str) -> "Sns":
            return self

        def paginate(self, **_: str) -> list[Any]:
            return [{"Subscriptions": [{"SubscriptionArn": arn} for arn in arns]}]

    local.stack.resources = {"AlarmTopic": Resource("AWS::SNS::Topic", "arn:aws:sns:eu-west-1:1:alarms")}
    local.stack._clients["sns"] = Sns()
    assert [finding.state for finding in deployment.alarms(local.stack)] == states


def test_active_alarm_is_reported_with_its_description(local: Local) -> None:
    """An alarm of the stack in the ALARM state is shown with its name and meaning."""
    topic = local.stack.client("sns").create_topic(Name="alarms")["TopicArn"]
    cloudwatch = local.stack.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="late", AlarmDescription="Events are late.", MetricName="m", Namespace="n", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold", Statistic="Sum",
    )  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName="late", StateValue="ALARM", StateReason="a test")
    local.stack.resources = {
        "AlarmTopic": Resource("AWS::SNS::Topic", topic), "Late": Resource("AWS::CloudWatch::Alarm", "late"),
    }  # fmt: skip
    assert Finding(State.WARNING, "the alarm late is active", "Events are late.") in list(
        deployment.alarms(local.stack)
    )


def test_deployed_schemas_that_differ_are_named(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each schema in the deployed package that differs from the local one is named."""
    here = deployment._schema_files()
    monkeypatch.setattr(deployment, "_schema_files", lambda: [path for path in here if path.stem != "module_created"])
    assert troubles(deployment.package, local.stack) == [
        (State.WARNING, "1 schema not as in this checkout: schemas/module_created.json")
    ]


def test_only_the_schemas_of_a_package_are_compared(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytecode, which `sam build` adds, and the catalogue's own files, which no function reads, may differ."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as package:
        for path in SCHEMAS_DIR.glob("*.json"):
            package.write(path, f"schemas/{path.name}")
        for name in ("schemas/catalogue/modules.toml", "handlers/__pycache__/sqs.cpython-313.pyc", "a/schemas/b.json"):
            package.writestr(name, "not as it is here")
    monkeypatch.setattr(deployment, "_code_of", lambda *_: content.getvalue())
    assert [finding.state for finding in deployment.package(local.stack)] == [State.OK]


def test_dead_letters_and_failed_batches_are_reported(local: Local) -> None:
    """Messages and batches that exhausted their retries are information, with the command that lists them."""
    local.stack.client("sqs").send_message(QueueUrl=local.stack.dead_letter_queue_url, MessageBody="{}")
    body = json.dumps({"payload": kinesis_event(["{}"])}).encode()
    local.stack.client("s3").put_object(Bucket=local.bucket, Key="aws/lambda/1", Body=body)
    assert [(finding.state, finding.text) for finding in storage.failed_records(local.stack)] == [
        (State.INFO, "about 1 message in the dead-letter queue"),
        (State.OK, "the dead-letter queue of objects is empty"),
        (State.INFO, "1 object in the on-failure bucket"),
    ]  # fmt: skip


def test_table_variable_is_derived_from_the_logical_id() -> None:
    """Commands identify tables by logical id, functions by environment variable, and the two correspond."""
    variables = properties("SqsFunction")["Environment"]["Variables"]
    refs = {name: value["Ref"] for name, value in resolve(variables).items() if name.endswith("_TABLE")}
    assert len(refs) == len(FAMILIES) + 1
    assert {variable(logical_id): logical_id for logical_id in refs.values()} == refs
    assert {family(name) for name in refs} == {*FAMILIES, "rejected"}
    assert variable("OutcomeResultsTable") == "OUTCOME_RESULTS_TABLE"
