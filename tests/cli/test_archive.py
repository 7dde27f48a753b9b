"""What the archive of a local run is for: the tables again from it, a family that was left out, and analysis."""

import functools
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from cli.local import ministack as cli_ministack
from cli.local.function_logs import complete_logs, is_empty, settle
from cli.local.local_run import PARAMETERS, _send, demo_records
from cli.local.ministack import LocalAws, deploy, ministack, redeploy
from cli.replay.archived_objects import archived_objects
from cli.stack.stack import Stack, open_stack
from cli.ui.arguments import stack_options
from tests.support import analytics
from tests.support.engines import delete_all, scan
from tests.support.local_stack import Command, eventually
from tests.support.template_helpers import FAMILIES

LEFT_OUT = "groups"
DEPLOYED = ",".join(family for family in FAMILIES if family != LEFT_OUT)


@dataclass
class ArchivedRun:
    """A local stack that has processed the demonstration's records with the archive on, all families but one."""

    aws: LocalAws
    records: int

    def stack(self) -> Stack:
        """Return the stack as it is now."""
        return open_stack(stack_options().parse_args(["--local"]))

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return the items of all entity tables, in DynamoDB's form and the order of their keys."""
        return {
            variable: sorted(
                scan(self.aws.endpoint, table), key=lambda item: (str(item["context"]), str(item["entity"]))
            )
            for variable, table in self.stack().entity_tables.items()
        }

    def rejected(self) -> list[tuple[str, str]]:
        """Return the keys of all rejected records."""
        items = scan(self.aws.endpoint, self.stack().rejected_table)
        return sorted((item["reason"]["S"], item["record"]["S"]) for item in items)

    def empty(self) -> None:
        """Delete all items of all tables."""
        stack = self.stack()
        for table in (*stack.entity_tables.values(), stack.rejected_table):
            delete_all(self.aws.client("dynamodb"), self.aws.endpoint, table)


def deliver_again_soon(aws: LocalAws, queue_url: str) -> None:
    """Let a delivery that MiniStack loses, as when it replaces a function, come again before six minutes are over."""
    aws.client("sqs").set_queue_attributes(QueueUrl=queue_url, Attributes={"VisibilityTimeout": "20"})


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchivedRun]:
    """Run the local stack once for all tests here."""
    with ministack() as aws, pytest.MonkeyPatch.context() as patch:
        outputs = deploy(aws, PARAMETERS | {"Families": DEPLOYED})
        state_file = tmp_path_factory.mktemp("archive") / "local-stack.json"
        state_file.write_text(json.dumps({"endpoint": aws.endpoint}))
        patch.setattr(cli_ministack, "STACK_FILE", state_file)
        deliver_again_soon(aws, outputs["ObjectsQueueUrl"])
        records = list(demo_records())
        with complete_logs(aws):
            for record in records:
                _send(aws, outputs, record)
            settle(aws, outputs["QueueUrl"], len(records), lambda _: None)
        yield ArchivedRun(aws, len(records))


def test_emptied_tables_are_the_same_after_a_replay_and_a_family_comes_from_the_archive(
    archived: ArchivedRun, canvas_events: Command
) -> None:
    """Replayed into empty tables, every table is as it was, byte for byte; a family deployed later gets its past."""
    before, rejected = archived.tables(), archived.rejected()
    assert sum(map(len, before.values())) > 90
    archived.empty()
    result = canvas_events("replay", "--from", "1d", "--local", "--json")
    assert result.status == 0, result.err
    assert archived.tables() == before
    assert archived.rejected() == rejected
    outcomes = result.json["outcomes"]
    assert result.json["lines"] == archived.records == sum(sum(counts.values()) for counts in outcomes.values())
    assert outcomes[LEFT_OUT].keys() == {"ignored"}

    # A function writes a result before its message is acknowledged; replaced in between, it would go on as it was.
    queue = archived.stack().resource("ObjectsQueue", "queue")
    eventually(lambda: is_empty(archived.aws.client("sqs"), queue))
    redeploy(archived.aws, {"Families": "all"})
    deliver_again_soon(archived.aws, queue)
    result = canvas_events("replay", "--from", "1d", "--families", LEFT_OUT, "--local", "--json")
    assert result.status == 0, result.err
    assert result.json["outcomes"].keys() == {LEFT_OUT}
    assert "ignored" not in result.json["outcomes"][LEFT_OUT]
    assert result.json["skipped"] == archived.records - sum(result.json["outcomes"][LEFT_OUT].values())
    after = archived.tables()
    added = after.pop("GROUPS_TABLE")
    assert {item["entity"]["S"].partition("#")[0] for item in added} >= {"group", "group_membership"}
    assert after == before


@pytest.fixture(scope="module")
def duckdb_session(archived: ArchivedRun, tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """DuckDB with the view of docs/analytics.md over a copy of the archive, and an export of a table beside it."""
    folder = tmp_path_factory.mktemp("laptop")
    s3, bucket = archived.aws.client("s3"), archived.stack().resource("Bucket", "bucket")
    for archived_object in archived_objects(
        s3, bucket, datetime(2026, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    ):
        path = folder / "archive" / archived_object.key
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, archived_object.key, str(path))
    export = folder / "exports" / "assignments" / "AWSDynamoDB" / "01234-5678" / "data"
    export.mkdir(parents=True)
    items = scan(archived.aws.endpoint, archived.stack().entity_tables["ASSIGNMENTS_TABLE"])
    with gzip.open(export / "part.json.gz", "wt") as file:
        file.writelines(json.dumps({"Item": item}) + "\n" for item in items)
    session = duckdb.connect(config={"file_search_path": str(folder)})
    session.execute(analytics.statements("DuckDB")[0])
    return session


def answer(session: duckdb.DuckDBPyConnection, question: str) -> list[dict[str, Any]]:
    """Return the rows that answer a question of the document, whose words it contains."""
    (statement,) = (sql for text, sql in analytics.questions().items() if question in text)
    found = session.execute(statement)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_columns_of_the_documents_view_are_those_of_every_archived_line(
    archived: ArchivedRun, duckdb_session: duckdb.DuckDBPyConnection
) -> None:
    """DuckDB reads as many lines as there are records, with Athena's columns, and no line has a member beside them."""
    view = duckdb_session.execute("DESCRIBE events").fetchall()
    assert [row[0] for row in view] == analytics.athena_columns()
    assert duckdb_session.execute("SELECT count(DISTINCT id) FROM events").fetchone() == (archived.records,)
    # Of a line that has it, no member is null, so that none was read under a wrong name.
    counts = duckdb_session.execute(
        "SELECT count(*), count(metadata.event_name), count(body), count(payload), count(digest) FROM events"
    ).fetchone()
    assert counts is not None
    lines, events, bodies, payloads, rejected = counts
    assert events == bodies == lines - payloads
    assert 0 < payloads < rejected < events


def test_questions_of_the_document_are_answered_from_the_archive(
    archived: ArchivedRun, duckdb_session: duckdb.DuckDBPyConnection
) -> None:
    """Each question gets the answer that the demonstration's events give, although records came twice and late."""
    answers = {question: answer(duckdb_session, question) for question in analytics.questions()}
    assert [question for question, rows in answers.items() if not rows] == []
    ask = functools.partial(answer, duckdb_session)
    assert {row["day"] for row in ask("How much activity")} == {"2026-09-07"}
    assert {row["course"] for row in ask("Which courses")} == {2041, 3041}
    assert {"person": 8123, "last_seen": "2026-09-07T18:21:40.536Z"} in ask("Who has not been seen")
    late = {row["assignment"]: (row["submissions"], row["late"]) for row in ask("How many submissions are late")}
    assert late[9003] == (1, 1)
    assert late[9001] == (1, 0)
    change = ask("Which scores were changed")[0]
    assert (change["assignment"], change["student"], change["old_score"], change["score"], change["grader"]) == (
        9001, 8123, 17.0, 18.5, 4711,
    )  # fmt: skip
    assert [row["event_name"] for row in ask("What happened to an assignment")][-1] == "assignment_updated"
    arrivals = ask("How late do events arrive")
    assert {row["source"] for row in arrivals} == {"sqs", "kinesis"}
    assert sum(row["records"] for row in arrivals) == archived.records
    assert sum(row["rejected"] for row in arrivals) == len(archived.rejected())


def test_export_of_a_table_is_queried_as_documented(duckdb_session: duckdb.DuckDBPyConnection) -> None:
    """The query over DynamoDB's export format finds the assignments that are in the table."""
    (statement,) = (sql for sql in analytics.statements("An export of a table") if "read_json" in sql)
    rows = duckdb_session.execute(statement).fetchall()
    assert ("Rk3fXcVbqZ7TnWm2LhY8sDpAe5JgU1oK9iC4wQxB#Course#2041", "Lab report 1") in [row[:2] for row in rows]
