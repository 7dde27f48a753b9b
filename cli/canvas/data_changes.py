"""Rows from the API of Canvas Data 2: all of a table the first time, and afterwards what has changed.

A state file for each table holds the time that the rows are known for and, while a result is being read, which of its
objects are done. It holds no rows. An object is downloaded to a temporary file that has no name, so that a killed
process leaves no personal data behind.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from cli.canvas import data_rows
from cli.canvas.data_api import DataApi, ExpiredError, Job, SnapshotRequiredError
from cli.errors import CommandError
from cli.reconcile.row import Row
from handlers.items.timestamps import parse_datetime

_MAX_EXPIRED_JOBS = 3


@dataclass
class _Progress:
    """``since`` is the time up to which everything was read; ``done`` the objects of ``job`` that were."""

    since: str | None = None
    job: Job | None = None
    done: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class DataObject:
    """A part of a result. ``rows`` can be read once, before the next object; ``name`` is for messages.

    ``done`` records that its rows have had their effect.
    """

    name: str
    rows: Iterator[Row]
    done: Callable[[], None]


class DataChanges:
    """The changes of tables since they were last read. ``folder`` holds the state; it is made where it is missing."""

    def __init__(self, api: DataApi, folder: Path) -> None:
        self._api = api
        self._folder = folder

    def objects(self, table: str) -> Iterator[DataObject]:
        """Yield the objects of a table that are not done yet, one at a time.

        Call ``done`` on each when its rows have had their effect: what is not done is given again by the next call,
        also in another process. When all are done, the next call gives what has changed since. Two processes at once
        each read everything. Raises ``CommandError`` as the API does, and for a state file that cannot be used.
        """
        progress = self._load(table)
        if progress.job and progress.done >= set(progress.job.objects):  # stopped after the last object
            progress = _Progress(since=progress.job.as_of)
        for _ in range(_MAX_EXPIRED_JOBS):
            job = progress.job = progress.job or self._query(table, progress)
            self._save(table, progress)
            try:
                yield from self._pending(table, job, progress)
            except ExpiredError:
                progress.job, progress.done = None, set()
                continue
            if progress.done >= set(job.objects):
                self._save(table, _Progress(since=job.as_of))
            return
        raise CommandError(f"The results for {table} expired {_MAX_EXPIRED_JOBS} times while they were read.")

    def _query(self, table: str, progress: _Progress) -> Job:
        try:
            return self._api.query(table, progress.since)
        except SnapshotRequiredError:
            progress.since = None
            return self._api.query(table, None)

    def _pending(self, table: str, job: Job, progress: _Progress) -> Iterator[DataObject]:
        for number, object_id in enumerate(job.objects, 1):
            if object_id in progress.done:
                continue
            with tempfile.TemporaryFile(dir=self._folder) as file:
                try:
                    self._api.download(object_id, file)
                except OSError as error:
                    raise CommandError(f"{self._folder} cannot hold {table}: {error.strerror}.") from None
                file.seek(0)
                name = f"{table}, object {number} of {len(job.objects)}"
                rows = (row for _, row in data_rows.read(file, name, table, parse_datetime(job.as_of)))
                yield DataObject(name, rows, partial(self._finish, table, progress, object_id))

    def _finish(self, table: str, progress: _Progress, object_id: str) -> None:
        progress.done.add(object_id)
        self._save(table, progress)

    def _load(self, table: str) -> _Progress:
        path = self._path(table)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            state = json.loads(path.read_bytes())
            job = state["job"] and Job(state["job"]["id"], tuple(state["job"]["objects"]), state["job"]["as_of"])
            if job:
                parse_datetime(job.as_of)
            return _Progress(state["since"], job, set(state["done"]))
        except FileNotFoundError:
            return _Progress()
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
        except (AttributeError, LookupError, TypeError, ValueError):
            raise CommandError(
                f"{path} is not a state of Canvas Data 2. Delete it: the next run then reads all of {table}."
            ) from None

    def _save(self, table: str, progress: _Progress) -> None:
        """Replace the state file in one step, so that a reader finds the old state or the new one."""
        state = {"since": progress.since, "job": progress.job and asdict(progress.job), "done": sorted(progress.done)}
        path = self._path(table)
        try:
            with tempfile.NamedTemporaryFile("w", dir=self._folder, prefix=f".{table}-", delete=False) as file:
                json.dump(state, file)
            os.replace(file.name, path)
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from None

    def _path(self, table: str) -> Path:
        return self._folder / f"{table}.json"
