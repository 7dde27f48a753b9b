"""The functions: their event source mappings, settings and permissions."""

from collections.abc import Mapping
from typing import Any

from cli.stack.checks.finding import DEPLOY, NO_TABLE, Finding, Findings, State, expect
from cli.stack.checks.queues import attributes_of
from cli.stack.stack import Stack
from handlers.items import rejection
from handlers.settings import Settings, SettingsError

_READ_QUEUE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


def mappings(stack: Stack) -> Findings:
    """Whether the functions read the queue and the stream, and report failures record by record."""
    found = stack.of_kind("AWS::Lambda::EventSourceMapping")
    if not found:
        yield Finding(State.ERROR, "no function reads the queue", DEPLOY)
    for name, uuid in found.items():
        mapping = stack.client("lambda").get_event_source_mapping(UUID=uuid)
        state = mapping.get("State", "")
        yield expect(
            state == "Enabled",
            f"{name} is enabled; last result: {mapping.get('LastProcessingResult') or 'none yet'}",
            f"{name} is {state or 'missing'}: {mapping.get('StateTransitionReason', '')}",
            "Events are not read, and expire after some days. "
            f"`aws lambda update-event-source-mapping --enabled --uuid {uuid}`",
            State.WARNING if state in ("Creating", "Enabling", "Updating") else State.ERROR,
        )
        yield expect(
            mapping.get("FunctionResponseTypes") == ["ReportBatchItemFailures"],
            f"{name} reports failures record by record",
            f"{name} does not use partial batch responses",
            f"Failed records are treated as processed, and lost. {DEPLOY}",
        )
        if ":kinesis:" in mapping.get("EventSourceArn", ""):
            yield _on_failure(name, mapping)


def _on_failure(name: str, mapping: Mapping[str, Any]) -> Finding:
    destination = mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
    return expect(
        ":s3:" in destination,
        f"{name} writes records that exhaust their retries to a bucket",
        f"{name} has no bucket for records that exhaust their retries",
        f"Such records would be lost. {DEPLOY}",
    )


def functions(stack: Stack) -> Findings:
    """Whether the functions are active, know their tables, and time out well before messages reappear."""
    yield _account_concurrency(stack)
    attributes = attributes_of(stack, stack.queue_url)
    visibility_timeout = int(attributes.get("VisibilityTimeout", 0))
    for name, configuration in configurations(stack).items():
        yield expect(
            (configuration.get("State"), configuration.get("LastUpdateStatus")) == ("Active", "Successful"),
            f"{name} is active",
            f"{name} is {configuration.get('State')}, its last update {configuration.get('LastUpdateStatus')}",
            f"{configuration.get('StateReason', '')} {DEPLOY}".strip(),
        )
        yield _reserved(name, configuration["FunctionName"], stack)
        yield _settings(name, configuration.get("Environment", {}).get("Variables", {}), stack)
        timeout = configuration.get("Timeout", 0)
        yield expect(
            visibility_timeout >= 6 * timeout,
            f"{name} has a timeout of {timeout} s, and the queue a visibility timeout of {visibility_timeout} s",
            f"{name} has a timeout of {timeout} s, and the queue a visibility timeout of only {visibility_timeout} s",
            f"Messages reappear while they are being processed; it should be six times the timeout. {DEPLOY}",
            State.WARNING,
        )


def _account_concurrency(stack: Stack) -> Finding:
    available = stack.client("lambda").get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    concurrency = int(stack.parameters.get("MaximumConcurrency", 0))
    return expect(
        available > concurrency,
        f"{available} concurrent executions for all functions of the account, and MaximumConcurrency is {concurrency}",
        f"only {available} concurrent executions for all functions of the account; MaximumConcurrency is {concurrency}",
        "Invocations beyond them are throttled, and each costs the queue's messages one of their receives. Request an"
        " increase of Lambda's quota `Concurrent executions` (Service Quotas), or lower MaximumConcurrency.",
        State.WARNING,
    )


def _reserved(name: str, function: str, stack: Stack) -> Finding:
    response = stack.client("lambda").get_function_concurrency(FunctionName=function)
    reserved = response.get("ReservedConcurrentExecutions")
    return expect(
        reserved is None,
        f"{name} has no reserved concurrency",
        f"{name} has a reserved concurrency of {reserved}",
        "Invocations above it are throttled, and each costs the queue's messages one of their receives. "
        f"`aws lambda delete-function-concurrency --function-name {function}`",
        State.WARNING if reserved else State.ERROR,
    )


def _settings(name: str, variables: Mapping[str, str], stack: Stack) -> Finding:
    variables_of_families = frozenset(event_type.table_variable for event_type in stack.catalogue.values())
    try:
        tables = Settings.from_env(variables, variables_of_families).tables
    except SettingsError as error:
        return Finding(State.ERROR, f"{name} does not start: {error}", DEPLOY)
    known = stack.entity_tables | {rejection.TABLE_VARIABLE: stack.rejected_table}
    wrong = sorted(each for each, table in tables.items() if known.get(each) != table)
    if wrong:
        return Finding(State.ERROR, f"{name} writes to tables outside the stack: {', '.join(wrong)}", DEPLOY)
    missing = sorted(stack.chosen_tables - tables.keys())
    return expect(
        not missing,
        f"{name} has the table of every selected family",
        f"{name} ignores events because {', '.join(missing)} is not set",
        NO_TABLE,
        State.WARNING,
    )


def permissions(stack: Stack) -> Findings:
    """Whether the functions' roles allow what the functions do, according to IAM's policy simulator."""
    for name, configuration in configurations(stack).items():
        denied: set[str] = set()
        for resource, actions in _required_actions(stack, configuration).items():
            response = stack.client("iam").simulate_principal_policy(
                PolicySourceArn=configuration["Role"],
                ActionNames=list(actions),
                ResourceArns=[resource],
                ContextEntries=[_own_buckets(configuration)],
            )
            denied |= {
                f"{result['EvalActionName']} on {resource}"
                for result in response["EvaluationResults"]
                if result["EvalDecision"] != "allowed"
            }
        yield expect(
            not denied,
            f"{name} has all the permissions that it needs",
            f"{name} may not: {'; '.join(sorted(denied))}",
            f"Records are retried and end up in the dead-letter queue or the bucket. {DEPLOY}",
        )


def _own_buckets(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The condition key by which the role writes only to buckets of its account; the simulator knows no key itself."""
    account = configuration["FunctionArn"].split(":")[4]
    return {"ContextKeyName": "s3:ResourceAccount", "ContextKeyValues": [account], "ContextKeyType": "string"}


def _required_actions(stack: Stack, configuration: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The actions that a function needs, by the ARN of the resource."""
    dynamodb = stack.client("dynamodb")
    actions_by_arn: dict[str, tuple[str, ...]] = {}
    for variable, table in {**stack.entity_tables, rejection.TABLE_VARIABLE: stack.rejected_table}.items():
        arn = dynamodb.describe_table(TableName=table)["Table"]["TableArn"]
        actions_by_arn[arn] = ("dynamodb:PartiQLInsert",)
        if variable not in stack.append_only_tables | {rejection.TABLE_VARIABLE}:
            actions_by_arn[arn] += ("dynamodb:PartiQLUpdate",)
    _, partition, _, region, account, *_ = configuration["FunctionArn"].split(":")
    handler = configuration["Handler"]
    if handler == "handlers.sqs.handler":
        actions_by_arn[attributes_of(stack, stack.queue_url)["QueueArn"]] = _READ_QUEUE
    elif handler == "handlers.objects.handler":
        url = stack.resource("ObjectsQueue", "queue of objects")
        bucket = f"arn:{partition}:s3:::{stack.resource('Bucket', 'bucket')}"
        actions_by_arn[attributes_of(stack, url)["QueueArn"]] = _READ_QUEUE
        for prefix in ("events", "snapshots", "erased"):
            actions_by_arn[f"{bucket}/{prefix}/doctor"] = ("s3:GetObject",)
        actions_by_arn[f"{bucket}/results/doctor"] = ("s3:PutObject",)
    elif stack.stream_arn:
        reads = ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")
        actions_by_arn[stack.stream_arn] = tuple(f"kinesis:{each}" for each in reads)
        bucket = stack.resource("FailureBucket", "on-failure bucket")
        actions_by_arn[f"arn:{partition}:s3:::{bucket}/aws/lambda/batch"] = ("s3:PutObject",)
    archive = configuration.get("Environment", {}).get("Variables", {}).get("ARCHIVE_BUCKET")
    if archive and handler != "handlers.objects.handler":
        actions_by_arn[f"arn:{partition}:s3:::{archive}/events/doctor"] = ("s3:PutObject",)
    log_group = configuration.get("LoggingConfig", {}).get("LogGroup")
    if log_group:
        actions_by_arn[f"arn:{partition}:logs:{region}:{account}:log-group:{log_group}:log-stream:doctor"] = (
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        )
    return actions_by_arn


def configurations(stack: Stack) -> dict[str, Mapping[str, Any]]:
    """The configuration of each function, by its name in the template."""
    return {
        name: stack.client("lambda").get_function_configuration(FunctionName=function)
        for name, function in stack.of_kind("AWS::Lambda::Function").items()
    }
