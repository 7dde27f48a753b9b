"""What the key of an item is made of: fields of the body and, for a few event types, what lies beyond them."""

import re
from collections.abc import Mapping
from typing import Any

from handlers.intake.decode import LiveEvent
from handlers.items.canvas_ids import is_ambiguous, localised
from handlers.items.event_types import EventType
from handlers.outcome import Reason, Rejected, Violation

# Also those of modules: quizzes:quiz, lti/tool_proxy.
_CLASS = re.compile("[A-Za-z][A-Za-z0-9_:/]{0,63}")


def said_by(event: LiveEvent, body: Mapping[str, Any], event_type: EventType, shard: int | None) -> Mapping[str, Any]:
    """What templates of keys may ask for, with ids in the form of keys; ``body`` has them so already.

    Where nobody says which shard the institution lives on, asking for an id that could have two forms raises
    ``Rejected``.
    """
    if shard is None:
        return _WithoutShard(event, body, event_type, shard)
    return body if event_type.keys_are_flat else _Beyond(event, body, event_type, shard)


def first_filled(templates: tuple[str, ...], said: Mapping[str, Any]) -> str | None:
    """The first of the templates of which the event says all."""
    for template in templates:
        try:
            return template % said
        except KeyError:
            continue
    return None


def filled(templates: tuple[str, ...], said: Mapping[str, Any]) -> str:
    """``first_filled``; raises ``Rejected`` where there is none."""
    text = first_filled(templates, said)
    if text is None:
        fields = " or ".join(template.replace("%(", "{").replace(")s", "}") for template in templates)
        raise Rejected(Reason.UNROUTABLE, Violation("body", "required", f"to key the item: {fields}"))
    return text


class _Beyond(dict[str, Any]):
    """The body and, by their paths, members of its objects, the metadata, and class names of what it names."""

    def __init__(self, event: LiveEvent, body: Mapping[str, Any], event_type: EventType, shard: int | None) -> None:
        # A field may be called as a path is, and would stand for what it is not.
        super().__init__((name, value) for name, value in body.items() if "." not in name)
        self._metadata = event.metadata
        self._event_type = event_type
        self._shard = shard

    def __missing__(self, path: str) -> str:
        holder, _, name = path.partition(".")
        if not name:
            raise KeyError(path)
        if name == "class":
            return _class_name(path, self[holder])
        value = (self._metadata if holder == "metadata" else self[holder]).get(name)
        if value is None:
            raise KeyError(path)
        return localised(value, self._shard) if self._event_type.is_id(path) else str(value)


class _WithoutShard(_Beyond):
    """The same, of an event that does not say which shard its ids are of."""

    def __getitem__(self, path: str) -> Any:
        value = super().__getitem__(path)
        if self._event_type.is_id(path) and is_ambiguous(value, None):
            place = path if path.startswith("metadata.") else f"body.{path}"
            raise Rejected(Reason.UNROUTABLE, Violation("metadata.root_account_id", "required", f"to localise {place}"))
        return value


def _class_name(path: str, name: str) -> str:
    """``DiscussionTopic`` for ``discussion_topic``: what was accessed is named so, what contains an entity is not.

    Raises ``KeyError`` for what is no such name.
    """
    if not _CLASS.fullmatch(name):
        raise KeyError(path)
    return re.sub("[:/]+", "::", name.title()).replace("_", "") if name.islower() else name
