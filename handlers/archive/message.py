"""A message of the objects queue: which object to process, and how."""

import json
import re
from typing import Any, NamedTuple

from handlers.archive.errors import ObjectError

# Prefixes whose objects may be processed. Results are not among them, nor is anything else in the bucket.
SNAPSHOTS_PREFIX = "snapshots/"
READABLE_PREFIXES = ("events/", SNAPSHOTS_PREFIX)

# Also a part of the key of a result.
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_MEMBERS = frozenset({"bucket", "key", "run", "families", "types", "rewrite"})


class ObjectMessage(NamedTuple):
    """An object to process.

    ``run`` names the command that sent the message. Only events of ``families`` and of ``types`` are processed, of all
    where that is None. ``rewrite`` writes items anew whose event has been stored already (docs/archive.md).
    """

    key: str
    run: str
    families: frozenset[str] | None = None
    types: frozenset[str] | None = None
    rewrite: bool = False


def parse_message(text: str, bucket: str) -> ObjectMessage:
    """Parse a message, and check that its object is in ``bucket`` and may be processed; raises ``ObjectError``."""
    message = _members(text)
    if message["bucket"] != bucket:
        raise ObjectError("OtherBucket", "The message names another bucket than the one of this function.")
    key, run = message["key"], message["run"]
    if not key.startswith(READABLE_PREFIXES):
        raise ObjectError("OtherPrefix", f"The key must begin with {' or '.join(READABLE_PREFIXES)}.")
    if not _RUN.fullmatch(run):
        raise _malformed("run must be 1 to 64 letters, digits, dots, hyphens and underscores")
    return ObjectMessage(key, run, _names(message, "families"), _names(message, "types"), message.get("rewrite", False))


def _members(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise _malformed("it is not JSON") from None
    if not isinstance(message, dict):
        raise _malformed("it is not a JSON object")
    if unknown := message.keys() - _MEMBERS:
        raise _malformed(f"it has {len(unknown)} unknown members")
    if not all(isinstance(message.get(name), str) for name in ("bucket", "key", "run")):
        raise _malformed("bucket, key and run must be texts")
    if not all(_is_names(message.get(name)) for name in ("families", "types")):
        raise _malformed("families and types must be lists of texts")
    if not isinstance(message.get("rewrite", False), bool):
        raise _malformed("rewrite must be true or false")
    return message


def _is_names(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(name, str) for name in value))


def _names(message: dict[str, Any], member: str) -> frozenset[str] | None:
    return None if message.get(member) is None else frozenset(message[member])


def _malformed(problem: str) -> ObjectError:
    return ObjectError("MalformedMessage", f"The message is not one of canvas-events: {problem}.")
