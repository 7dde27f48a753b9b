"""The kind of a field, from the forms of its values, from its name, and from what it is said to mean.

The documentation gives no types, so that the values decide; where there are none, or they disagree, the name and the
meaning do, and a remark says so.
"""

import re
from collections import Counter
from dataclasses import dataclass

from cli.drafting.observed import IDS, MOST_WORDS, Field, Form, is_id, is_state, is_type

_NUMBERS = frozenset({Form.WHOLE, Form.FRACTION})
_TIMES = frozenset({Form.TIME, Form.RUBY_TIME})
_STRINGS = frozenset({Form.STRING, Form.TEXT, Form.UUID, Form.DATE}) | _TIMES | IDS

# Ids that other systems give: they may look like Canvas's, and are not.
_FOREIGN_ID = re.compile(r"(?:^|_)(?:sis(?!_batch)|lti|integration|vendor)_")
_TEXT = re.compile(r"(?:^|_)(?:body|description|text|title|message|comment|comments|html)$")
_FRACTIONAL = re.compile(r"(?:^|_)(?:points?|scores?|weight|percent\w*|possible|grade|rate|ratio|mastery)(?:_|$)")

# What a meaning begins with, and what else gives a kind away where no value does. The first that fits decides.
_BY_MEANING = (
    ("bool", r"\b(?:whether|true if|true or false|boolean|flag)\b|^(?:if|is|indicates if)\b"),
    ("list", r"\b(?:an array|a list|list of|array of)\b"),
    ("obj", r"\b(?:an object|a hash|json)\b"),
    ("time", r"\b(?:timestamp|date ?-?time|the (?:time|date) (?:at|on|when|of)|time (?:at|when)|date (?:at|when))\b"),
    ("int", r"\b(?:number of|count of|position|how many)\b"),
    ("uuid", r"\buuid\b"),
)
_WORD_LIST = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")


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
        remark = "" if _listed(known.meaning) else "these were seen; which others are there?"
        return Judgement("state", states(known), remark=remark)
    if _is_time(name) and not known.seen & (_TIMES | {Form.DATE}):
        return Judgement(kind, certain=False, remark=f"by its name a date-time, but seen: {told(known)}")
    if known.seen == IDS:
        return Judgement(kind, remark=f"comes in both forms: {told(known)}")
    return Judgement(kind)


def told(known: Field) -> str:
    """The forms that were seen, with how often each was: ``a global id (3), a local id (1)``."""
    return ", ".join(f"{form} ({count})" for form, count in known.forms.most_common() if form is not Form.NULL)


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
        return "ruby_time" if Form.RUBY_TIME in seen else "time"
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
    return "text" if Form.TEXT in known.seen or _TEXT.search(name) else "str"


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
        if _FOREIGN_ID.search(name) or re.search(r"\b(?:uuid|guid|sis|lti)\b", meaning):
            return "str"
        return "gid" if "global" in meaning else "lid"
    if name.endswith("_ids"):
        return "list"
    if name.endswith("_at"):
        return "time"
    if is_type(name) or name.endswith(("_uuid", "_name", "_url")):
        return "str"
    for kind, hint in _BY_MEANING:
        if re.search(hint, meaning):
            return kind
    if _FRACTIONAL.search(name):
        return "num"
    return "text" if _TEXT.search(name) else "str"


def _listed(meaning: str) -> list[str]:
    """The states that a meaning lists, in parentheses or after a colon."""
    for listed in (*re.findall(r"\(([^()]*)\)", meaning), *re.findall(r":\s*(.+?)\.?$", meaning)):
        words = [word.strip(" '\"`.") for word in re.split(r",|\bor\b|\band\b|\be\.g\.|\bi\.e\.", listed)]
        words = [word for word in words if word]
        if words and all(_WORD_LIST.fullmatch(word) for word in words):
            return words
    return []
