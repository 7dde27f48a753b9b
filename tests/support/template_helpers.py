"""The template as CloudFormation receives it, and helpers for the tests that check it."""

from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from cli.catalogue.model import families

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]

# By the names that the parameter Families takes.
FAMILIES = tuple(family.name for family in families())
TABLES = {family: f"{family.title().replace('_', '')}Table" for family in FAMILIES}
APPEND_ONLY_TABLES = [
    TABLES[family.name] for family in families() if not any(entity.id_templates for entity in family.entities)
]
VERSIONED_TABLES = [table for table in TABLES.values() if table not in APPEND_ONLY_TABLES]
NO_VALUE = {"Ref": "AWS::NoValue"}
# The parameters that are integers: the smallest and the largest value that each takes.
INTEGERS = {
    "ActivityRetentionDays": (1, 3650),
    "RejectedRetentionDays": (1, 3650),
    "ArchiveDays": (0, 3650),
    "BatchSize": (1, 10_000),
    "MaximumBatchingWindowInSeconds": (1, 60),
    "MaximumConcurrency": (2, 1000),
    "ReplayConcurrency": (0, 1000),
    "MaxWriteRequestUnits": (0, 999_999_999),
    "MemorySize": (256, 10_240),
    "DelayAlarmSeconds": (60, 1_036_800),
    "SilenceAlarmHours": (0, 168),
    "RejectionsAlarmCount": (0, 999_999_999),
    "RetriesAlarmCount": (0, 999_999_999),
    "ErrorsAlarmCount": (0, 999_999_999),
    "ThrottledWritesAlarmCount": (0, 999_999_999),
    "DurationAlarmSeconds": (1, 60),
}

# Integers within such a range that are not accepted: Lambda has no maximum concurrency of 1.
EXCLUDED = {"ReplayConcurrency": {1}}


def transform(text: str, *, packaged: bool = False) -> Json:
    """Return a SAM template as CloudFormation receives it from the transform, with the default parameters."""
    source = yaml_parse(text)
    if not packaged:
        # As after an upload: the transform accepts no folder.
        source["Globals"]["Function"]["CodeUri"] = "s3://bucket/package.zip"
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1"))
    result: Json = translator.translate(source, {})
    return result


TEMPLATE = transform((ROOT / "template.yaml").read_text())
RESOURCES: dict[str, Json] = TEMPLATE["Resources"]


def properties(name: str) -> Json:
    """Return the properties of a resource."""
    resource_properties: Json = RESOURCES[name]["Properties"]
    return resource_properties


def arn(name: str) -> Json:
    """Return the reference to the ARN of a resource."""
    return {"Fn::GetAtt": [name, "Arn"]}


def of_type(resource_type: str) -> dict[str, Json]:
    """Return the resources of a CloudFormation type, by logical id."""
    return {name: resource for name, resource in RESOURCES.items() if resource["Type"] == resource_type}


def condition_of(family: str) -> str:
    """Return the condition under which a family has its table."""
    return f"Deploy{TABLES[family].removesuffix('Table')}"


def is_true(condition: Any, families_parameter: str) -> bool:
    """Return whether a condition is true when the parameter Families has this value."""
    match condition:
        case {"Condition": name}:
            return is_true(TEMPLATE["Conditions"][name], families_parameter)
        case {"Fn::Not": [inner]}:
            return not is_true(inner, families_parameter)
        case {"Fn::Or": inner}:
            return any(is_true(alternative, families_parameter) for alternative in inner)
        case {"Fn::Equals": [left, right]}:
            return bool(_text(left, families_parameter) == _text(right, families_parameter))
    raise ValueError(f"cannot evaluate this condition: {condition}")


def _text(value: Any, families_parameter: str) -> Any:
    match value:
        case {"Ref": "Families"}:
            return families_parameter
        case {"Fn::Join": [separator, parts]}:
            return separator.join(_text(parts, families_parameter))
        case {"Fn::Split": [separator, text]}:
            return _text(text, families_parameter).split(separator)
        case str():
            return value
    raise ValueError(f"cannot evaluate this value: {value}")


def resolve(value: Any, families_parameter: str = "all") -> Any:
    """Return a value of the template with only the conditions of families resolved."""
    match value:
        case {"Fn::If": [str() as condition, then, otherwise]} if condition.startswith("Deploy"):
            branch = then if is_true({"Condition": condition}, families_parameter) else otherwise
            return resolve(branch, families_parameter)
        case dict():
            members = {name: resolve(member, families_parameter) for name, member in value.items()}
            return {name: member for name, member in members.items() if member != NO_VALUE}
        case list():
            return [item for item in (resolve(item, families_parameter) for item in value) if item != NO_VALUE]
    return value


def as_list(value: Any) -> list[Any]:
    """Return the values of a policy element, which may be one value or a list."""
    return value if isinstance(value, list) else [value]
