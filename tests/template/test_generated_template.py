"""The generated blocks of template.yaml, and that a new family needs nothing but its catalogue file and samples."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cli.__main__ import main
from cli.catalogue import template
from cli.catalogue.model import CatalogueError, families
from cli.errors import CommandError
from tests.support.checkout import Checkout
from tests.support.template_helpers import NO_VALUE, ROOT, VERSIONED_TABLES, Json, arn, transform

TEXT = (ROOT / "template.yaml").read_text()
KNOWN = families()
FAMILIES = {family.name: family for family in KNOWN}

FAMILY = """\
about = "Field trips: a family that Canvas does not have."
table = "FIELD_TRIPS_TABLE"

[field_trip]
about   = "A field trip."
events  = ["field_trip_created"]
id      = "field_trip_id"
context = "Course#{course_id}"

[field_trip.fields]
field_trip_id = "lid   The field trip."
course_id     = "lid   Its course."
title         = "str   Its name."
"""
BODY = {"field_trip_id": "12", "course_id": "2041", "title": "Botanical garden"}


@dataclass(frozen=True)
class GeneratedFiles:
    """The files of a copy of the project: at first, with a new family, and after its removal."""

    before: dict[str, bytes]
    added: dict[str, bytes]
    removed: dict[str, bytes]


@pytest.fixture(scope="module")
def change(tmp_path_factory: pytest.TempPathFactory) -> GeneratedFiles:
    """Add a family with one event type and its sample to a copy of the project, generate, and remove it again."""
    checkout = Checkout(tmp_path_factory.mktemp("project") / "checkout")
    before = files_of(checkout)
    new_files = {
        checkout.folder / "schemas" / "catalogue" / "field_trips.toml": FAMILY,
        checkout.folder / "events" / "samples" / "field_trip_created.json": sample(),
    }
    for path, content in new_files.items():
        path.write_text(content)
    generate(checkout)
    added = files_of(checkout)
    for path in new_files:
        path.unlink()
    generate(checkout)
    return GeneratedFiles(before, added, files_of(checkout))


def sample() -> str:
    """Return an event of the new type."""
    event = json.loads((ROOT / "events" / "samples" / "module_created.json").read_text())
    event["metadata"]["event_name"] = "field_trip_created"
    return json.dumps(event | {"body": BODY})


def generate(checkout: Checkout) -> None:
    """Run the command in the copy."""
    done = checkout.run("generate")
    assert done.returncode == 0, done.stdout + done.stderr


def files_of(checkout: Checkout) -> dict[str, bytes]:
    """Return every file of the copy, without bytecode."""
    return {
        str(path.relative_to(checkout.folder)): path.read_bytes()
        for path in checkout.folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def field_trips(folder: Path, catalogue_file: str) -> Json:
    """Return the template with one more family, as CloudFormation receives it."""
    (folder / "field_trips.toml").write_text(catalogue_file)
    known = sorted((*KNOWN, *families(folder)), key=lambda family: family.name)
    return transform(template.update(TEXT, known))


def test_new_family_needs_only_its_catalogue_file_and_sample(change: GeneratedFiles) -> None:
    """After `generate` the family has a condition, table, variable, permission, output and choice."""
    result = transform(change.added["template.yaml"].decode())
    resources, condition = result["Resources"], "DeployFieldTrips"
    assert resources["FieldTripsTable"] == resources["ModulesTable"] | {"Condition": condition}
    for function in ("SqsFunction", "KinesisFunction"):
        variables = resources[function]["Properties"]["Environment"]["Variables"]
        assert variables["FIELD_TRIPS_TABLE"] == {"Fn::If": [condition, {"Ref": "FieldTripsTable"}, NO_VALUE]}
    updates, inserts = resources["WriteTablesPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    granted = {"Fn::If": [condition, arn("FieldTripsTable"), NO_VALUE]}
    assert granted in updates["Fn::If"][1]["Resource"]
    assert granted not in inserts["Resource"]
    versioned = result["Conditions"]["DeployVersioned"]["Fn::Or"]
    assert {"Condition": condition} in [inner for group in versioned for inner in group["Fn::Or"]]
    assert result["Outputs"]["FieldTripsTableName"] == {
        "Condition": condition,
        "Description": "Field trips: a family that Canvas does not have.",
        "Value": {"Ref": "FieldTripsTable"},
    }
    parameter = result["Parameters"]["Families"]
    assert re.fullmatch(parameter["AllowedPattern"], "modules, field_trips")
    for text in (parameter["Description"], parameter["ConstraintDescription"]):
        assert "field_trips" in text
    dashboard = json.dumps(resources["Dashboard"])
    assert dashboard.count("${FieldTripsTable}") == len(["throttled writes", "cost"])


def test_removing_a_family_restores_every_file(change: GeneratedFiles) -> None:
    """Once catalogue file and sample are gone, `generate` restores the template and all other files byte for byte."""
    assert change.added["template.yaml"] != change.before["template.yaml"]
    assert change.removed == change.before


def without_index(table: Json) -> Json:
    """Return the table of activity as it would be if no entity of it had a course."""
    without = {name: value for name, value in table["Properties"].items() if name != "GlobalSecondaryIndexes"}
    keys = [definition for definition in without["AttributeDefinitions"] if "Fn::If" not in definition]
    return {**table, "Properties": without | {"AttributeDefinitions": keys}}


def test_new_append_only_family_expires_and_is_never_updated(tmp_path: Path) -> None:
    """Table class, time to live and permissions follow from entities that have no id."""
    result = field_trips(tmp_path, FAMILY.replace('id      = "field_trip_id"', 'append_only = "field_trip"'))
    resources, condition = result["Resources"], "DeployFieldTrips"
    assert resources["FieldTripsTable"] == without_index(resources["ActivityTable"]) | {"Condition": condition}
    updates, inserts = resources["WriteTablesPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    granted = {"Fn::If": [condition, arn("FieldTripsTable"), NO_VALUE]}
    assert granted in inserts["Resource"]
    assert granted not in updates["Fn::If"][1]["Resource"]


def test_many_families_fit_the_limits_of_cloudformation_and_cloudwatch() -> None:
    """With forty families each Fn::Or, each search and the whole template stay within their limits."""
    more = [
        replace(FAMILIES["modules"], name=f"{letter}{letter}{letter}", table_variable=f"{letter * 3}_TABLE".upper())
        for letter in "abcdefghijklmnopqrstuvwxyz"
    ]
    result = transform(template.update(TEXT, [*KNOWN, *more]))
    groups = result["Conditions"]["DeployVersioned"]["Fn::Or"]
    assert sum(len(group["Fn::Or"]) for group in groups) == len(VERSIONED_TABLES) + len(more)
    assert all(2 <= len(group["Fn::Or"]) <= 10 for group in [{"Fn::Or": groups}, *groups])
    _, variables = result["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    metrics, lists = variables["ThrottledWrites"]["Fn::Sub"]
    assert len(lists) > 2
    assert metrics.count("SEARCH(") == len(lists)
    assert sum(len(names["Fn::Join"][1]) for names in lists.values()) == len(KNOWN) + len(more) + len(lists)
    # Source: AWS CloudFormation User Guide, "Understand CloudFormation quotas": 1 MB for a template in S3.
    assert len(json.dumps(result)) < 1_000_000


@pytest.mark.parametrize(
    ("name", "table", "complaint"),
    [
        ("modules2", "MODULES2_TABLE", "modules2.toml: `modules2` cannot be the name of a family"),
        ("Module", "MODULE_TABLE", "Module.toml: `Module` cannot be the name of a family"),
        ("rejected", "REJECTED_TABLE", "rejected.toml: `rejected` cannot be the name of a family"),
        ("calls", "CALLS_TABLE", "calls.toml: the name contains `all`"),
        ("sub_modules", "SUB_MODULES_TABLE", "sub_modules.toml: the name contains `modules`"),
        ("gradings", "GRADES_TABLE", 'gradings.toml: the table GRADES_TABLE .* table = "GRADINGS_TABLE"'),
    ],
)
def test_family_that_the_template_cannot_have_is_rejected(name: str, table: str, complaint: str) -> None:
    """The error for a name that cannot become a condition, logical id or variable says which file and what to do."""
    family = replace(FAMILIES["modules"], name=name, table_variable=table)
    with pytest.raises(CatalogueError, match=complaint):
        template.update(TEXT, [*KNOWN, family])


def test_family_that_mixes_append_only_and_versioned_entities_is_rejected() -> None:
    """Items that expire cannot share a table with items that must last, and the error names them."""
    entities = (*FAMILIES["activity"].entities, *FAMILIES["modules"].entities)
    mixed = replace(FAMILIES["activity"], name="mix", table_variable="MIX_TABLE", entities=entities)
    with pytest.raises(CatalogueError, match=r"mix\.toml: asset_accessed, login cannot share a table with entities"):
        template.update(TEXT, [mixed])


@pytest.mark.parametrize("block", ["conditions", "tables", "stream alarms", "dashboard variables"])
@pytest.mark.parametrize(
    ("marker", "replacement"),
    [
        ("{begin}\n", ""),
        ("{end}\n", ""),
        ("{end}\n", "  {end}\n"),
        ("{begin}\n", "{begin}\n{begin}\n"),
        ("{begin}\n", "{end}\n"),
    ],
    ids=["no begin", "no end", "other indentation", "two begins", "two ends"],
)
def test_damaged_marker_fails_with_the_name_of_the_block(block: str, marker: str, replacement: str) -> None:
    """A block that cannot be found is an error with the file, the block and the lines to restore."""
    lines = {"begin": f"# BEGIN GENERATED {block} (make generate)", "end": f"# END GENERATED {block}"}
    damaged = TEXT.replace(marker.format(**lines), replacement.format(**lines))
    with pytest.raises(CommandError, match=rf"^template\.yaml: the block `{block}` needs one line `# BEGIN"):
        template.update(damaged, KNOWN)


def test_block_that_nothing_generates_is_rejected() -> None:
    """Markers of a block that was renamed or dropped do not stay behind with stale lines."""
    with pytest.raises(CommandError, match="nothing generates the block `old`"):
        template.update(TEXT + "# BEGIN GENERATED old (make generate)\n# END GENERATED old\n", KNOWN)


def test_generate_check_names_the_stale_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A manual change within a block fails the check with the file and the block; generating undoes it."""
    path = ROOT / "template.yaml"
    edited = tmp_path / "template.yaml"
    edited.write_text(path.read_text().replace("  ModulesTable:\n", "  ModuleTable:\n"))
    monkeypatch.setattr(template, "FILE", edited)
    monkeypatch.setattr("cli.catalogue.generated.ROOT", tmp_path)
    assert main(["generate", "--check"]) == 1
    assert "out of date: template.yaml (tables)\n" in capsys.readouterr().out
    assert main(["generate"]) == 0
    assert edited.read_text() == path.read_text()


def test_change_of_a_queue_alarm_reaches_the_stream_alarm() -> None:
    """The queue alarm is the one definition of a pair: its threshold and texts are those of the stream's copy."""
    changed = TEXT.replace("Threshold: !Ref RetriesAlarmCount", "Threshold: 7", 1)
    resources = transform(template.update(changed, KNOWN))["Resources"]
    assert resources["QueueRetriesAlarm"]["Properties"]["Threshold"] == 7
    assert resources["StreamRetriesAlarm"]["Properties"]["Threshold"] == 7


def test_new_queue_alarm_gets_a_copy_and_a_place_on_the_dashboard() -> None:
    """A new alarm whose name ends in "(queue)" needs one definition and nothing else."""
    start, end = TEXT.index("  QueueRetriesAlarm:\n"), TEXT.index("  QueueErrorsAlarm:\n")
    alarm = TEXT[start:end].replace("QueueRetriesAlarm", "QueueIgnoredAlarm").replace("Retried", "Ignored")
    resources = transform(template.update(TEXT[:start] + alarm + TEXT[start:], KNOWN))["Resources"]
    copy = resources["StreamIgnoredAlarm"]
    assert copy["Condition"] == "ReadStream"
    assert copy["Properties"]["MetricName"] == "Ignored"
    assert {"Name": "source", "Value": "kinesis"} in copy["Properties"]["Dimensions"]
    dashboard = json.dumps(resources["Dashboard"])
    assert "${QueueIgnoredAlarm.Arn}" in dashboard
    assert "${StreamIgnoredAlarm.Arn}" in dashboard


def test_queue_alarm_that_cannot_be_copied_is_rejected() -> None:
    """A pair whose text or dimensions name the queue would be wrong for the stream, and the error names the alarm."""
    changed = TEXT.replace("Whole invocations fail:", "Whole invocations of the queue fail:", 1)
    with pytest.raises(CommandError, match=r"template\.yaml: QueueErrorsAlarm names the queue"):
        template.update(changed, KNOWN)
