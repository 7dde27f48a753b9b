"""The deployed template that the command tests use, and the result of a command."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.local.function_logs import batches, flush, is_empty, log_lines
from cli.local.ministack import STACK, LocalAws
from cli.stack.stack import Stack
from handlers.intake.record import Record
from handlers.items.rejection import rejection_item
from handlers.outcome import Rejection, RejectionReason, Violation
from tests.support.engines import as_boto3, delete_all, scan

VIOLATION = Violation("body.name", "type", "string or null")


@dataclass(frozen=True)
class CommandResult:
    """The exit status and the output of a command."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output as JSON."""
        return json.loads(self.out)


Command = Callable[..., CommandResult]


class Local:
    """The stack of a test: its contents, and ways to add more."""

    records_taken = 0  # from the stream, when a test last settled

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.dynamodb = stack.client("dynamodb")
        assert stack.endpoint is not None
        self.endpoint = stack.endpoint

    def empty(self) -> None:
        """Delete all items, messages and objects."""
        for table in self.stack.of_kind("AWS::DynamoDB::Table").values():
            delete_all(self.dynamodb, self.endpoint, table)
        for url in (self.stack.queue_url, self.stack.dead_letter_queue_url):
            self.stack.client("sqs").purge_queue(QueueUrl=url)
        for key in self.objects():
            self.stack.client("s3").delete_object(Bucket=self.bucket, Key=key)

    def settle(self) -> None:
        """Wait until the functions have processed everything in the queue and the stream."""
        eventually(lambda: is_empty(self.stack.client("sqs"), self.stack.queue_url))
        in_stream = self._records_in_stream()
        if in_stream > Local.records_taken:  # reading the log takes long
            eventually(lambda: self._records_taken() >= in_stream)
            Local.records_taken = in_stream

    def _records_in_stream(self) -> int:
        kinesis, arn = self.stack.client("kinesis"), self.stack.stream_arn
        count = 0
        for shard in kinesis.list_shards(StreamARN=arn)["Shards"]:
            position = {"ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            iterator = kinesis.get_shard_iterator(StreamARN=arn, **position)["ShardIterator"]
            while records := (page := kinesis.get_records(ShardIterator=iterator, Limit=1_000))["Records"]:
                count += len(records)
                iterator = page["NextShardIterator"]
        return count

    def _records_taken(self) -> int:
        aws = LocalAws(self.endpoint)
        flush(aws)
        return sum(batch["received"] for batch in batches(log_lines(aws)[f"/aws/lambda/{STACK}/kinesis"]))

    def items(self, table: str) -> list[dict[str, Any]]:
        """Return all items of a table, in DynamoDB's form."""
        return scan(self.endpoint, table)

    def entities(self) -> list[str]:
        """Return the sort keys of all stored entities."""
        tables = self.stack.entity_tables.values()
        return sorted(item["entity"]["S"] for table in tables for item in self.items(table))

    def rejected(self) -> list[dict[str, Any]]:
        """Return the rejected records, in DynamoDB's form."""
        return sorted(self.items(self.stack.rejected_table), key=lambda item: str(item["record"]["S"]))

    def reject(
        self,
        text: str,
        reason: RejectionReason = RejectionReason.SCHEMA_VIOLATION,
        *,
        event_name: str | None = None,
        ago: timedelta = timedelta(hours=1),
        source: str = "arn:aws:sqs:eu-west-1:000000000000:canvas-live-events",
    ) -> str:
        """Put a record into the rejected table, as the handlers would; return its sort key."""
        entered = datetime.now(UTC) - ago
        record = Record("an-id", text.encode(), entered, source)
        item = rejection_item(record, Rejection(reason, VIOLATION), event_name, datetime.now(UTC), timedelta(days=90))
        self.dynamodb.put_item(TableName=self.stack.rejected_table, Item=as_boto3(item.attributes))
        return dict(item.key)["record"]

    def put(self, variable: str, context: str, entity: str, **attributes: Any) -> None:
        """Put an item into an entity table; ``attributes`` are the fields of its body."""
        body = {name: {"S": value} for name, value in attributes.items()}
        item = {"context": {"S": context}, "entity": {"S": entity}, "version": {"S": "1"}, "body": {"M": body}}
        item |= {"event_name": {"S": f"{entity.partition('#')[0]}_updated"}, "event_time": {"S": "2026-09-01"}}
        self.dynamodb.put_item(TableName=self.stack.entity_tables[variable], Item=item)

    @property
    def bucket(self) -> str:
        """The on-failure bucket."""
        return self.stack.resources["FailureBucket"].physical_id

    def objects(self) -> list[str]:
        """Return the keys in the on-failure bucket."""
        listed = self.stack.client("s3").list_objects_v2(Bucket=self.bucket)
        return [entry["Key"] for entry in listed.get("Contents", ())]

    def visible_in(self, url: str) -> int:
        """Return how many messages of a queue can be received at once."""
        names = ["ApproximateNumberOfMessages"]
        attributes = self.stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"])


def eventually(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until a condition holds; fail if it does not hold in time."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the condition did not hold in time"
        time.sleep(0.1)  # until the next look
