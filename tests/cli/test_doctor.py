"""``doctor``: a stack that is well, and one that was broken in each way that it looks for."""

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
    """What a check finds that is not well."""
    return [(each.state, each.text) for each in check(stack) if each.state is not State.OK]


@pytest.mark.usefixtures("local")
def test_a_stack_as_the_template_makes_it_is_well(canvas_events: Command) -> None:
    """Every check looks, and nothing is at fault."""
    done = canvas_events("doctor", "--local", "--json")
    assert done.status == 0
    assert {each["area"] for each in done.json} == set(checks.ALL)
    assert all(each["finding"].startswith(NOT_HERE) for each in done.json if each["state"] != "ok")
    shown = canvas_events("doctor", "--local")
    assert "0 errors" in shown.out
    assert "canvas-live-events: a standard queue with a name that Canvas accepts" in shown.out


def test_every_finding_that_is_not_well_says_what_to_do(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """No fault or warning leaves a person without the next step."""
    monkeypatch.setattr(local.stack, "status", "ROLLBACK_COMPLETE")
    found = [finding for check in checks.ALL.values() for finding in check(local.stack)]
    assert [each for each in found if each.state is State.ERROR]
    assert all(each.remedy for each in found if each.state in (State.ERROR, State.WARNING))


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
def test_the_state_of_the_stack(local: Local, monkeypatch: pytest.MonkeyPatch, status: str, state: State) -> None:
    """A deployment that failed is told from one that was undone and from one under way."""
    monkeypatch.setattr(local.stack, "status", status)
    assert [finding.state for finding in deployment.status(local.stack)] == [state]


def statement(principal: Any, action: Any = "sqs:SendMessage", effect: str = "Allow") -> dict[str, Any]:
    """A statement of a queue's policy."""
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
def test_who_may_send(statements: list[dict[str, Any]], states: list[State]) -> None:
    """Canvas must be allowed to send, and nobody else, however a policy says it."""
    assert [each.state for each in queues._senders({"Statement": statements}, CANVAS)] == states


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
def test_only_the_user_of_canvas_may_send_where_there_is_one(principal: Any, states: list[State]) -> None:
    """With CanvasUserArn that user must be allowed to send, and Instructure's account, as others, must not."""
    policy = {"Statement": [statement({"AWS": principal})]}
    assert [each.state for each in queues._senders(policy, CANVAS_USER)] == states


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
    """Without a filter and with Instructure's shared account, whoever gives Canvas the URL of the queue can write."""
    local.stack.parameters = {**local.stack.parameters, **parameters}
    sender = parameters.get("CanvasUserArn", CANVAS)
    queue_attributes(Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement({"AWS": sender})]}))
    found = troubles(queues.queue, local.stack)
    text = "events of every institution are accepted: the parameter AllowedRootAccounts is empty"
    assert found == ([(State.WARNING, text)] if warned else [])


def test_a_queue_that_canvas_does_not_take(local: Local) -> None:
    """A name that begins otherwise, or a FIFO queue, is at fault."""
    for name in ("live-events", "canvas-live-events.fifo"):
        local.stack.queue_url = f"http://127.0.0.1/000000000000/{name}"
        first = next(iter(queues.queue(local.stack)))
        assert (first.state, name in first.text) == (State.ERROR, True)


@pytest.fixture
def queue_attributes(local: Local) -> Iterator[Any]:
    """Set attributes of the queue; put back at the end."""
    sqs, url = local.stack.client("sqs"), local.stack.queue_url
    names = ["VisibilityTimeout", "RedrivePolicy", "MessageRetentionPeriod", "Policy"]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    yield lambda **attributes: sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    sqs.set_queue_attributes(QueueUrl=url, Attributes=before)


def test_the_deployed_policy_is_looked_at(local: Local, queue_attributes: Any) -> None:
    """A policy that was changed by hand is found out."""
    queue_attributes(Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement("*")]}))
    assert [state for state, _ in troubles(queues.queue, local.stack)] == [State.ERROR, State.ERROR, State.WARNING]


def test_a_dead_letter_queue_that_is_not_wired(local: Local, queue_attributes: Any) -> None:
    """Another target, too few receives, and a queue that keeps messages for longer than it are found."""
    local.stack.client("sqs").create_queue(QueueName="another")
    policy = {"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:000000000000:another", "maxReceiveCount": 3}
    queue_attributes(RedrivePolicy=json.dumps(policy), MessageRetentionPeriod="1209600")
    assert [state for state, _ in troubles(queues.dead_letters, local.stack)] == [
        State.ERROR, State.WARNING, State.ERROR,
    ]  # fmt: skip


def test_messages_that_come_back_too_soon(local: Local, queue_attributes: Any) -> None:
    """A visibility timeout under six times the function's is told of both functions' time."""
    queue_attributes(VisibilityTimeout="60")
    found = troubles(functions.functions, local.stack)
    assert {state for state, _ in found} == {State.WARNING}
    assert all("a visibility timeout of only 60 s" in text for _, text in found)


def test_a_mapping_that_is_off(local: Local) -> None:
    """A queue that nobody reads any more is at fault, and the command that turns it on is said."""
    client, uuid = local.stack.client("lambda"), local.stack.resources["SqsFunctionQueue"].physical_id
    client.update_event_source_mapping(UUID=uuid, Enabled=False, FunctionResponseTypes=[])
    try:
        found = [each for each in functions.mappings(local.stack) if each.state is State.ERROR]
    finally:
        client.update_event_source_mapping(UUID=uuid, Enabled=True, FunctionResponseTypes=["ReportBatchItemFailures"])
    assert [each.text for each in found] == [
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
def test_the_settings_of_a_function(local: Local, change: dict[str, str], state: State, text: str) -> None:
    """A function that would not start, or write elsewhere, or leave a family out, is found by its environment."""
    finding = functions._settings("SqsFunction", {**local.stack.environment, **change}, local.stack)
    assert (finding.state, text in finding.text) == (state, True)


@pytest.mark.parametrize(("reserved", "state"), [(0, State.ERROR), (5, State.WARNING)])
def test_a_function_with_reserved_concurrency(local: Local, reserved: int, state: State) -> None:
    """A function that may not run, or not often enough, is told with the command that frees it."""
    client, function = local.stack.client("lambda"), local.stack.resources["SqsFunction"].physical_id
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=reserved)
    try:
        (finding,) = [each for each in functions.functions(local.stack) if each.state is not State.OK]
    finally:
        client.delete_function_concurrency(FunctionName=function)
    assert (finding.state, finding.text) == (state, f"SqsFunction has a reserved concurrency of {reserved}")
    assert f"aws lambda delete-function-concurrency --function-name {function}" in finding.remedy


@pytest.mark.parametrize(("available", "states"), [(10, [State.WARNING]), (11, []), (1000, [])])
def test_account_without_concurrency_for_the_functions_is_a_warning(
    local: Local, available: int, states: list[State]
) -> None:
    """A new AWS account has few concurrent executions; all of them taken by the queue leave none for the rest."""
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
def test_retention_of_an_existing_stream(local: Local, hours: int, states: list[State]) -> None:
    """Too short a retention loses what fails for as long; a long one fills the bucket at the first start."""

    class Kinesis:
        def describe_stream_summary(self, **_: str) -> Any:
            return {"StreamDescriptionSummary": {"StreamStatus": "ACTIVE", "RetentionPeriodHours": hours}}

    local.stack._clients["kinesis"] = Kinesis()
    found = [each for each in storage.stream(local.stack) if each.state is not State.OK]
    assert [each.state for each in found] == states
    assert properties("Stream")["RetentionPeriodHours"] == storage._RETENTION_HOURS
    if states == [State.ERROR]:
        assert f"--stream-arn {local.stack.stream_arn} --retention-period-hours 168`" in found[0].remedy


def test_a_permission_that_was_taken_away(local: Local) -> None:
    """What a role may not do any more is named, with what it is done on."""
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
    """IAM's simulator knows no condition key by itself: without it, it would deny every write to the bucket."""
    iam = local.stack.client("iam")

    class Iam:
        calls: ClassVar[list[dict[str, Any]]] = []

        def simulate_principal_policy(self, **call: Any) -> Any:
            self.calls.append(call)
            return iam.simulate_principal_policy(**call)

    local.stack._clients["iam"] = Iam()
    assert troubles(functions.permissions, local.stack) == []
    (write,) = [call for call in Iam.calls if call["ActionNames"] == ["s3:PutObject"]]
    account = functions.configurations(local.stack)["SqsFunction"]["FunctionArn"].split(":")[4]
    assert write["ContextEntries"] == [
        {"ContextKeyName": "s3:ResourceAccount", "ContextKeyValues": [account], "ContextKeyType": "string"}
    ]


def test_a_table_that_is_gone_or_keyed_otherwise(local: Local) -> None:
    """A table that was deleted outside of the stack, or has other keys, is at fault; the others are not."""
    local.stack._tables.update(MODULES_TABLE="gone", COURSES_TABLE=local.stack.rejected_table)
    faults = [text for state, text in troubles(storage.tables, local.stack) if state is State.ERROR]
    assert faults == [
        f"COURSES_TABLE {local.stack.rejected_table} has the keys reason, record", "MODULES_TABLE gone was deleted",
    ]  # fmt: skip


def test_a_family_without_its_table(local: Local) -> None:
    """A family that the catalogue knows and the stack has no table for is a warning: it may be meant."""
    del local.stack._tables["MODULES_TABLE"]
    assert (State.WARNING, "the stack has no table for MODULES_TABLE, so its events are ignored") in troubles(
        storage.tables, local.stack
    )


def test_a_family_that_was_not_chosen_is_no_fault(local: Local) -> None:
    """What the parameter Families leaves out is told, and is neither a warning nor a fault of stack or function."""
    local.stack.parameters = {**local.stack.parameters, "Families": "assignments, courses ,discussions"}
    left_out = {"MODULES_TABLE"} | {name for name in local.stack.entity_tables if name not in local.stack.chosen_tables}
    for name in left_out:
        del local.stack._tables[name]
    local.stack.__dict__.pop("entity_tables")
    told = {each.text: each.state for each in storage.tables(local.stack)}
    assert told["stored families: assignments, courses, discussions"] is State.OK
    (text,) = [text for text, state in told.items() if state is State.INFO]
    assert text.startswith("ignored families, not in the parameter Families: ")
    assert {f"{name.upper()}_TABLE" for name in text.partition(": ")[2].split(", ")} == left_out
    assert not [text for text in told if "events are ignored" in text]
    finding = functions._settings("SqsFunction", local.stack.environment, local.stack)
    assert finding.state is State.OK
    chosen_and_missing = {**local.stack.environment, "COURSES_TABLE": ""}
    finding = functions._settings("SqsFunction", chosen_and_missing, local.stack)
    assert (finding.state, "because COURSES_TABLE is not set" in finding.text) == (State.WARNING, True)


def test_what_should_expire_and_what_should_last(local: Local) -> None:
    """Time to live is asked of rejected events and of activity, and recovery of all else, table by table."""
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
        texts = [each.text for each in storage.tables(local.stack)]
    finally:
        for table in (local.stack.entity_tables["ACTIVITY_TABLE"], local.stack.rejected_table):
            dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification={**on, "Enabled": False})
        for table in (local.stack.entity_tables["MODULES_TABLE"], local.stack.rejected_table):
            dynamodb.update_continuous_backups(
                TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
            )
    assert "items expire in activity, rejected" in texts
    assert "point-in-time recovery is enabled" in texts


def test_activity_needs_no_permission_to_update(local: Local) -> None:
    """What happened once is only ever inserted, as what is rejected; doctor asks for no more."""
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


def test_what_is_not_there_any_more_is_a_fault() -> None:
    """A part of the stack that somebody deleted is told as such, unlike one that may not be looked at."""
    deleted = ClientError({"Error": {"Code": "NoSuchBucket", "Message": ""}}, "ListObjectsV2")
    finding = missing_resource(deleted)
    assert finding is not None
    assert finding.state is State.ERROR
    assert missing_resource(ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "ListObjectsV2")) is None


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (OSError("the package is not a zip file"), "the download failed: the package is not a zip file"),
        (ResponseParserError("<html>"), "AWS returned a malformed response"),
        (ReadTimeoutError(endpoint_url="https://x"), "AWS does not respond"),
    ],
)
def test_a_service_that_does_not_answer_is_not_checked(
    canvas_events: Command, monkeypatch: pytest.MonkeyPatch, trouble: Exception, said: str
) -> None:
    """An answer that never comes, or makes no sense, stops one check and no other."""

    def fail(_: Stack) -> Iterator[Finding]:
        raise trouble
        yield

    monkeypatch.setattr(checks, "ALL", {**checks.ALL, "package": fail})
    done = canvas_events("doctor", "--local", "--json")
    assert done.status == 0
    (not_checked,) = [each for each in done.json if each["state"] == "not checked"]
    assert not_checked["finding"].startswith(said)
    assert done.json[-1]["area"] == "failed records"


@pytest.mark.usefixtures("local")
def test_what_may_not_be_looked_at_is_not_checked(canvas_events: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a permission a check says so, and the others go on; that is no fault."""
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "SimulatePrincipalPolicy")

    def deny(_: Stack) -> Iterator[Finding]:
        yield Finding(State.OK, "so far")
        raise denied

    monkeypatch.setattr(checks, "ALL", {**checks.ALL, "permissions": deny})
    done = canvas_events("doctor", "--local", "--json")
    assert done.status == 0
    (not_checked,) = [each for each in done.json if each["state"] == "not checked"]
    assert not_checked["finding"].startswith("your AWS identity may not call SimulatePrincipalPolicy")
    assert done.json[-1]["area"] == "failed records"


def test_a_stack_without_a_topic_for_alarms(local: Local) -> None:
    """A stack that an older template made tells nobody when it is not well, and doctor says so."""
    local.stack.resources = {}
    assert troubles(deployment.alarms, local.stack) == [(State.WARNING, "the stack has no topic for alarms")]


def test_alarms_that_reach_nobody(local: Local) -> None:
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
def test_a_subscription_that_nobody_confirmed(local: Local, arns: list[str], states: list[State]) -> None:
    """What SNS calls pending reaches nobody, and MiniStack knows no such state."""

    class Sns:
        def get_paginator(self, _: str) -> "Sns":
            return self

        def paginate(self, **_: str) -> list[Any]:
            return [{"Subscriptions": [{"SubscriptionArn": arn} for arn in arns]}]

    local.stack.resources = {"AlarmTopic": Resource("AWS::SNS::Topic", "arn:aws:sns:eu-west-1:1:alarms")}
    local.stack._clients["sns"] = Sns()
    assert [each.state for each in deployment.alarms(local.stack)] == states


def test_an_alarm_that_is_on_is_told(local: Local) -> None:
    """Of an alarm of the stack that went off the name and what it means are shown."""
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


def test_schemas_that_differ_are_named(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployed package with other schemas than those here is told, schema by schema."""
    here = deployment._schema_files()
    monkeypatch.setattr(deployment, "_schema_files", lambda: [path for path in here if path.stem != "module_created"])
    assert troubles(deployment.package, local.stack) == [
        (State.WARNING, "1 schema not as in this checkout: schemas/module_created.json")
    ]


def test_only_the_schemas_of_a_package_are_compared(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytecode, which `make build` adds, and the catalogue's own files, which no function reads, may differ."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as package:
        for path in SCHEMAS_DIR.glob("*.json"):
            package.write(path, f"schemas/{path.name}")
        for name in ("schemas/catalogue/modules.toml", "handlers/__pycache__/sqs.cpython-313.pyc", "a/schemas/b.json"):
            package.writestr(name, "not as it is here")
    monkeypatch.setattr(deployment, "_code_of", lambda *_: content.getvalue())
    assert [each.state for each in deployment.package(local.stack)] == [State.OK]


def test_what_is_parked_is_told(local: Local) -> None:
    """Messages and batches that failed for good are information, with the command that shows them."""
    local.stack.client("sqs").send_message(QueueUrl=local.stack.dead_letter_queue_url, MessageBody="{}")
    body = json.dumps({"payload": kinesis_event(["{}"])}).encode()
    local.stack.client("s3").put_object(Bucket=local.bucket, Key="aws/lambda/1", Body=body)
    assert [(each.state, each.text) for each in storage.failed_records(local.stack)] == [
        (State.INFO, "about 1 message in the dead-letter queue"), (State.INFO, "1 object in the on-failure bucket"),
    ]  # fmt: skip


def test_the_variable_of_a_table_follows_from_its_name_in_the_template() -> None:
    """The commands find the tables by their names in the template, as the functions do by their environment."""
    variables = properties("SqsFunction")["Environment"]["Variables"]
    refs = {name: value["Ref"] for name, value in resolve(variables).items() if name.endswith("_TABLE")}
    assert len(refs) == len(FAMILIES) + 1
    assert {variable(logical_id): logical_id for logical_id in refs.values()} == refs
    assert {family(name) for name in refs} == {*FAMILIES, "rejected"}
    assert variable("OutcomeResultsTable") == "OUTCOME_RESULTS_TABLE"
