"""``run --redeploy``: the stack that is up on this machine takes what was changed."""

from pathlib import Path

import pytest

from cli.local import ministack as cli_ministack
from cli.local.invocation import table_variables
from cli.local.ministack import LocalAws, deploy, ministack, published
from tests.support.local_stack import Command

PARAMETERS = {"KinesisStream": "none", "DeletionProtection": "false", "LogRetentionDays": "7", "Families": "modules"}
ITEM = {"context": {"S": "Rk3f#Course#2041"}, "entity": {"S": "module#77"}}


def families_of(function: str, aws: LocalAws) -> set[str]:
    """The variables of the tables that a function knows."""
    variables = aws.client("lambda").get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    return {name for name in variables if name.endswith("_TABLE")}


def test_the_stack_takes_another_choice_of_families(
    canvas_events: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A new family gets an empty table, also when it was there before; other tables and parameters stay as they are."""
    monkeypatch.setattr(cli_ministack, "STACK_FILE", tmp_path / "local-stack.json")
    with ministack() as aws, published(aws):
        modules = table_variables(deploy(aws, PARAMETERS))["MODULES_TABLE"]
        aws.client("dynamodb").put_item(TableName=modules, Item=ITEM)

        done = canvas_events("run", "--redeploy", "--families", "modules, groups")
        assert (done.status, "New, empty tables: groups." in done.out) == (0, True)
        assert "Tables with the same items as before: modules, rejected." in done.out
        (function,) = (each["FunctionName"] for each in aws.client("lambda").list_functions()["Functions"])
        assert families_of(function, aws) == {"MODULES_TABLE", "GROUPS_TABLE", "REJECTED_TABLE"}
        assert aws.client("dynamodb").scan(TableName=modules)["Items"] == [ITEM]

        done = canvas_events("run", "--redeploy")  # nothing has changed
        assert (done.status, "same items as before: groups, modules, rejected." in done.out) == (0, True)
        assert canvas_events("run", "--redeploy", "--families", "groups", "--json").json["removed"] == ["modules"]
        done = canvas_events("run", "--redeploy", "--families", "modules, groups")
        assert "New, empty tables: modules." in done.out
        assert "Tables with the same items as before: groups, rejected." in done.out

        (stack,) = aws.client("cloudformation").describe_stacks()["Stacks"]
        parameters = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
        assert parameters["LogRetentionDays"] == "7"


def test_without_a_stack_it_says_how_to_start_one(
    canvas_events: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where no local stack is running, none is started."""
    monkeypatch.setattr(cli_ministack, "STACK_FILE", tmp_path / "none.json")
    done = canvas_events("run", "--redeploy")
    assert (done.status, "`make run KEEP=1`" in done.err) == (1, True)
