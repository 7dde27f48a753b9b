"""The statements that write an item; the tests of the writer run them on real engines."""

import pytest

from handlers.items.attributes import ENTITY
from handlers.items.item import Item, PrimaryKey
from handlers.storage.attribute_value import serialize
from handlers.storage.statements import confirm_newer, insert, update, write_plan
from handlers.storage.transport import Statement

ATTRIBUTES = {
    "body": '{"M":{}}',
    "version": '{"S":"2"}',
    "context": '{"S":"c"}',
    "entity": '{"S":"e"}',
}


def item(version: str | None = "2", insert_first: bool = False, **attributes: str) -> Item:
    """Return an item with these attributes besides the required ones."""
    key = PrimaryKey(("context", "c"), ("entity", "e"))
    return Item("MODULES_TABLE", key, version, ATTRIBUTES | attributes, insert_first)


@pytest.mark.parametrize(
    ("version", "insert_first", "plan"),
    [
        (None, True, (insert,)),
        ("2", True, (insert, update, insert, confirm_newer)),
        ("2", False, (update, insert, update, insert, confirm_newer)),
    ],
)
def test_plan_ends_with_a_proof_unless_the_item_has_no_versions(
    version: str | None, insert_first: bool, plan: tuple[object, ...]
) -> None:
    """A plan begins with the statement that is likely to succeed; only an item without versions is never updated."""
    assert write_plan(item(version, insert_first)) == plan


def test_insert_has_a_placeholder_for_each_attribute() -> None:
    """An insert writes all attributes, in their order, and asks for no old item: it fails on older ones too."""
    assert insert(item(), "modules") == Statement(
        """INSERT INTO "modules" VALUE {'body': ?, 'version': ?, 'context': ?, 'entity': ?}""",
        ('{"M":{}}', '{"S":"2"}', '{"S":"c"}', '{"S":"e"}'),
        return_old_item=False,
    )


def test_update_is_conditional_on_an_older_version() -> None:
    """An update sets and removes attributes only where the version is older, and asks for the old item if it fails."""
    assert update(item(user_id='{"S":"7"}'), "modules") == Statement(
        'UPDATE "modules" SET "body" = ? SET "version" = ? SET "user_id" = ? REMOVE "course"'
        ' REMOVE "deleted" REMOVE "user" WHERE "context" = ? AND "entity" = ? AND "version" < ?',
        ('{"M":{}}', '{"S":"2"}', '{"S":"7"}', '{"S":"c"}', '{"S":"e"}', '{"S":"2"}'),
        return_old_item=True,
    )


def test_proof_of_a_newer_version_changes_nothing() -> None:
    """The last statement of a plan sets the version to itself, and only where it is at least as new."""
    assert confirm_newer(item(), "modules") == Statement(
        'UPDATE "modules" SET "version" = "version" WHERE "context" = ? AND "entity" = ? AND "version" >= ?',
        ('{"S":"c"}', '{"S":"e"}', '{"S":"2"}'),
        return_old_item=False,
    )


@pytest.mark.parametrize("name", sorted(ENTITY.optional))
def test_update_removes_exactly_the_optional_attributes_that_the_item_lacks(name: str) -> None:
    """Every optional attribute is either set or removed, so none outlives the event that brought it."""
    assert f'REMOVE "{name}"' in update(item(), "modules").partiql
    with_attribute = update(item()._replace(attributes={**ATTRIBUTES, name: serialize("x")}), "modules").partiql
    assert f'SET "{name}" = ?' in with_attribute
    assert f'REMOVE "{name}"' not in with_attribute


def test_equal_items_share_the_text_of_their_statement() -> None:
    """Texts depend on the table and the names of the attributes only, and are built once."""
    first, second = (update(item(body=body), "modules") for body in ('{"M":{}}', '{"NULL":true}'))
    assert first.partiql is second.partiql
    assert first.parameters != second.parameters
