"""What the functions may do, against what they do."""

import importlib
import json
import re
from typing import Any

import pytest
from botocore.httpsession import URLLib3Session
from moto.iam.aws_managed_policies import aws_managed_policies_data

import handlers.kinesis
import handlers.sqs
from cli.catalogue.generated import kinesis_event, refused, sqs_event
from tests.conftest import SAMPLES, TABLES, Tables
from tests.template import (
    FAMILIES,
    RESOURCES,
    TABLES_OF_STATE,
    TEMPLATE,
    Json,
    arn,
    chosen,
    listed,
    of_type,
    properties,
)  # fmt: skip
from tests.template import TABLES as TABLES_OF_FAMILIES

STREAM_ARN = {"Fn::If": ["CreateStream", {"Fn::GetAtt": ["Stream", "Arn"]}, {"Ref": "KinesisStream"}]}


def grants(policies: list[Json]) -> set[tuple[str, str]]:
    """Every action that the policies allow, with what it is allowed on, where all families are kept."""
    return {
        (action, str(resource))
        for policy in chosen(policies)
        for statement in policy["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def on(resource: Any, *actions: str) -> set[tuple[str, str]]:
    """The grants of some actions on a resource."""
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
    ],
)
def test_a_function_may_do_what_it_does_and_no_more(function: str, own: set[tuple[str, str]]) -> None:
    """Neither a wildcard, nor a policy of AWS, nor a role made by SAM gives a function more than it needs."""
    assert properties(function)["Role"] == arn(f"{function}Role")
    role = properties(f"{function}Role")
    assert role["ManagedPolicyArns"] == [{"Ref": "WriteTablesPolicy"}]
    tables = set().union(
        *(on(arn(table), "dynamodb:PartiQLInsert") for table in ("RejectedTable", "ActivityTable")),
        *(on(arn(table), "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate") for table in TABLES_OF_STATE),
    )
    assert grants([*role["Policies"], properties("WriteTablesPolicy")]) == own | tables


def test_there_are_no_other_roles_or_policies() -> None:
    """Nothing that SAM adds by itself widens what the template grants."""
    assert of_type("AWS::IAM::Role").keys() == {"SqsFunctionRole", "KinesisFunctionRole"}
    assert of_type("AWS::IAM::ManagedPolicy").keys() == {"WriteTablesPolicy"}
    assert of_type("AWS::IAM::Policy").keys() == {"TracingPolicy"}


def test_tracing_is_allowed_only_where_it_is_on() -> None:
    """Without tracing neither function may speak to X-Ray, and with it both may do that alone."""
    assert TEMPLATE["Parameters"]["Tracing"]["Default"] == "PassThrough"
    assert RESOURCES["TracingPolicy"]["Condition"] == "Trace"
    assert grants([properties("TracingPolicy")]) == on("*", "xray:PutTraceSegments", "xray:PutTelemetryRecords")
    for function in ("SqsFunction", "KinesisFunction"):
        assert properties(function)["TracingConfig"] == {"Mode": {"Ref": "Tracing"}}


@pytest.mark.parametrize(
    ("function", "service", "policy", "not_needed"),
    [
        ("SqsFunction", "sqs", "AWSLambdaSQSQueueExecutionRole", set()),
        # For a consumer with a throughput of its own, and to choose a stream in the console.
        (
            "KinesisFunction",
            "kinesis",
            "AWSLambdaKinesisExecutionRole",
            {"kinesis:SubscribeToShard", "kinesis:ListStreams"},
        ),
    ],
)
def test_a_function_may_read_its_source_as_aws_itself_grants_it(
    function: str, service: str, policy: str, not_needed: set[str]
) -> None:
    """What Lambda's poller needs is taken from AWS's own policy for it, and differs only by what is named here."""
    of_aws = json.loads(aws_managed_policies_data)[policy]["Document"]["Statement"]
    wanted = {action for statement in of_aws for action in listed(statement["Action"]) if action.startswith(service)}
    granted = {action for action, _ in grants(properties(f"{function}Role")["Policies"]) if action.startswith(service)}
    assert granted == wanted - not_needed


# Which action a statement of PartiQL needs. Source: Amazon DynamoDB Developer Guide, "IAM security policies with
# PartiQL for DynamoDB". There is none by the name of BatchExecuteStatement, though MiniStack's AUTH=true asks for it.
ACTIONS = {"INSERT": "dynamodb:PartiQLInsert", "UPDATE": "dynamodb:PartiQLUpdate", "DELETE": "dynamodb:PartiQLDelete"}


@pytest.fixture
def calls(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Json]]:
    """Every request to AWS that the entry points send, as it stands on the wire: operation and body."""
    sent: list[tuple[str, Json]] = []
    send = URLLib3Session.send  # boto3's clients send by it, and the handlers' own connection

    def record(session: URLLib3Session, request: Any) -> Any:
        target = request.headers["X-Amz-Target"]
        operation = (target.decode() if isinstance(target, bytes) else target).partition(".")[2]
        sent.append((operation, json.loads(request.body)))
        return send(session, request)

    monkeypatch.setenv("AWS_ENDPOINT_URL", tables.endpoint)
    monkeypatch.setattr(URLLib3Session, "send", record)
    return sent


def test_the_functions_call_nothing_that_they_may_not_and_may_nothing_that_they_never_call(
    calls: list[tuple[str, Json]],
) -> None:
    """The sample events and refusals, in every order that matters, use each grant on each table, and no other."""
    texts = [*SAMPLES.values(), *refused().values()]
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


# The variable of each table.
VARIABLES = {str(arn(table)): f"{family.upper()}_TABLE" for family, table in TABLES_OF_FAMILIES.items()} | {
    str(arn("RejectedTable")): "REJECTED_TABLE"
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_function_may_write_to_the_families_that_are_kept_and_no_others(family: str) -> None:
    """With one family alone, its table and that of rejected events are all that may be written to."""
    statements = chosen(properties("WriteTablesPolicy"), family)["PolicyDocument"]["Statement"]
    assert {str(resource) for statement in statements for resource in statement["Resource"]} == {
        str(arn(TABLES_OF_FAMILIES[family])), str(arn("RejectedTable")),
    }  # fmt: skip


def _later(text: str) -> str:
    event = json.loads(text)
    event["metadata"]["event_time"] = "2027-01-01T00:00:00Z"
    return json.dumps(event)
