"""What each family of the catalogue adds to ``template.yaml``: one function for each block."""

import re
import textwrap
from collections.abc import Sequence
from typing import TypeVar

from cli.catalogue.model import CatalogueError, Family

T = TypeVar("T")

# The name is part of logical ids, which must be alphanumeric, and of an environment variable.
_NAME = re.compile("[a-z]+(?:_[a-z]+)*")
_RESERVED_NAMES = ("all", "rejected", "versioned")

_TEXT_WIDTH = 108

# Source: AWS CloudFormation User Guide, "Condition functions", Fn::Or.
_MAX_CONDITIONS = 10

# Source: Amazon CloudWatch User Guide, "CloudWatch search expression syntax".
_MAX_SEARCH_LENGTH = 1024
_SEARCH = r"SEARCH('{AWS/DynamoDB,TableName} MetricName=\"<metric>\" TableName=(${TableNames<number>})', 'Sum')"
# CloudFormation names a table "<stack>-<logical id>-<13 characters>"; this allows for stack names of 80 characters.
_GENERATED_NAME_LENGTH = 80 + 13 + len("--")

_CONDITION = """\
Deploy<Name>: !Or
  - !Condition DeployAll
  - !Not [!Equals [!Join ["", !Split [<name>, !Ref Families]], !Ref Families]]
"""

_CHANGE_STREAM_CONDITION = """\
Stream<Name>: !And [!Condition Deploy<Name>, !Condition HasChangeStreams]
"""

_VARIABLE = """\
<variable>: !If [Deploy<Name>, !Ref <Name>Table, !Ref AWS::NoValue]
"""

_RESOURCE = """\
- !If [Deploy<Name>, !GetAtt <Name>Table.Arn, !Ref AWS::NoValue]
"""

_TABLE = """\
<Name>Table:
  Type: AWS::DynamoDB::Table
  # checkov:skip=CKV_AWS_119: encrypted with a key that AWS owns, at no cost
<optional backups>  Condition: Deploy<Name>
  DeletionPolicy: Retain
  UpdateReplacePolicy: Retain
  Properties:
    AttributeDefinitions:
      - {AttributeName: context, AttributeType: S}
      - {AttributeName: entity, AttributeType: S}
<index attributes>    KeySchema:
      - {AttributeName: context, KeyType: HASH}
      - {AttributeName: entity, KeyType: RANGE}
    BillingMode: PAY_PER_REQUEST
    OnDemandThroughput: !If
      - HasWriteCeiling
      - {MaxWriteRequestUnits: !Ref MaxWriteRequestUnits}
      - !Ref AWS::NoValue
<indexes><backups or expiry>    DeletionProtectionEnabled: !Ref DeletionProtection
"""

_INDEX_ATTRIBUTE = """\
      - {AttributeName: <key>, AttributeType: S}
"""

_INDEX = """\
      - IndexName: by_<key>
        KeySchema:
          - {AttributeName: <key>, KeyType: HASH}
          - {AttributeName: entity, KeyType: RANGE}
        Projection: {ProjectionType: KEYS_ONLY}
"""

# Of append-only items only by parameter: it adds a write to each, and they are most of the traffic.
_ACTIVITY_INDEX_ATTRIBUTE = """\
      - !If [HasActivityIndex, {AttributeName: course, AttributeType: S}, !Ref AWS::NoValue]
"""

_ACTIVITY_INDEX = """\
    GlobalSecondaryIndexes: !If
      - HasActivityIndex
      - - IndexName: by_course
          KeySchema:
            - {AttributeName: course, KeyType: HASH}
            - {AttributeName: entity, KeyType: RANGE}
          Projection: {ProjectionType: KEYS_ONLY}
      - !Ref AWS::NoValue
"""

_BACKUPS = """\
    PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}
"""

_CHANGE_STREAM = """\
    StreamSpecification: !If [HasChangeStreams, {StreamViewType: NEW_AND_OLD_IMAGES}, !Ref AWS::NoValue]
"""

_OPTIONAL_BACKUPS = """\
  # checkov:skip=CKV_AWS_28: its items expire, and backups of most of the traffic may cost more than they help
"""

_EXPIRY = """\
    PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: !Ref ActivityPointInTimeRecovery}
    # A quarter more for writes, less than half for storage: cheaper for items that stay more than two months.
    TableClass: STANDARD_INFREQUENT_ACCESS
    TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
"""

_OUTPUT = """\
<Name>TableName:
  Condition: Deploy<Name>
  Description: >-
<about>
  Value: !Ref <Name>Table
"""

_CHANGE_STREAM_OUTPUT = """\
<Name>TableStreamArn:
  Condition: Stream<Name>
  Description: Change stream of the table of <name>, for event source mappings
  Value: !GetAtt <Name>Table.StreamArn
"""


def check(known: Sequence[Family]) -> None:
    """Raise ``CatalogueError`` for a family that the template cannot have."""
    for family in known:
        if not _NAME.fullmatch(family.name) or family.name in _RESERVED_NAMES:
            raise CatalogueError(
                f"{family.name}.toml: `{family.name}` cannot be the name of a family. Rename the file: use lower-case"
                f" words with _ between them, and none of {', '.join(_RESERVED_NAMES)}."
            )
        # The conditions look for a name anywhere in the parameter Families.
        for other in ("all", *(other.name for other in known)):
            if other in family.name and other != family.name:
                raise CatalogueError(
                    f"{family.name}.toml: the name contains `{other}`, so the parameter Families could not tell the two"
                    " apart. Rename the file."
                )
        variable = f"{family.name.upper()}_TABLE"
        if family.table_variable != variable:
            raise CatalogueError(
                f"{family.name}.toml: the table {family.table_variable} is not named after the file."
                f' Write table = "{variable}".'
            )
        append_only = [entity.name for entity in family.entities if not entity.id_templates]
        if 0 < len(append_only) < len(family.entities):
            raise CatalogueError(
                f"{family.name}.toml: {', '.join(append_only)} cannot share a table with entities that have an id:"
                " append-only items expire, and have backups only on demand. Move them to another family."
            )


def parameter(known: Sequence[Family]) -> str:
    """The texts and the pattern of the parameter ``Families``."""
    names = ", ".join(family.name for family in known)
    description = (
        f"all, or the families to store, separated by commas: {names}. The other families get no table, and their"
        " events are ignored. A family that is removed later leaves its table behind; see docs/upgrading.md."
    )
    constraint = f"must be all, or one or more of these, separated by commas: {names}."
    # A backslash joins its line to the next without a space.
    alternatives = "\\\n  ".join(
        line.replace(" ", "") for line in textwrap.wrap("| ".join(family.name for family in known), 84)
    )
    return (
        f"Description: >-\n{_wrap(description)}\n"
        f'AllowedPattern: "^(all|(({alternatives})( *, *(?=[a-z])|$))+)$"\n'
        f"ConstraintDescription: >-\n{_wrap(constraint)}\n"
    )


def conditions(known: Sequence[Family]) -> str:
    """Whether each family is deployed, and has a change stream, and whether any with versioned items is deployed."""
    versioned = [family for family in known if not _is_append_only(family)]
    groups = _split(versioned, -(-len(versioned) // _MAX_CONDITIONS))
    return (
        _fill_each(_CONDITION, known)
        + _fill_each(_CHANGE_STREAM_CONDITION, versioned)
        + f"# Fn::Or takes at most {_MAX_CONDITIONS} conditions.\n"
        + "DeployVersioned: !Or\n"
        + "".join("  - !Or\n" + _fill_each("    - !Condition Deploy<Name>\n", group) for group in groups)
    )


def variables(known: Sequence[Family]) -> str:
    """The environment variables of the functions."""
    return _fill_each(_VARIABLE, known)


def permissions(known: Sequence[Family]) -> str:
    """The statements that let the functions write to the tables."""
    versioned = _fill_each(_RESOURCE, [family for family in known if not _is_append_only(family)])
    append_only = _fill_each(_RESOURCE, [family for family in known if _is_append_only(family)])
    return (
        "# A statement must have a resource.\n"
        "- !If\n"
        "  - DeployVersioned\n"
        "  - Effect: Allow\n"
        "    Action: [dynamodb:PartiQLInsert, dynamodb:PartiQLUpdate]\n"
        "    Resource:\n"
        f"{textwrap.indent(versioned, '      ')}"
        "  - !Ref AWS::NoValue\n"
        "# Append-only items and rejected events are never updated.\n"
        "- Effect: Allow\n"
        "  Action: dynamodb:PartiQLInsert\n"
        "  Resource:\n"
        f"{textwrap.indent(append_only, '    ')}"
        "    - !GetAtt RejectedTable.Arn\n"
    )


def tables(known: Sequence[Family]) -> str:
    """The tables."""
    return "\n".join(
        _fill(_append_only_table(family) if _is_append_only(family) else _table(family), family) for family in known
    )


def _table(family: Family) -> str:
    keys = index_keys(family)
    attributes = "".join(_INDEX_ATTRIBUTE.replace("<key>", key) for key in keys)
    indexes = "".join(_INDEX.replace("<key>", key) for key in keys)
    return (
        _TABLE.replace("<optional backups>", "")
        .replace("<index attributes>", attributes)
        .replace("<indexes>", f"    GlobalSecondaryIndexes:\n{indexes}" if keys else "")
        .replace("<backups or expiry>", _BACKUPS + _CHANGE_STREAM)
    )


def _append_only_table(family: Family) -> str:
    has_index = bool(index_keys(family))
    return (
        _TABLE.replace("<optional backups>", _OPTIONAL_BACKUPS)
        .replace("<index attributes>", _ACTIVITY_INDEX_ATTRIBUTE if has_index else "")
        .replace("<indexes>", _ACTIVITY_INDEX if has_index else "")
        .replace("<backups or expiry>", _EXPIRY)
    )


def index_keys(family: Family) -> list[str]:
    """The keys of a table's indexes: ``course`` and ``user`` if any of its entities has them."""
    courses = any(entity.course_templates for entity in family.entities)
    users = any(entity.user_templates for entity in family.entities)
    return [key for key, is_used in (("course", courses), ("user", users)) if is_used]


def outputs(known: Sequence[Family]) -> str:
    """The tables' names, each under what the catalogue says about the family, and the ARNs of their change streams."""
    names = "".join(_fill(_OUTPUT.replace("<about>", _wrap(family.about, "    ")), family) for family in known)
    return names + _fill_each(_CHANGE_STREAM_OUTPUT, [family for family in known if not _is_append_only(family)])


def dashboard(known: Sequence[Family]) -> str:
    """The metrics of the tables, as variables of the dashboard."""
    lists = _table_lists(known)
    throttled, costs = [], []
    for number, part in enumerate(lists, 1):
        search = _SEARCH.replace("<number>", str(number))
        label = f"{part[0].name} to {part[-1].name}" + (", rejected" if part is lists[-1] else "")
        throttled.append(
            f'[{{"expression": "{search.replace("<metric>", "WriteThrottleEvents")}",'
            """ "label": "${!PROP('Dim.TableName')}"}]"""
        )
        costs.append(
            f'[{{"expression": "SUM({search.replace("<metric>", "ConsumedWriteCapacityUnits")})*0.000000625",'
            f' "label": "DynamoDB writes ({label})"}}]'
        )
    return (
        f"# A search takes at most {_MAX_SEARCH_LENGTH:,} characters, too few for the names of all tables.\n"
        + _metrics("ThrottledWrites", throttled, lists)
        + _metrics("WriteCosts", costs, lists)
    )


def _metrics(name: str, metrics: Sequence[str], lists: Sequence[Sequence[Family]]) -> str:
    text = textwrap.indent(",\n".join(metrics), "    ")
    return f"{name}: !Sub\n  - |-\n{text}\n  - " + textwrap.indent(_list_variables(lists), "    ").lstrip()


def _list_variables(lists: Sequence[Sequence[Family]]) -> str:
    """The names of the tables in each list, as a search wants them."""
    variables = ""
    for number, part in enumerate(lists, 1):
        names = [_fill(r"""!If [Deploy<Name>, !Sub '\"${<Name>Table}\" OR ', ""]""", family) for family in part]
        names.append(r"""!Sub '\"${RejectedTable}\"'""" if part is lists[-1] else r"""'\"none\"'""")
        variables += f'TableNames{number}: !Join\n  - ""\n  - - ' + "\n    - ".join(names) + "\n"
    return variables


def _table_lists(known: Sequence[Family]) -> list[Sequence[Family]]:
    """The families in as few parts as leave each search short enough."""

    def fits(part: Sequence[Family]) -> bool:
        search = _SEARCH.partition("'")[2].rpartition("', ")[0].replace("<metric>", "ConsumedWriteCapacityUnits")
        names = [_fill('"<Name>Table" OR ', family) for family in part] + ['"RejectedTable"']
        return len(search) + sum(len(name) + _GENERATED_NAME_LENGTH for name in names) <= _MAX_SEARCH_LENGTH

    number = 1
    while not all(map(fits, _split(known, number))):
        number += 1
    return _split(known, number)


def _is_append_only(family: Family) -> bool:
    return not any(entity.id_templates for entity in family.entities)


def _fill(text: str, family: Family) -> str:
    """Put a family into a text: ``Modules``, ``modules`` and ``MODULES_TABLE``."""
    logical_name = "".join(word.capitalize() for word in family.name.split("_"))
    return (
        text.replace("<Name>", logical_name).replace("<name>", family.name).replace("<variable>", family.table_variable)
    )


def _fill_each(text: str, known: Sequence[Family]) -> str:
    return "".join(_fill(text, family) for family in known)


def _wrap(text: str, indent: str = "  ") -> str:
    return "\n".join(
        textwrap.wrap(text, _TEXT_WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    )


def _split(items: Sequence[T], parts: int) -> list[Sequence[T]]:
    """Divide items into consecutive parts of nearly equal size."""
    return [items[len(items) * part // parts : len(items) * (part + 1) // parts] for part in range(parts)]
