"""``tables``: copy overwrites nothing newer, and unknown-fields lists fields that are not in the catalogue."""

from collections.abc import Iterator
from typing import Any

import pytest

from cli.stack.table_copy import TableCopy
from tests.support.engines import Consumer, EventFactory, Tables
from tests.support.local_stack import Command, Local

ACCOUNT = "Rk3fXc"
COURSE = f"{ACCOUNT}#Course#2041"
OLD = "canvas-live-events-ModulesTable-old"


def item(number: int, version: str | None, name: str = "") -> dict[str, Any]:
    """Return a module in DynamoDB's form."""
    attributes = {"context": {"S": COURSE}, "entity": {"S": f"module#{number}"}, "body": {"M": {"name": {"S": name}}}}
    return attributes | ({"version": {"S": version}} if version else {})


@pytest.fixture
def old(local: Local) -> Iterator[str]:
    """A table removed from the stack, with four modules; the stack's table has newer and older ones."""
    create(local.dynamodb, OLD)
    modules = local.stack.entity_tables["MODULES_TABLE"]
    for number, version, newer in ((1, "5", None), (2, "5", "4"), (3, "5", "5"), (4, "5", "6")):
        local.dynamodb.put_item(TableName=OLD, Item=item(number, version, "old"))
        if newer:
            local.dynamodb.put_item(TableName=modules, Item=item(number, newer, "new"))
    yield OLD
    local.dynamodb.delete_table(TableName=OLD)


def create(client: Any, table: str, keys: tuple[str, str] = ("context", "entity")) -> None:
    """Create a table with these keys."""
    client.create_table(
        TableName=table, BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": keys[0], "KeyType": "HASH"}, {"AttributeName": keys[1], "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
    )  # fmt: skip


def modules(local: Local) -> dict[str, tuple[str, str]]:
    """Return version and name of the modules in the table of the stack."""
    items = local.items(local.stack.entity_tables["MODULES_TABLE"])
    return {item["entity"]["S"]: (item["version"]["S"], item["body"]["M"]["name"]["S"]) for item in items}


def test_copy_writes_only_missing_or_older_items(local: Local, canvas_events: Command, old: str) -> None:
    """Items of the same or a newer version stay, a dry run writes nothing, and a repeat has nothing to do."""
    before = modules(local)
    copied = {"added": 1, "replaced": 1, "unchanged": 2}
    command = ["tables", "copy", old, "modules", "--local", "--json"]
    tables = {"from": old, "to": local.stack.entity_tables["MODULES_TABLE"]}
    assert canvas_events(*command, "--dry-run").json == {**tables, "dry_run": True, **copied}
    assert modules(local) == before
    assert canvas_events(*command).json == {**tables, "dry_run": False, **copied}
    assert modules(local) == {
        "module#1": ("5", "old"),
        "module#2": ("5", "old"),
        "module#3": ("5", "new"),
        "module#4": ("6", "new"),
    }
    assert canvas_events(*command).json == {**tables, "dry_run": False, "added": 0, "replaced": 0, "unchanged": 4}


def test_copy_prints_counts(canvas_events: Command, old: str) -> None:
    """It prints how many items were written and how many already existed."""
    out = canvas_events("tables", "copy", old, "modules", "--local").out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    assert rows == [
        ["added", "1"],
        ["replaced an older version", "1"],
        ["there already, at this version or a newer one", "2"],
        ["all", "4"],
    ]


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("missing", "modules", "there is no table missing in eu-west-1."),
        ("modules", "modules", "cannot be copied to itself"),
        (OLD, "submissions", "it holds items of the kind module, and the family of"),
    ],
)
@pytest.mark.usefixtures("old")
def test_copy_rejects_wrong_tables(
    local: Local, canvas_events: Command, source: str, target: str, message: str
) -> None:
    """A missing table, the same table, or a table of another family is an error, and nothing is written."""
    before = local.entities()
    result = canvas_events("tables", "copy", source, target, "--local")
    assert (result.status, local.entities()) == (1, before)
    assert message in result.err


def test_copy_rejects_tables_with_different_keys(local: Local, canvas_events: Command) -> None:
    """Rejected records cannot be copied into an entity table."""
    result = canvas_events("tables", "copy", local.stack.rejected_table, "modules", "--local")
    assert (result.status, "keys reason and record" in result.err) == (1, True)


def test_copy_is_exact_and_does_not_overwrite_a_concurrent_event(
    tables: Tables, event: EventFactory, request: pytest.FixtureRequest
) -> None:
    """In both engines items are copied byte for byte; an item that became newer after the comparison is left alone."""
    consumer = Consumer(tables)
    consumer.deliver(*(event("assignment_updated", assignment_id=number, points_possible=0.10) for number in "12"))
    source = tables.items("assignments")
    create(tables.client, "copy")
    # The engine is shared with other tests, which expect no other table.
    request.addfinalizer(lambda: tables.client.delete_table(TableName="copy"))
    copy = TableCopy(tables.client, "assignments", "copy")
    compare = copy._compare
    newer = source[1] | {"version": {"S": "9999"}}

    def compare_before_an_event(batch: Any, versions: Any) -> Any:
        result = compare(batch, versions)
        tables.client.put_item(TableName="copy", Item=newer)
        return result

    copy._compare = compare_before_an_event  # type: ignore[assignment,method-assign]
    copy.run(source, dry_run=False)
    assert tables.items("copy") == [source[0], newer]
    assert sorted(copy.counts.values()) == [0, 1, 1]


def test_unknown_fields_are_counted_by_event_type_and_their_values_are_not_shown(
    local: Local, canvas_events: Command
) -> None:
    """Each field has its item count and one example; known fields, including aliases, are not listed."""
    for number in (1, 2, 3):
        local.put("MODULES_TABLE", COURSE, f"module#{number}", name="Week", mood="secret", **{f"only_{number}": "x"})
    local.put("ASSIGNMENTS_TABLE", COURSE, "assignment#9", title="Lab", tone="secret")
    local.put("ASSIGNMENTS_TABLE", COURSE, "thing#9", title="Lab")
    result = canvas_events("tables", "unknown-fields", "--local", "--json")
    assert result.status == 0
    assert [(row["event_type"], row["kind"], row["field"], row["items"]) for row in result.json] == [
        ("assignment_updated", "assignment", "tone", 1),
        ("module_updated", "module", "mood", 3),
        ("module_updated", "module", "only_1", 1),
        ("module_updated", "module", "only_2", 1),
        ("module_updated", "module", "only_3", 1),
        ("thing_updated", "thing", None, 1),
    ]
    assert result.json[0]["example"] == [COURSE, "assignment#9"]
    shown = canvas_events("tables", "unknown-fields", "--local")
    assert f"{COURSE} assignment#9" in shown.out
    assert "secret" not in result.out + shown.out + shown.err
    one = canvas_events("tables", "unknown-fields", "modules", "--type", "module_updated", "--local", "--json").json
    assert {row["event_type"] for row in one} == {"module_updated"}
    assert (
        canvas_events("tables", "unknown-fields", "modules", "--type", "module_created", "--local", "--json").json == []
    )


def test_unknown_fields_reports_when_there_are_none(local: Local, canvas_events: Command) -> None:
    """If every field is in the catalogue, the output says so."""
    local.put("MODULES_TABLE", COURSE, "module#1", name="Week 1")
    result = canvas_events("tables", "unknown-fields", "--local")
    assert (result.status, result.out) == (0, "The catalogue knows every field.\n")


def test_unknown_fields_of_a_family_that_is_not_deployed_is_an_error(local: Local, canvas_events: Command) -> None:
    """The error lists the deployed families."""
    result = canvas_events("tables", "unknown-fields", "module", "--local")
    assert (result.status, local.entities()) == (1, [])
    assert "has no table of module. It has activity, assignments," in result.err


def test_unknown_field_names_are_escaped_for_the_terminal(local: Local, canvas_events: Command) -> None:
    """Names of unknown fields come from outside, so control characters are escaped."""
    local.put("MODULES_TABLE", COURSE, "module#1", **{"\x1b[2J[red]": "x"})
    shown = canvas_events("tables", "unknown-fields", "--local").out
    assert "\x1b" not in shown
    assert "\\x1b[2J[red]" in shown
