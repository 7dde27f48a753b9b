"""The deployed stack that a command works on, in AWS or on this machine, and its resources."""

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cli.errors import CommandError
from cli.local import ministack
from cli.ui.output import info
from handlers.items import event_types, rejection
from handlers.items.event_types import EventType

if TYPE_CHECKING:
    import boto3


# The parameters that the functions have as environment variables, and that decide what becomes of an event.
_SETTINGS = {
    "ALLOWED_ROOT_ACCOUNTS": "AllowedRootAccounts",
    "ALLOW_BETA_AND_TEST": "AllowBetaAndTest",
    "IGNORED_EVENT_TYPES": "IgnoredEventTypes",
}


@dataclass(frozen=True)
class Resource:
    """A resource of the stack: its CloudFormation type, and its name, URL or ARN."""

    kind: str
    physical_id: str


@dataclass
class Stack:
    """A deployed stack. The keys of ``resources`` are their names in ``template.yaml``."""

    name: str
    session: "boto3.Session"
    endpoint: str | None
    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    resources: Mapping[str, Resource]
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: Any) -> Any:
        """The client of a service."""
        if service not in self._clients:
            self._clients[service] = _client(self.session, service, self.endpoint)
        return self._clients[service]

    def of_kind(self, kind: str) -> dict[str, str]:
        """The resources of a CloudFormation type: their physical ids by their names in the template."""
        return {name: resource.physical_id for name, resource in self.resources.items() if resource.kind == kind}

    def resource(self, name: str, what: str) -> str:
        """The physical id of a resource. Raises ``CommandError`` when the stack does not have it."""
        if name not in self.resources:
            raise CommandError(f"the stack {self.name} has no {what} ({name} in template.yaml).")
        return self.resources[name].physical_id

    @cached_property
    def catalogue(self) -> dict[str, EventType]:
        """The event types of the schemas in this checkout, as the functions read them."""
        return event_types.load()

    @cached_property
    def chosen_tables(self) -> frozenset[str]:
        """The table variables of the families that the parameter ``Families`` selects."""
        families = self.parameters.get("Families", "all")
        known = frozenset(event_type.table_variable for event_type in self.catalogue.values())
        if families == "all":
            return known
        return known & {f"{family.strip().upper()}_TABLE" for family in families.split(",")}

    @cached_property
    def append_only_tables(self) -> frozenset[str]:
        """The table variables of append-only entities, whose items are never updated, and expire."""
        return frozenset(
            event_type.table_variable
            for event_type in self.catalogue.values()
            if all(entity.append_only for entity in event_type.entities)
        )

    @cached_property
    def entity_tables(self) -> dict[str, str]:
        """The deployed tables of entities, append-only ones included, by their environment variables."""
        variables = {event_type.table_variable for event_type in self.catalogue.values()}
        return {name: table for name, table in self._tables.items() if name in variables}

    @cached_property
    def rejected_table(self) -> str:
        """The table of rejected events. Raises ``CommandError`` when the stack does not have it."""
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
        """The dead-letter queue."""
        return self.resource("DeadLetterQueue", "dead-letter queue")

    @cached_property
    def stream_arn(self) -> str | None:
        """The stream that the stack reads, which may belong to another stack; None where it reads none."""
        return self.outputs.get("StreamArn")

    @cached_property
    def environment(self) -> dict[str, str]:
        """The environment variables of the stack's functions that decide what becomes of an event."""
        settings = {variable: self.parameters.get(parameter, "") for variable, parameter in _SETTINGS.items()}
        return {**self._tables, **{variable: value for variable, value in settings.items() if value}}


def family(variable: str) -> str:
    """The family of a table variable: ``modules`` for ``MODULES_TABLE``."""
    return variable.removesuffix("_TABLE").lower()


def variable(logical_id: str) -> str:
    """The variable of a table by its name in the template: ``REJECTED_TABLE`` for ``RejectedTable``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", logical_id).upper()


def open_stack(options: argparse.Namespace) -> Stack:
    """The stack that the options choose (``arguments.stack_options``).

    Raises ``CommandError`` when it does not exist, and boto3's exceptions when AWS cannot be reached.
    """
    from cli.ui import aws_errors

    aws = ministack.require_running_stack() if options.local else None
    if aws is None and ministack.running_stack():
        info("Note: a local stack is running; this command uses AWS. Pass --local to use the local stack.")
    session, endpoint = (aws.session, aws.endpoint) if aws else (_session(options), None)
    session.events.register("before-parse", aws_errors.reject_malformed_response, unique_id="malformed-response")
    cloudformation = _client(session, "cloudformation", endpoint)
    described = _describe(cloudformation, options.stack, session.region_name)
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=options.stack)
    return Stack(
        name=options.stack,
        session=session,
        endpoint=endpoint,
        status=described["StackStatus"],
        parameters={entry["ParameterKey"]: entry["ParameterValue"] for entry in described.get("Parameters", ())},
        outputs={entry["OutputKey"]: entry["OutputValue"] for entry in described.get("Outputs", ())},
        resources={
            entry["LogicalResourceId"]: Resource(entry["ResourceType"], entry["PhysicalResourceId"])
            for page in pages
            for entry in page["StackResourceSummaries"]
            # A table that was retained when its family was removed no longer belongs to the stack.
            if entry.get("PhysicalResourceId") and entry["ResourceStatus"] not in ("DELETE_COMPLETE", "DELETE_SKIPPED")
        },
    )


def _client(session: "boto3.Session", service: Any, endpoint: str | None) -> Any:
    from botocore.config import Config

    # Fails soon where nothing responds, and has enough connections for commands that send requests in parallel.
    config = Config(connect_timeout=5, retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=16)
    return session.client(service, endpoint_url=endpoint, config=config)


def _session(options: argparse.Namespace) -> "boto3.Session":
    import boto3

    return boto3.Session(profile_name=options.profile, region_name=options.region)


def _describe(cloudformation: Any, name: str, region: str) -> Any:
    from botocore.exceptions import ClientError

    try:
        return cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" not in error.response.get("Error", {}).get("Message", ""):
            raise
        raise CommandError(
            f"there is no stack {name} in {region}. Choose yours with --stack and --region;"
            " `aws cloudformation list-stacks` lists them."
        ) from None
