"""Where the commands work: a deployed stack and its resources, in AWS or on this machine."""

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from cli.errors import CommandError
from cli.local.ministack import LocalAws, left_up
from handlers.items import event_types, rejection
from handlers.items.event_types import EventType


@dataclass(frozen=True)
class Resource:
    """A resource of the stack: CloudFormation's type of it, and the name, URL or ARN that it has."""

    kind: str
    physical_id: str


@dataclass
class Stack:
    """A deployed stack. ``resources`` go by the names that ``template.yaml`` gives them."""

    name: str
    session: boto3.Session
    endpoint: str | None
    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    resources: Mapping[str, Resource]
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: Any) -> Any:
        """A client of a service; one for all."""
        if service not in self._clients:
            self._clients[service] = _client(self.session, service, self.endpoint)
        return self._clients[service]

    def of_kind(self, kind: str) -> dict[str, str]:
        """The resources of a CloudFormation type: their names in the template, and their physical ids."""
        return {name: each.physical_id for name, each in self.resources.items() if each.kind == kind}

    def resource(self, name: str, what: str) -> str:
        """The physical id of a resource. Raises ``CommandError`` when the stack has no such thing."""
        if name not in self.resources:
            raise CommandError(f"the stack {self.name} has no {what} ({name} in template.yaml).")
        return self.resources[name].physical_id

    @cached_property
    def catalogue(self) -> dict[str, EventType]:
        """The event types of the schemas that are here, as the functions read them."""
        return event_types.load()

    @cached_property
    def chosen_tables(self) -> frozenset[str]:
        """The variables of the tables of the families that were chosen, by the parameter Families."""
        families = self.parameters.get("Families", "all")
        known = frozenset(event_type.table_variable for event_type in self.catalogue.values())
        if families == "all":
            return known
        return known & {f"{family.strip().upper()}_TABLE" for family in families.split(",")}

    @cached_property
    def occurrence_tables(self) -> frozenset[str]:
        """The variables of the tables of occurrences, whose items are never updated, and expire."""
        return frozenset(
            event_type.table_variable
            for event_type in self.catalogue.values()
            if all(entity.append_only for entity in event_type.entities)
        )

    @cached_property
    def entity_tables(self) -> dict[str, str]:
        """The tables of entities and occurrences that are deployed, by their environment variables."""
        variables = {event_type.table_variable for event_type in self.catalogue.values()}
        return {name: table for name, table in self._tables.items() if name in variables}

    @cached_property
    def rejected_table(self) -> str:
        """The table of rejected events. Raises ``CommandError`` when there is none."""
        if rejection.TABLE_VARIABLE not in self._tables:
            raise CommandError(f"the stack {self.name} has no table of rejected events.")
        return self._tables[rejection.TABLE_VARIABLE]

    @cached_property
    def _tables(self) -> dict[str, str]:
        return {variable(name): table for name, table in self.of_kind("AWS::DynamoDB::Table").items()}

    @cached_property
    def queue_url(self) -> str:
        """The queue that Canvas sends to."""
        return self.resource("Queue", "queue")

    @cached_property
    def dead_letter_queue_url(self) -> str:
        """The queue of messages that failed for good."""
        return self.resource("DeadLetterQueue", "dead-letter queue")

    @cached_property
    def stream_arn(self) -> str | None:
        """The stream that is read, which may belong to another stack; None where none is."""
        return self.outputs.get("StreamArn")

    @cached_property
    def environment(self) -> dict[str, str]:
        """The settings of the stack's functions, as environment variables: which tables, whose events."""
        allowed = self.parameters.get("AllowedRootAccounts", "")
        return {**self._tables, **({"ALLOWED_ROOT_ACCOUNTS": allowed} if allowed else {})}


def family(variable: str) -> str:
    """The family of a table by its environment variable: ``modules`` of ``MODULES_TABLE``."""
    return variable.removesuffix("_TABLE").lower()


def variable(logical_id: str) -> str:
    """The environment variable of a table by its name in the template: ``RejectedTable``, ``REJECTED_TABLE``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", logical_id).upper()


def open_stack(options: argparse.Namespace) -> Stack:
    """The stack that the options say (``options.where``).

    Raises ``CommandError`` when there is none, and what boto3 raises when AWS cannot be asked.
    """
    aws = local() if options.local else None
    session, endpoint = (aws.session, aws.endpoint) if aws else (_session(options), None)
    cloudformation = _client(session, "cloudformation", endpoint)
    described = _describe(cloudformation, options.stack, session.region_name)
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=options.stack)
    return Stack(
        name=options.stack,
        session=session,
        endpoint=endpoint,
        status=described["StackStatus"],
        parameters={each["ParameterKey"]: each["ParameterValue"] for each in described.get("Parameters", ())},
        outputs={each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", ())},
        resources={
            each["LogicalResourceId"]: Resource(each["ResourceType"], each["PhysicalResourceId"])
            for page in pages
            for each in page["StackResourceSummaries"]
            # A table that was retained when its family was taken out is the stack's no more.
            if each.get("PhysicalResourceId") and each["ResourceStatus"] not in ("DELETE_COMPLETE", "DELETE_SKIPPED")
        },
    )


def _client(session: boto3.Session, service: Any, endpoint: str | None) -> Any:
    # Fails soon where nothing answers, and has enough connections for the commands that ask in parallel.
    config = Config(connect_timeout=5, retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=16)
    return session.client(service, endpoint_url=endpoint, config=config)


def _session(options: argparse.Namespace) -> boto3.Session:
    return boto3.Session(profile_name=options.profile, region_name=options.region)


def local() -> LocalAws:
    """The AWS of the stack that is up on this machine. Raises ``CommandError`` where none is."""
    aws = left_up()
    if aws is None:
        raise CommandError("no stack is up on this machine. `make run KEEP=1` in another terminal starts it.")
    return aws


def _describe(cloudformation: Any, name: str, region: str) -> Any:
    try:
        return cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" not in error.response.get("Error", {}).get("Message", ""):
            raise
        raise CommandError(
            f"there is no stack {name} in {region}. Name yours with --stack and --region;"
            " `aws cloudformation list-stacks` lists those that there are."
        ) from None
