"""The declaration of item attributes: what it allows, and that no optional attribute outlives its event."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.deadline import Deadline
from handlers.items.attributes import APPEND_ONLY, ENTITY, REJECTED, AttributeDeclaration, UndeclaredAttributeError
from handlers.items.compact import compact
from handlers.items.item import Item, PrimaryKey, make_item
from handlers.storage.attribute_value import serialize
from handlers.storage.writer import Writer
from handlers.telemetry.batch_stats import BatchStats
from tests.support.engines import TABLES, Consumer, EventFactory, Tables, client_of, empty_tables
from tests.support.hypothesis_profiles import examples

KEY = PrimaryKey(("context", "c"), ("entity", "module#1"))

# Each optional attribute of an entity: changes to an event of an enrollment that give it to the item, and that do not.
WITH_AND_WITHOUT: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "course": ({"course_id": "2041"}, {"course_id": None}),
    "user": ({"user_id": "8123"}, {"user_id": None}),
    "deleted": ({"workflow_state": "deleted"}, {"workflow_state": "active"}),
    "user_id": ({"metadata": {"user_id": "8123"}}, {"metadata": {"user_id": None}}),
}


def state(version: str, optional: frozenset[str], *, insert_first: bool = False) -> Item:
    """Make an item with the required attributes of an entity and some optional ones."""
    names = (ENTITY.required - {"context", "entity", "version"}) | optional
    attributes = {name: serialize(f"{name} of {version}") for name in names} | {"version": serialize(version)}
    return make_item(ENTITY, "MODULES_TABLE", KEY, attributes, version=version, insert_first=insert_first)


@pytest.mark.parametrize("declaration", [ENTITY, APPEND_ONLY, REJECTED])
def test_an_undeclared_attribute_cannot_be_built(declaration: AttributeDeclaration) -> None:
    """A builder that sets an attribute of another name fails, so that nobody forgets to declare one."""
    attributes = dict.fromkeys(declaration.required | declaration.optional, serialize("x")) | {"colour": serialize("x")}
    partition, sort = ("reason", "record") if declaration is REJECTED else ("context", "entity")
    with pytest.raises(UndeclaredAttributeError, match=r"missing: \[\], not declared: \['colour'\]"):
        make_item(declaration, "TABLE", PrimaryKey((partition, "a"), (sort, "b")), attributes, insert_first=True)


@pytest.mark.parametrize("declaration", [ENTITY, APPEND_ONLY, REJECTED])
def test_a_required_attribute_cannot_be_left_out(declaration: AttributeDeclaration) -> None:
    """Every required attribute is checked by itself; the key's are added by ``make_item``."""
    for name in sorted(declaration.required):
        with pytest.raises(UndeclaredAttributeError, match=rf"missing: \['{name}'\], not declared: \[\]"):
            declaration.check(dict.fromkeys(declaration.required - {name}, ""))


@pytest.mark.parametrize("declaration", [ENTITY, APPEND_ONLY, REJECTED])
def test_optional_attributes_may_be_present_or_absent(declaration: AttributeDeclaration) -> None:
    """An item needs none of the optional attributes, and may have all of them."""
    declaration.check(dict.fromkeys(declaration.required, ""))
    declaration.check(dict.fromkeys(declaration.required | declaration.optional, ""))


@examples(30)
@given(data=st.data())
def test_no_optional_attribute_outlives_its_version(data: st.DataObject, dynamodb_local: Any) -> None:
    """Whatever optional attributes versions add and drop, in any order, the newest version is stored completely."""
    tables = empty_tables(dynamodb_local)
    subsets = st.sets(st.sampled_from(sorted(ENTITY.optional))).map(frozenset)
    versions = [
        state(str(number), optional, insert_first=data.draw(st.booleans()))
        for number, optional in enumerate(data.draw(st.lists(subsets, min_size=1, max_size=5)))
    ]
    writer = Writer(client_of(tables), TABLES)
    for item in data.draw(st.permutations(versions)):
        writer.write(compact([item]), Deadline(lambda: 60_000), BatchStats())
    (stored,) = tables.items("modules")
    newest = versions[-1].attributes
    assert {name: value["S"] for name, value in stored.items()} == {
        name: text.removeprefix('{"S":"').removesuffix('"}') for name, text in newest.items()
    }


@pytest.mark.parametrize("name", sorted(ENTITY.optional))
def test_a_newer_event_adds_and_drops_every_optional_attribute(
    consumer: Consumer, event: EventFactory, tables: Tables, name: str
) -> None:
    """Through the whole pipeline, an attribute is present if and only if the newest event has it."""
    assert WITH_AND_WITHOUT.keys() == ENTITY.optional, "say which events give the new attribute, and which do not"
    with_it, without_it = WITH_AND_WITHOUT[name]
    for day, changes in enumerate((without_it, with_it, without_it, with_it), 1):
        body = {key: value for key, value in changes.items() if key != "metadata"}
        metadata = {"event_time": f"2026-09-{day:02}T08:00:00Z"} | changes.get("metadata", {})
        consumer.deliver(event("enrollment_updated", metadata, **body))
        (item,) = tables.items("enrollments")
        assert (name in item) is (changes is with_it)
