"""Where the rows come from, in parts: a part is done when its rows have had their effect."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.reconcile.row import Row


@dataclass(frozen=True)
class Part:
    """Rows that are compared together. ``done`` records that they need not be read again.

    ``skipped`` has sentences about what could not be read, once all rows were.
    """

    name: str
    rows: Iterable[Row]
    done: Callable[[], object] = lambda: None
    skipped: Sequence[str] = ()


def from_folder(folder: Path, tables: Iterable[str]) -> Iterator[Part]:
    """Yield the downloaded tables of Canvas Data 2. Raises ``CommandError`` where none of them is in the folder."""
    from cli.canvas import data_folder
    from cli.errors import CommandError

    found = set(data_folder.tables(folder))
    wanted = [table for table in tables if table in found]
    if not wanted:
        raise CommandError(f"{folder} has none of the tables {', '.join(sorted(tables))}: one folder for each.")
    for table in wanted:
        yield Part(table, data_folder.read(folder, [table]))


def from_data_api(folder: Path, tables: Iterable[str]) -> Iterator[Part]:
    """Yield the objects of the Canvas Data 2 API; ``folder`` keeps what was read already."""
    from cli.canvas.data_api import DataApi
    from cli.canvas.data_changes import DataChanges

    changes = DataChanges(DataApi.from_environment(os.environ), folder)
    for table in tables:
        for data_object in changes.objects(table):
            yield Part(data_object.name, data_object.rows, data_object.done)


def from_rest(base_url: str, courses: Sequence[str], tables: Iterable[str]) -> Iterator[Part]:
    """Yield the courses of the REST API."""
    from cli.canvas.course import TABLES, Course
    from cli.canvas.rest import CanvasApi

    api = CanvasApi.from_environment(base_url, os.environ)
    for course_id in courses:
        course = Course(api, course_id)
        yield Part(f"course {course_id}", course.rows(frozenset(tables) & TABLES), skipped=course.skipped)
