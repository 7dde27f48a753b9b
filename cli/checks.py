"""The checks of ``doctor``: each looks at one part of the stack and says what it finds, and what to do."""

import io
import json
import re
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any

from botocore.exceptions import ClientError

from cli.dlq import DeadLetters
from cli.failures import Failures
from cli.output import plural
from cli.stack import Stack
from handlers import rejected
from handlers.catalogue import SCHEMAS
from handlers.settings import Settings, SettingsError

QUEUE_NAME = "canvas-live-events"  # what a queue's name must begin with: Instructure, "Data Services", SQS
DEPLOY = "Deploy template.yaml again: `sam build && sam deploy`."


_NOT_THERE = frozenset(
    {
        "ResourceNotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "NoSuchBucket",
        "NoSuchEntity",
        "NotFound",
    }
)


class State(StrEnum):
    """What a check finds."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    NOT_CHECKED = "not checked"
    INFO = "information"


@dataclass(frozen=True)
class Finding:
    """What was found, and what to do about it."""

    state: State
    text: str
    do: str = ""


Findings = Iterator[Finding]


def _judged(well: bool, good: str, bad: str, do: str, state: State = State.FAULT) -> Finding:
    return Finding(State.OK, good) if well else Finding(state, bad, do)


def gone(error: Exception) -> Finding | None:
    """A fault, if the error says that something of the stack is not there any more."""
    answer: Mapping[str, Any] = getattr(error, "response", {})
    if answer.get("Error", {}).get("Code") not in _NOT_THERE:
        return None
    operation = getattr(error, "operation_name", "")
    return Finding(State.FAULT, f"something of the stack was deleted: {operation} does not find it", DEPLOY)


def status(stack: Stack) -> Findings:
    """Whether the last deployment went through."""
    if stack.status.endswith("_IN_PROGRESS"):
        yield Finding(State.WARNING, f"it is being changed: {stack.status}", "Look again when that is done.")
    elif stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
        yield Finding(State.OK, stack.status)
    elif stack.status == "UPDATE_ROLLBACK_COMPLETE":
        yield Finding(State.WARNING, "the last deployment failed and was undone", "See the stack's events for why.")
    else:
        yield Finding(State.FAULT, f"its state is {stack.status}", "See the stack's events for why, and deploy again.")


def queue(stack: Stack) -> Findings:
    """Whether Canvas can send to the queue, and nobody else."""
    name = stack.queue_url.rpartition("/")[2]
    yield _judged(
        name.startswith(QUEUE_NAME) and not name.endswith(".fifo"),
        f"{name}: a standard queue by a name that Canvas takes",
        f"Canvas does not send to {name}: the name must begin with {QUEUE_NAME}, and FIFO queues are refused",
        "Set the parameter QueueName, deploy, and give Canvas the new URL.",
    )
    attributes = _queue_attributes(stack, stack.queue_url)
    if attributes.get("KmsMasterKeyId"):
        yield Finding(
            State.WARNING,
            "the queue is encrypted with a KMS key",
            "Canvas can send only if that key's policy admits its account; or use SQS's own key.",
        )
    policy = json.loads(attributes.get("Policy") or "{}")
    yield from _senders(policy, stack.parameters.get("CanvasAccountId", ""))


def _senders(policy: Mapping[str, Any], canvas: str) -> Findings:
    allowed = [each for each in _listed(policy.get("Statement")) if each.get("Effect") == "Allow"]
    senders: set[str] = set()
    for statement in allowed:
        actions = {str(action).lower() for action in _listed(statement.get("Action"))}
        if actions & {"*", "sqs:*", "sqs:sendmessage"} or "NotAction" in statement:
            senders |= _principals(statement)
        if actions - {"sqs:sendmessage"}:
            more = f"the queue's policy allows more than sending: {', '.join(sorted(actions))}"
            yield Finding(State.WARNING, more, f"Sending is all that Canvas needs. {DEPLOY}")
    yield _judged(
        canvas in senders,
        f"Canvas's account {canvas} may send",
        f"Canvas's account {canvas or '(not set)'} may not send to the queue",
        f"Its events are lost until it may. {DEPLOY}",
    )
    strangers = sorted(senders - {canvas})
    yield _judged(
        not strangers,
        "nobody else may send, by the queue's policy",
        f"others may send too: {', '.join(strangers)}",
        f"Whoever sends can write into the tables. Take them out of the queue's policy. {DEPLOY}",
    )


def _principals(statement: Mapping[str, Any]) -> set[str]:
    """The accounts of a statement; for anything else, as ``*`` or a service, what it says."""
    principal = statement.get("Principal", "*" if "NotPrincipal" not in statement else "all but some")
    named = chain.from_iterable(map(_listed, principal.values())) if isinstance(principal, dict) else [principal]
    accounts = ((re.fullmatch(r"(?:arn:[^:]*:iam::)?(\d{12})(?::root)?", str(each)), str(each)) for each in named)
    return {match[1] if match else each for match, each in accounts}


def dead_letters(stack: Stack) -> Findings:
    """Whether what fails for good is kept, and for longer than in the queue itself."""
    source = _queue_attributes(stack, stack.queue_url)
    target = _queue_attributes(stack, stack.dead_letter_queue_url)
    redrive = json.loads(source.get("RedrivePolicy") or "{}")
    yield _judged(
        redrive.get("deadLetterTargetArn") == target.get("QueueArn"),
        "messages that fail for good go to the dead-letter queue",
        "the queue has another dead-letter queue than the stack's, or none",
        f"Messages that fail would be lost. {DEPLOY}",
    )
    receives = int(redrive.get("maxReceiveCount", 0))
    yield _judged(
        receives >= 5,
        f"after {receives} receives",
        f"after {receives} receives already",
        f"Throttling alone can take five. {DEPLOY}",
        State.WARNING,
    )
    days = [int(each.get("MessageRetentionPeriod", 0)) / 86_400 for each in (source, target)]
    yield _judged(
        days[1] > days[0],
        f"kept for {days[1]:g} days there, {days[0]:g} in the queue",
        f"kept for {days[1]:g} days there and {days[0]:g} in the queue",
        f"A message's age counts from when it entered the queue, so it would expire at once. {DEPLOY}",
    )


def mappings(stack: Stack) -> Findings:
    """Whether the queue and the stream are read, and failures told record by record."""
    found = stack.of_kind("AWS::Lambda::EventSourceMapping")
    if not found:
        yield Finding(State.FAULT, "nothing reads the queue", DEPLOY)
    for name, uuid in found.items():
        mapping = stack.client("lambda").get_event_source_mapping(UUID=uuid)
        state = mapping.get("State", "")
        yield _judged(
            state == "Enabled",
            f"{name} is enabled; last result: {mapping.get('LastProcessingResult') or 'none yet'}",
            f"{name} is {state or 'gone'}: {mapping.get('StateTransitionReason', '')}",
            "Events wait unread, and expire after days. "
            f"`aws lambda update-event-source-mapping --enabled --uuid {uuid}`",
            State.WARNING if state in ("Creating", "Enabling", "Updating") else State.FAULT,
        )
        yield _judged(
            mapping.get("FunctionResponseTypes") == ["ReportBatchItemFailures"],
            f"{name} reports failures record by record",
            f"{name} does not take batch item failures",
            f"What fails is taken as done, and lost. {DEPLOY}",
        )
        if ":kinesis:" in mapping.get("EventSourceArn", ""):
            yield _on_failure(name, mapping)


def _on_failure(name: str, mapping: Mapping[str, Any]) -> Finding:
    destination = mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
    return _judged(
        ":s3:" in destination,
        f"{name} keeps what fails for good in a bucket",
        f"{name} has no bucket for what fails for good",
        f"Such records would be lost. {DEPLOY}",
    )


def functions(stack: Stack) -> Findings:
    """Whether the functions are active, know their tables, and have less time than messages are hidden."""
    attributes = _queue_attributes(stack, stack.queue_url)
    hidden = int(attributes.get("VisibilityTimeout", 0))
    for name, configuration in _configurations(stack).items():
        yield _judged(
            (configuration.get("State"), configuration.get("LastUpdateStatus")) == ("Active", "Successful"),
            f"{name} is active",
            f"{name} is {configuration.get('State')}, its last update {configuration.get('LastUpdateStatus')}",
            f"{configuration.get('StateReason', '')} {DEPLOY}".strip(),
        )
        yield _settings(name, configuration.get("Environment", {}).get("Variables", {}), stack)
        timeout = configuration.get("Timeout", 0)
        yield _judged(
            hidden >= 6 * timeout,
            f"{name} has {timeout} s; messages are hidden for {hidden} s",
            f"{name} has {timeout} s, and messages are hidden for {hidden} s only",
            f"Messages come back while they are worked on; it should be six times as long. {DEPLOY}",
            State.WARNING,
        )


def _settings(name: str, variables: Mapping[str, str], stack: Stack) -> Finding:
    wanted = frozenset(event_type.table for event_type in stack.catalogue.values())
    try:
        tables = Settings.read(variables, wanted).tables
    except SettingsError as error:
        return Finding(State.FAULT, f"{name} does not start: {error}", DEPLOY)
    known = stack.entity_tables | {rejected.TABLE: stack.rejected_table}
    wrong = sorted(each for each, table in tables.items() if known.get(each) != table)
    if wrong:
        return Finding(State.FAULT, f"{name} writes to other tables than the stack's: {', '.join(wrong)}", DEPLOY)
    missing = sorted(wanted - tables.keys())
    return _judged(
        not missing,
        f"{name} knows every table of the catalogue",
        f"{name} ignores the events of {', '.join(missing)}: these are not set",
        f"If that is not meant: {DEPLOY}",
        State.WARNING,
    )


def permissions(stack: Stack) -> Findings:
    """Whether the functions' roles allow what the functions do, as IAM's simulation says."""
    for name, configuration in _configurations(stack).items():
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
        yield _judged(
            not denied,
            f"{name} may do all that it does",
            f"{name} may not: {'; '.join(sorted(denied))}",
            f"Records wait and end in the dead-letter queue or the bucket. {DEPLOY}",
        )


def _needed(stack: Stack, configuration: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """What a function needs to be allowed, by resource."""
    dynamodb = stack.client("dynamodb")
    needed: dict[str, tuple[str, ...]] = {}
    for table in stack.entity_tables.values():
        arn = dynamodb.describe_table(TableName=table)["Table"]["TableArn"]
        needed[arn] = ("dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate")
    needed[dynamodb.describe_table(TableName=stack.rejected_table)["Table"]["TableArn"]] = ("dynamodb:PartiQLInsert",)
    if configuration["Handler"].startswith("handlers.sqs"):
        arn = _queue_attributes(stack, stack.queue_url)["QueueArn"]
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


def tables(stack: Stack) -> Findings:
    """Whether every table is there, active, and keyed as the functions write."""
    wanted = {event_type.table for event_type in stack.catalogue.values()}
    for variable in sorted(wanted - stack.entity_tables.keys()):
        yield Finding(
            State.WARNING, f"there is no table for {variable}: its events are ignored", f"If not meant: {DEPLOY}"
        )
    for variable, table in sorted(stack.entity_tables.items()):
        yield _table(stack, variable, table, ["context", "entity"])
    yield _table(stack, rejected.TABLE, stack.rejected_table, ["reason", "record"])
    expiry = stack.client("dynamodb").describe_time_to_live(TableName=stack.rejected_table)["TimeToLiveDescription"]
    yield _judged(
        expiry.get("TimeToLiveStatus") in ("ENABLED", "ENABLING") and expiry.get("AttributeName") == "expires_at",
        "rejected events expire",
        "rejected events never expire: time to live is off",
        f"They may hold personal data. {DEPLOY}",
        State.WARNING,
    )


def _table(stack: Stack, variable: str, name: str, keys: list[str]) -> Finding:
    try:
        table = stack.client("dynamodb").describe_table(TableName=name)["Table"]
    except ClientError as error:
        if not gone(error):
            raise
        return Finding(State.FAULT, f"{variable} {name} was deleted", f"Its events wait, and end parked. {DEPLOY}")
    found = [each["AttributeName"] for each in sorted(table["KeySchema"], key=lambda each: str(each["KeyType"]))]
    if found != keys:
        return Finding(
            State.FAULT, f"{variable} {name} is keyed by {', '.join(found)}", f"It needs {', '.join(keys)}. {DEPLOY}"
        )
    return _judged(
        table["TableStatus"] in ("ACTIVE", "UPDATING"),
        f"{variable} is active",
        f"{variable} {name} is {table['TableStatus']}",
        "Until it is active again its events wait.",
    )


def alarms(stack: Stack) -> Findings:
    """Whether somebody is told when an alarm goes off, and whether one has."""
    topic = stack.of_kind("AWS::SNS::Topic").get("AlarmTopic")
    if topic is None:
        yield Finding(
            State.WARNING, "the stack has no topic for alarms", f"Nobody is told when it is not well. {DEPLOY}"
        )
        return
    pages = stack.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    subscriptions = [each for page in pages for each in page["Subscriptions"]]
    pending = [each for each in subscriptions if not each["SubscriptionArn"].startswith("arn:")]
    yield _judged(
        len(subscriptions) > len(pending),
        f"alarms reach {plural(len(subscriptions) - len(pending), 'subscriber')}",
        "alarms reach nobody: no subscription of the topic is confirmed",
        "Confirm the e-mail that AWS sent, or subscribe to the topic.",
    )
    if pending and len(subscriptions) > len(pending):
        yield Finding(
            State.WARNING, f"{plural(len(pending), 'subscription')} not confirmed", "Confirm the e-mail from AWS."
        )
    names = list(stack.of_kind("AWS::CloudWatch::Alarm").values())
    for start in range(0, len(names), 100):
        answer = stack.client("cloudwatch").describe_alarms(AlarmNames=names[start : start + 100])
        for alarm in answer.get("MetricAlarms", ()):
            if alarm.get("StateValue") == "ALARM":
                yield Finding(State.WARNING, f"the alarm {alarm['AlarmName']} is on", alarm.get("AlarmDescription", ""))


def stream(stack: Stack) -> Findings:
    """Whether the stream keeps its records longer than its mapping tries."""
    if stack.stream_arn is None:
        yield Finding(State.INFO, "no stream is read: the parameter KinesisStream is none")
        return
    summary = stack.client("kinesis").describe_stream_summary(StreamARN=stack.stream_arn)["StreamDescriptionSummary"]
    yield _judged(
        summary["StreamStatus"] in ("ACTIVE", "UPDATING"),
        "the stream is active",
        f"the stream is {summary['StreamStatus']}",
        "Nothing can be sent to it.",
    )
    uuid = stack.resource("KinesisFunctionStream", "mapping of the stream")
    oldest = stack.client("lambda").get_event_source_mapping(UUID=uuid).get("MaximumRecordAgeInSeconds") or 0
    hours = summary["RetentionPeriodHours"]
    yield _judged(
        0 < oldest < hours * 3600,
        f"records are kept for {hours} hours, and tried for {oldest // 3600}",
        f"records are kept for {hours} hours, and tried for {oldest // 3600 if oldest > 0 else 'ever'}",
        "They would expire unseen instead of going to the bucket. Keep them longer: "
        "`aws kinesis increase-stream-retention-period`.",
    )


def bucket(stack: Stack) -> Findings:
    """Whether what failed for good is kept where nobody else can read it."""
    if "FailureBucket" not in stack.resources:
        return
    name = stack.resources["FailureBucket"].physical_id
    block = stack.client("s3").get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    yield _judged(
        all(block.values()) and len(block) == 4,
        "the on-failure bucket is closed to the public",
        "the on-failure bucket could be opened to the public",
        f"It holds whole events. {DEPLOY}",
    )


def package(stack: Stack) -> Findings:
    """Whether the deployed functions have the event types that are here."""
    configurations = _configurations(stack)
    if len({each.get("CodeSha256") for each in configurations.values()}) > 1:
        yield Finding(State.WARNING, "the functions have different code", DEPLOY)
    for name, configuration in list(configurations.items())[:1]:
        location = stack.client("lambda").get_function(FunctionName=configuration["FunctionName"])["Code"]["Location"]
        if not location.startswith(("https://", "http://")):
            yield Finding(State.NOT_CHECKED, f"the code of {name} cannot be downloaded")
            return
        with urllib.request.urlopen(location, timeout=60) as answer:  # noqa: S310  # AWS's own, and http or https
            deployed = _schemas_in(answer.read())
        here = {f"schemas/{path.relative_to(SCHEMAS).as_posix()}": path.read_bytes() for path in _schema_files()}
        differing = sorted(key for key in here.keys() | deployed.keys() if here.get(key) != deployed.get(key))
        yield _judged(
            not differing,
            f"the {len(deployed)} files of schemas that are deployed are those here",
            f"{plural(len(differing), 'file')} of schemas deployed are not those here: {', '.join(differing[:10])}",
            "What is judged here may be judged otherwise there. Deploy what is here, or check out what is deployed.",
            State.WARNING,
        )


def _schema_files() -> list[Any]:
    return [*SCHEMAS.glob("*.json"), *SCHEMAS.glob("catalogue/*.toml")]


def _schemas_in(code: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            names = [
                name
                for name in archive.namelist()
                if re.fullmatch(r"schemas/([^/]+\.json|catalogue/[^/]+\.toml)", name)
            ]
            return {name: archive.read(name) for name in names}
    except zipfile.BadZipFile as error:
        raise OSError("the code is no zip file") from error


def parked(stack: Stack) -> Findings:
    """How much waits to be redriven."""
    messages = DeadLetters(stack).count()
    yield _judged(
        not messages,
        "the dead-letter queue is empty",
        f"{plural(messages, 'message')} in the dead-letter queue",
        "`canvas-events dlq list`",
        State.INFO,
    )
    if "FailureBucket" in stack.resources:
        objects = len(Failures(stack).keys())
        yield _judged(
            not objects,
            "the on-failure bucket is empty",
            f"{plural(objects, 'batch')} in the on-failure bucket".replace("batchs", "batches"),
            "`canvas-events failures list`",
            State.INFO,
        )


ALL: Mapping[str, Callable[[Stack], Findings]] = {
    "stack": status,
    "queue": queue,
    "dead-letter queue": dead_letters,
    "mappings": mappings,
    "functions": functions,
    "permissions": permissions,
    "tables": tables,
    "stream": stream,
    "on-failure bucket": bucket,
    "alarms": alarms,
    "package": package,
    "parked": parked,
}


def _queue_attributes(stack: Stack, url: str) -> Mapping[str, str]:
    attributes: Mapping[str, str] = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
        "Attributes"
    ]
    return attributes


def _configurations(stack: Stack) -> dict[str, Mapping[str, Any]]:
    return {
        name: stack.client("lambda").get_function_configuration(FunctionName=function)
        for name, function in stack.of_kind("AWS::Lambda::Function").items()
    }


def _listed(value: Any) -> list[Any]:
    """A policy may say one value or a list of them."""
    return [] if value is None else value if isinstance(value, list) else [value]
