"""The permissions of the functions, compared with what they do."""

import importlib
import json
import re
from typing import Any

import pytest
from botocore.httpsession import URLLib3Session
from moto.iam.aws_managed_policies import aws_managed_policies_data

import handlers.kinesis
import handlers.sqs
from cli.catalogue.samples import kinesis_event, rejected_samples, sqs_event
from tests.support.engines import SAMPLES, TABLES, Tables
from tests.support.template_helpers import (
    APPEND_ONLY_TABLES,
    FAMILIES,
    NO_VALUE,
    TEMPLATE,
    VERSIONED_TABLES,
    Json,
    arn,
    as_list,
    of_type,
    properties,
    resolve,
)  # fmt: skip
from tests.support.template_helpers import TABLES as TABLES_OF_FAMILIES

STREAM_ARN = {"Fn::If": ["CreateStream", {"Fn::GetAtt": ["Stream", "Arn"]}, {"Ref": "KinesisStream"}]}


def grants(policies: list[Json]) -> set[tuple[str, str]]:
    """Return every action that the policies allow, with its resource, with all families and without tracing."""
    return {
        (action, str(resource))
        for policy in resolve(policies)
        if "Fn::If" not in policy
        for statement in policy["PolicyDocument"]["Statement"]
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }


def on(resource: Any, *actions: str) -> set[tuple[str, str]]:
    """Return the grants of some actions on a resource."""
    return {(action, str(resource)) for action in actions}


@pytest.mark.parametrize(
    ("function", "own"),
    [
        (
            "SqsFunction",
            on(arn("Queue"), "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
            | on(arn("SqsLogGroup"), "logs:CreateLogStream", "logs:PutLogEvents"),
        ),
        (
            "KinesisFunction",
            on(
                STREAM_ARN,
                "kinesis:DescribeStream",
                "kinesis:DescribeStreamSummary",
                "kinesis:GetRecords",
                "kinesis:GetShardIterator",
                "kinesis:ListShards",
            )
            | on({"Fn::Sub": "${FailureBucket.Arn}/*"}, "s3:PutObject")
            | on(arn("FailureBucket"), "s3:ListBucket")
            | on(arn("KinesisLogGroup"), "logs:CreateLogStream", "logs:PutLogEvents"),
        ),
        (
            "ObjectsFunction",
            on(arn("ObjectsQueue"), "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
            | on({"Fn::Sub": "${Bucket.Arn}/events/*"}, "s3:GetObject")
            | on({"Fn::Sub": "${Bucket.Arn}/snapshots/*"}, "s3:GetObject")
            | on({"Fn::Sub": "${Bucket.Arn}/erased/*"}, "s3:GetObject")
            | on({"Fn::Sub": "${Bucket.Arn}/results/*"}, "s3:PutObject")
            | on(arn("Bucket"), "s3:ListBucket")
            | on(arn("ObjectsLogGroup"), "logs:CreateLogStream", "logs:PutLogEvents"),
        ),
    ],
)
def test_function_has_exactly_the_permissions_that_it_needs(function: str, own: set[tuple[str, str]]) -> None:
    """No wildcard, AWS managed policy or role created by SAM grants a function more than it needs."""
    assert properties(function)["Role"] == arn(f"{function}Role")
    role = properties(f"{function}Role")
    assert role["ManagedPolicyArns"] == [{"Ref": "WriteTablesPolicy"}]
    tables = set().union(
        *(on(arn(table), "dynamodb:PartiQLInsert") for table in ("RejectedTable", *APPEND_ONLY_TABLES)),
        *(on(arn(table), "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate") for table in VERSIONED_TABLES),
    )
    assert grants([*role["Policies"], properties("WriteTablesPolicy")]) == own | tables


def test_template_has_no_other_roles_or_policies() -> None:
    """SAM adds nothing that extends what the template grants."""
    assert of_type("AWS::IAM::Role").keys() == {"SqsFunctionRole", "KinesisFunctionRole", "ObjectsFunctionRole"}
    assert of_type("AWS::IAM::ManagedPolicy").keys() == {"WriteTablesPolicy"}
    assert of_type("AWS::IAM::Policy") == {}


@pytest.mark.parametrize("function", ["SqsFunction", "KinesisFunction"])
def test_archiving_is_permitted_only_when_it_is_on(function: str) -> None:
    """A function may write archived events, and nothing else in the bucket, and only with the archive."""
    (policy,) = optional_policies(function, "HasArchive")
    assert grants([policy]) == on({"Fn::Sub": "${Bucket.Arn}/events/*"}, "s3:PutObject")


def optional_policies(function: str, condition: str) -> list[Json]:
    """Return the policies that the role of a function has under a condition."""
    conditional = [policy["Fn::If"] for policy in properties(f"{function}Role")["Policies"] if "Fn::If" in policy]
    assert {otherwise["Ref"] for _, _, otherwise in conditional} == {NO_VALUE["Ref"]}
    return [policy for name, policy, _ in conditional if name == condition]


@pytest.mark.parametrize("function", ["SqsFunction", "KinesisFunction", "ObjectsFunction"])
def test_tracing_is_permitted_only_when_enabled(function: str) -> None:
    """The role itself allows sending traces, so that it does before Lambda checks it, and only with tracing."""
    assert TEMPLATE["Parameters"]["Tracing"]["Default"] == "PassThrough"
    assert TEMPLATE["Conditions"]["HasTracing"] == {"Fn::Equals": [{"Ref": "Tracing"}, "Active"]}
    assert properties(function)["TracingConfig"] == {"Mode": {"Ref": "Tracing"}}
    assert properties(function)["Role"] == arn(f"{function}Role")
    (policy,) = optional_policies(function, "HasTracing")
    assert grants([policy]) == on("*", "xray:PutTraceSegments", "xray:PutTelemetryRecords")


def test_buckets_are_written_only_in_this_account() -> None:
    """A bucket that someone else creates under the name of a deleted one receives no events."""
    own_account = {"StringEquals": {"s3:ResourceAccount": {"Ref": "AWS::AccountId"}}}
    statements = [
        statement
        for role in of_type("AWS::IAM::Role").values()
        for either in role["Properties"]["Policies"]
        for policy in [either["Fn::If"][1] if "Fn::If" in either else either]
        for statement in policy["PolicyDocument"]["Statement"]
        if any(action.startswith("s3:") for action in as_list(statement["Action"]))
    ]
    assert {action for statement in statements for action in as_list(statement["Action"])} >= {"s3:PutObject"}
    assert [statement for statement in statements if statement.get("Condition") != own_account] == []


def test_every_role_has_the_permissions_boundary() -> None:
    """If an organization requires a boundary, every role of the template has it."""
    assert TEMPLATE["Conditions"]["HasPermissionsBoundary"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "PermissionsBoundary"}, ""]}]
    }
    bounded = {"Fn::If": ["HasPermissionsBoundary", {"Ref": "PermissionsBoundary"}, NO_VALUE]}
    for role in of_type("AWS::IAM::Role").values():
        assert role["Properties"]["PermissionsBoundary"] == bounded


@pytest.mark.parametrize(
    ("function", "service", "policy", "unused"),
    [
        ("SqsFunction", "sqs", "AWSLambdaSQSQueueExecutionRole", set()),
        # For enhanced fan-out, and to choose a stream in the console.
        (
            "KinesisFunction",
            "kinesis",
            "AWSLambdaKinesisExecutionRole",
            {"kinesis:SubscribeToShard", "kinesis:ListStreams"},
        ),
    ],
)
def test_source_permissions_match_the_aws_managed_policy(
    function: str, service: str, policy: str, unused: set[str]
) -> None:
    """The permissions of Lambda's poller equal those of the AWS managed policy, except the ones listed here."""
    managed = json.loads(aws_managed_policies_data)[policy]["Document"]["Statement"]
    required = {
        action for statement in managed for action in as_list(statement["Action"]) if action.startswith(service)
    }
    granted = {action for action, _ in grants(properties(f"{function}Role")["Policies"]) if action.startswith(service)}
    assert granted == required - unused


# The action that a PartiQL statement requires. Source: Amazon DynamoDB Developer Guide, "IAM security policies with
# PartiQL for DynamoDB". There is none by the name of BatchExecuteStatement, though MiniStack's AUTH=true asks for it.
ACTIONS = {"INSERT": "dynamodb:PartiQLInsert", "UPDATE": "dynamodb:PartiQLUpdate", "DELETE": "dynamodb:PartiQLDelete"}


@pytest.fixture
def calls(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Json]]:
    """Record every request that the entry points send to AWS: operation and body."""
    sent: list[tuple[str, Json]] = []
    send = URLLib3Session.send  # used by boto3's clients and by the handlers' own transport

    def record(session: URLLib3Session, request: Any) -> Any:
        target = request.headers["X-Amz-Target"]
        operation = (target.decode() if isinstance(target, bytes) else target).partition(".")[2]
        sent.append((operation, json.loads(request.body)))
        return send(session, request)

    monkeypatch.setenv("AWS_ENDPOINT_URL", tables.endpoint)
    monkeypatch.setattr(URLLib3Session, "send", record)
    return sent


def test_sample_events_use_each_table_permission_and_no_other(
    calls: list[tuple[str, Json]],
) -> None:
    """Writing the samples, twice with a later time, uses each permission on each table, and no other."""
    texts = [*SAMPLES.values(), *rejected_samples().values()]
    for entry_point, event in ((handlers.sqs, sqs_event), (handlers.kinesis, kinesis_event)):
        handler = importlib.reload(entry_point).handler
        for batch in (texts, [_later(text) for text in SAMPLES.values()]):
            assert handler(event(batch), None) == {"batchItemFailures": []}
    assert {operation for operation, _ in calls} == {"BatchExecuteStatement"}
    used = set()
    for _, body in calls:
        for statement in body["Statements"]:
            table = re.search(r'(?:INTO|UPDATE) "([^"]+)"', statement["Statement"])
            assert table
            used.add((ACTIONS[statement["Statement"].split()[0]], table[1]))
    granted = grants([properties("WriteTablesPolicy")])
    assert used == {(action, TABLES[VARIABLES[on]]) for action, on in granted if VARIABLES[on] in TABLES}


# The environment variable of each table, by the reference to its ARN.
VARIABLES = {str(arn(table)): f"{family.upper()}_TABLE" for family, table in TABLES_OF_FAMILIES.items()} | {
    str(arn("RejectedTable")): "REJECTED_TABLE"
}


@pytest.mark.parametrize("family", FAMILIES)
def test_function_may_write_only_to_deployed_families(family: str) -> None:
    """With one family deployed, only its table and that of rejected events may be written to."""
    statements = resolve(properties("WriteTablesPolicy"), family)["PolicyDocument"]["Statement"]
    assert {str(resource) for statement in statements for resource in statement["Resource"]} == {
        str(arn(TABLES_OF_FAMILIES[family])), str(arn("RejectedTable")),
    }  # fmt: skip


def _later(text: str) -> str:
    event = json.loads(text)
    event["metadata"]["event_time"] = "2027-01-01T00:00:00Z"
    return json.dumps(event)
