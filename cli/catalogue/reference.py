"""``docs/reference.md``: every event type, where its items are, and what is in them, from the catalogue."""

import re
from collections.abc import Iterator

from cli.catalogue.model import CATALOGUE, EntityDefinition, Family, families, not_kept
from handlers.items.event_types import SCHEMAS_DIR

FILE = SCHEMAS_DIR.parent / "docs" / "reference.md"

_INTRODUCTION = """\
# Reference: every event type, and what is kept of it

Generated from `schemas/catalogue/` by `make generate`; do not edit it here.

Each event type has one row in the first table, and each family further down a line with its own, to tick in Canvas Data
Services. A row says the environment variable that names its table, and the key of its items; `<account>` is
`root_account_uuid`. What the items hold is further down, family by family. In keys and bodies an id is that of Canvas's
REST API and URLs, local to your institution. Beside the body an item has the attributes that the
[README](../README.md#what-is-kept) describes, and `course` and `user` where [an index](query.md) finds it. **Each field
may be missing, which means null**, but for those that the key is made of. An empty id means null too.

| kind | Canvas sends | the item holds |
| --- | --- | --- |
| `gid`, `lid` | an id, as a rule global (`10150000000009001`), or as a rule local (`9001`) | \
a string, local wherever it can be |
| `ids` | a list of ids | a list of such strings, without empty ids and nulls |
| `str`, `text`, `uuid` | a string; `text` is cut at 8,192 characters; `uuid` may be any opaque id | a string |
| `state` | a string of a known list, or a new one | a string |
| `time`, `ruby_time` | an ISO 8601 date-time with any offset; `ruby_time` also as `2019-10-05 05:38:00 -0800` | \
UTC, `2026-09-03T09:15:27.004000Z` |
| `date` | a date or a date-time | a date, or UTC as above |
| `num`, `int` | a number | a number, exactly |
| `bool`, `obj`, `list` | as they are called | the same |

In whatever field a URL is, [its secrets are replaced by `REDACTED`](threats.md#secrets-in-urls).
"""

_APPEND_ONLY = """\
These entities are append-only: nothing has a state, so each event is an item of its own, in chronological order under
whom or what it belongs to. Besides the usual attributes, but without `version`, an item has `request_context`, the
context of the request (`Course#2041`), if Canvas names one, and `expires_at`: its time plus `ACTIVITY_RETENTION_DAYS`.
DynamoDB then deletes it, unless it expired more than five years before it was written. A class is Canvas's own name,
such as `DiscussionTopic` for `discussion_topic`.
"""


_NOT_KEPT = """\
## Event types that are not kept

Canvas sends these to other services of Instructure, also on the stream of a self-hosted Canvas. They are ignored and
counted. `IgnoredEventTypes` adds others.

| event type | |
| --- | --- |
"""


def text() -> str:
    """The whole file."""
    known = families(CATALOGUE)
    not_kept_rows = "".join(f"| `{name}` | {about} |\n" for name, about in sorted(not_kept(CATALOGUE).items()))
    described = (line for family in known for line in _family(family))
    return "\n".join([_INTRODUCTION, *_index(known), _NOT_KEPT + not_kept_rows, *described])


def _index(known: list[Family]) -> Iterator[str]:
    yield "## Event types\n"
    yield "| event type | table | partition key `context` | sort key `entity` |\n| --- | --- | --- | --- |"
    speakers: dict[str, list[EntityDefinition]] = {}
    for family in known:
        for entity in family.entities:
            for event in entity.events:
                speakers.setdefault(event, []).append(entity)
    for event, entities in sorted(speakers.items()):
        contexts = "<br>".join(dict.fromkeys(_contexts(entity) for entity in entities))
        sort_keys = "<br>".join(_sort_key(entity) for entity in entities)
        first = _anchor(_title(entities[0]))
        yield f"| [`{event}`](#{first}) | `{entities[0].table_variable}` | {contexts} | {sort_keys} |"
    yield ""


def _family(family: Family) -> Iterator[str]:
    yield f"## {family.name}\n"
    yield f"{family.about} Table: `{family.table_variable}`.\n"
    # A set: one event type may speak of two entities, as that of a reply and what it counts for.
    yield f"Event types: {_list(sorted({event for entity in family.entities for event in entity.events}))}.\n"
    if any(not entity.id_templates for entity in family.entities):
        yield _APPEND_ONLY
    for entity in family.entities:
        yield f"### {_title(entity)}\n"
        yield f"{entity.about} From {_list(entity.events)}.\n"
        yield f"- `context`: {_contexts(entity)}"
        yield f"- `entity`: {_sort_key(entity)}"
        yield from _index_keys(entity)
        yield ""
        yield from _fields(entity)


def _title(entity: EntityDefinition) -> str:
    # Not the name alone: a family may be called the same, and two headings would share an anchor.
    return f"{entity.name} items"


def _contexts(entity: EntityDefinition) -> str:
    contexts = [f"`<account>#{_placeholders(template)}`" for template in entity.context_templates]
    if not entity.id_templates:
        contexts.append(f"`<account>#{entity.kind.title()}#<digest>`")
    account = "; without account where Canvas sends none" if entity.without_account else ""
    return ", or else ".join(contexts) + account


def _sort_key(entity: EntityDefinition) -> str:
    if not entity.id_templates:
        return f"`{entity.kind}#<event_time>#<digest>`"
    only = f", only where the event has `{entity.requires}`" if entity.requires else ""
    return ", or else ".join(f"`{entity.kind}#{_placeholders(template)}`" for template in entity.id_templates) + only


def _index_keys(entity: EntityDefinition) -> Iterator[str]:
    for attribute, templates in (("course", entity.course_templates), ("user", entity.user_templates)):
        if templates:
            values = ", or else ".join(f"`<account>#{_placeholders(template)}`" for template in templates)
            class_name = attribute.capitalize()
            only = "" if templates[0].startswith(class_name) else f", only of the class {class_name}"
            optional = "" if entity.id_templates else ", with the parameter `IndexActivityByCourse`"
            yield f"- `{attribute}`: {values}{only} (index `by_{attribute}`{optional})"


def _placeholders(template: str) -> str:
    named = re.sub(r"\{(\w+)\.class\}", r"<class of \1>", template)
    return re.sub(r"\{([^}]*)\}", r"<\1>", named)


def _fields(entity: EntityDefinition) -> Iterator[str]:
    if not entity.fields:
        yield "No fields.\n"
        return
    yield "| field | kind | |\n| --- | --- | --- |"
    for name, field in entity.fields.items():
        others = [other for other, kept in entity.field_aliases.items() if kept == name]
        also = f" Canvas also calls it {_list(others)}." if others else ""
        yield f"| `{name}` | {field.kind} | {field.about}{also} |"
    yield ""


def _list(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")
