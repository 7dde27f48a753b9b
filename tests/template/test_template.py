"""Properties of template.yaml that no linter checks, after the SAM transform."""

import re
from typing import Any

import pytest

from cli.catalogue.model import Family, families
from tests.support.template_helpers import (
    APPEND_ONLY_TABLES,
    EXCLUDED,
    FAMILIES,
    INTEGERS,
    NO_VALUE,
    RESOURCES,
    ROOT,
    TABLES,
    TEMPLATE,
    VERSIONED_TABLES,
    Json,
    arn,
    as_list,
    condition_of,
    is_true,
    of_type,
    properties,
    resolve,
)  # fmt: skip

# Other programs rely on their tables, environment variables and outputs: removing one is a breaking change.
RELEASED_FAMILIES = {
    *("activity", "assignments", "content", "conversations", "courses", "discussions", "enrollments", "groups"),
    *("migrations", "modules", "outcomes", "submissions", "users"),
}


def test_every_event_source_mapping_reports_batch_item_failures() -> None:
    """One failed record does not cause the redelivery of its whole batch, and a failed object of no other."""
    mappings = of_type("AWS::Lambda::EventSourceMapping")
    assert mappings.keys() == {"SqsFunctionQueue", "KinesisFunctionStream", "ObjectsFunctionQueue"}
    for mapping in mappings.values():
        assert mapping["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_visibility_timeout_covers_function_timeout_and_batching_window() -> None:
    """With no choice of parameters does a message become visible while a function may still process it."""
    objects = properties("ObjectsFunction")["Timeout"]
    assert properties("ObjectsQueue")["VisibilityTimeout"] >= 6 * objects
    _, window = INTEGERS["MaximumBatchingWindowInSeconds"]
    visibility_timeout = properties("Queue")["VisibilityTimeout"]
    assert visibility_timeout >= 6 * properties("SqsFunction")["Timeout"] + window


def test_batching_window_cannot_be_zero() -> None:
    """Lambda rejects batch sizes over ten without a batching window."""
    assert INTEGERS["MaximumBatchingWindowInSeconds"][0] >= 1


def test_dead_letter_queue_retains_messages_longer_than_the_queue() -> None:
    """A message that exhausted its retries outlives the retention period of the queue that it came from."""
    queue, dead_letters = properties("Queue"), properties("DeadLetterQueue")
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == arn("DeadLetterQueue")
    assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5
    assert dead_letters["MessageRetentionPeriod"] > queue["MessageRetentionPeriod"]


def test_dead_letter_queue_accepts_only_the_queue_of_the_stack() -> None:
    """The ARN that the template builds from the name of the queue is the ARN of the queue."""
    assert properties("Queue")["QueueName"] == {"Ref": "QueueName"}
    assert properties("DeadLetterQueue")["RedriveAllowPolicy"] == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [{"Fn::Sub": "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${QueueName}"}],
    }


def test_queue_policy_allows_only_canvas_and_only_sending() -> None:
    """The policy of the queue allows one action to one account, or to one user in its place."""
    statements = properties("QueuePolicy")["PolicyDocument"]["Statement"]
    assert [s for s in statements if s["Effect"] == "Allow"] == [
        {
            "Effect": "Allow",
            "Principal": {"AWS": {"Fn::If": ["HasCanvasUser", {"Ref": "CanvasUserArn"}, {"Ref": "CanvasAccountId"}]}},
            "Action": "sqs:SendMessage",
            "Resource": arn("Queue"),
        }
    ]
    assert TEMPLATE["Parameters"]["CanvasAccountId"]["Default"] == "636161780776"
    assert TEMPLATE["Conditions"]["HasCanvasUser"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "CanvasUserArn"}, ""]}]}
    assert TEMPLATE["Parameters"]["CanvasUserArn"]["Default"] == ""


@pytest.mark.parametrize(
    ("policy", "action", "resources"),
    [
        ("QueuePolicy", "sqs:*", [arn("Queue")]),
        ("DeadLetterQueuePolicy", "sqs:*", [arn("DeadLetterQueue")]),
        ("FailureBucketPolicy", "s3:*", [arn("FailureBucket"), {"Fn::Sub": "${FailureBucket.Arn}/*"}]),
        ("BucketPolicy", "s3:*", [arn("Bucket"), {"Fn::Sub": "${Bucket.Arn}/*"}]),
        ("ObjectsQueuePolicy", "sqs:*", [arn("ObjectsQueue"), arn("ObjectsDeadLetterQueue")]),
    ],
)
def test_requests_without_tls_are_denied(policy: str, action: str, resources: list[Json]) -> None:
    """Each resource that holds events denies every request that is not encrypted in transit."""
    statements = properties(policy)["PolicyDocument"]["Statement"]
    (deny,) = [s for s in statements if s["Effect"] == "Deny"]
    assert deny["Principal"] == "*"
    assert deny["Action"] == action
    assert as_list(deny["Resource"]) == resources
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("function", ["SqsFunction", "KinesisFunction", "ObjectsFunction"])
def test_function_logs_to_its_own_group_with_retention(function: str) -> None:
    """The log entries of a function are in a group of its own and expire."""
    group = properties(function)["LoggingConfig"]["LogGroup"]["Ref"]
    assert group == function.replace("Function", "LogGroup")
    assert properties(group)["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize("function", ["SqsFunction", "KinesisFunction", "ObjectsFunction"])
def test_function_has_every_environment_variable(function: str) -> None:
    """All functions have the variable of each deployed table, and all settings."""
    own = {"OBJECTS_BUCKET": {"Ref": "Bucket"}} if function == "ObjectsFunction" else {}
    table_variables = {
        f"{family.upper()}_TABLE": {"Fn::If": [condition_of(family), {"Ref": table}, NO_VALUE]}
        for family, table in TABLES.items()
    }
    assert properties(function)["Environment"]["Variables"] == table_variables | own | {
        "REJECTED_TABLE": {"Ref": "RejectedTable"},
        "ALLOWED_ROOT_ACCOUNTS": {"Ref": "AllowedRootAccounts"},
        "ALLOW_BETA_AND_TEST": {"Ref": "AllowBetaAndTest"},
        "IGNORED_EVENT_TYPES": {"Ref": "IgnoredEventTypes"},
        "REJECTED_RETENTION_DAYS": {"Ref": "RejectedRetentionDays"},
        "ACTIVITY_RETENTION_DAYS": {"Ref": "ActivityRetentionDays"},
        "ARCHIVE_BUCKET": {"Fn::If": ["HasArchive", {"Ref": "Bucket"}, NO_VALUE]},
        "POWERTOOLS_SERVICE_NAME": {"Ref": "AWS::StackName"},
        "POWERTOOLS_METRICS_NAMESPACE": "CanvasLiveEvents",
        "POWERTOOLS_LOG_LEVEL": {"Ref": "LogLevel"},
    }


@pytest.mark.parametrize(
    ("table", "partition_key", "sort_key"),
    [*((table, "context", "entity") for table in TABLES.values()), ("RejectedTable", "reason", "record")],
)
def test_table_has_its_keys_and_is_protected_against_loss(table: str, partition_key: str, sort_key: str) -> None:
    """Each table has the keys that the code writes, deletion protection, and backups, those of activity by choice."""
    table_properties = properties(table)
    assert table_properties["KeySchema"] == [
        {"AttributeName": partition_key, "KeyType": "HASH"},
        {"AttributeName": sort_key, "KeyType": "RANGE"},
    ]
    attributes = [definition for definition in table_properties["AttributeDefinitions"] if "Fn::If" not in definition]
    indexed = [index["KeySchema"][0]["AttributeName"] for index in indexes_of(table)]
    assert attributes == [{"AttributeName": name, "AttributeType": "S"} for name in (partition_key, sort_key, *indexed)]
    assert table_properties["BillingMode"] == "PAY_PER_REQUEST"
    recovery = table_properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
    assert recovery == ({"Ref": "ActivityPointInTimeRecovery"} if table in APPEND_ONLY_TABLES else True)
    assert TEMPLATE["Parameters"]["ActivityPointInTimeRecovery"]["Default"] == "false"
    assert table_properties["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}
    assert TEMPLATE["Parameters"]["DeletionProtection"]["Default"] == "true"


def indexes_of(table: str) -> list[dict[str, Any]]:
    """Return the indexes that a table always has."""
    indexes = properties(table).get("GlobalSecondaryIndexes", [])
    return indexes if isinstance(indexes, list) else []


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_table_has_an_index_for_each_key_that_its_items_may_have(family: Family) -> None:
    """Where an entity of the family has a course or a user, an index with only the keys finds it by that."""
    expected = [
        {
            "IndexName": f"by_{name}",
            "KeySchema": [
                {"AttributeName": name, "KeyType": "HASH"},
                {"AttributeName": "entity", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
        for name in ("course", "user")
        if any(getattr(entity, f"{name}_templates") for entity in family.entities)
    ]
    table = TABLES[family.name]
    if table in APPEND_ONLY_TABLES:
        condition, indexes, otherwise = properties(table)["GlobalSecondaryIndexes"]["Fn::If"]
        assert (condition, otherwise) == ("HasActivityIndex", {"Ref": "AWS::NoValue"})
        assert indexes == expected
    else:
        assert indexes_of(table) == expected


def test_only_rejected_events_and_append_only_items_expire() -> None:
    """Only the tables of rejected events and of append-only families have a time to live."""
    expiring = {
        name: table["Properties"]["TimeToLiveSpecification"]
        for name, table in of_type("AWS::DynamoDB::Table").items()
        if "TimeToLiveSpecification" in table["Properties"]
    }
    time_to_live = {"AttributeName": "expires_at", "Enabled": True}
    assert "ActivityTable" in APPEND_ONLY_TABLES
    assert expiring == dict.fromkeys(("RejectedTable", *APPEND_ONLY_TABLES), time_to_live)


def test_only_append_only_tables_use_infrequent_access_storage() -> None:
    """Append-only items are most of the storage, and cheaper in Standard-IA; frequent updates cost more there."""
    classes = {name: table["Properties"].get("TableClass") for name, table in of_type("AWS::DynamoDB::Table").items()}
    assert {name: value for name, value in classes.items() if value} == dict.fromkeys(
        APPEND_ONLY_TABLES, "STANDARD_INFREQUENT_ACCESS"
    )


def test_every_family_has_a_table_and_no_released_table_is_missing() -> None:
    """The tables are those of the families and of rejected events, including all that other programs rely on."""
    assert set(of_type("AWS::DynamoDB::Table")) == {*TABLES.values(), "RejectedTable"}
    assert set(FAMILIES) >= RELEASED_FAMILIES


def test_change_streams_are_off_by_default_and_only_of_versioned_tables() -> None:
    """With ChangeStreams each table whose items change has a stream of both images, and its ARN is an output."""
    assert TEMPLATE["Parameters"]["ChangeStreams"]["Default"] == "false"
    assert TEMPLATE["Conditions"]["HasChangeStreams"] == {"Fn::Equals": [{"Ref": "ChangeStreams"}, "true"]}
    stream = {"Fn::If": ["HasChangeStreams", {"StreamViewType": "NEW_AND_OLD_IMAGES"}, NO_VALUE]}
    tables = {name: table["Properties"] for name, table in of_type("AWS::DynamoDB::Table").items()}
    assert {name: table["StreamSpecification"] for name, table in tables.items() if "StreamSpecification" in table} == (
        dict.fromkeys(VERSIONED_TABLES, stream)
    )
    outputs = {name: output for name, output in TEMPLATE["Outputs"].items() if name.endswith("TableStreamArn")}
    assert {name: output["Value"] for name, output in outputs.items()} == {
        f"{table}StreamArn": {"Fn::GetAtt": [table, "StreamArn"]} for table in VERSIONED_TABLES
    }
    for family, table in TABLES.items():
        if table in VERSIONED_TABLES:
            both = [{"Condition": condition_of(family)}, {"Condition": "HasChangeStreams"}]
            assert TEMPLATE["Conditions"][outputs[f"{table}StreamArn"]["Condition"]] == {"Fn::And": both}


@pytest.mark.parametrize("family", FAMILIES)
def test_family_is_deployed_only_if_chosen(family: str) -> None:
    """Its table and output have one condition, which is true if Families contains its name, or is all."""
    condition = condition_of(family)
    assert RESOURCES[TABLES[family]]["Condition"] == condition
    assert TEMPLATE["Outputs"][f"{TABLES[family]}Name"]["Condition"] == condition
    others = [other for other in FAMILIES if other != family]
    for names in ("all", family, f"{family},{others[0]}", f"{others[0]} , {family}", ", ".join(FAMILIES)):
        assert is_true({"Condition": condition}, names), names
    for names in (*others, ",".join(others)):
        assert not is_true({"Condition": condition}, names), names


def test_every_family_is_deployed_by_default() -> None:
    """The default of the parameter Families is all."""
    assert TEMPLATE["Parameters"]["Families"]["Default"] == "all"


def test_no_family_name_contains_another() -> None:
    """The conditions look for a name anywhere in Families, so a name that contains another would deploy both."""
    names = [*FAMILIES, "all"]
    assert [(name, other) for name in names for other in names if name != other and name in other] == []


def test_parameter_texts_name_every_family() -> None:
    """The description of the parameter and its constraint name all families."""
    parameter = TEMPLATE["Parameters"]["Families"]
    for text in (parameter["Description"], parameter["ConstraintDescription"]):
        assert ", ".join(FAMILIES) in text


@pytest.mark.parametrize("choice", ["all", *FAMILIES])
def test_no_choice_of_families_leaves_a_dangling_reference(choice: str) -> None:
    """No deployed resource refers to a table that is not deployed, and no policy statement is empty."""
    absent = {table for family, table in TABLES.items() if not is_true({"Condition": condition_of(family)}, choice)}
    deployed = {name: part for name, part in RESOURCES.items() if name not in absent}
    text = str(resolve(deployed, choice))
    assert [table for table in absent if re.search(rf"\b{table}\b", text)] == []
    statements = resolve(properties("WriteTablesPolicy"), choice)["PolicyDocument"]["Statement"]
    assert statements
    assert all(statement["Resource"] for statement in statements)


def test_dashboard_searches_fit_for_long_stack_names() -> None:
    """With a stack name of 80 characters, each search has at most the 1,024 characters that CloudWatch accepts.

    Source: Amazon CloudWatch User Guide, "CloudWatch search expression syntax". CloudFormation names a table after the
    stack and its logical id, and appends 13 characters.
    """
    _, variables = properties("Dashboard")["DashboardBody"]["Fn::Sub"]
    for metrics, lists in (variables[name]["Fn::Sub"] for name in ("ThrottledWrites", "WriteCosts")):
        searches = re.findall(r"SEARCH\('([^']*)'", metrics)
        assert len(searches) == len(lists)
        for search, (variable, value) in zip(searches, lists.items(), strict=True):
            parts = [part["Fn::Sub"] if isinstance(part, dict) else part for part in resolve(value)["Fn::Join"][1]]
            names = re.sub(r"\$\{(\w+)\}", lambda found: f"{'s' * 80}-{found[1]}-{'x' * 13}", "".join(parts))
            assert f"${{{variable}}}" in search
            assert len(search.replace(f"${{{variable}}}", names).replace("\\", "")) <= 1024


def test_resources_that_hold_events_are_retained() -> None:
    """Deleting the stack or replacing a resource deletes no event of which there is no other copy."""
    policies = {name: resource.get("DeletionPolicy", "Delete") for name, resource in RESOURCES.items()}
    retained = {name: policy for name, policy in policies.items() if policy != "Delete"}
    # Deletion protection would make the rollback fail if the tables were not retained in it.
    tables = dict.fromkeys((*TABLES.values(), "RejectedTable"), "Retain")
    assert retained == tables | dict.fromkeys(
        ("Bucket", "DeadLetterQueue", "FailureBucket", "Stream"), "RetainExceptOnCreate"
    )
    for name in {*retained, "Queue"}:
        assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


def test_failed_stream_records_go_to_the_failure_bucket() -> None:
    """The mapping of the stream gives up on single records after a limit, and sends them whole to S3."""
    mapping = properties("KinesisFunctionStream")
    assert RESOURCES["FailureBucket"]["Type"] == "AWS::S3::Bucket"
    assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": arn("FailureBucket")}}
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["MaximumRetryAttempts"] > 0
    assert mapping["MaximumRecordAgeInSeconds"] > 0


def test_stream_retains_records_longer_than_the_mapping_retries_them() -> None:
    """A failed record reaches the bucket before it expires in the stream."""
    retention = properties("Stream")["RetentionPeriodHours"] * 3600
    assert retention > properties("KinesisFunctionStream")["MaximumRecordAgeInSeconds"]


@pytest.mark.parametrize("name", ["FailureBucket", "Bucket"])
def test_bucket_is_private_and_encrypted(name: str) -> None:
    """Events contain personal data, and no setting of an object can make one public."""
    bucket = properties(name)
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_default_deployment_has_no_stream_resources() -> None:
    """By default there is no stream, no bucket, no second function, and no output that needs them."""
    assert TEMPLATE["Parameters"]["KinesisStream"]["Default"] == "none"
    conditions = TEMPLATE["Conditions"]
    assert conditions["ReadStream"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "KinesisStream"}, "none"]}]}
    assert conditions["CreateStream"] == {"Fn::Equals": [{"Ref": "KinesisStream"}, "create"]}
    entries = [*RESOURCES.items(), *TEMPLATE["Outputs"].items()]
    stream_entries = {
        name: entry["Condition"] for name, entry in entries if entry.get("Condition") in ("ReadStream", "CreateStream")
    }
    assert {name: condition for name, condition in stream_entries.items() if not name.endswith("Alarm")} == {
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


def test_archive_and_bulk_work_are_off_by_default() -> None:
    """By default nothing of them exists but an empty bucket, which costs nothing."""
    conditions = TEMPLATE["Conditions"]
    assert TEMPLATE["Parameters"]["ArchiveDays"]["Default"] == "0"
    assert TEMPLATE["Parameters"]["ReplayConcurrency"]["Default"] == "0"
    assert conditions["HasArchive"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "ArchiveDays"}, "0"]}]}
    assert conditions["HasReplay"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "ReplayConcurrency"}, "0"]}]}
    objects = {name: entry for name, entry in [*RESOURCES.items(), *TEMPLATE["Outputs"].items()] if "Objects" in name}
    assert len(objects) == 10
    assert {entry["Condition"] for entry in objects.values()} == {"HasReplay"}


def test_bucket_deletes_the_objects_of_each_prefix() -> None:
    """Archived events expire as the parameter says, or after a day once it is 0; the list of erased people stays."""
    rules = properties("Bucket")["LifecycleConfiguration"]["Rules"]
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    assert {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules} == {
        "events/": {"Fn::If": ["HasArchive", {"Ref": "ArchiveDays"}, "1"]},
        "snapshots/": 30,
        "results/": 30,
    }


def test_an_object_is_a_batch_and_objects_leave_live_events_their_share() -> None:
    """An invocation has one object, so that none fails with another, and the concurrency is a parameter."""
    mapping = properties("ObjectsFunctionQueue")
    assert mapping["BatchSize"] == 1
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "ReplayConcurrency"}}
    assert properties("ObjectsQueue")["RedrivePolicy"]["deadLetterTargetArn"] == arn("ObjectsDeadLetterQueue")


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
        ("CanvasUserArn", "", True),
        ("CanvasUserArn", "arn:aws:iam::123456789012:user/canvas-live-events", True),
        ("CanvasUserArn", "arn:aws-us-gov:iam::123456789012:user/lms/canvas@example.edu", True),
        ("CanvasUserArn", "arn:aws:iam::123456789012:root", False),
        ("CanvasUserArn", "arn:aws:iam::123456789012:user/*", False),
        ("CanvasUserArn", "canvas-live-events", False),
        ("PermissionsBoundary", "", True),
        ("PermissionsBoundary", "arn:aws:iam::123456789012:policy/boundaries/developer", True),
        ("PermissionsBoundary", "arn:aws:iam::aws:policy/PowerUserAccess", True),
        ("PermissionsBoundary", "arn:aws:iam::123456789012:role/developer", False),
        ("AllowedRootAccounts", "", True),
        ("AllowedRootAccounts", "VicYj3cu5BIFpoZhDVU4DZumnlBrWi1grgJEzADs, 21070000000000001", True),
        ("AllowedRootAccounts", "a,", False),
        ("AllowedRootAccounts", "https://canvas.example.edu", False),
        ("IgnoredEventTypes", "", True),
        ("IgnoredEventTypes", "quizzes.quiz_created, quizzes-lti.grade_changed ,heartbeat", True),
        ("IgnoredEventTypes", "quizzes.*", False),
        ("IgnoredEventTypes", "heartbeat,", False),
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
def test_parameter_pattern_accepts_only_valid_values(parameter: str, value: str, accepted: bool) -> None:
    """A wrong value fails the deployment at once, not later in Canvas or Lambda."""
    pattern = TEMPLATE["Parameters"][parameter]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, value)) is accepted


@pytest.mark.parametrize("parameter", INTEGERS)
def test_integer_parameter_accepts_exactly_the_integers_in_its_range(parameter: str) -> None:
    """A fraction, or a number that Lambda would reject, fails the deployment at once."""
    low, high = INTEGERS[parameter]
    accepts = re.compile(TEMPLATE["Parameters"][parameter]["AllowedPattern"]).fullmatch
    sample = {*range(12_000), *range(0, 1_200_000, 97), *range(max(low - 2, 0), low + 3), *range(high - 2, high + 3)}
    assert [number for number in sample if bool(accepts(str(number))) is not (low <= number <= high)] == sorted(
        EXCLUDED.get(parameter, ())
    )
    others = ("", "1.5", "2.0", "1e2", "-1", "+5", "007", " 5", "5 ", "five", "٣", f"{high}0")
    assert [text for text in others if accepts(text)] == []


def test_no_parameter_accepts_a_fraction() -> None:
    """CloudFormation's type Number accepts fractions, except where the values are enumerated."""
    parameters = TEMPLATE["Parameters"].items()
    numbers = {name for name, value in parameters if value["Type"] == "Number" and "AllowedValues" not in value}
    assert numbers == set()
    assert {name for name, value in parameters if str(value.get("Default", "")).isdigit()} == {
        *INTEGERS, "CanvasAccountId", "LogRetentionDays",
    }  # fmt: skip


@pytest.mark.parametrize("table", [*TABLES.values(), "RejectedTable"])
def test_write_ceiling_applies_to_every_table_and_is_off_by_default(table: str) -> None:
    """With 0 no table has a maximum write rate, and with any other number each table has that one."""
    ceiling = {"MaxWriteRequestUnits": {"Ref": "MaxWriteRequestUnits"}}
    assert properties(table)["OnDemandThroughput"] == {"Fn::If": ["HasWriteCeiling", ceiling, NO_VALUE]}
    assert TEMPLATE["Parameters"]["MaxWriteRequestUnits"]["Default"] == "0"
    assert TEMPLATE["Conditions"]["HasWriteCeiling"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "MaxWriteRequestUnits"}, "0"]}]
    }


def test_package_folder_links_to_runtime_files_only() -> None:
    """The package for Lambda is the handlers, the schemas and the locked dependencies; the rest builds it."""
    package = ROOT / "package"
    assert {path.name: path.resolve() for path in package.iterdir() if path.is_symlink()} == {
        name: ROOT / name for name in ("handlers", "schemas")
    }
    builders = {"requirements.txt", "build.py", "Makefile", "arm64", "x86_64", "handlers", "schemas"}
    assert {path.name for path in package.iterdir()} == builders


def test_every_function_is_built_with_the_makefile_of_their_architecture() -> None:
    """`sam build` verifies the hashes of the libraries, for whichever architecture the parameter chooses."""
    for name in ("SqsFunction", "KinesisFunction", "ObjectsFunction"):
        metadata = RESOURCES[name]["Metadata"]
        assert metadata["BuildMethod"] == "makefile"
        assert metadata["ContextPath"] == {"Fn::Sub": "package/${Architecture}"}
    for architecture in TEMPLATE["Parameters"]["Architecture"]["AllowedValues"]:
        assert f"ARCHITECTURE := {architecture}\n" in (ROOT / "package" / architecture / "Makefile").read_text()


def test_package_is_built_for_the_python_of_the_functions() -> None:
    """The libraries and their bytecode are those for the runtime of the template."""
    (version,) = re.findall(r'^PYTHON = "(.+)"', (ROOT / "package" / "build.py").read_text(), re.MULTILINE)
    assert {properties(name)["Runtime"] for name in of_type("AWS::Lambda::Function")} == {f"python{version}"}
