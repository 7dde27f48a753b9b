"""The list of erased people, which keeps bulk work from bringing them back.

It names nobody: it has a keyed hash of each person, of their UUIDs and of the contexts of their submissions and
enrollments, and the key. Whoever has both can still test whether a certain person is on it, so it is not public.
``canvas-events person erase`` adds to it.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from handlers.archive.bucket import BucketError, ObjectStore
from handlers.archive.line import to_json
from handlers.intake.decode import LiveEvent, decode
from handlers.intake.record import Record
from handlers.items.canvas_ids import ID_PATTERN, IDS_PER_SHARD, parse_id, shard_of, to_local_id
from handlers.items.event_types import EventType
from handlers.items.people import GRADER, SUBJECT_FIELDS, UUID_FIELD, WORK_FIELDS
from handlers.outcome import Rejection

KEY = "erased/people.json"

_MISSING = frozenset({"NoSuchKey", "404"})
_TYPED_FIELDS = ("context", "asset", "artifact")  # with a field "…_type" and a field "…_id"


class ErasedPeople:
    """The list. ``names`` are texts such as ``<root account>#User#8123``, ``…#Submission#771190`` or ``…#<UUID>``."""

    def __init__(self, key: bytes, hashes: Iterable[str] = ()) -> None:
        self._key = key
        self._hashes = frozenset(hashes)

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def includes(self, root_account: str, name: str) -> bool:
        """Whether a person, their UUID or the context of their work is on the list."""
        return self._hash(root_account, name) in self._hashes

    def with_names(self, root_account: str, names: Iterable[str]) -> "ErasedPeople":
        """Return the list with more names."""
        return ErasedPeople(self._key, self._hashes | {self._hash(root_account, name) for name in names})

    def to_bytes(self) -> bytes:
        """Return what the object under ``KEY`` contains."""
        return json.dumps({"key": self._key.hex(), "hashes": sorted(self._hashes)}).encode()

    def without(self, record: Record, event_types: Mapping[str, EventType]) -> Record | None:
        """Return a record as far as it may be processed: None if it is about an erased person, or their activity.

        From a record about somebody else the id of an erased person who acted or graded is removed.
        """
        try:
            event = decode(record.data)
        except Rejection:
            return None  # it could only be rejected again, and it is unknown whom it names
        root_account, shard = _account(event)
        event_type = event_types.get(event.name)
        is_activity = event_type is not None and any(entity.append_only for entity in event_type.entities)
        if any(self.includes(root_account, name) for name in _subjects(event, shard, is_activity=is_activity)):
            return None
        metadata = self._without_id(root_account, event.metadata, "user_id", shard)
        body = self._without_id(root_account, event.body, GRADER, shard)
        if metadata is event.metadata and body is event.body:
            return record
        return record._replace(data=to_json({"metadata": metadata, "body": body}).encode())

    def _without_id(self, root_account: str, part: Any, field: str, shard: int | None) -> Any:
        names = _people(part.get(field), shard)
        if not any(self.includes(root_account, name) for name in names):
            return part
        return {name: value for name, value in part.items() if name != field}

    def _hash(self, root_account: str, name: str) -> str:
        return hmac.new(self._key, f"{root_account}#{name}".encode(), hashlib.sha256).hexdigest()


def read_erased_people(bucket: ObjectStore) -> ErasedPeople:
    """Return the list in a bucket, an empty one where there is none.

    Raises ``BucketError``, and ``ValueError`` for an object that is not a list: rather than forget whom it names.
    """
    try:
        stream = bucket.open(KEY)
    except BucketError as error:
        if str(error) in _MISSING:
            return ErasedPeople(secrets.token_bytes(32))
        raise
    content = b"".join(iter(lambda: stream.read(1024 * 1024), b""))
    try:
        document = json.loads(content)
        return ErasedPeople(bytes.fromhex(document["key"]), map(str, document["hashes"]))
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{KEY} is not a list of erased people") from None


def _account(event: LiveEvent) -> tuple[str, int | None]:
    root_account, root_account_id = (event.metadata.get(name) for name in ("root_account_uuid", "root_account_id"))
    return str(root_account or ""), shard_of(root_account_id) if _is_id(root_account_id) else None


def _subjects(event: LiveEvent, shard: int | None, *, is_activity: bool) -> Iterator[str]:
    """Yield whom an event is about, and whose work: activity is about whoever acts, too."""
    body = event.body
    for field in SUBJECT_FIELDS:
        yield from _people(body.get(field), shard)
    if isinstance(body.get("user"), dict):
        yield from _people(body["user"].get("id"), shard)
    if isinstance(body.get(UUID_FIELD), str):
        yield body[UUID_FIELD]
    if "quiz_id" not in body:
        for field, type_name in WORK_FIELDS.items():
            yield from _named(type_name, body.get(field), shard)
    for field in _TYPED_FIELDS:
        yield from _named(str(body.get(f"{field}_type")).title(), body.get(f"{field}_id"), shard)
    if is_activity:
        yield from _people(event.metadata.get("user_id"), shard)
        yield from _named(str(event.metadata.get("context_type")), event.metadata.get("context_id"), shard)


def _people(value: object, shard: int | None) -> Iterator[str]:
    yield from _named("User", value, shard)


def _named(type_name: str, value: Any, shard: int | None) -> Iterator[str]:
    """Yield what an id names; where the shard of the root account is unknown, also its local form."""
    if _is_id(value):
        yield f"{type_name}#{to_local_id(value, shard)}"
        if shard is None:
            yield f"{type_name}#{parse_id(value) % IDS_PER_SHARD}"


def _is_id(value: object) -> bool:
    return not isinstance(value, bool) and re.fullmatch(ID_PATTERN, str(value)) is not None
