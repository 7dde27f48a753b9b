"""``docs/configuration.md``: the parameters of ``template.yaml`` and the environment variables of the functions."""

import re
from collections.abc import Iterator
from typing import Any

from cli.catalogue import template
from handlers.items.event_types import SCHEMAS_DIR

FILE = SCHEMAS_DIR.parent / "docs" / "configuration.md"

_INTRODUCTION = """\
# Configuration

Generated from `template.yaml` by `make generate`; do not edit this page.

`sam deploy --guided` asks for every parameter. To change one later, run
`sam deploy --parameter-overrides AlarmEmail=you@example.edu`; the other parameters keep their values.
"""

_VARIABLES = """\
## Environment variables

The template sets these for the functions. Only `REJECTED_TABLE` is required. A family whose table is not set is not
stored: its events are ignored. A function does not start with an invalid value; the error names the variable.

| variable | function | value |
| --- | --- | --- |
"""


def text() -> str:
    """Return the whole page. Raises as ``template.text`` does."""
    document = _parse(template.text())
    return "\n".join([_INTRODUCTION, *_parameters(document), _VARIABLES + "\n".join(_variables(document)) + "\n"])


def _parse(text: str) -> dict[str, Any]:
    # Imported here, because it takes longer to import than most commands run.
    from samtranslator.yaml_helper import yaml_parse

    document: dict[str, Any] = yaml_parse(text)
    return document


def _parameters(document: dict[str, Any]) -> Iterator[str]:
    interface = document["Metadata"]["AWS::CloudFormation::Interface"]
    for group in interface["ParameterGroups"]:
        yield f"## {group['Label']['default']}\n"
        for name in group["Parameters"]:
            parameter = document["Parameters"][name]
            yield f"### {name}\n"
            yield f"{_prose(parameter['Description'])}\n"
            yield f"- Default: {_default(parameter)}"
            yield f"- Values: {_values(parameter)}\n"


def _default(parameter: dict[str, Any]) -> str:
    return f"`{parameter['Default']}`" if str(parameter["Default"]) else "empty"


def _values(parameter: dict[str, Any]) -> str:
    if "AllowedValues" in parameter:
        return ", ".join(f"`{value}`" for value in parameter["AllowedValues"])
    return _prose(parameter["ConstraintDescription"]).removeprefix("must be ").removesuffix(".")


def _variables(document: dict[str, Any]) -> Iterator[str]:
    functions = {"all": document["Globals"]["Function"]} | {
        name: resource["Properties"]
        for name, resource in document["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    for function, properties in functions.items():
        for variable, value in properties.get("Environment", {}).get("Variables", {}).items():
            yield f"| `{variable}` | {function} | {_value(value, document)} |"


def _value(value: Any, document: dict[str, Any]) -> str:
    if not isinstance(value, dict):
        return f"`{value}`"
    ((intrinsic, argument),) = value.items()
    if intrinsic == "Fn::If":
        return _value(argument[1], document)
    if intrinsic == "Ref" and argument in document["Parameters"]:
        return f"the parameter [{argument}](#{argument.lower()})"
    if intrinsic == "Ref" and argument == "AWS::StackName":
        return "the name of the stack"
    return f"the resource `{argument}`"


def _prose(text: str) -> str:
    """Return a description on one line, in which names of pages are links and no character is markup."""
    escaped = " ".join(text.split()).replace("|", r"\|").replace("*", r"\*")
    return re.sub(r"\bdocs/([a-z-]+\.md)", r"[\1](\1)", escaped)
