"""A deployment of some families: what exists, and the outcomes of the events of the others."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.catalogue.samples import samples
from cli.local.function_logs import FATES, complete_logs, settle
from cli.local.invocation import scan, table_variables
from cli.local.ministack import STACK, LocalAws, deploy, ministack
from handlers.items.event_types import load
from tests.support.template_helpers import TABLES

CHOSEN = ("submissions", "activity")
PARAMETERS = {"Families": ", ".join(CHOSEN), "DeletionProtection": "false", "MaximumBatchingWindowInSeconds": "1"}


@dataclass(frozen=True)
class FamilyDeployment:
    """A stack of the chosen families that received one event of every type."""

    outputs: dict[str, str]
    resources: dict[str, str]
    account: dict[str, Counter[str]]
    items: dict[str, list[dict[str, Any]]]
    waiting: int


@pytest.fixture(scope="module")
def deployed() -> Iterator[FamilyDeployment]:
    """The template with two families, after one event of every type went through the queue."""
    with ministack() as aws:
        outputs = deploy(aws, PARAMETERS)
        with complete_logs(aws):
            for text in samples().values():
                aws.client("sqs").send_message(QueueUrl=outputs["QueueUrl"], MessageBody=text)
            account = settle(aws, outputs["QueueUrl"], len(samples()))
        yield FamilyDeployment(
            outputs,
            {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in _resources(aws)},
            account,
            {variable: scan(aws, table) for variable, table in table_variables(outputs).items()},
            _waiting(aws, outputs),
        )


def _resources(aws: LocalAws) -> Iterator[Any]:
    for page in aws.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK):
        yield from page["StackResourceSummaries"]


def _waiting(aws: LocalAws, outputs: dict[str, str]) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    queues = (outputs["QueueUrl"], outputs["DeadLetterQueueUrl"])
    answers = [aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names) for url in queues]
    return sum(int(number) for answer in answers for number in answer["Attributes"].values())


KEPT = {
    name
    for name, event_type in load().items()
    if event_type.table_variable in {f"{family.upper()}_TABLE" for family in CHOSEN}
}


def _single_fate(fates: Counter[str]) -> str:
    """Return the fate of the only event of a type."""
    (fate,) = (fate for fate in FATES for _ in range(fates[fate]))
    return fate


def test_only_chosen_tables_are_deployed(deployed: FamilyDeployment) -> None:
    """No other family has a table or output; the table of rejected events always exists."""
    tables = {*(TABLES[family] for family in CHOSEN), "RejectedTable"}
    assert {name for name in deployed.resources if name.endswith("Table")} == tables
    assert {name for name in deployed.outputs if name.endswith("TableName")} == {f"{table}Name" for table in tables}


def test_events_of_chosen_families_are_stored(deployed: FamilyDeployment) -> None:
    """Each event type of a chosen family is stored in its table, as if all families were deployed."""
    assert KEPT
    for name in KEPT:
        assert _single_fate(deployed.account[name]) in ("stored", "superseded"), name
    for family in CHOSEN:
        items = deployed.items[f"{family.upper()}_TABLE"]
        assert items
        assert {item["event_name"] for item in items} <= KEPT


def test_other_events_are_ignored_and_acknowledged(deployed: FamilyDeployment) -> None:
    """Events of other families are counted as ignored, and neither rejected nor retried."""
    ignored = {name for name, fates in deployed.account.items() if fates["ignored"]}
    assert ignored == samples().keys() - KEPT
    assert {_single_fate(deployed.account[name]) for name in ignored} == {"ignored"}
    assert deployed.items["REJECTED_TABLE"] == []
    assert deployed.waiting == 0


def test_activity_expires_after_a_year_by_default(deployed: FamilyDeployment) -> None:
    """`expires_at` is 365 days after the event."""
    for item in deployed.items["ACTIVITY_TABLE"]:
        happened = datetime.fromisoformat(item["event_time"]).timestamp()
        assert item["expires_at"] - int(happened) == 365 * 24 * 3600


@pytest.mark.parametrize("families", ["grades", "modules,", ""])
def test_unknown_family_fails_the_deployment(local_aws: LocalAws, families: str) -> None:
    """A misspelled family fails before any resource is created, with the valid values."""
    before = local_aws.client("dynamodb").list_tables()["TableNames"]
    with pytest.raises(ClientError, match="must be all, or one or more of these"):
        deploy(local_aws, PARAMETERS | {"Families": families})
    assert local_aws.client("dynamodb").list_tables()["TableNames"] == before
