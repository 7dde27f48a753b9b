"""What is never read: secrets that a row of Canvas holds beside what is compared."""

from collections.abc import Mapping

# Of an access code the events say only whether there is one.
_REDUCED_TO_A_BOOLEAN = {"quizzes": ("access_code",)}
# An e-mail address is a communication channel. A calendar's address, a file's link and an assignment's parameters each
# hold a token that opens them.
_LEFT_OUT = {
    "users": ("email", "avatar_url"),
    "courses": ("calendar",),
    "assignments": ("secure_params",),
    "discussion_topics": ("attachments", "podcast_url"),
    "discussion_entries": ("attachment", "attachments"),
    "submissions": ("attachments", "preview_url"),
}


def without_secrets(table: str, values: dict[str, object]) -> dict[str, object]:
    """Return the values without what must not be stored, compared or shown."""
    for name in _present(_LEFT_OUT, table, values):
        del values[name]
    for name in _present(_REDUCED_TO_A_BOOLEAN, table, values):
        values[name] = bool(values[name])
    return values


def _present(names: Mapping[str, tuple[str, ...]], table: str, values: Mapping[str, object]) -> list[str]:
    return [name for name in names.get(table, ()) if name in values]
