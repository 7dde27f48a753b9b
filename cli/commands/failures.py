"""``failures``: the batches of the stream that Lambda gave up on; look at them, put their records back.

Lambda writes each such batch to the on-failure bucket as one object: a JSON document that says which batch it was, why
it was given up, and in ``payload`` the whole invocation, records and all. Source: AWS Lambda Developer Guide,
"Retain discarded batch records for a Kinesis Data Streams event source".
"""

import argparse
import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from cli.errors import CommandError
from cli.redrive import publisher
from cli.redrive.publisher import Destination, Parcel
from cli.stack.stack import Stack, open_stack
from cli.ui import arguments, output
from cli.ui.output import Json, age, out, plural, print_json, say
from handlers.items.timestamps import parse_datetime

EXAMPLES = """\
examples:
  canvas-events failures list                         the batches, why they were given up, how many records
  canvas-events failures redrive --dry-run            what would be put back
  canvas-events failures redrive                      put all records back on the stream, delete their objects
  canvas-events failures redrive aws/lambda/de4d…     only this object

Putting a record back twice does no harm: the tables keep the newest version of each entity.
"""


@dataclass(frozen=True)
class Failure:
    """A batch that was given up: ``records`` of it are there, or ``problem`` says why they cannot be read.

    ``condition`` is Lambda's word for why, as ``RetryAttemptsExhausted``; ``arrived`` is when its first record came.
    """

    key: str
    condition: str = ""
    shard: str = ""
    arrived: str = ""
    records: tuple[Parcel, ...] = ()
    problem: str | None = None


def add_to(commands: Any) -> None:
    """Add the commands."""
    actions = arguments.group(
        commands, "failures", "list or redrive the stream's batches in the on-failure bucket", EXAMPLES,
        more="The batches of the stream that Lambda gave up on, kept in the on-failure bucket.",
    )  # fmt: skip
    listing = arguments.command(actions, "list", "list them", EXAMPLES, _list)
    redriving = arguments.command(
        actions, "redrive", "put their records back on the stream", EXAMPLES, _redrive,
        more="An object is deleted only when all of its records are on the stream. Safe to interrupt and to repeat.",
    )  # fmt: skip
    redriving.add_argument("--dry-run", action="store_true", help="only say what would be put back")
    for parser in (listing, redriving):
        parser.add_argument("keys", nargs="*", metavar="KEY", help="an object's key, or its beginning (default: all)")


class Failures:
    """The on-failure bucket of a stack. Raises ``CommandError`` where there is none."""

    def __init__(self, stack: Stack) -> None:
        self._s3 = stack.client("s3")
        self._bucket = stack.resource("FailureBucket", "on-failure bucket: it reads no stream")

    def keys(self, beginnings: Sequence[str] = ()) -> list[str]:
        """The keys of the objects, the oldest first in each shard; those that begin so."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return [key for key in keys if not beginnings or key.startswith(tuple(beginnings))]

    def read(self, keys: Sequence[str], doing: str) -> Iterator[Failure]:
        """The batches under these keys; those that somebody else has put back meanwhile are left out."""
        with output.progress() as progress:
            for key in progress.track(keys, description=doing):
                try:
                    body: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
                except ClientError as error:
                    if error.response.get("Error", {}).get("Code") not in ("NoSuchKey", "404"):
                        raise
                    continue
                yield parse(key, body)

    def delete(self, key: str) -> None:
        """Delete an object."""
        self._s3.delete_object(Bucket=self._bucket, Key=key)


def parse(key: str, body: bytes) -> Failure:
    """The batch in an object."""
    try:
        document = json.loads(body)
        batch = document.get("KinesisBatchInfo", {})
        payload = document["payload"]
        # Lambda writes the invocation as JSON text within the JSON document.
        invocation = json.loads(payload) if isinstance(payload, str) else payload
        return Failure(
            key=key,
            condition=str(document.get("requestContext", {}).get("condition", "")),
            shard=str(batch.get("shardId", "")),
            arrived=str(batch.get("approximateArrivalOfFirstRecord", "")),
            records=tuple(_parcel(record["kinesis"]) for record in invocation["Records"]),
        )
    except (ValueError, TypeError, LookupError, AttributeError, binascii.Error):
        return Failure(key, problem="it is no invocation record of Lambda with its payload")


def _parcel(record: dict[str, str]) -> Parcel:
    return Parcel(base64.b64decode(record["data"], validate=True), partition_key=record["partitionKey"])


def _list(called: argparse.Namespace) -> int:
    bucket = Failures(open_stack(called))
    # One at a time: together they may be large.
    found = [_summary(failure) for failure in bucket.read(bucket.keys(called.keys), "reading the bucket")]
    if called.json:
        print_json(found)
        return 0
    if found:
        columns = ("object", "given up because", "shard", "arrived.", "records#")
        rows = (
            (each["key"], each["problem"] or each["condition"], each["shard"], _ago(each["arrived"]), each["records"])
            for each in found
        )
        out().print(output.table(columns, rows))
    out().print(f"{plural(sum(each['records'] for each in found), 'record')} in {plural(len(found), 'object')}.")
    return 0


def _summary(failure: Failure) -> Json:
    return {
        "key": failure.key,
        "condition": failure.condition,
        "shard": failure.shard,
        "arrived": failure.arrived,
        "records": len(failure.records),
        "problem": failure.problem,
    }


def _redrive(called: argparse.Namespace) -> int:
    stack = open_stack(called)
    bucket = Failures(stack)
    destination = publisher.stream(stack)
    keys = bucket.keys(called.keys)
    if called.keys and not keys:
        raise CommandError(f"the on-failure bucket has no object {' or '.join(called.keys)}.")
    doing = f"putting back on {destination.name}"
    results = {
        failure.key: _put_back(failure, bucket, destination, dry_run=called.dry_run)
        for failure in bucket.read(keys, doing)
    }
    _report(called, results, destination)
    return 1 if any(fault for _, fault in results.values()) else 0


def _put_back(failure: Failure, bucket: Failures, destination: Destination, *, dry_run: bool) -> tuple[int, str | None]:
    """Put a batch back: how many of its records are on the stream, and why its object stays."""
    if failure.problem:
        return 0, failure.problem
    if dry_run:
        return len(failure.records), None
    receipts = publisher.send(destination, failure.records)
    fault = next((receipt.fault for receipt in receipts if receipt.fault), None)
    if fault is None:
        bucket.delete(failure.key)
    return sum(receipt.id is not None for receipt in receipts), fault


def _report(called: argparse.Namespace, results: dict[str, tuple[int, str | None]], destination: Destination) -> None:
    if called.json:
        print_json({
            "dry_run": called.dry_run,
            "objects": [{"key": key, "put_back": count, "fault": fault} for key, (count, fault) in results.items()],
        })  # fmt: skip
    else:
        records = plural(sum(count for count, _ in results.values()), "record")
        objects = plural(len(results), "object")
        done = "would be put" if called.dry_run else "put"
        out().print(f"{records} of {objects} {done} back on {destination.name}.", soft_wrap=True)
    for key, (_, fault) in results.items():
        if fault:
            say(f"stays in the bucket: {key}: {fault}")


def _ago(arrived: str) -> str:
    try:
        return f"{age(parse_datetime(arrived))} ago"
    except ValueError:
        return arrived
