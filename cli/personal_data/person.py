"""A user of a root account, and which items concern them."""

import re
from dataclasses import dataclass, field
from typing import Any

from cli.errors import CommandError
from cli.stack.hierarchy import StoredItem
from handlers.items.canvas_ids import ID_PATTERN, IDS_PER_SHARD, parse_id
from handlers.items.people import GRADER, SUBJECT_FIELDS, UUID_FIELD, WORK_FIELDS

_WITHOUT_OWN_WORK = ("submission_comment", "quiz_submission")

# Other names of the person, in items that are about them.
_IDENTIFIER_FIELDS = ("user_uuid", "user_login", "user_sis_id", "student_sis_id", "lti_user_id")


@dataclass
class Person:
    """A user of a root account. ``user_id`` has the form that keys have.

    ``identifiers`` are other names: UUID, login, SIS id, e-mail address. ``work`` are the contexts of their
    submissions and enrollments, such as ``Submission#771190``. Both are gone from the tables once the person is erased.
    """

    root_account: str
    user_id: str
    identifiers: set[str] = field(default_factory=set)
    work: set[str] = field(default_factory=set)

    @property
    def context(self) -> str:
        """The partition key of the person's own items."""
        return f"{self.root_account}#User#{self.user_id}"

    def is_subject(self, item: StoredItem) -> bool:
        """Whether an entity's item is about the person, or by them."""
        body = item["body"]
        return (
            item["context"] == self.context
            or item["entity"] == f"course_progress#{self.user_id}"
            or self.user_id in map(body.get, SUBJECT_FIELDS)
            or (isinstance(body.get(UUID_FIELD), str) and body[UUID_FIELD] in self.identifiers)
        )

    def is_actor(self, item: StoredItem) -> bool:
        """Whether the person changed or graded the entity."""
        return self.user_id in (item.get("user_id"), item["body"].get(GRADER))

    def learn(self, item: StoredItem) -> None:
        """Remember what an item about the person says about their work and their other names."""
        body, kind = item["body"], item["entity"].partition("#")[0]
        if kind not in _WITHOUT_OWN_WORK:
            self.work |= {
                f"{type_}#{body[name]}" for name, type_ in WORK_FIELDS.items() if isinstance(body.get(name), str)
            }
        names: list[Any] = []
        # Not where the person is only an observed student: the other names are the observer's.
        if self.user_id in (body.get("user_id"), body.get("student_id")):
            names += map(body.get, _IDENTIFIER_FIELDS)
        if item["entity"] == f"user#{self.user_id}":
            names.append(body.get("uuid"))
        if kind == "course_progress" and isinstance(body.get("user"), dict):
            names.append(body["user"].get("email"))
        self.identifiers |= {name for name in names if isinstance(name, str) and name}


def possible_user_ids(text: str) -> tuple[str, ...]:
    """The forms in which keys may hold a user id: ``4711``, ``10150000000004711``, ``1015~4711``, or after ``User#``.

    An id is local to the root account's shard wherever it can be, and a key does not name the shard. So a global id
    gives two forms, itself first. Raises ``CommandError`` for what is not a user id.
    """
    value = text.removeprefix("User#")
    if not re.fullmatch(ID_PATTERN, value):
        raise CommandError(f'"{text}" is not a user id: use 4711, 10150000000004711 or 1015~4711.')
    number = parse_id(value)
    local = number % IDS_PER_SHARD
    return (str(number),) if local in (0, number) else (str(number), str(local))
