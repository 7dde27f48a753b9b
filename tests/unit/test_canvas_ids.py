"""Ids are normalized to one number, in local form where possible."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handlers.items.canvas_ids import IDS_PER_SHARD, MAX_ID, is_ambiguous, parse_id, shard_of, to_local_id
from tests.support.hypothesis_profiles import examples

FORMS_OF_565 = ["565", 565, "21070000000000565", 21070000000000565, "2107~565", Decimal("565.0")]


@pytest.mark.parametrize("value", FORMS_OF_565)
def test_local_global_and_tilde_forms_give_the_same_local_id(value: str | int) -> None:
    """The local, global and tilde forms of an id in the institution's own shard are one id."""
    assert to_local_id(value, 2107) == "565"


@pytest.mark.parametrize("value", ["120000001234567", 120000001234567, "12~1234567"])
def test_id_of_another_shard_stays_global(value: str | int) -> None:
    """An id of another shard keeps its global form, in one notation."""
    assert to_local_id(value, 2107) == "120000001234567"


def test_global_id_is_ambiguous_if_the_shard_is_unknown() -> None:
    """If the institution's shard is unknown, a global id may or may not have a local form."""
    assert to_local_id("2107~565", None) == "21070000000000565"
    assert is_ambiguous("2107~565", None)
    assert not is_ambiguous("565", None)
    assert is_ambiguous(10**13, None)
    assert not is_ambiguous(10**13 - 1, None)
    assert not is_ambiguous("2107~565", 2107)


@pytest.mark.parametrize(
    ("root", "shard"), [("21070000000000001", 2107), ("2107~1", 2107), ("1", None), (1, None), (None, None)]
)
def test_shard_is_derived_from_the_root_account_id(root: str | int | None, shard: int | None) -> None:
    """A root account's id contains the shard of the institution's local ids."""
    assert shard_of(root) == shard


def test_local_root_account_id_leaves_the_shard_unknown() -> None:
    """With a local root account id a local id is unchanged, and a global one is ambiguous."""
    assert to_local_id("565", shard_of("1")) == "565"
    assert is_ambiguous("21070000000000565", shard_of("1"))
    assert parse_id("565") == 565


LOCALS = st.integers(1, IDS_PER_SHARD - 1)
SHARDS = st.integers(1, MAX_ID // IDS_PER_SHARD - 1)
NUMBERS = st.one_of(
    LOCALS, st.integers(1, MAX_ID), st.sampled_from([1, IDS_PER_SHARD - 1, IDS_PER_SHARD, IDS_PER_SHARD + 1, MAX_ID])
)


@examples(500)
@given(number=NUMBERS, shard=st.one_of(st.none(), SHARDS), own=st.booleans())
@example(number=IDS_PER_SHARD - 1, shard=1, own=False)
@example(number=IDS_PER_SHARD, shard=1, own=False)
@example(number=IDS_PER_SHARD, shard=None, own=False)
def test_local_id_depends_on_the_number_alone(number: int, shard: int | None, own: bool) -> None:
    """Whatever its notation, an id is the remainder of the number on its own shard, and the number on any other."""
    shard = number // IDS_PER_SHARD or None if own else shard
    expected = str(number % IDS_PER_SHARD if number // IDS_PER_SHARD == shard else number)
    forms: list[str | int | Decimal] = [number, str(number), Decimal(number), Decimal(f"{number}.0")]
    if number > IDS_PER_SHARD and number % IDS_PER_SHARD:
        forms.append(f"{number // IDS_PER_SHARD}~{number % IDS_PER_SHARD}")
    for form in forms:
        assert to_local_id(form, shard) == expected  # type: ignore[arg-type]  # 1.0 comes as a Decimal
