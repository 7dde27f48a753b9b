"""What holds events: the tables, the stream, and what is parked."""

from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from cli.redrive.dead_letters import DeadLetterQueue
from cli.redrive.failed_batches import FailureBucket
from cli.stack.checks.finding import DEPLOY, NO_TABLE, Finding, Findings, State, gone, judged
from cli.stack.stack import Stack, family
from cli.ui.output import plural
from handlers.items import rejection


def tables(stack: Stack) -> Findings:
    """Whether every table is there, active, keyed as the functions write, and forgets and remembers as it should."""
    yield from _families(stack)
    there: dict[str, str] = {}
    for variable, name in (*sorted(stack.entity_tables.items()), (rejection.TABLE_VARIABLE, stack.rejected_table)):
        table = _described(stack, name)
        if table is None:
            yield Finding(
                State.FAULT,
                f"{variable} {name} was deleted",
                "Its events wait, and end parked. Restore it: docs/runbook.md#a-deleted-table.",
            )
            continue
        there[variable] = name
        yield _table(
            variable, table, ["reason", "record"] if variable == rejection.TABLE_VARIABLE else ["context", "entity"]
        )
    occurrences = stack.occurrence_tables
    yield _expiry(stack, {name: there[name] for name in there if name in occurrences | {rejection.TABLE_VARIABLE}})
    yield _recovery(stack, {name: there[name] for name in there if name not in occurrences})


def _families(stack: Stack) -> Findings:
    """Which families are kept, and which are not."""
    deployed = stack.entity_tables.keys()
    yield Finding(State.OK, f"kept are {_listed(deployed)}")
    left_out = {event_type.table_variable for event_type in stack.catalogue.values()} - deployed - stack.chosen_tables
    if left_out:
        yield Finding(
            State.INFO,
            f"not kept are {_listed(left_out)}: the parameter Families does not name them",
            "Their events are ignored. To keep one: docs/upgrading.md#another-choice-of-families.",
        )
    for variable in sorted(stack.chosen_tables - deployed):
        yield Finding(State.WARNING, f"there is no table for {variable}: its events are ignored", NO_TABLE)


def _described(stack: Stack, name: str) -> Mapping[str, Any] | None:
    """What DynamoDB says of a table; None when it was deleted."""
    try:
        table: Mapping[str, Any] = stack.client("dynamodb").describe_table(TableName=name)["Table"]
    except ClientError as error:
        if not gone(error):
            raise
        return None
    return table


def _table(variable: str, table: Mapping[str, Any], keys: list[str]) -> Finding:
    found = [each["AttributeName"] for each in sorted(table["KeySchema"], key=lambda each: str(each["KeyType"]))]
    called = f"{variable} {table['TableName']}"
    if found != keys:
        return Finding(State.FAULT, f"{called} is keyed by {', '.join(found)}", f"It needs {', '.join(keys)}. {DEPLOY}")
    return judged(
        table["TableStatus"] in ("ACTIVE", "UPDATING"),
        f"{variable} is active",
        f"{called} is {table['TableStatus']}",
        "Until it is active again its events wait.",
    )


def _expiry(stack: Stack, tables: Mapping[str, str]) -> Finding:
    """Whether rejected events and occurrences are deleted when their time is over."""
    off = set()
    for variable, name in tables.items():
        expiry = stack.client("dynamodb").describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        if expiry.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING") or expiry.get("AttributeName") != "expires_at":
            off.add(variable)
    return judged(
        not off,
        f"items expire in {_listed(tables)}",
        f"items never expire in {_listed(off)}: time to live is off",
        f"They may hold personal data. {DEPLOY}",
        State.WARNING,
    )


def _recovery(stack: Stack, tables: Mapping[str, str]) -> Finding:
    """Whether what lasts can be restored; what expires by itself need not be."""
    off = set()
    for variable, name in tables.items():
        answer = stack.client("dynamodb").describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        if answer.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") != "ENABLED":
            off.add(variable)
    return judged(
        not off,
        "all that lasts can be restored to any moment of the last weeks",
        f"what is lost cannot be restored in {_listed(off)}: point-in-time recovery is off",
        f"Deleted or overwritten by mistake, it is gone. {DEPLOY}",
        State.WARNING,
    )


def _listed(variables: Iterable[str]) -> str:
    """Tables by the names of their families."""
    return ", ".join(sorted(map(family, variables))) or "none"


def stream(stack: Stack) -> Findings:
    """Whether the stream keeps its records longer than its mapping tries."""
    if stack.stream_arn is None:
        yield Finding(State.INFO, "no stream is read: the parameter KinesisStream is none")
        return
    summary = stack.client("kinesis").describe_stream_summary(StreamARN=stack.stream_arn)["StreamDescriptionSummary"]
    yield judged(
        summary["StreamStatus"] in ("ACTIVE", "UPDATING"),
        "the stream is active",
        f"the stream is {summary['StreamStatus']}",
        "Nothing can be sent to it.",
    )
    uuid = stack.resource("KinesisFunctionStream", "mapping of the stream")
    oldest = stack.client("lambda").get_event_source_mapping(UUID=uuid).get("MaximumRecordAgeInSeconds") or 0
    hours = summary["RetentionPeriodHours"]
    yield judged(
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
    yield judged(
        all(block.values()) and len(block) == 4,
        "the on-failure bucket is closed to the public",
        "the on-failure bucket could be opened to the public",
        f"It holds whole events. {DEPLOY}",
    )


def parked(stack: Stack) -> Findings:
    """How much waits to be redriven."""
    messages = DeadLetterQueue(stack).count()
    yield judged(
        not messages,
        "the dead-letter queue is empty",
        f"{plural(messages, 'message')} in the dead-letter queue",
        "`canvas-events dlq list`",
        State.INFO,
    )
    if "FailureBucket" in stack.resources:
        objects = len(FailureBucket(stack).keys())
        yield judged(
            not objects,
            "the on-failure bucket is empty",
            f"{plural(objects, 'batch')} in the on-failure bucket".replace("batchs", "batches"),
            "`canvas-events failures list`",
            State.INFO,
        )
