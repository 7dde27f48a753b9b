"""A drafted entry of the catalogue: what the event types speak of, its key, its fields; and its TOML."""

import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cli.catalogue.model import KEY_KINDS, EntityDefinition
from cli.draft import kinds
from cli.draft.kinds import Judgement
from cli.draft.observed import Field, Form, Observed, is_id, is_type, merged
from cli.ui.output import visible

LONGEST_LINE = 120
LONGEST_STATES = 90  # as characters of one line
UNKNOWN_MEANING = "…"

# What happened, at the end of an event type's name; those of an entity's own life surely speak of it.
_VERB = re.compile(r"_(?:[a-z]+ed|change)$")
_LIFE = re.compile(r"_(?:created|updated|deleted)$")

# What the documentation says of each text that Canvas cuts; the kind says it already.
_CUT = re.compile(r"\s*NOTE: This field will be truncated.*")

# What may contain an entity, the nearest first.
_CONTAINERS = (
    "discussion_topic", "assignment", "quiz", "submission", "conversation", "learning_outcome", "master_template",
    "group", "enrollment", "course", "user",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A field of an entry, as its line says it."""

    judgement: Judgement
    about: str


@dataclass(frozen=True)
class Key:
    """What an entity's key is made of: the path of its id, None for an occurrence, and what contains it."""

    id: str | None
    context: str
    id_remark: str = ""
    context_remark: str = ""


@dataclass(frozen=True)
class Entry:
    """A drafted entry, with remarks on what is not sure of it.

    ``family`` is the one that it seems to belong to, or empty. ``definitions`` are the source's own sentences on the
    event types.
    """

    name: str
    family: str
    about: str
    events: tuple[str, ...]
    key: Key
    lines: Mapping[str, Line]
    definitions: Mapping[str, str]
    remarks: tuple[str, ...] = ()
    without_account: bool = False


def entity_of(event_type: Observed) -> str:
    """The name of what an event type seems to speak of: ``module`` of ``module_created``."""
    name = event_type.name.rpartition(".")[2]
    entity = _VERB.sub("", name)
    return entity if is_of_a_life(event_type) or f"{entity}_id" in event_type.fields else name


def is_of_a_life(event_type: Observed) -> bool:
    """Whether it tells of the life of an entity itself, by its name."""
    return bool(_LIFE.search(event_type.name))


def drafted(name: str, observed: list[Observed], meanings: Mapping[str, str], family: str) -> Entry:
    """The entry ``name`` for event types that speak of the same entity, in a family.

    ``meanings`` are used where the source tells none: what other entries say of fields of the same name and kind, by
    the name and the kind.
    """
    fields = merged(observed)
    key = _key(name, observed, fields)
    return Entry(
        name=name,
        family=family,
        about=_about(name, observed),
        events=tuple(dict.fromkeys(each.name for each in observed)),
        key=key,
        lines=_lines(key, fields, meanings),
        definitions={each.name: each.definition for each in observed if each.definition},
        remarks=tuple(remarks_on(observed)),
        without_account=all(each.events and each.anonymous == each.events for each in observed),
    )


def line(name: str, known: Field, meanings: Mapping[str, str]) -> Line:
    """The line of a field: its kind, and its meaning as the source tells it, or other entries."""
    judgement = kinds.judge(name, known)
    about = _CUT.sub("", known.meaning) or meanings.get(f"{name} {judgement.kind}", "")
    types = kinds.types(known) if is_type(name) and not known.meaning else ()
    return Line(judgement, about or (f"Seen: {', '.join(types)}." if types else UNKNOWN_MEANING))


def remarks_on(observed: list[Observed]) -> Iterator[str]:
    """What whoever reviews should know of the source."""
    for each in observed:
        for remark in dict.fromkeys(each.remarks):
            yield f"review: {each.name}: {remark}"
        if each.unnamed:
            yield f"review: {each.name}: fields are left out whose names are no plain names, or that are too many"


def meanings_of(entities: Iterable[EntityDefinition]) -> dict[str, str]:
    """What most entities of the catalogue say of a field that several have, by its name and kind.

    Whose id an id is depends on the entity, so that of ids nothing is taken.
    """
    said: dict[str, Counter[str]] = {}
    for entity in entities:
        for name, field in entity.fields.items():
            if not is_id(name):
                said.setdefault(f"{name} {field.kind}", Counter())[field.about] += 1
    commonest = {key: (*told.most_common(1)[0], told.total()) for key, told in said.items()}
    return {key: about for key, (about, count, of) in commonest.items() if 1 < count > of / 2}


def class_name(name: str) -> str:
    """The class of an entity, as keys name it: ``discussion_topic``, ``DiscussionTopic``."""
    return "".join(word.capitalize() for word in name.split("_"))


def toml(entry: Entry) -> str:
    """The entry as a family's file has it, with its remarks as comments."""
    definitions = [f"{event}: {definition}" for event, definition in entry.definitions.items()]
    return "\n".join([
        *(f"# {visible(comment)}" for comment in (_where(entry.family), *definitions, *entry.remarks)),
        f"[{entry.name}]",
        f"about   = {quoted(entry.about)}",
        f"events  = [{', '.join(map(quoted, entry.events))}]",
        *_key_lines(entry.key),
        *([_reviewed("without_account = true", _NO_ACCOUNT)] if entry.without_account else []),
        "",
        f"[{entry.name}.fields]",
        *field_lines(entry.lines),
    ])  # fmt: skip


def field_lines(lines: Mapping[str, Line]) -> list[str]:
    """The lines of fields, in columns, with their remarks as comments."""
    width = max(map(len, lines), default=0)
    return [_reviewed(f"{name:<{width}} = {_value(each)}", each.judgement.remark) for name, each in lines.items()]


def quoted(text: str) -> str:
    """A string of TOML, which nothing in it ends, and which does nothing to a terminal."""
    return json.dumps(visible(text), ensure_ascii=False)


def family_file(family: str) -> str:
    """The file of a family."""
    return f"schemas/catalogue/{family}.toml"


_NO_ACCOUNT = "no event says its root_account_uuid; is that so of all?"


def _where(family: str) -> str:
    if family:
        return f"For {family_file(family)}, to judge by the names there."
    return 'Which family? A file of schemas/catalogue, or a new one, which begins: about = "…", table = "…_TABLE"'


def _key_lines(key: Key) -> Iterator[str]:
    if key.id is None:
        yield _reviewed('occurrence = "activity"', key.id_remark)
        yield _reviewed(f"context = [{quoted(key.context)}]", key.context_remark)
    else:
        yield _reviewed(f"id      = {quoted(key.id)}", key.id_remark)
        yield _reviewed(f"context = {quoted(key.context)}", key.context_remark)


def _value(each: Line) -> str:
    kind = each.judgement.kind
    if kind != "state":
        return quoted(f"{kind:<5} {each.about}")
    states = f"state {', '.join(each.judgement.states)}"
    return quoted(states) if len(states) < LONGEST_STATES else '"""' + _wrapped(states) + '"""'


def _wrapped(states: str) -> str:
    return " \\\n    ".join(textwrap.wrap(states, LONGEST_STATES, break_on_hyphens=False))


def _reviewed(written: str, remark: str) -> str:
    """A line with its remark: behind it, or where that would be too long, above it."""
    if not remark:
        return written
    review = f"# review: {visible(remark)}"
    beside = f"{written}  {review}"
    return beside if max(map(len, beside.splitlines())) <= LONGEST_LINE else f"{review}\n{written}"


def _about(entity: str, observed: list[Observed]) -> str:
    words = entity.replace("_", " ")
    if entity in (each.name.rpartition(".")[2] for each in observed):
        return f"What {entity} tells."
    return f"{'An' if words[0] in 'aeio' else 'A'} {words}."


def _key(entity: str, observed: list[Observed], fields: Mapping[str, Field]) -> Key:
    ids = dict(_ids(fields))
    own = f"{entity}_id"
    if own in ids:
        asked = f"do they speak of the {entity.replace('_', ' ')} itself, of something else, or of an occurrence of it?"
        context, remark = _context(own, ids, fields)
        return _or_own(entity, Key(own, context, "" if all(map(is_of_a_life, observed)) else asked, remark))
    # Not sure of its id, so first of all what contains it: a submission of a quiz has the ids of both.
    context, remark = _context("", ids, fields)
    # conversation_message: message_id; lti_resource_link: resource_link_id
    words = entity.split("_")
    shorter = ["_".join([*words[start:], "id"]) for start in range(1, len(words))]
    # Those that are no container's first.
    free = sorted((path for path in ids if f"{{{path}}}" not in context), key=_is_of_a_container)
    guesses = [path for path in dict.fromkeys([*shorter, "id", *free]) if path in free]
    if guesses:
        asked = f"there is no {own}. Which is the id of what this speaks of? Perhaps: {', '.join(guesses)}"
        return _or_own(entity, Key(guesses[0], context, asked, remark))
    if ids:
        only = next(iter(ids))
        asked = f"there is no {own}. Is it the id of what this speaks of, or is each an occurrence, without state?"
        return _or_own(entity, Key(only, "", asked))
    return Key(None, "User#{metadata.user_id}", "no field is an id. Has it no state, so that each is kept?")


def _ids(fields: Mapping[str, Field]) -> Iterator[tuple[str, Field]]:
    """The fields, and members of objects by their paths, that hold a Canvas id."""
    for name, known in fields.items():
        if is_id(name) and kinds.judge(name, known).kind in ("gid", "lid"):
            yield name, known
        if known.id and known.seen == {Form.OBJECT} and kinds.judge("id", known.id).kind in ("gid", "lid"):
            yield f"{name}.id", known.id


def _is_of_a_container(path: str) -> bool:
    return path.removesuffix("_id").removesuffix(".id") in _CONTAINERS


def _context(id_path: str, ids: Mapping[str, Field], fields: Mapping[str, Field]) -> tuple[str, str]:
    """What contains the entity, and what to ask of it; empty where nothing seems to."""
    types = [name for name, known in fields.items() if is_type(name) and kinds.judge(name, known).kind in KEY_KINDS]
    if "context_id" in ids and "context_type" in types:
        nullable = Form.NULL in fields["context_id"].forms
        return "{context_type}#{context_id}", "some events have none." if nullable else ""
    for container in _CONTAINERS:
        for path in (f"{container}_id", f"{container}.id"):
            if path in ids and path != id_path:
                return f"{class_name(container)}#{{{path}}}", f"does every event say its {path}, and always the same?"
    for name in types:
        path = name.removesuffix("_type") + "_id"
        if path in ids and path != id_path:
            return f"{{{name}}}#{{{path}}}", f"does every event say its {path}, and always the same?"
    return "", ""


def _or_own(entity: str, key: Key) -> Key:
    """The key, with the entity as its own context where nothing contains it, or perhaps nothing does."""
    path = key.id or ""
    own = f"{class_name(path.removesuffix('_id') if path.endswith('_id') else entity)}#{{{path}}}"
    if not key.context:
        return Key(key.id, own, key.id_remark)
    remark = f"{key.context_remark} If not: {own}" if key.context_remark else ""
    return Key(key.id, key.context, key.id_remark, remark)


def _lines(key: Key, fields: Mapping[str, Field], meanings: Mapping[str, str]) -> dict[str, Line]:
    """The lines of the fields: those of the key first, then as the source has them; behind them members of objects."""
    of_key = {key.id, *re.findall(r"\{([^{}]*)\}", key.context)}
    in_order = sorted(fields, key=lambda name: (name != key.id, name not in of_key))
    lines = {name: line(name, fields[name], meanings) for name in in_order}
    for name, known in fields.items():
        if known.id and f"{name}.id" in of_key:
            lines[f'"{name}.id"'] = Line(kinds.judge("id", known.id), "The id in it.")
    return lines
