"""What the archive of a local run is for: the tables again from it, a family that was left out, and analysis."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cli.local import ministack as cli_ministack
from cli.local.function_logs import complete_logs, settle
from cli.local.local_run import PARAMETERS, _send, demo_records
from cli.local.ministack import LocalAws, deploy, ministack, redeploy
from cli.stack.stack import Stack, open_stack
from cli.ui.arguments import stack_options
from tests.support.engines import delete_all, scan
from tests.support.local_stack import Command
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


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchivedRun]:
    """Run the local stack once for all tests here."""
    with ministack() as aws, pytest.MonkeyPatch.context() as patch:
        outputs = deploy(aws, PARAMETERS | {"Families": DEPLOYED})
        state_file = tmp_path_factory.mktemp("archive") / "local-stack.json"
        state_file.write_text(json.dumps({"endpoint": aws.endpoint}))
        patch.setattr(cli_ministack, "STACK_FILE", state_file)
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

    redeploy(archived.aws, {"Families": "all"})
    result = canvas_events("replay", "--from", "1d", "--families", LEFT_OUT, "--local", "--json")
    assert result.status == 0, result.err
    assert result.json["outcomes"].keys() == {LEFT_OUT}
    assert result.json["skipped"] == archived.records - sum(result.json["outcomes"][LEFT_OUT].values())
    after = archived.tables()
    added = after.pop("GROUPS_TABLE")
    assert {item["entity"]["S"].partition("#")[0] for item in added} >= {"group", "group_membership"}
    assert after == before
