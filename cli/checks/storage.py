"""What holds events: the tables, the stream, and what is parked."""

from botocore.exceptions import ClientError

from cli.checks.finding import DEPLOY, Finding, Findings, State, gone, judged
from cli.dlq import DeadLetters
from cli.failures import Failures
from cli.output import plural
from cli.stack import Stack
from handlers import rejected


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
    yield judged(
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
        return Finding(
            State.FAULT,
            f"{variable} {name} was deleted",
            "Its events wait, and end parked. Restore it: docs/runbook.md#a-deleted-table.",
        )
    found = [each["AttributeName"] for each in sorted(table["KeySchema"], key=lambda each: str(each["KeyType"]))]
    if found != keys:
        return Finding(
            State.FAULT, f"{variable} {name} is keyed by {', '.join(found)}", f"It needs {', '.join(keys)}. {DEPLOY}"
        )
    return judged(
        table["TableStatus"] in ("ACTIVE", "UPDATING"),
        f"{variable} is active",
        f"{variable} {name} is {table['TableStatus']}",
        "Until it is active again its events wait.",
    )


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
    messages = DeadLetters(stack).count()
    yield judged(
        not messages,
        "the dead-letter queue is empty",
        f"{plural(messages, 'message')} in the dead-letter queue",
        "`canvas-events dlq list`",
        State.INFO,
    )
    if "FailureBucket" in stack.resources:
        objects = len(Failures(stack).keys())
        yield judged(
            not objects,
            "the on-failure bucket is empty",
            f"{plural(objects, 'batch')} in the on-failure bucket".replace("batchs", "batches"),
            "`canvas-events failures list`",
            State.INFO,
        )
