"""The role as which a workflow deploys: enough for every resource of the template, and for nothing else."""

from fnmatch import fnmatchcase
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.support.template_helpers import RESOURCES, ROOT, Json, as_list, of_type

ROLE = yaml_parse((ROOT / ".github" / "deployer-role.yaml").read_text(encoding="utf-8"))
BY_CLOUDFORMATION = {"aws:CalledVia": "cloudformation.amazonaws.com"}

# CloudFormation's resource type → an ARN of each kind of resource that it acts on, and the actions with which it
# creates, reads, updates and deletes it. From the "handlers" of each type's schema in the CloudFormation registry
# (aws cloudformation describe-type), less those for properties that the template does not use, and "list", which a
# deployment does not call. Types without handlers in their schema: from the actions of their service's API.
ALARM = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{name} queue delayed"
DASHBOARD = "arn:aws:cloudwatch::123456789012:dashboard/{name}-eu-west-1"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:{name}-DeadLetterQueue-1A"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:{name}-AlarmTopic-1A"
BUCKET = "arn:aws:s3:::{name}-bucket-1a"
ROLE_ARN = "arn:aws:iam::123456789012:role/{name}-SqsFunctionRole-1A"
POLICY_ARN = "arn:aws:iam::123456789012:policy/{name}-WriteTablesPolicy-1A"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:{name}-SqsFunction-1A"
MAPPING = "arn:aws:lambda:eu-west-1:123456789012:event-source-mapping:8f0c1c44"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/8f0c1c44"
NEEDS: dict[str, list[tuple[str, str]]] = {
    "AWS::CloudWatch::Alarm": [
        (ALARM, "cloudwatch: PutMetricAlarm DeleteAlarms TagResource UntagResource ListTagsForResource"),
        ("*", "cloudwatch: DescribeAlarms"),
    ],
    "AWS::CloudWatch::Dashboard": [(DASHBOARD, "cloudwatch: PutDashboard GetDashboard DeleteDashboards")],
    "AWS::DynamoDB::Table": [
        (
            "arn:aws:dynamodb:eu-west-1:123456789012:table/{name}-ModulesTable-1A",
            "dynamodb: CreateTable DescribeTable UpdateTable DeleteTable DescribeTimeToLive UpdateTimeToLive"
            " DescribeContinuousBackups UpdateContinuousBackups DescribeContributorInsights"
            " DescribeKinesisStreamingDestination GetResourcePolicy ListTagsOfResource TagResource UntagResource",
        )
    ],
    "AWS::IAM::ManagedPolicy": [
        (
            POLICY_ARN,
            "iam: CreatePolicy GetPolicy GetPolicyVersion ListPolicyVersions ListEntitiesForPolicy CreatePolicyVersion"
            " DeletePolicyVersion DeletePolicy",
        )
    ],
    "AWS::IAM::Role": [
        (
            ROLE_ARN,
            "iam: CreateRole GetRole DeleteRole PutRolePolicy GetRolePolicy ListRolePolicies DeleteRolePolicy"
            " AttachRolePolicy ListAttachedRolePolicies DetachRolePolicy UpdateAssumeRolePolicy ListRoleTags TagRole"
            " UntagRole PutRolePermissionsBoundary",
        )
    ],
    "AWS::KMS::Key": [
        (
            KEY,
            "kms: CreateKey DescribeKey GetKeyPolicy PutKeyPolicy GetKeyRotationStatus EnableKeyRotation"
            " DisableKeyRotation UpdateKeyDescription ListResourceTags TagResource UntagResource ScheduleKeyDeletion",
        )
    ],
    "AWS::Kinesis::Stream": [
        (
            "arn:aws:kinesis:eu-west-1:123456789012:stream/{name}-Stream-1A",
            "kinesis: CreateStream DescribeStreamSummary DeleteStream UpdateStreamMode IncreaseStreamRetentionPeriod"
            " DecreaseStreamRetentionPeriod StartStreamEncryption StopStreamEncryption AddTagsToStream"
            " RemoveTagsFromStream ListTagsForStream ListTagsForResource TagResource UntagResource",
        )
    ],
    "AWS::Lambda::EventSourceMapping": [
        (
            MAPPING,
            "lambda: CreateEventSourceMapping GetEventSourceMapping UpdateEventSourceMapping DeleteEventSourceMapping"
            " ListTags TagResource UntagResource",
        )
    ],
    "AWS::Lambda::Function": [
        (
            FUNCTION,
            "lambda: CreateFunction GetFunction GetFunctionConfiguration GetFunctionCodeSigningConfig"
            " GetFunctionRecursionConfig GetRuntimeManagementConfig UpdateFunctionCode UpdateFunctionConfiguration"
            " DeleteFunction ListTags TagResource UntagResource",
        ),
        (ROLE_ARN, "iam: PassRole"),
        ("arn:aws:s3:::packages/package.zip", "s3: GetObject"),
    ],
    "AWS::Logs::LogGroup": [
        (
            "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/{name}/sqs:*",
            "logs: CreateLogGroup DeleteLogGroup PutRetentionPolicy DeleteRetentionPolicy GetDataProtectionPolicy"
            " DescribeIndexPolicies ListTagsForResource TagResource UntagResource",
        ),
        ("*", "logs: DescribeLogGroups"),
    ],
    "AWS::S3::Bucket": [
        (
            BUCKET,
            "s3: CreateBucket DeleteBucket ListBucket GetEncryptionConfiguration PutEncryptionConfiguration"
            " GetBucketPublicAccessBlock PutBucketPublicAccessBlock GetBucketOwnershipControls"
            " PutBucketOwnershipControls GetLifecycleConfiguration PutLifecycleConfiguration GetBucketTagging"
            " PutBucketTagging TagResource UntagResource ListTagsForResource",
        )
    ],
    "AWS::S3::BucketPolicy": [(BUCKET, "s3: GetBucketPolicy PutBucketPolicy DeleteBucketPolicy")],
    "AWS::SNS::Subscription": [
        (
            TOPIC,
            "sns: Subscribe GetSubscriptionAttributes SetSubscriptionAttributes ListSubscriptionsByTopic Unsubscribe",
        )
    ],
    "AWS::SNS::Topic": [
        (
            TOPIC,
            "sns: CreateTopic GetTopicAttributes SetTopicAttributes DeleteTopic GetDataProtectionPolicy"
            " ListSubscriptionsByTopic ListTagsForResource TagResource UntagResource",
        )
    ],
    "AWS::SNS::TopicPolicy": [(TOPIC, "sns: GetTopicAttributes SetTopicAttributes")],
    "AWS::SQS::Queue": [
        (
            QUEUE,
            "sqs: CreateQueue GetQueueUrl GetQueueAttributes SetQueueAttributes DeleteQueue ListQueueTags TagQueue"
            " UntagQueue",
        )
    ],
    "AWS::SQS::QueuePolicy": [(QUEUE, "sqs: GetQueueAttributes SetQueueAttributes")],
}


def statements(policy: str) -> list[Json]:
    """Return the statements of an inline policy of the deployer."""
    (document,) = (
        entry["PolicyDocument"]
        for entry in ROLE["Resources"]["Deployer"]["Properties"]["Policies"]
        if entry["PolicyName"] == policy
    )
    found: list[Json] = document["Statement"]
    return found


ALLOWED = [*statements("deploy"), *statements("resources")]


def pattern(resource: Any) -> str:
    """Return the pattern of a resource, in the account 123456789012 and with the bucket ``packages``."""
    text = str(resource["Fn::Sub"] if isinstance(resource, dict) else resource)
    variables = {"AWS::Partition": "aws", "AWS::AccountId": "123456789012", "PackageBucket": "packages"}
    for name, value in variables.items():
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text, text
    return text


def allows(statement: Json, action: str, arn: str) -> bool:
    """Return whether a statement allows an action on a resource, whatever its conditions are."""
    return any(fnmatchcase(action, entry) for entry in as_list(statement["Action"])) and any(
        fnmatchcase(arn, pattern(entry)) for entry in as_list(statement["Resource"])
    )


def needed(resource_type: str, name: str) -> list[tuple[str, str]]:
    """Return every action that a type needs and the resource it acts on, where the stack has a name."""
    return [
        (f"{service}:{action}", arn.format(name=name))
        for arn, text in NEEDS[resource_type]
        for service, _, actions in [text.partition(": ")]
        for action in actions.split()
    ]


def test_every_resource_type_of_the_template_is_listed() -> None:
    """The table above has the types that the template creates, and no other."""
    assert NEEDS.keys() == {resource["Type"] for resource in RESOURCES.values()}


@pytest.mark.parametrize("resource_type", NEEDS)
def test_deployer_may_manage_every_resource_of_the_template(resource_type: str) -> None:
    """Each action that a resource type needs is allowed on the name that CloudFormation gives to a resource of it."""
    denied = [
        (action, arn)
        for action, arn in needed(resource_type, "canvas-live-events")
        if not any(allows(statement, action, arn) for statement in ALLOWED)
    ]
    assert denied == []


@pytest.mark.parametrize("resource_type", NEEDS)
def test_deployer_may_not_touch_other_stacks(resource_type: str) -> None:
    """No action is allowed on a resource of another stack, where resources have names."""
    named = [(action, arn) for action, arn in needed(resource_type, "payroll") if "payroll" in arn]
    allowed = [(action, arn) for action, arn in named if any(allows(statement, action, arn) for statement in ALLOWED)]
    assert allowed == []


def test_deployer_may_do_nothing_that_no_resource_needs() -> None:
    """Each action that CloudFormation may use is needed by a type, or reads a setting of a bucket."""
    actions = {action for resource_type in NEEDS for action, _ in needed(resource_type, "canvas-live-events")}
    granted = {action for statement in statements("resources") for action in as_list(statement["Action"])}
    assert granted - actions == {"s3:GetBucket*", "s3:Get*Configuration"}


def test_resources_are_changed_by_cloudformation_only() -> None:
    """A workflow cannot read, change or delete a resource itself: CloudFormation has to do it in its name."""
    for statement in statements("resources"):
        assert statement["Effect"] == "Allow"
        assert statement["Condition"]["ForAnyValue:StringEquals"] == BY_CLOUDFORMATION, statement
    for statement in statements("deploy"):
        assert {action.partition(":")[0] for action in as_list(statement["Action"])} <= {"cloudformation", "s3"}
        assert all(pattern(entry) != "*" for entry in as_list(statement["Resource"]))


def test_deployer_cannot_widen_its_own_rights() -> None:
    """A role gets policies only within the boundary; the deployer and the boundary themselves are out of reach."""
    boundary = {
        "iam:PermissionsBoundary": {"Fn::If": ["CreateBoundary", {"Ref": "Boundary"}, {"Ref": "PermissionsBoundary"}]}
    }
    for action in ("CreateRole", "PutRolePolicy", "AttachRolePolicy", "PutRolePermissionsBoundary"):
        (statement,) = [entry for entry in ALLOWED if f"iam:{action}" in as_list(entry["Action"])]
        assert statement["Condition"]["StringEquals"] == boundary
    (pass_role,) = [entry for entry in ALLOWED if "iam:PassRole" in as_list(entry["Action"])]
    assert pass_role["Condition"]["StringEquals"] == {"iam:PassedToService": "lambda.amazonaws.com"}
    actions = {action for entry in ALLOWED for action in as_list(entry["Action"]) if action.startswith("iam:")}
    assert "iam:DeleteRolePermissionsBoundary" not in actions
    for name in ("Deployer", "Boundary"):
        assert ROLE["Resources"][name]["Properties"]["Path"] == "/canvas-deployer/"
    # Even where the stack of the role has a name like those that it deploys.
    for name in (
        "role/canvas-deployer/canvas-live-events-Deployer",
        "policy/canvas-deployer/canvas-live-events-Boundary",
    ):
        arn = f"arn:aws:iam::123456789012:{name}"
        assert [(action, arn) for action in actions for entry in ALLOWED if allows(entry, action, arn)] == []


def test_boundary_allows_what_the_functions_do() -> None:
    """Every action that the template grants to a function is within the boundary, and no other is."""
    documents = [
        policy["PolicyDocument"] if "Fn::If" not in policy else policy["Fn::If"][1]["PolicyDocument"]
        for role in of_type("AWS::IAM::Role").values()
        for policy in role["Properties"]["Policies"]
    ]
    documents += [policy["Properties"]["PolicyDocument"] for policy in of_type("AWS::IAM::ManagedPolicy").values()]
    granted = {
        action
        for document in documents
        for statement in document["Statement"]
        for action in as_list((statement["Fn::If"][1] if "Fn::If" in statement else statement)["Action"])
    }
    document = ROLE["Resources"]["Boundary"]["Properties"]["PolicyDocument"]
    assert granted == {action for statement in document["Statement"] for action in as_list(statement["Action"])}


def test_only_the_environment_of_the_repository_can_assume_the_role() -> None:
    """GitHub's token has to be for AWS and from a job of the chosen environment; a branch or a fork is not enough."""
    (statement,) = ROLE["Resources"]["Deployer"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": {"Fn::Sub": "repo:${Repository}:environment:${Environment}"},
        }
    }
