"""Whether a rejected record names a person.

It may be anything: an event of an unknown type or with broken fields, Caliper, or no JSON at all. So fields are
recognized by their names, and what cannot be parsed is searched as text.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from cli.personal_data.person import Person
from handlers.items.canvas_ids import ID_PATTERN, IDS_PER_SHARD, parse_id, shard_of, to_local_id
from handlers.items.people import WORK_FIELDS

_ROLES = "user|student|author|grader|assessor|assessee|teacher|observer|member|person|actor"
_PERSON_FIELD = re.compile(rf"(?:.*_)?(?:{_ROLES})_id", re.IGNORECASE)
_TYPED_FIELD = re.compile(r"(.*)_id")

# urn:instructure:canvas:user:10150000000004711, https://canvas.example.edu/users/4711, "user_id": "1015~4711"
_NAMED_IN_TEXT = re.compile(
    rf"(?:{_ROLES})s?(?:_id)?(?:\\*[\"'])?\s*[:/#=]\s*(?:\\*[\"'])?(\d+(?:~\d+)?)(?!\d)", re.IGNORECASE
)

_Pair = tuple[str, Any, dict[str, Any]]  # a field's name, its value, and the object that it is in


def names_person(data: bytes, person: Person) -> bool:
    """Whether a record's data holds an id or another name of the person, or is about their work."""
    text = data.decode(errors="replace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return _text_names(text, person, None)
    metadata = _metadata(document)
    account = metadata.get("root_account_uuid")
    if account is not None and account != person.root_account:
        return False
    shard = _shard(metadata.get("root_account_id"))
    return any(_is_named_by(*pair, person, shard) for pair in _pairs(document))


def _metadata(document: Any) -> dict[str, Any]:
    parts = [document.get(name) for name in ("metadata", "attributes")] if isinstance(document, dict) else []
    return next((part for part in parts if isinstance(part, dict)), {})


def _shard(root_account_id: Any) -> int | None:
    return shard_of(root_account_id) if _is_id(root_account_id) else None


def _pairs(document: Any) -> Iterator[_Pair]:
    """Every scalar with the name of its field; the ``id`` of a ``user`` is a ``user_id``."""
    waiting: list[_Pair] = [("", document, {})]
    while waiting:
        name, value, holder = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{name}_id" if member == "id" else member, inner, value) for member, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(name, inner, holder) for inner in value]
        elif value is not None:
            yield name, value, holder


def _is_named_by(name: str, value: Any, holder: dict[str, Any], person: Person, shard: int | None) -> bool:
    if isinstance(value, str) and (value in person.identifiers or _text_names(value, person, shard)):
        return True
    if not _is_id(value):
        return False
    if name in WORK_FIELDS and "quiz_id" not in holder:  # a quiz submission has ids of its own
        return f"{WORK_FIELDS[name]}#{to_local_id(value, shard)}" in person.work
    typed = _TYPED_FIELD.fullmatch(name)
    type_name = holder.get(f"{typed[1]}_type") if typed else None
    of_type = type_name.lower() if isinstance(type_name, str) else ""
    if f"{of_type}_id" in WORK_FIELDS:
        return f"{of_type.title()}#{to_local_id(value, shard)}" in person.work
    return bool(of_type == "user" or _PERSON_FIELD.fullmatch(name)) and _is_the_person(value, person, shard)


def _text_names(text: str, person: Person, shard: int | None) -> bool:
    """Whether text names the person; digits alone are not taken for one of their other names."""
    if _other_names(frozenset(person.identifiers)).search(text):
        return True
    ids = (found[1] for found in _NAMED_IN_TEXT.finditer(text))
    return any(_is_id(each) and _is_the_person(each, person, shard) for each in ids)


@cache
def _other_names(identifiers: frozenset[str]) -> re.Pattern[str]:
    words = [re.escape(name) for name in sorted(identifiers) if not name.isdigit()]
    return re.compile(rf"(?<![\w@.-])(?:{'|'.join(words)})(?![\w@-])" if words else "(?!)")


def _is_id(value: Any) -> bool:
    return not isinstance(value, bool) and re.fullmatch(ID_PATTERN, str(value)) is not None


def _is_the_person(value: str | int, person: Person, shard: int | None) -> bool:
    """Whether an id is the person's; where nobody says the shard of the root account, of any shard."""
    if to_local_id(value, shard) == person.user_id:
        return True
    return shard is None and str(parse_id(value) % IDS_PER_SHARD) == person.user_id
