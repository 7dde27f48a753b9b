"""``run --redeploy``: updates the running local stack."""

from pathlib import Path

import pytest

from cli.local import ministack as cli_ministack
from cli.local.invocation import table_variables
from cli.local.ministack import LocalAws, deploy, ministack, published
from tests.support.local_stack import Command

PARAMETERS = {"KinesisStream": "none", "DeletionProtection": "false", "LogRetentionDays": "7", "Families": "modules"}
ITEM = {"context": {"S": "Rk3f#Course#2041"}, "entity": {"S": "module#77"}}


def families_of(function: str, aws: LocalAws) -> set[str]:
    """Return the table variables of a function."""
    variables = aws.client("lambda").get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    return {name for name in variables if name.endswith("_TABLE")}


def test_redeploy_applies_a_new_choice_of_families(
    canvas_events: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A new family gets an empty table, even if it had one before; other tables and parameters are unchanged."""
    monkeypatch.setattr(cli_ministack, "STACK_FILE", tmp_path / "local-stack.json")
    with ministack() as aws, published(aws):
        modules = table_variables(deploy(aws, PARAMETERS))["MODULES_TABLE"]
        aws.client("dynamodb").put_item(TableName=modules, Item=ITEM)

        result = canvas_events("run", "--redeploy", "--families", "modules, groups")
        assert (result.status, "New, empty tables: groups." in result.out) == (0, True)
        assert "Tables with the same items as before: modules, rejected." in result.out
        (function,) = (
            deployed_function["FunctionName"]
            for deployed_function in aws.client("lambda").list_functions()["Functions"]
        )
        assert families_of(function, aws) == {"MODULES_TABLE", "GROUPS_TABLE", "REJECTED_TABLE"}
        assert aws.client("dynamodb").scan(TableName=modules)["Items"] == [ITEM]

        result = canvas_events("run", "--redeploy")  # nothing has changed
        assert (result.status, "same items as before: groups, modules, rejected." in result.out) == (0, True)
        assert canvas_events("run", "--redeploy", "--families", "groups", "--json").json["removed"] == ["modules"]
        result = canvas_events("run", "--redeploy", "--families", "modules, groups")
        assert "New, empty tables: modules." in result.out
        assert "Tables with the same items as before: groups, rejected." in result.out

        (stack,) = aws.client("cloudformation").describe_stacks()["Stacks"]
        parameters = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack["Parameters"]}
        assert parameters["LogRetentionDays"] == "7"


def test_redeploy_without_a_running_stack_says_how_to_start_one(
    canvas_events: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If no local stack is running, none is started."""
    monkeypatch.setattr(cli_ministack, "STACK_FILE", tmp_path / "none.json")
    result = canvas_events("run", "--redeploy")
    assert (result.status, "`make run KEEP=1`" in result.err) == (1, True)
