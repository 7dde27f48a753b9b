"""The template as CloudFormation gets it, for the tests that hold it to something."""

from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

Json = dict[str, Any]

ROOT = Path(__file__).parent.parent
ENTITY_TABLES = ["AssignmentsTable", "ModulesTable", "DiscussionsTable", "CoursesTable"]


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


def listed(value: Any) -> list[Any]:
    """A policy may say one value or a list of them."""
    return value if isinstance(value, list) else [value]
