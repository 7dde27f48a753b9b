"""The kind of a field, from the forms of its values, from its name, and from what it is said to mean.

The documentation gives no types, so that the values decide; where there are none, or they disagree, the name and the
meaning do, and a remark says so.
"""

import re
from collections import Counter
from dataclasses import dataclass

from cli.draft.observed import IDS, MOST_WORDS, Field, Form, is_id, is_state

_NUMBERS = frozenset({Form.WHOLE, Form.FRACTION})
_TIMES = frozenset({Form.TIME, Form.RUBY_TIME})
_STRINGS = frozenset({Form.STRING, Form.TEXT, Form.UUID, Form.DATE}) | _TIMES | IDS

# Ids that other systems give: they may look like Canvas's, and are not.
_FOREIGN_ID = re.compile(r"(?:^|_)(?:sis(?!_batch)|lti|integration|vendor)_")
_TEXT = re.compile(r"(?:^|_)(?:body|description|text|title|message|comment|comments|html)$")
_FRACTIONAL = re.compile(r"(?:^|_)(?:points?|scores?|weight|percent\w*|possible|grade|rate|ratio|mastery)(?:_|$)")

# What gives a kind away where no value does: what is sure of the name, then the meaning, then the rest of the name. The
# first that fits decides.
_BY_SURE_NAME = (
    ("list", r"_ids$"),
    ("time", r"_at$"),
    ("date", r"_date$"),
    ("bool", r"^(?:is|has|can)_"),
)
_BY_MEANING = (
    ("bool", r"\b(?:whether|true if|true or false|boolean|flag)\b|^(?:if|is|indicates if)\b"),
    ("list", r"\b(?:an array|a list|list of|array of)\b"),
    ("obj", r"\b(?:an object|a hash|json)\b"),
    ("time", r"\b(?:timestamp|date ?-?time|the (?:time|date) (?:at|on|when|of)|time (?:at|when)|date (?:at|when))\b"),
)
_BY_NAME = (
    ("str", r"(?:^|_)(?:type|uuid|name|url)$"),
    ("num", _FRACTIONAL.pattern),
)
_BY_VAGUE_MEANING = (
    ("int", r"\b(?:number of|count of|position|how many)\b"),
    ("uuid", r"\buuid\b"),
)
_STATE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_BETWEEN_WORDS = re.compile(r",|\bor\b|\band\b|\be\.?g\b\.?|\bi\.e\.", re.IGNORECASE)
_SOME_OF_THEM = re.compile(r"\be\.?g\b|\b(?:such as|normally|usually|defaults?|could be)\b", re.IGNORECASE)
_CUT = re.compile(r"\btruncated\b")  # as the documentation says of each text that Canvas cuts


@dataclass(frozen=True)
class Judgement:
    """The kind of a field. ``certain`` says whether values decided it; ``remark`` is for whoever reviews it."""

    kind: str
    states: tuple[str, ...] = ()
    certain: bool = True
    remark: str = ""


def judge(name: str, known: Field) -> Judgement:
    """The kind of a field of this name, and its states."""
    if not known.seen:
        return _unseen(name, known)
    kind = _kind(name, known)
    if kind is None:
        return _disputed(name, known)
    if kind == "state":
        listed = _listed(known.meaning) and not _SOME_OF_THEM.search(known.meaning)
        return Judgement("state", states(known), remark="" if listed else "which others are there?")
    if _is_time(name) and not known.seen & (_TIMES | {Form.DATE}):
        return Judgement(kind, certain=False, remark=f"by its name a date-time, but seen: {told(known)}")
    if known.seen == IDS:
        return Judgement(kind, remark=f"comes in both forms: {told(known)}")
    return Judgement(kind)


def told(known: Field, of: frozenset[Form] = frozenset(Form) - {Form.NULL}) -> str:
    """The forms that were seen ``of`` those, with how often each was: ``a global id (3), a local id (1)``."""
    return ", ".join(f"{form} ({count})" for form, count in known.forms.most_common() if form in of)


def states(known: Field) -> tuple[str, ...]:
    """The states that the meaning lists, then those that were seen besides."""
    return tuple(dict.fromkeys([*_listed(known.meaning), *sorted(known.words)]))


def types(known: Field) -> tuple[str, ...]:
    """The names of types that were seen, if they are few enough to be such."""
    return tuple(sorted(known.words)) if len(known.words) <= MOST_WORDS else ()


def _kind(name: str, known: Field) -> str | None:
    """The kind that all values have; None where they disagree."""
    seen = known.seen
    if seen <= IDS:
        return "str" if _FOREIGN_ID.search(name) else _id_kind(known)
    if seen <= _NUMBERS:
        return "num" if Form.FRACTION in seen or _FRACTIONAL.search(name) else "int"
    if seen <= _TIMES:
        return "ruby_time" if Form.RUBY_TIME in seen else "date" if name.endswith("_date") else "time"
    if seen <= {Form.DATE, Form.TIME}:
        return "date"
    for form, kind in ((Form.BOOL, "bool"), (Form.OBJECT, "obj"), (Form.LIST, "list"), (Form.UUID, "uuid")):
        if seen == {form}:
            return kind
    if seen <= {Form.STRING, Form.TEXT}:
        return _string_kind(name, known)
    # Text may look like anything; only where it nearly always did is it odd that it once did not.
    return _string_kind(name, known) if seen <= _STRINGS and Form.STRING in seen and not _is_time(name) else None


def _id_kind(known: Field) -> str:
    return "gid" if known.forms[Form.GLOBAL] >= known.forms[Form.LOCAL] else "lid"


def _string_kind(name: str, known: Field) -> str:
    if is_state(name) and states(known):
        return "state"
    if Form.TEXT in known.seen or _CUT.search(known.meaning):
        return "text"
    return "text" if not known.meaning and _TEXT.search(name) else "str"


def _is_time(name: str) -> bool:
    return name.endswith(("_at", "_on", "_date"))


def _unseen(name: str, known: Field) -> Judgement:
    """Without a value, the name and the meaning have to do."""
    remark = "no value was seen, so its kind is a guess"
    kind = _guess(name, known.meaning.lower())
    return Judgement(kind, states(known) if kind == "state" else (), certain=False, remark=remark)


def _disputed(name: str, known: Field) -> Judgement:
    """Where the values disagree, what most of them are."""
    most = max(known.seen, key=lambda form: (known.forms[form], form in _TIMES))
    kind = _kind(name, Field(Counter([most]), meaning=known.meaning)) or "str"
    return Judgement(kind, certain=False, remark=f"its values disagree: {told(known)}")


def _guess(name: str, meaning: str) -> str:
    if is_state(name) and _listed(meaning):
        return "state"
    if is_id(name):
        is_foreign = _FOREIGN_ID.search(name) or re.search(r"\b(?:uuid|guid|sis|lti)\b", meaning)
        return "str" if is_foreign else "gid" if "global" in meaning else "lid"
    for hints, text in ((_BY_SURE_NAME, name), (_BY_MEANING, meaning), (_BY_NAME, name), (_BY_VAGUE_MEANING, meaning)):
        for kind, hint in hints:
            if re.search(hint, text):
                return kind
    return _string_kind(name, Field(meaning=meaning))


def _listed(meaning: str) -> list[str]:
    """The states that a meaning lists: in parentheses, in quotes, or behind a word that announces them."""
    lists = [re.split(_BETWEEN_WORDS, inside) for inside in re.findall(r"\(([^()]*)\)", meaning)]
    lists.append(re.findall(r"['\"`]([a-z][a-z0-9_]*)['\"`]", meaning))
    announced = re.search(r"(?:\be\.?g\b\.?|\bsuch as|\bdefaults? to|\bby default|:)\s+([^.]+)", meaning, re.IGNORECASE)
    lists.append(re.split(_BETWEEN_WORDS, announced[1]) if announced else [])
    for words in lists:
        states = [word.strip(" '\"`.") for word in words if word.strip(" '\"`.")]
        if states and all(map(_STATE.fullmatch, states)):
            return states
    return []
