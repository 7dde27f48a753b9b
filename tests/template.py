"""The template as CloudFormation gets it, for the tests that hold it to something."""

from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

Json = dict[str, Any]

ROOT = Path(__file__).parent.parent

# The families by the names that a person types for the parameter Families, which those of the catalogue's files are.
FAMILIES = (
    *("assignments", "modules", "discussions", "courses", "submissions", "enrollments", "users", "groups"),
    *("content", "outcomes", "conversations", "migrations", "activity"),
)
TABLES = {family: f"{family.capitalize()}Table" for family in FAMILIES}
ENTITY_TABLES = list(TABLES.values())
# What happened once is never updated, expires, and needs no copies.
TABLES_OF_STATE = [table for table in ENTITY_TABLES if table != "ActivityTable"]
NO_VALUE = {"Ref": "AWS::NoValue"}


def transformed() -> Json:
    """The template as CloudFormation gets it from the SAM transform, with the default parameters."""
    source = yaml_parse((ROOT / "template.yaml").read_text())
    # As after an upload: the transform takes no folder.
    source["Globals"]["Function"]["CodeUri"] = "s3://bucket/package.zip"
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1"))
    result: Json = translator.translate(source, {})
    return result


TEMPLATE = transformed()
RESOURCES: dict[str, Json] = TEMPLATE["Resources"]


def properties(name: str) -> Json:
    """The properties of a resource."""
    found: Json = RESOURCES[name]["Properties"]
    return found


def arn(name: str) -> Json:
    """The reference to a resource's ARN."""
    return {"Fn::GetAtt": [name, "Arn"]}


def of_type(kind: str) -> dict[str, Json]:
    """The resources of a type, by name."""
    return {name: resource for name, resource in RESOURCES.items() if resource["Type"] == kind}


def kept(family: str) -> str:
    """The condition under which a family has its table."""
    return f"Keep{family.capitalize()}"


def holds(condition: Any, families: str) -> bool:
    """Whether a condition holds when the parameter Families has this value."""
    match condition:
        case {"Condition": name}:
            return holds(TEMPLATE["Conditions"][name], families)
        case {"Fn::Not": [inner]}:
            return not holds(inner, families)
        case {"Fn::Or": several}:
            return any(holds(each, families) for each in several)
        case {"Fn::Equals": [left, right]}:
            return bool(_text(left, families) == _text(right, families))
    raise ValueError(f"a condition that is not known here: {condition}")


def _text(value: Any, families: str) -> Any:
    match value:
        case {"Ref": "Families"}:
            return families
        case {"Fn::Join": [separator, parts]}:
            return separator.join(_text(parts, families))
        case {"Fn::Split": [separator, text]}:
            return _text(text, families).split(separator)
        case str():
            return value
    raise ValueError(f"a value that is not known here: {value}")


def chosen(value: Any, families: str = "all") -> Any:
    """A value of the template with what hangs on the choice of families decided, and all else as it is."""
    match value:
        case {"Fn::If": [str() as condition, then, otherwise]} if condition.startswith("Keep"):
            return chosen(then if holds({"Condition": condition}, families) else otherwise, families)
        case dict():
            made = {name: chosen(each, families) for name, each in value.items()}
            return {name: each for name, each in made.items() if each != NO_VALUE}
        case list():
            return [each for each in (chosen(each, families) for each in value) if each != NO_VALUE]
    return value


def listed(value: Any) -> list[Any]:
    """A policy may say one value or a list of them."""
    return value if isinstance(value, list) else [value]
