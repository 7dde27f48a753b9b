"""What template.yaml promises and no linter sees, checked on what the SAM transform makes of it."""

import re

import pytest

from tests.template import ENTITY_TABLES, RESOURCES, ROOT, TEMPLATE, Json, arn, listed, of_type, properties


def test_both_mappings_report_failures_record_by_record() -> None:
    """One failed record does not bring its whole batch back, from the queue or from the stream."""
    mappings = of_type("AWS::Lambda::EventSourceMapping")
    assert mappings.keys() == {"SqsFunctionQueue", "KinesisFunctionStream"}
    for mapping in mappings.values():
        assert mapping["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_a_message_stays_hidden_for_as_long_as_lambda_may_hold_it() -> None:
    """No choice of parameters lets a message come back while a function still has it."""
    window = TEMPLATE["Parameters"]["MaximumBatchingWindowInSeconds"]["MaxValue"]
    hidden = properties("Queue")["VisibilityTimeout"]
    assert hidden >= 6 * properties("SqsFunction")["Timeout"] + window


def test_a_batch_may_wait_whenever_it_may_be_large() -> None:
    """Lambda refuses batches over ten without a batching window, so the parameter cannot be zero."""
    assert TEMPLATE["Parameters"]["MaximumBatchingWindowInSeconds"]["MinValue"] >= 1


def test_failed_messages_move_to_the_dead_letter_queue_and_stay_longer_there() -> None:
    """A message that fails for good does not expire together with the queue it came from."""
    queue, dead_letters = properties("Queue"), properties("DeadLetterQueue")
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == arn("DeadLetterQueue")
    assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5
    assert dead_letters["MessageRetentionPeriod"] > queue["MessageRetentionPeriod"]


def test_only_our_queue_may_use_the_dead_letter_queue() -> None:
    """The ARN that is built from the queue's name is that of the queue."""
    assert properties("Queue")["QueueName"] == {"Ref": "QueueName"}
    assert properties("DeadLetterQueue")["RedriveAllowPolicy"] == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [{"Fn::Sub": "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${QueueName}"}],
    }


def test_canvas_alone_may_send_to_the_queue_and_do_nothing_else() -> None:
    """The queue's policy allows one account one action."""
    statements = properties("QueuePolicy")["PolicyDocument"]["Statement"]
    assert [s for s in statements if s["Effect"] == "Allow"] == [
        {
            "Effect": "Allow",
            "Principal": {"AWS": {"Ref": "CanvasAccountId"}},
            "Action": "sqs:SendMessage",
            "Resource": arn("Queue"),
        }
    ]
    assert TEMPLATE["Parameters"]["CanvasAccountId"]["Default"] == "636161780776"


@pytest.mark.parametrize(
    ("policy", "action", "resources"),
    [
        ("QueuePolicy", "sqs:*", [arn("Queue")]),
        ("DeadLetterQueuePolicy", "sqs:*", [arn("DeadLetterQueue")]),
        ("FailureBucketPolicy", "s3:*", [arn("FailureBucket"), {"Fn::Sub": "${FailureBucket.Arn}/*"}]),
    ],
)
def test_nobody_gets_in_without_tls(policy: str, action: str, resources: list[Json]) -> None:
    """Each place that keeps events refuses every request that is not encrypted on its way."""
    statements = properties(policy)["PolicyDocument"]["Statement"]
    (deny,) = [s for s in statements if s["Effect"] == "Deny"]
    assert deny["Principal"] == "*"
    assert deny["Action"] == action
    assert listed(deny["Resource"]) == resources
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("function", ["SqsFunction", "KinesisFunction"])
def test_logs_go_to_a_group_that_forgets(function: str) -> None:
    """A function logs to its own group, whose entries expire."""
    group = properties(function)["LoggingConfig"]["LogGroup"]["Ref"]
    assert group == function.replace("Function", "LogGroup")
    assert properties(group)["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize("function", ["SqsFunction", "KinesisFunction"])
def test_a_function_gets_every_setting(function: str) -> None:
    """Both functions know each table by the table's own variable, and all settings."""
    assert properties(function)["Environment"]["Variables"] == {
        "ASSIGNMENTS_TABLE": {"Ref": "AssignmentsTable"},
        "MODULES_TABLE": {"Ref": "ModulesTable"},
        "DISCUSSIONS_TABLE": {"Ref": "DiscussionsTable"},
        "COURSES_TABLE": {"Ref": "CoursesTable"},
        "REJECTED_TABLE": {"Ref": "RejectedTable"},
        "ALLOWED_ROOT_ACCOUNTS": {"Ref": "AllowedRootAccounts"},
        "REJECTED_RETENTION_DAYS": {"Ref": "RejectedRetentionDays"},
        "POWERTOOLS_SERVICE_NAME": {"Ref": "AWS::StackName"},
        "POWERTOOLS_METRICS_NAMESPACE": "CanvasLiveEvents",
        "POWERTOOLS_LOG_LEVEL": {"Ref": "LogLevel"},
    }


@pytest.mark.parametrize(
    ("table", "partition_key", "sort_key"),
    [*((table, "context", "entity") for table in ENTITY_TABLES), ("RejectedTable", "reason", "record")],
)
def test_a_table_has_its_keys_and_is_hard_to_lose(table: str, partition_key: str, sort_key: str) -> None:
    """Each table has the keys that the code writes, can be restored, and survives a slip of the hand."""
    made = properties(table)
    assert made["KeySchema"] == [
        {"AttributeName": partition_key, "KeyType": "HASH"},
        {"AttributeName": sort_key, "KeyType": "RANGE"},
    ]
    assert {a["AttributeName"]: a["AttributeType"] for a in made["AttributeDefinitions"]} == {
        partition_key: "S",
        sort_key: "S",
    }
    assert made["BillingMode"] == "PAY_PER_REQUEST"
    assert made["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert made["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}
    assert TEMPLATE["Parameters"]["DeletionProtection"]["Default"] == "true"


def test_rejected_events_expire_and_entities_do_not() -> None:
    """Only the table of rejected events has a time to live."""
    expiring = {
        name: table["Properties"]["TimeToLiveSpecification"]
        for name, table in of_type("AWS::DynamoDB::Table").items()
        if "TimeToLiveSpecification" in table["Properties"]
    }
    assert expiring == {"RejectedTable": {"AttributeName": "expires_at", "Enabled": True}}


def test_what_holds_data_outlives_the_stack() -> None:
    """Deleting or replacing the stack's parts deletes no event that is kept nowhere else."""
    retained = {name for name, resource in RESOURCES.items() if resource.get("DeletionPolicy") == "Retain"}
    assert retained == {*ENTITY_TABLES, "RejectedTable", "DeadLetterQueue", "FailureBucket", "Stream"}
    for name in {*retained, "Queue"}:
        assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


def test_records_that_fail_for_good_go_whole_to_the_bucket() -> None:
    """The stream's mapping gives up on single records, at some time, and keeps them in S3."""
    mapping = properties("KinesisFunctionStream")
    assert RESOURCES["FailureBucket"]["Type"] == "AWS::S3::Bucket"
    assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": arn("FailureBucket")}}
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["MaximumRetryAttempts"] > 0
    assert mapping["MaximumRecordAgeInSeconds"] > 0


def test_the_stream_keeps_a_record_longer_than_the_mapping_tries_it() -> None:
    """A record reaches the bucket before it expires in the stream."""
    retention = properties("Stream")["RetentionPeriodHours"] * 3600
    assert retention > properties("KinesisFunctionStream")["MaximumRecordAgeInSeconds"]


def test_the_bucket_is_private() -> None:
    """Failed records hold personal data, and no setting of an object can make one public."""
    bucket = properties("FailureBucket")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_without_a_stream_nothing_of_it_exists() -> None:
    """The default deployment has no stream, no bucket, no second function, and no output that needs them."""
    assert TEMPLATE["Parameters"]["KinesisStream"]["Default"] == "none"
    conditions = TEMPLATE["Conditions"]
    assert conditions["ReadStream"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "KinesisStream"}, "none"]}]}
    assert conditions["CreateStream"] == {"Fn::Equals": [{"Ref": "KinesisStream"}, "create"]}
    parts = [*RESOURCES.items(), *TEMPLATE["Outputs"].items()]
    of_the_stream = {
        name: part["Condition"] for name, part in parts if part.get("Condition") in ("ReadStream", "CreateStream")
    }
    assert {name: condition for name, condition in of_the_stream.items() if not name.endswith("Alarm")} == {
        "Stream": "CreateStream",
        "StreamName": "CreateStream",
        "StreamArn": "ReadStream",
        "KinesisFunction": "ReadStream",
        "KinesisFunctionStream": "ReadStream",
        "KinesisFunctionRole": "ReadStream",
        "KinesisFunctionRoleArn": "ReadStream",
        "KinesisLogGroup": "ReadStream",
        "FailureBucket": "ReadStream",
        "FailureBucketName": "ReadStream",
        "FailureBucketPolicy": "ReadStream",
    }


@pytest.mark.parametrize(
    ("parameter", "value", "accepted"),
    [
        ("QueueName", "canvas-live-events", True),
        ("QueueName", "canvas-live-events-beta_2", True),
        ("QueueName", "live-events", False),
        ("QueueName", "canvas-live-events.fifo", False),
        ("QueueName", "canvas-live-events".ljust(80, "x"), True),
        ("QueueName", "canvas-live-events".ljust(81, "x"), False),
        ("KinesisStream", "none", True),
        ("KinesisStream", "create", True),
        ("KinesisStream", "arn:aws:kinesis:us-east-1:123456789012:stream/canvas", True),
        ("KinesisStream", "arn:aws-us-gov:kinesis:us-gov-west-1:123456789012:stream/canvas", True),
        ("KinesisStream", "canvas", False),
        ("KinesisStream", "arn:aws:kinesis:us-east-1:123456789012:stream/canvas/consumer/x:1", False),
        ("AllowedRootAccounts", "", True),
        ("AllowedRootAccounts", "VicYj3cu5BIFpoZhDVU4DZumnlBrWi1grgJEzADs, 21070000000000001", True),
        ("AllowedRootAccounts", "a,", False),
        ("AllowedRootAccounts", "https://canvas.example.edu", False),
    ],
)
def test_a_parameter_takes_only_what_works(parameter: str, value: str, accepted: bool) -> None:
    """A wrong name or ARN is refused at once, in place of a queue that Canvas or Lambda refuses later."""
    pattern = TEMPLATE["Parameters"][parameter]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, value)) is accepted


def test_the_package_holds_only_what_runs() -> None:
    """What is built for Lambda is the handlers, the schemas and the locked dependencies."""
    package = ROOT / "package"
    assert {path.name for path in package.iterdir()} == {"handlers", "schemas", "requirements.txt"}
    assert (package / "handlers").resolve() == ROOT / "handlers"
    assert (package / "schemas").resolve() == ROOT / "schemas"
