"""What template.yaml promises and no linter sees, checked on what the SAM transform makes of it."""

import re

import pytest

from cli.catalogue.model import families
from tests.template import (
    ENTITY_TABLES,
    FAMILIES,
    NO_VALUE,
    RESOURCES,
    ROOT,
    TABLES,
    TABLES_OF_STATE,
    TEMPLATE,
    Json,
    arn,
    chosen,
    holds,
    kept,
    listed,
    of_type,
    properties,
)  # fmt: skip


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
    """Both functions know each table that there is by the table's own variable, and all settings."""
    of_tables = {
        f"{family.upper()}_TABLE": {"Fn::If": [kept(family), {"Ref": table}, NO_VALUE]}
        for family, table in TABLES.items()
    }
    assert properties(function)["Environment"]["Variables"] == of_tables | {
        "REJECTED_TABLE": {"Ref": "RejectedTable"},
        "ALLOWED_ROOT_ACCOUNTS": {"Ref": "AllowedRootAccounts"},
        "REJECTED_RETENTION_DAYS": {"Ref": "RejectedRetentionDays"},
        "ACTIVITY_RETENTION_DAYS": {"Ref": "ActivityRetentionDays"},
        "POWERTOOLS_SERVICE_NAME": {"Ref": "AWS::StackName"},
        "POWERTOOLS_METRICS_NAMESPACE": "CanvasLiveEvents",
        "POWERTOOLS_LOG_LEVEL": {"Ref": "LogLevel"},
    }


@pytest.mark.parametrize(
    ("table", "partition_key", "sort_key"),
    [*((table, "context", "entity") for table in ENTITY_TABLES), ("RejectedTable", "reason", "record")],
)
def test_a_table_has_its_keys_and_is_hard_to_lose(table: str, partition_key: str, sort_key: str) -> None:
    """Each table has the keys that the code writes, can be restored if it lasts, and survives a slip of the hand."""
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
    recovery = made.get("PointInTimeRecoverySpecification", {"PointInTimeRecoveryEnabled": False})
    assert recovery["PointInTimeRecoveryEnabled"] is (table in (*TABLES_OF_STATE, "RejectedTable"))
    assert made["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}
    assert TEMPLATE["Parameters"]["DeletionProtection"]["Default"] == "true"


def test_rejected_events_and_activity_expire_and_entities_do_not() -> None:
    """Only the tables of rejected events and of activity have a time to live."""
    expiring = {
        name: table["Properties"]["TimeToLiveSpecification"]
        for name, table in of_type("AWS::DynamoDB::Table").items()
        if "TimeToLiveSpecification" in table["Properties"]
    }
    until = {"AttributeName": "expires_at", "Enabled": True}
    assert expiring == {"RejectedTable": until, "ActivityTable": until}


def test_only_what_is_kept_and_seldom_read_is_in_the_class_for_that() -> None:
    """Activity is most of the storage, and cheaper in Standard-IA; what is written often costs more there."""
    classes = {name: table["Properties"].get("TableClass") for name, table in of_type("AWS::DynamoDB::Table").items()}
    assert {name for name, value in classes.items() if value} == {"ActivityTable"}
    assert classes["ActivityTable"] == "STANDARD_INFREQUENT_ACCESS"


def test_every_family_of_the_catalogue_has_its_table_and_every_table_its_family() -> None:
    """A family that the catalogue has and the template forgot would be ignored, and its events gone."""
    assert {family.name: family.table_variable for family in families()} == {
        family: f"{family.upper()}_TABLE" for family in FAMILIES
    }
    assert set(of_type("AWS::DynamoDB::Table")) == {*ENTITY_TABLES, "RejectedTable"}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_there_when_it_is_chosen_and_only_then(family: str) -> None:
    """Its table and its output hang on one condition, which holds when its name is among those in Families, or all."""
    condition = kept(family)
    assert RESOURCES[TABLES[family]]["Condition"] == condition
    assert TEMPLATE["Outputs"][f"{TABLES[family]}Name"]["Condition"] == condition
    others = [other for other in FAMILIES if other != family]
    for names in ("all", family, f"{family},{others[0]}", f"{others[0]} , {family}", ", ".join(FAMILIES)):
        assert holds({"Condition": condition}, names), names
    for names in (*others, ",".join(others)):
        assert not holds({"Condition": condition}, names), names


def test_without_a_choice_every_family_is_kept() -> None:
    """Who says nothing gets everything."""
    assert TEMPLATE["Parameters"]["Families"]["Default"] == "all"


def test_no_name_of_a_family_is_part_of_another() -> None:
    """The conditions look for a name anywhere in Families, so one that contains another would bring both."""
    names = [*FAMILIES, "all"]
    assert [(name, other) for name in names for other in names if name != other and name in other] == []


def test_whoever_chooses_is_told_of_every_family() -> None:
    """The parameter's text and the text of its refusal name them all, in the order of the pattern."""
    parameter = TEMPLATE["Parameters"]["Families"]
    assert "|".join(FAMILIES) in parameter["AllowedPattern"]
    for text in (parameter["Description"], parameter["ConstraintDescription"]):
        assert ", ".join(FAMILIES) in text


@pytest.mark.parametrize("choice", ["all", *FAMILIES])
def test_no_choice_leaves_a_reference_to_a_table_that_is_not_there(choice: str) -> None:
    """Whatever is chosen, nothing that is deployed names a table that is not, and no policy is empty."""
    absent = {table for family, table in TABLES.items() if not holds({"Condition": kept(family)}, choice)}
    deployed = {name: part for name, part in RESOURCES.items() if name not in absent}
    text = str(chosen(deployed, choice))
    assert [table for table in absent if re.search(rf"\b{table}\b", text)] == []
    statements = chosen(properties("WriteTablesPolicy"), choice)["PolicyDocument"]["Statement"]
    assert statements
    assert all(statement["Resource"] for statement in statements)


def test_a_search_of_the_dashboard_fits_whatever_the_stack_is_called() -> None:
    """CloudWatch takes 1,024 characters of a search; the names of all tables stay below, for a stack of 80 letters.

    Source: Amazon CloudWatch User Guide, "CloudWatch search expression syntax". A table that CloudFormation names is
    called after the stack, itself and 13 characters.
    """
    body, variables = properties("Dashboard")["DashboardBody"]["Fn::Sub"]
    searches = re.findall(r"SEARCH\('([^']*TableName=[^']*)'", body)
    assert len(searches) == 4
    for search in searches:
        (variable,) = re.findall(r"\$\{(\w+)\}", search)
        parts = [
            part["Fn::Sub"] if isinstance(part, dict) else part for part in chosen(variables[variable])["Fn::Join"][1]
        ]
        named = re.sub(r"\$\{(\w+)\}", lambda found: f"{'s' * 80}-{found[1]}-{'x' * 13}", "".join(parts))
        assert len(search.replace(f"${{{variable}}}", named).replace("\\", "")) <= 1024


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
        ("Families", "all", True),
        ("Families", "activity", True),
        ("Families", "submissions,activity", True),
        ("Families", "submissions, activity ,users", True),
        ("Families", ",".join(FAMILIES), True),
        ("Families", "", False),
        ("Families", "submission", False),
        ("Families", "submissions,grades", False),
        ("Families", "all,submissions", False),
        ("Families", "submissions activity", False),
        ("Families", "submissionsactivity", False),
        ("Families", ",submissions", False),
        ("Families", "submissions,", False),
        ("Families", "submissions,,activity", False),
        ("Families", "Submissions", False),
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
