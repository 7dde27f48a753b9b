"""Looking up by its id what is missing from the lists of a course: it may be gone, or only have been between two pages.

Not looked up: submissions, which Canvas does not delete; entries, which the view of their topic marks as deleted.
"""

from collections.abc import Mapping
from urllib.parse import quote

from cli.canvas.rest import CanvasApi, RefusedError
from cli.canvas.unread import without_secrets
from cli.reconcile.row import Row

# A section, a user and an enrollment are not looked up in the course: elsewhere, they are not gone.
_PATHS = {
    "courses": "/courses/{id}",
    "sections": "/sections/{id}",
    "users": "/users/{id}",
    "enrollments": "/accounts/self/enrollments/{id}",
    "assignments": "/courses/{course_id}/assignments/{id}",
    "assignment_groups": "/courses/{course_id}/assignment_groups/{id}",
    "assignment_overrides": "/courses/{course_id}/assignments/{assignment_id}/overrides/{id}",
    "modules": "/courses/{course_id}/modules/{id}",
    "module_items": "/courses/{course_id}/modules/{module_id}/items/{id}",
    "discussion_topics": "/courses/{course_id}/discussion_topics/{id}",
}
_PARAMETERS = {"assignments": [("override_assignment_dates", "false")], "courses": [("include[]", "syllabus_body")]}

TABLES = frozenset(_PATHS)


def look_up(api: CanvasApi, table: str, ids: Mapping[str, str]) -> Row | None:
    """Return what Canvas says of a row: ``U`` with its values, ``D`` where it answers that there is none, or None.

    ``ids`` has ``id`` and what the path of the table needs besides, such as ``course_id`` and ``module_id``. None
    means that Canvas did not say: the token may not see the row. Raises ``CommandError`` if Canvas cannot be reached.
    """
    try:
        path = _PATHS[table].format_map({name: quote(value, safe="") for name, value in ids.items()})
        answer = api.get(path, _PARAMETERS.get(table, ()))
    except RefusedError as error:
        if error.status in (401, 403):
            return None
        raise
    if answer.status == 404:
        return Row(table, dict(ids), "D", answer.as_of)
    return Row(table, without_secrets(table, {**ids, **answer.content}), "U", answer.as_of)
