"""The archive of a deployed stack: what it lacks, and whether a replay of all of it gives the same tables."""

import gzip
import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from cli.local.invocation import table_variables
from cli.local.ministack import LocalAws
from tests.support.engines import delete_all, scan

RUN = "20261201T000000Z-soak"
SECONDS_TO_REPLAY = 180


def missing_lines(aws: LocalAws, bucket: str, good: Iterable[str], bad: Iterable[str]) -> list[str]:
    """Return the valid events and the rejected records that are not in the archive."""
    lines = [json.loads(line, parse_float=Decimal) for line in _lines(aws, bucket)]
    archived = {_identity(line) for line in lines if "body" in line}
    digests = {line["digest"] for line in lines if "digest" in line}
    lost = [text for text in good if _identity(json.loads(text, parse_float=Decimal)) not in archived]
    lost += [text for text in bad if hashlib.sha256(text.encode()).hexdigest() not in digests]
    return [f"an acknowledged record is not in the archive: {text[:60]} …" for text in lost]


def replay_differences(aws: LocalAws, outputs: dict[str, str]) -> list[str]:
    """Empty the tables, process all archived objects, and return the entity tables that are not as before."""
    tables = table_variables(outputs)
    rejected = tables.pop("REJECTED_TABLE")
    before = _items(aws, tables)
    for table in (*tables.values(), rejected):
        delete_all(aws.client("dynamodb"), aws.endpoint, table)
    keys = list(_keys(aws, outputs["Bucket"], "events/"))
    for key in keys:
        message = {"bucket": outputs["Bucket"], "key": key, "run": RUN}
        aws.client("sqs").send_message(QueueUrl=outputs["ObjectsQueueUrl"], MessageBody=json.dumps(message))
    until = time.monotonic() + SECONDS_TO_REPLAY
    while len(list(_keys(aws, outputs["Bucket"], f"results/{RUN}/"))) < len(keys):
        if time.monotonic() > until:
            return ["the replay does not end"]
        time.sleep(0.5)  # until the next look
    after = _items(aws, tables)
    return [f"{table} is not as before the replay" for table in tables.values() if before[table] != after[table]]


def _identity(event: Any) -> str:
    """Return what tells an event from all others of the soak: its type, its time and its body."""
    metadata = event["metadata" if "metadata" in event else "attributes"]
    return json.dumps([metadata["event_name"], metadata["event_time"], event["body"]], sort_keys=True, default=str)


def _keys(aws: LocalAws, bucket: str, prefix: str) -> Iterator[str]:
    for page in aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (entry["Key"] for entry in page.get("Contents", ()))


def _lines(aws: LocalAws, bucket: str) -> Iterator[bytes]:
    for key in _keys(aws, bucket, "events/"):
        yield from gzip.decompress(aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()).splitlines()


def _items(aws: LocalAws, tables: dict[str, str]) -> dict[str, list[str]]:
    return {
        table: sorted(repr(sorted(item.items())) for item in scan(aws.endpoint, table)) for table in tables.values()
    }
