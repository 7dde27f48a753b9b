"""docs/analytics.md: what it says to Athena fits what the archive writes."""

import json
import re
from datetime import UTC, datetime

import pytest
import sqlglot
from sqlglot import expressions

from handlers.archive.line import METADATA, format_line
from handlers.archive.writer import object_key
from handlers.intake.decode import decode
from handlers.intake.record import Record
from tests.support import analytics
from tests.support.engines import SAMPLES

NOW = datetime(2026, 11, 1, 4, 5, tzinfo=UTC)


def test_athena_table_has_a_column_for_every_member_of_every_line() -> None:
    """The lines of all sample events, and of rejected and unreadable records, have the columns and no others."""
    columns = set(analytics.athena_columns()) - {"dt", "hour"}
    records = [Record("an-id", data, NOW, "arn") for data in (b"no JSON", b"\xff", *map(str.encode, SAMPLES.values()))]
    lines = [
        json.loads(format_line(record, "sqs", None if number < 2 else decode(record.data), is_rejected=number % 2 == 0))
        for number, record in enumerate(records)
    ]
    assert {name for line in lines for name in line} == columns
    assert analytics.athena_metadata() == list(METADATA)


def test_athena_finds_objects_where_the_archive_writes_them() -> None:
    """The location that partition projection computes for a day and an hour is the prefix of the archive's objects."""
    properties = {
        match[0]: match[1] for match in re.findall(r"'([\w.]+)' = '([^']*)'", analytics.statements("Athena")[0])
    }
    assert properties["projection.enabled"] == "true"
    assert (properties["projection.dt.type"], properties["projection.dt.format"]) == ("date", "yyyy-MM-dd")
    assert (properties["projection.hour.type"], properties["projection.hour.range"]) == ("integer", "0,23")
    hour = f"{NOW.hour:0{properties['projection.hour.digits']}}"
    location = properties["storage.location.template"].replace("${dt}", f"{NOW:%Y-%m-%d}").replace("${hour}", hour)
    assert f"s3://BUCKET/{object_key('sqs', 'an-id', NOW)}" == f"{location}sqs-an-id.ndjson.gz"


@pytest.mark.parametrize(
    "statement", [*analytics.questions().values(), *analytics.statements("An export of a table")[:2]]
)
def test_statement_is_valid_in_athena(statement: str) -> None:
    """Each question, and each statement about an export, is parsed as Athena's SQL, and not passed over as unknown."""
    parsed = sqlglot.parse_one(statement, read="athena")
    assert isinstance(parsed, expressions.Select | expressions.Create)


def test_every_question_narrows_what_athena_reads() -> None:
    """Each question has a condition on the partitions, so that a copy of it never reads the whole archive."""
    asked = analytics.questions()
    assert len(asked) == 7
    assert [question for question, sql in asked.items() if "dt >= '" not in sql] == []
