"""``docs/reference/``: an index of all event types, and a page for each family, from the catalogue."""

import re
from collections.abc import Iterator
from pathlib import Path

from cli.catalogue.model import CATALOGUE, EntityDefinition, Family, families, not_kept
from handlers.items.event_types import SCHEMAS_DIR

FOLDER = SCHEMAS_DIR.parent / "docs" / "reference"

_INTRODUCTION = """\
# Reference

Generated from `schemas/catalogue/` by `make generate`; do not edit these pages.

Each family has a table and a page of its own. Its page lists the event types to select in Canvas Data Services, and the
fields of its items. Every item also has the attributes that the [data model](../data-model.md) describes, and `course`
and `user` where [an index](../query.md) finds it.

In keys, `<account>` is `root_account_uuid`. Ids are those of Canvas's REST API and URLs, local to your institution.
**Any field may be missing, which means null**, except those in the key. An empty id means null too.

## Kinds of fields

| kind | Canvas sends | the item holds |
| --- | --- | --- |
| `gid`, `lid` | an id, usually global (`10150000000009001`) or usually local (`9001`) | \
a string, local wherever it can be |
| `ids` | a list of ids | a list of such strings, without empty ids and nulls |
| `str`, `text`, `uuid` | a string; `text` is cut at 8,192 characters; `uuid` may be any opaque id | a string |
| `state` | a string of a known list, or a new one | a string |
| `time`, `ruby_time` | an ISO 8601 date-time with any offset; `ruby_time` also as `2019-10-05 05:38:00 -0800` | \
UTC, `2026-09-03T09:15:27.004000Z` |
| `date` | a date or a date-time | a date, or UTC as above |
| `num`, `int` | a number | a number, exactly |
| `bool`, `obj`, `list` | a boolean, an object, a list | the same |

[Secrets in URLs](../threats.md#secrets-in-urls) are replaced by `REDACTED` in every field.
"""

_APPEND_ONLY = """\
These entities are append-only: each event is an item of its own. Items are in chronological order within the user,
course or object that they belong to. They have the usual attributes except `version`, and also `request_context`, the
context of the request (`Course#2041`) if Canvas names one, and `expires_at`: the event's time plus
`ACTIVITY_RETENTION_DAYS`. DynamoDB deletes an expired item, unless it expired more than five years before it was
written.
A class in a key is Canvas's own name, such as `DiscussionTopic` for `discussion_topic`.
"""


_NOT_KEPT = """\
## Event types that are not kept

Canvas sends these to other services of Instructure, also on the stream of a self-hosted Canvas. They are ignored and
counted. The parameter [`IgnoredEventTypes`](../configuration.md#ignoredeventtypes) adds others.

| event type | purpose |
| --- | --- |
"""


def files() -> dict[Path, str]:
    """Return the text of every page by its path."""
    known = families(CATALOGUE)
    pages = {FOLDER / f"{family.name}.md": "\n".join(_family(family)) for family in known}
    not_kept_rows = "".join(f"| `{name}` | {about} |\n" for name, about in sorted(not_kept(CATALOGUE).items()))
    return {FOLDER / "index.md": "\n".join([_INTRODUCTION, *_index(known), _NOT_KEPT + not_kept_rows])} | pages


def _index(known: list[Family]) -> Iterator[str]:
    yield "## Families\n"
    yield "| family | table | contents |\n| --- | --- | --- |"
    for family in known:
        yield f"| [{family.name}]({family.name}.md) | `{family.table_variable}` | {family.about} |"
    yield "\n## Event types\n"
    yield "| event type | table | partition key `context` | sort key `entity` |\n| --- | --- | --- | --- |"
    sources: dict[str, list[tuple[Family, EntityDefinition]]] = {}
    for family in known:
        for entity in family.entities:
            for event in entity.events:
                sources.setdefault(event, []).append((family, entity))
    for event, described in sorted(sources.items()):
        contexts = "<br>".join(dict.fromkeys(_contexts(entity) for _, entity in described))
        sort_keys = "<br>".join(_sort_key(entity) for _, entity in described)
        family, first = described[0]
        link = f"{family.name}.md#{_anchor(_title(first))}"
        yield f"| [`{event}`]({link}) | `{first.table_variable}` | {contexts} | {sort_keys} |"
    yield ""


def _family(family: Family) -> Iterator[str]:
    yield f"# {family.name}\n"
    yield "Generated from `schemas/catalogue/` by `make generate`. [Kinds of fields](index.md#kinds-of-fields).\n"
    yield f"{family.about} Table: `{family.table_variable}`.\n"
    # A set: one event type may describe two entities, such as a reply and the submission that it counts as.
    yield f"Event types: {_list(sorted({event for entity in family.entities for event in entity.events}))}.\n"
    if any(not entity.id_templates for entity in family.entities):
        yield _APPEND_ONLY
    for entity in family.entities:
        yield f"## {_title(entity)}\n"
        yield f"{entity.about} From {_list(entity.events)}.\n"
        yield f"- `context`: {_contexts(entity)}"
        yield f"- `entity`: {_sort_key(entity)}"
        yield from _index_keys(entity)
        yield ""
        yield from _fields(entity)


def _title(entity: EntityDefinition) -> str:
    # Not the name alone, which may be the family's too: two headings would share an anchor.
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
    yield "| field | kind | meaning |\n| --- | --- | --- |"
    for name, field in entity.fields.items():
        others = [other for other, kept in entity.field_aliases.items() if kept == name]
        also = f" Canvas also calls it {_list(others)}." if others else ""
        yield f"| `{name}` | {field.kind} | {field.about}{also} |"
    yield ""


def _list(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")
