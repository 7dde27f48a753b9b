"""Where events are stored: the tables, the stream, and failed records."""

from collections.abc import Iterable, Mapping
from typing import Any

from cli.stack.checks.finding import DEPLOY, NO_TABLE, Finding, Findings, State, expect, missing_resource
from cli.stack.stack import Stack, family
from cli.ui.output import plural
from handlers.items import rejection

# Of the stream that the template creates: a day more than its mapping retries.
_RETENTION_HOURS = 168


def tables(stack: Stack) -> Findings:
    """Whether every table exists with the right keys, expires what it should and has point-in-time recovery."""
    yield from _families(stack)
    existing: dict[str, str] = {}
    for variable, name in (*sorted(stack.entity_tables.items()), (rejection.TABLE_VARIABLE, stack.rejected_table)):
        table = _described(stack, name)
        if table is None:
            yield Finding(
                State.ERROR,
                f"{variable} {name} was deleted",
                "Its events are retried and end up as failed records. Restore it: docs/runbook.md#a-deleted-table.",
            )
            continue
        existing[variable] = name
        yield _table(
            variable, table, ["reason", "record"] if variable == rejection.TABLE_VARIABLE else ["context", "entity"]
        )
    yield _indexes(stack, existing)
    append_only = stack.append_only_tables
    expiring = append_only | {rejection.TABLE_VARIABLE}
    yield _expiry(stack, {variable: name for variable, name in existing.items() if variable in expiring})
    optional = append_only if stack.parameters.get("ActivityPointInTimeRecovery") != "true" else frozenset()
    yield _recovery(stack, {variable: name for variable, name in existing.items() if variable not in optional})


def _families(stack: Stack) -> Findings:
    """Which families the stack stores, and which it ignores."""
    deployed = stack.entity_tables.keys()
    yield Finding(State.OK, f"stored families: {_listed(deployed)}")
    left_out = {event_type.table_variable for event_type in stack.catalogue.values()} - deployed - stack.chosen_tables
    if left_out:
        yield Finding(
            State.INFO,
            f"ignored families, not in the parameter Families: {_listed(left_out)}",
            "To store one: docs/upgrading.md#another-choice-of-families.",
        )
    for variable in sorted(stack.chosen_tables - deployed):
        yield Finding(State.WARNING, f"the stack has no table for {variable}, so its events are ignored", NO_TABLE)


def _described(stack: Stack, name: str) -> Mapping[str, Any] | None:
    """The description of a table; None when it was deleted."""
    from botocore.exceptions import ClientError

    try:
        table: Mapping[str, Any] = stack.client("dynamodb").describe_table(TableName=name)["Table"]
    except ClientError as error:
        if not missing_resource(error):
            raise
        return None
    return table


def _table(variable: str, table: Mapping[str, Any], keys: list[str]) -> Finding:
    found = [each["AttributeName"] for each in sorted(table["KeySchema"], key=lambda each: str(each["KeyType"]))]
    label = f"{variable} {table['TableName']}"
    if found != keys:
        return Finding(State.ERROR, f"{label} has the keys {', '.join(found)}", f"It needs {', '.join(keys)}. {DEPLOY}")
    return expect(
        table["TableStatus"] in ("ACTIVE", "UPDATING"),
        f"{variable} is active",
        f"{label} is {table['TableStatus']}",
        "Its events are retried until it is active.",
    )


def _indexes(stack: Stack, tables: Mapping[str, str]) -> Finding:
    """Whether the tables have the indexes that find items by course and by user."""
    from cli.catalogue.model import families
    from cli.catalogue.template_families import index_keys

    with_activity = stack.parameters.get("IndexActivityByCourse", "false") == "true"
    missing = set()
    for known in families():
        name = tables.get(known.table_variable)
        if name is None or (known.table_variable in stack.append_only_tables and not with_activity):
            continue
        indexes = (_described(stack, name) or {}).get("GlobalSecondaryIndexes", ())
        active = {index["IndexName"] for index in indexes if index.get("IndexStatus", "ACTIVE") == "ACTIVE"}
        missing |= {f"by_{key} of {known.name}" for key in index_keys(known) if f"by_{key}" not in active}
    return expect(
        not missing,
        "the indexes by course and by user are active",
        f"indexes are missing or being created: {', '.join(sorted(missing))}",
        f"Queries by course or by user fail until they are active. {DEPLOY}",
        State.WARNING,
    )


def _expiry(stack: Stack, tables: Mapping[str, str]) -> Finding:
    """Whether rejected events and append-only items expire."""
    off = set()
    for variable, name in tables.items():
        expiry = stack.client("dynamodb").describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        if expiry.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING") or expiry.get("AttributeName") != "expires_at":
            off.add(variable)
    return expect(
        not off,
        f"items expire in {_listed(tables)}",
        f"items never expire in {_listed(off)}: time to live is disabled",
        f"They may hold personal data. {DEPLOY}",
        State.WARNING,
    )


def _recovery(stack: Stack, tables: Mapping[str, str]) -> Finding:
    """Whether the tables of entities and rejected events have point-in-time recovery."""
    off = set()
    for variable, name in tables.items():
        answer = stack.client("dynamodb").describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        if answer.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") != "ENABLED":
            off.add(variable)
    return expect(
        not off,
        "point-in-time recovery is enabled",
        f"point-in-time recovery is disabled in {_listed(off)}",
        f"Items deleted or overwritten by mistake cannot be restored. {DEPLOY}",
        State.WARNING,
    )


def _listed(variables: Iterable[str]) -> str:
    """The family names of table variables."""
    return ", ".join(sorted(map(family, variables))) or "none"


def stream(stack: Stack) -> Findings:
    """Whether the stream retains its records for longer than its mapping retries them."""
    if stack.stream_arn is None:
        yield Finding(State.INFO, "the stack reads no stream: the parameter KinesisStream is none")
        return
    summary = stack.client("kinesis").describe_stream_summary(StreamARN=stack.stream_arn)["StreamDescriptionSummary"]
    yield expect(
        summary["StreamStatus"] in ("ACTIVE", "UPDATING"),
        "the stream is active",
        f"the stream is {summary['StreamStatus']}",
        "Nothing can be sent to it.",
    )
    uuid = stack.resource("KinesisFunctionStream", "mapping of the stream")
    oldest = stack.client("lambda").get_event_source_mapping(UUID=uuid).get("MaximumRecordAgeInSeconds") or 0
    hours = summary["RetentionPeriodHours"]
    yield expect(
        0 < oldest < hours * 3600,
        f"records are retained for {hours} hours, and retried for {oldest // 3600}",
        f"records are retained for {hours} hours, but retried {f'for {oldest // 3600}' if oldest > 0 else 'forever'}",
        "What fails for so long expires in the stream, and is lost, instead of going to the bucket. "
        f"`aws kinesis increase-stream-retention-period --stream-arn {stack.stream_arn} --retention-period-hours"
        f" {_RETENTION_HOURS}`",
    )
    if hours > _RETENTION_HOURS:
        yield Finding(
            State.INFO,
            f"records are retained for more than {_RETENTION_HOURS} hours",
            f"Those older than {oldest // 3600} hours at the first start went to the bucket without an attempt."
            " `canvas-events failures redrive` stores them.",
        )


def buckets(stack: Stack) -> Findings:
    """Whether the buckets block public access."""
    for resource, what in (("FailureBucket", "the on-failure bucket"), ("Bucket", "the bucket of the archive")):
        if resource not in stack.resources:
            continue
        name = stack.resources[resource].physical_id
        block = stack.client("s3").get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
        yield expect(
            all(block.values()) and len(block) == 4,
            f"{what} blocks public access",
            f"{what} does not block public access completely",
            f"It holds complete events. {DEPLOY}",
        )


def failed_records(stack: Stack) -> Findings:
    """How many failed records wait for a redrive."""
    # Imported only here: the pipeline behind them imports boto3, which no help needs.
    from cli.redrive.dead_letters import DeadLetterQueue, ObjectsDeadLetterQueue
    from cli.redrive.failed_batches import FailureBucket

    messages = DeadLetterQueue(stack).count()
    yield expect(
        not messages,
        "the dead-letter queue is empty",
        f"about {plural(messages, 'message')} in the dead-letter queue",
        "`canvas-events dlq list`",
        State.INFO,
    )
    if "ObjectsDeadLetterQueue" in stack.resources:
        messages = ObjectsDeadLetterQueue(stack).count()
        yield expect(
            not messages,
            "the dead-letter queue of objects is empty",
            f"about {plural(messages, 'message')} in the dead-letter queue of objects",
            "`canvas-events dlq list --objects`",
            State.INFO,
        )
    if "FailureBucket" in stack.resources:
        objects = len(FailureBucket(stack).keys())
        yield expect(
            not objects,
            "the on-failure bucket is empty",
            f"{plural(objects, 'object')} in the on-failure bucket",
            "`canvas-events failures list`",
            State.INFO,
        )
