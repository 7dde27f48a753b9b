"""The functions: what they read, what they know, what they may do."""

from collections.abc import Mapping
from typing import Any

from cli.stack.checks.finding import DEPLOY, NO_TABLE, Finding, Findings, State, judged
from cli.stack.checks.queues import attributes_of
from cli.stack.stack import Stack
from handlers.items import rejection
from handlers.settings import Settings, SettingsError


def mappings(stack: Stack) -> Findings:
    """Whether the queue and the stream are read, and failures told record by record."""
    found = stack.of_kind("AWS::Lambda::EventSourceMapping")
    if not found:
        yield Finding(State.FAULT, "nothing reads the queue", DEPLOY)
    for name, uuid in found.items():
        mapping = stack.client("lambda").get_event_source_mapping(UUID=uuid)
        state = mapping.get("State", "")
        yield judged(
            state == "Enabled",
            f"{name} is enabled; last result: {mapping.get('LastProcessingResult') or 'none yet'}",
            f"{name} is {state or 'gone'}: {mapping.get('StateTransitionReason', '')}",
            "Events wait unread, and expire after days. "
            f"`aws lambda update-event-source-mapping --enabled --uuid {uuid}`",
            State.WARNING if state in ("Creating", "Enabling", "Updating") else State.FAULT,
        )
        yield judged(
            mapping.get("FunctionResponseTypes") == ["ReportBatchItemFailures"],
            f"{name} reports failures record by record",
            f"{name} does not take batch item failures",
            f"What fails is taken as done, and lost. {DEPLOY}",
        )
        if ":kinesis:" in mapping.get("EventSourceArn", ""):
            yield _on_failure(name, mapping)


def _on_failure(name: str, mapping: Mapping[str, Any]) -> Finding:
    destination = mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
    return judged(
        ":s3:" in destination,
        f"{name} keeps what fails for good in a bucket",
        f"{name} has no bucket for what fails for good",
        f"Such records would be lost. {DEPLOY}",
    )


def functions(stack: Stack) -> Findings:
    """Whether the functions are active, know their tables, and have less time than messages are hidden."""
    attributes = attributes_of(stack, stack.queue_url)
    hidden = int(attributes.get("VisibilityTimeout", 0))
    for name, configuration in configurations(stack).items():
        yield judged(
            (configuration.get("State"), configuration.get("LastUpdateStatus")) == ("Active", "Successful"),
            f"{name} is active",
            f"{name} is {configuration.get('State')}, its last update {configuration.get('LastUpdateStatus')}",
            f"{configuration.get('StateReason', '')} {DEPLOY}".strip(),
        )
        yield _reserved(name, configuration["FunctionName"], stack)
        yield _settings(name, configuration.get("Environment", {}).get("Variables", {}), stack)
        timeout = configuration.get("Timeout", 0)
        yield judged(
            hidden >= 6 * timeout,
            f"{name} has {timeout} s; messages are hidden for {hidden} s",
            f"{name} has {timeout} s, and messages are hidden for {hidden} s only",
            f"Messages come back while they are worked on; it should be six times as long. {DEPLOY}",
            State.WARNING,
        )


def _reserved(name: str, function: str, stack: Stack) -> Finding:
    answer = stack.client("lambda").get_function_concurrency(FunctionName=function)
    reserved = answer.get("ReservedConcurrentExecutions")
    return judged(
        reserved is None,
        f"{name} has no reserved concurrency",
        f"{name} has a reserved concurrency of {reserved}",
        "Invocations above it are refused; messages of the queue lose one of their tries each time. "
        f"`aws lambda delete-function-concurrency --function-name {function}`",
        State.WARNING if reserved else State.FAULT,
    )


def _settings(name: str, variables: Mapping[str, str], stack: Stack) -> Finding:
    wanted = frozenset(event_type.table_variable for event_type in stack.catalogue.values())
    try:
        tables = Settings.from_env(variables, wanted).tables
    except SettingsError as error:
        return Finding(State.FAULT, f"{name} does not start: {error}", DEPLOY)
    known = stack.entity_tables | {rejection.TABLE_VARIABLE: stack.rejected_table}
    wrong = sorted(each for each, table in tables.items() if known.get(each) != table)
    if wrong:
        return Finding(State.FAULT, f"{name} writes to other tables than the stack's: {', '.join(wrong)}", DEPLOY)
    missing = sorted(stack.chosen_tables - tables.keys())
    return judged(
        not missing,
        f"{name} knows the table of every family that is kept",
        f"{name} ignores the events of {', '.join(missing)}: these are not set",
        NO_TABLE,
        State.WARNING,
    )


def permissions(stack: Stack) -> Findings:
    """Whether the functions' roles allow what the functions do, as IAM's simulation says."""
    for name, configuration in configurations(stack).items():
        denied: set[str] = set()
        for resource, actions in _needed(stack, configuration).items():
            answer = stack.client("iam").simulate_principal_policy(
                PolicySourceArn=configuration["Role"], ActionNames=list(actions), ResourceArns=[resource]
            )
            denied |= {
                f"{each['EvalActionName']} on {resource}"
                for each in answer["EvaluationResults"]
                if each["EvalDecision"] != "allowed"
            }
        yield judged(
            not denied,
            f"{name} may do all that it does",
            f"{name} may not: {'; '.join(sorted(denied))}",
            f"Records wait and end in the dead-letter queue or the bucket. {DEPLOY}",
        )


def _needed(stack: Stack, configuration: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """What a function needs to be allowed, by resource."""
    dynamodb = stack.client("dynamodb")
    needed: dict[str, tuple[str, ...]] = {}
    for variable, table in {**stack.entity_tables, rejection.TABLE_VARIABLE: stack.rejected_table}.items():
        arn = dynamodb.describe_table(TableName=table)["Table"]["TableArn"]
        needed[arn] = ("dynamodb:PartiQLInsert",)
        if variable not in stack.occurrence_tables | {rejection.TABLE_VARIABLE}:
            needed[arn] += ("dynamodb:PartiQLUpdate",)
    if configuration["Handler"].startswith("handlers.sqs"):
        arn = attributes_of(stack, stack.queue_url)["QueueArn"]
        needed[arn] = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
    elif stack.stream_arn:
        reads = ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")
        needed[stack.stream_arn] = tuple(f"kinesis:{each}" for each in reads)
        partition = stack.stream_arn.split(":")[1]
        bucket = stack.resource("FailureBucket", "on-failure bucket")
        needed[f"arn:{partition}:s3:::{bucket}/aws/lambda/batch"] = ("s3:PutObject",)
    log_group = configuration.get("LoggingConfig", {}).get("LogGroup")
    if log_group:
        _, partition, _, region, account, *_ = configuration["FunctionArn"].split(":")
        needed[f"arn:{partition}:logs:{region}:{account}:log-group:{log_group}:log-stream:doctor"] = (
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        )
    return needed


def configurations(stack: Stack) -> dict[str, Mapping[str, Any]]:
    """What Lambda says of each function, by its name in the template."""
    return {
        name: stack.client("lambda").get_function_configuration(FunctionName=function)
        for name, function in stack.of_kind("AWS::Lambda::Function").items()
    }
