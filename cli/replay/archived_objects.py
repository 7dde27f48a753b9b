"""The objects of the archive, by the time at which their events arrived."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from handlers.archive.writer import PREFIX

_KEY = re.compile(rf"{PREFIX}dt=(\d{{4}}-\d\d-\d\d)/hour=(\d\d)/.+\.ndjson\.gz")
_HOUR = timedelta(hours=1)


class ArchivedObject(NamedTuple):
    """An object of the archive: its key, its size in bytes, and when its events arrived."""

    key: str
    size: int
    arrived_at: datetime


def archived_objects(s3: Any, bucket: str, start: datetime, end: datetime) -> Iterator[ArchivedObject]:
    """List the objects whose events arrived from ``start`` on and before ``end`` (both UTC), in the order of the hours.

    The hour of an object is that of its key, and within the hour its time of arrival is when it was last modified. So
    whole hours are exactly the partitions of these hours, even in a bucket whose objects were copied there.
    """
    # S3 lists keys in the order of their bytes, which is that of their hours.
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=PREFIX, StartAfter=f"{PREFIX}dt={start:%Y-%m-%d}/hour={start:%H}/"
    )
    for page in pages:
        for entry in page.get("Contents", ()):
            hour = _hour(entry["Key"])
            if hour is None:
                continue
            if hour >= end:
                return
            arrived_at = min(max(entry["LastModified"], hour), hour + _HOUR - timedelta.resolution)
            if start <= arrived_at < end:
                yield ArchivedObject(entry["Key"], entry["Size"], arrived_at)


def oldest_hour(s3: Any, bucket: str) -> str | None:
    """Return the partition of the oldest object, such as ``dt=2026-11-21/hour=14``; None of an empty archive."""
    for entry in s3.list_objects_v2(Bucket=bucket, Prefix=PREFIX, MaxKeys=1).get("Contents", ()):
        return str(entry["Key"]).removeprefix(PREFIX).rpartition("/")[0]
    return None


def _hour(key: str) -> datetime | None:
    """Return the beginning of the hour of a key; None of a key that is not the archive's."""
    match = _KEY.fullmatch(key)
    try:
        return datetime.fromisoformat(f"{match[1]}T{match[2]}:00").replace(tzinfo=UTC) if match else None
    except ValueError:
        return None
