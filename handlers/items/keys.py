"""Render the templates of keys from body fields and, for a few event types, from members of objects and metadata."""

import re
from collections.abc import Mapping
from typing import Any

from handlers.intake.decode import LiveEvent
from handlers.items.canvas_ids import is_ambiguous, to_local_id
from handlers.items.event_types import EventType
from handlers.outcome import Rejection, RejectionReason, Violation

# Also classes of modules: quizzes:quiz, lti/tool_proxy.
_CLASS_NAME = re.compile("[A-Za-z][A-Za-z0-9_:/]{0,63}")

# DynamoDB rejects an item whose index key is longer than 2,048 bytes, so nothing else than an id becomes one.
_REFERENCE = re.compile("(?:Course|User)#[1-9][0-9]{0,18}")


def key_variables(
    event: LiveEvent, body: Mapping[str, Any], event_type: EventType, shard: int | None
) -> Mapping[str, Any]:
    """Return the variables of the key templates, with ids in the form of keys; ``body`` is normalized already.

    If the shard of the institution is unknown, looking up an id that could have two forms raises ``Rejection``.
    """
    if shard is None:
        return _ShardlessKeyVariables(event, body, event_type, shard)
    return body if event_type.keys_use_body_fields_only else _KeyVariables(event, body, event_type, shard)


def render_first(templates: tuple[str, ...], variables: Mapping[str, Any]) -> str | None:
    """Render the first template whose variables the event provides, else None."""
    for template in templates:
        try:
            return template % variables
        except KeyError:
            continue
    return None


def render(templates: tuple[str, ...], variables: Mapping[str, Any]) -> str:
    """``render_first``; raises ``Rejection`` if the event lacks the variables of every template."""
    text = render_first(templates, variables)
    if text is None:
        fields = " or ".join(template.replace("%(", "{").replace(")s", "}") for template in templates)
        violation = Violation("body", "required", f"to key the item: {fields}")
        raise Rejection(RejectionReason.UNROUTABLE, violation)
    return text


def render_reference(class_name: str, templates: tuple[str, ...], variables: Mapping[str, Any]) -> str | None:
    """``render_first`` for the key of an index; None also for what is not of this class, such as ``Group#12``.

    No event is rejected for it: where an id could have two forms, the item is in no index.
    """
    try:
        text = render_first(templates, variables)
    except Rejection:
        return None
    is_reference = text is not None and _REFERENCE.fullmatch(text) and text.startswith(class_name)
    return text if is_reference else None


class _KeyVariables(dict[str, Any]):
    """The body and, by path, members of its objects, the metadata, and the class names of referenced objects."""

    def __init__(self, event: LiveEvent, body: Mapping[str, Any], event_type: EventType, shard: int | None) -> None:
        # A field whose name contains a dot must not be mistaken for a path.
        super().__init__((name, value) for name, value in body.items() if "." not in name)
        self._metadata = event.metadata
        self._event_type = event_type
        self._shard = shard

    def __missing__(self, path: str) -> str:
        parent, _, name = path.partition(".")
        if not name:
            raise KeyError(path)
        if name == "class":
            return _class_name(path, self[parent])
        value = (self._metadata if parent == "metadata" else self[parent]).get(name)
        if value is None or value == "":
            raise KeyError(path)
        return to_local_id(value, self._shard) if self._event_type.is_canvas_id(path) else str(value)


class _ShardlessKeyVariables(_KeyVariables):
    """The same for an event that does not say which shard its ids belong to."""

    def __getitem__(self, path: str) -> Any:
        value = super().__getitem__(path)
        if self._event_type.is_canvas_id(path) and is_ambiguous(value, None):
            full_path = path if path.startswith("metadata.") else f"body.{path}"
            violation = Violation("metadata.root_account_id", "required", f"to make {full_path} local")
            raise Rejection(RejectionReason.UNROUTABLE, violation)
        return value


def _class_name(path: str, name: str) -> str:
    """Return ``DiscussionTopic`` for ``discussion_topic``: accessed assets have the second form, contexts the first.

    Raises ``KeyError`` for what is not a class name.
    """
    if not _CLASS_NAME.fullmatch(name):
        raise KeyError(path)
    return re.sub("[:/]+", "::", name.title()).replace("_", "") if name.islower() else name
