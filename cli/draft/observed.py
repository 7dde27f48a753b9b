"""What a source shows of an event type: its fields, of which forms their values were, and what they are said to mean.

Events hold personal data, so no value is kept of them but states and the names of types, which every event of a
field shares.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from handlers.items.canvas_ids import ID_PATTERN, IDS_PER_SHARD, MAX_ID, parse_id
from handlers.items.timestamps import is_date, is_date_time, is_ruby_time

# The names that are shown: what else an event calls a field could say anything.
FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
MOST_FIELDS = 500

_STATE = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_TYPE = re.compile(r"[A-Z][A-Za-z0-9]{0,39}(?:::[A-Z][A-Za-z0-9]{0,39})*", re.ASCII)
MOST_WORDS = 20

_ID = re.compile(ID_PATTERN, re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
LONGEST_STRING = 255  # of a database's ordinary column; what is longer is a text


class Form(StrEnum):
    """The form of a value, as it is told."""

    NULL = "null"
    BOOL = "a truth value"
    WHOLE = "a whole number"
    FRACTION = "a number with decimals"
    LOCAL = "a local id"
    GLOBAL = "a global id"
    TIME = "a date-time"
    RUBY_TIME = "a date-time as Ruby prints it"
    DATE = "a date"
    UUID = "a UUID"
    STRING = "a string"
    TEXT = "a long text"
    OBJECT = "an object"
    LIST = "a list"


# Both are numbers, or the digits of one: only the name of the field tells an id from a number.
IDS = frozenset({Form.LOCAL, Form.GLOBAL})


def form_of(name: str, value: Any) -> Form:
    """The form of the value of a field of this name."""
    match value:
        case None:
            return Form.NULL
        case bool():
            return Form.BOOL
        case int():
            return _id_form(value) if is_id(name) and 0 < value <= MAX_ID else Form.WHOLE
        case float() | Decimal():
            return Form.FRACTION
        case dict():
            return Form.OBJECT
        case list():
            return Form.LIST
    return _form_of_text(name, str(value))


def is_id(name: str) -> bool:
    """Whether Canvas's own ids stand under such a name. Those of other systems do too: only values tell these."""
    return name == "id" or f"{name}_".find("_id_") > 0


def is_state(name: str) -> bool:
    """Whether a state stands under such a name."""
    return name == "state" or name.endswith("_state")


def is_type(name: str) -> bool:
    """Whether the name of a type stands under such a name."""
    return name == "type" or name.endswith("_type")


def _form_of_text(name: str, text: str) -> Form:
    if is_id(name) and _ID.fullmatch(text):
        return _id_form(text)
    if is_date_time(text):
        return Form.TIME
    if is_date(text):
        return Form.DATE
    if is_ruby_time(text):
        return Form.RUBY_TIME
    if _UUID.fullmatch(text):
        return Form.UUID
    return Form.TEXT if len(text) > LONGEST_STRING else Form.STRING


def _id_form(value: str | int) -> Form:
    return Form.GLOBAL if parse_id(value) >= IDS_PER_SHARD else Form.LOCAL


@dataclass
class Field:
    """What is known of a field: how often which form was seen, the words of a state or type, the meaning that is told.

    ``id`` is the member ``id`` of its objects, where they have one.
    """

    forms: Counter[Form] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    meaning: str = ""
    id: "Field | None" = None

    def see(self, name: str, value: Any) -> None:
        """Take down the form of a value."""
        self.forms[form_of(name, value)] += 1
        word = _STATE if is_state(name) else _TYPE if is_type(name) else None
        if word and isinstance(value, str) and word.fullmatch(value) and len(self.words) <= MOST_WORDS:
            self.words[value] += 1
        if isinstance(value, dict) and "id" in value:
            self.id = self.id or Field()
            self.id.see("id", value["id"])

    @property
    def seen(self) -> frozenset[Form]:
        """The forms that were seen, without null."""
        return frozenset(form for form in self.forms if form is not Form.NULL)


@dataclass
class Observed:
    """What a source shows of an event type.

    ``events`` were seen of it, ``anonymous`` of them without ``root_account_uuid``; ``unnamed`` fields are left out
    for their names. ``definition`` is the source's own sentence. ``remarks`` are for whoever reviews.
    """

    name: str
    events: int = 0
    anonymous: int = 0
    unnamed: int = 0
    definition: str = ""
    fields: dict[str, Field] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def see(self, metadata: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        """Take down an event of the type, or an example of one."""
        self.events += 1
        self.anonymous += metadata.get("root_account_uuid") is None
        own_name = metadata.get("event_name")
        if own_name != self.name and isinstance(own_name, str):
            self.remarks.append("an example of it says another event_name")
        for name, value in body.items():
            known = self._field(name)
            if known:
                known.see(name, value)

    def means(self, name: str, meaning: str) -> None:
        """Take down what a field is said to mean."""
        known = self._field(name)
        if known:
            known.meaning = known.meaning or meaning

    def _field(self, name: str) -> Field | None:
        if not FIELD_NAME.fullmatch(name) or (name not in self.fields and len(self.fields) >= MOST_FIELDS):
            self.unnamed += 1
            return None
        return self.fields.setdefault(name, Field())


def merged(observed: list[Observed]) -> dict[str, Field]:
    """The fields of several event types as those of one; of several meanings the longest."""
    fields: dict[str, Field] = {}
    for event_type in observed:
        for name, known in event_type.fields.items():
            _merge(fields.setdefault(name, Field()), known)
    return fields


def _merge(one: Field, other: Field) -> None:
    one.forms += other.forms
    one.words += other.words
    one.meaning = max(one.meaning, other.meaning, key=len)
    if other.id:
        one.id = one.id or Field()
        _merge(one.id, other.id)
