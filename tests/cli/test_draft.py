"""``draft``: pages of documentation and captured events, as catalogue entries, or as what differs from these."""

import io
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from cli.catalogue import json_schema, model
from cli.catalogue.generated import samples, sqs_event
from cli.catalogue.model import Family
from cli.commands import draft
from cli.draft import compare, entry, kinds, pages, sources
from cli.draft.entry import Entry
from cli.draft.observed import IDS, Field, Form, Observed, form_of
from cli.errors import CommandError
from handlers.items.timestamps import is_date, is_date_time, is_ruby_time
from tests.cli.conftest import Command

PAGES = Path(__file__).parent / "pages"
ACCOUNT = {"root_account_uuid": "VicYj3cu5BIFpoZhDVU4DZumnlBrWi1grgJEzADs", "root_account_id": "21070000000000001"}

IN_CONTEXT = "{context_type}#{context_id}"

Catalogue = Callable[..., None]


@pytest.fixture
def knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """Let the catalogue be some of its families, or files of one's own: ``knows("modules", notes="table = …")``."""

    def restrict(*families: str, **files: str) -> None:
        folder = tmp_path / "catalogue"
        folder.mkdir(exist_ok=True)
        for name in families:
            (folder / f"{name}.toml").write_text((model.CATALOGUE / f"{name}.toml").read_text())
        for name, text in files.items():
            (folder / f"{name}.toml").write_text(text)
        monkeypatch.setattr("cli.catalogue.model.families.__defaults__", (folder,))

    return restrict


def event(name: str, body: dict[str, Any], **metadata: Any) -> str:
    """An event as Canvas sends it."""
    metadata = {"event_name": name, "event_time": "2026-09-01T08:00:00Z"} | ACCOUNT | metadata
    return json.dumps({"metadata": metadata, "body": body})


def entries(drafted: str) -> dict[str, Any]:
    """The entries that are printed, by name."""
    return tomllib.loads(drafted)


def page(name: str) -> dict[str, Observed]:
    """The event types of a page among the fixtures."""
    return {each.name: each for each in pages.read((PAGES / name).read_text(), name)}


# Pages


@pytest.mark.parametrize(
    ("name", "event_types"),
    [
        ("enrollment.md", ["enrollment_created", "enrollment_state_created"]),
        ("group.html", ["group_category_created", "group_category_updated", "group_created"]),
        ("conversation.html", ["conversation_created", "conversation_forwarded", "conversation_message_created"]),
        ("module.md", ["module_created"]),
    ],
)
def test_a_page_in_each_form_gives_its_event_types(name: str, event_types: list[str]) -> None:
    """GitBook's Markdown and HTML, YARD's HTML, and the Markdown of Canvas's repository: each type with its example."""
    found = page(name)
    assert list(found) == event_types
    assert all(each.events == 1 and each.definition and not each.remarks for each in found.values())


def test_what_a_page_says_of_a_field_is_its_meaning_and_its_form() -> None:
    """The name without escapes, the description as it reads, the form of the example."""
    field = page("enrollment.md")["enrollment_created"].fields["associated_user_id"]
    assert field == Field(forms=field.forms, meaning="Whom an observer observes; other enrollments lack it.")
    assert field.forms == {Form.GLOBAL: 1}
    assert page("group.html")["group_created"].fields["context_type"].meaning == (
        "The type of it ('Account' or 'Course')."
    )
    assert page("conversation.html")["conversation_created"].fields["updated_at"].meaning == "When it was last changed."


def test_the_same_page_in_another_form_says_the_same() -> None:
    """The Markdown of the repository, and the HTML that it becomes, are drafted alike."""
    text = (PAGES / "module.md").read_text()
    html = f"<!DOCTYPE html><html><body>{pages._MARKDOWN.render(text)}</body></html>"
    assert pages.read(html, "module.html") == pages.read(text, "module.md")


def test_an_event_type_without_fields_is_one_all_the_same() -> None:
    """The documentation of logged_out has an example with an empty body, and no table."""
    example = event("logged_out", {})
    (found,) = pages.read(f'Logged\n===\n\n<h2 id="logged_out">logged_out</h2>\n\n```json\n{example}\n```\n', "page.md")
    assert (found.name, found.events, found.fields) == ("logged_out", 1, {})


def test_the_members_of_an_object_are_told_shortly() -> None:
    """The documentation prints a Ruby hash where an object has members."""
    row = """| **user** | {"email"=>"The student's email", "id"=>"The Canvas id of the student."} |"""
    text = f"### course_progress\n\n| Field | Description |\n|-|-|\n{row}\n"
    (found,) = pages.read(text, "page.md")
    assert found.fields["user"].meaning == "With email, id."


def test_an_example_that_is_wrong_is_remarked() -> None:
    """What cannot be read is left out, and what calls itself otherwise is said: the documentation has both."""
    other = event("grade_change", {"score_id": "43"})
    text = f"### grade_override\n\n```json\n{other}\n```\n\n```json\n{{broken\n```\n"
    (found,) = pages.read(text, "page.md")
    assert found.remarks == [
        "an example of it says another event_name",
        "an example of it cannot be read, and is left out",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# Pagination\n\nRequests that return several items are paginated.\n", "page.md is no page of Instructure's"),
        (
            "### assignment_created\n\n| Field | Description |\n|-|-|\n| **data\\[0].object.type** | A type |\n",
            "page.md documents the Caliper format",
        ),
    ],
)
def test_another_page_is_named(text: str, complaint: str) -> None:
    """A page that documents no event type, or those of the other format, is an error that says so."""
    with pytest.raises(CommandError, match=complaint):
        pages.read(text, "page.md")


# Kinds


def judged(name: str, *values: Any, meaning: str = "") -> kinds.Judgement:
    """The judgement on a field of these values."""
    field = Field(meaning=meaning)
    for value in values:
        field.see(name, value)
    return kinds.judge(name, field)


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("course_id", ["21070000000000565"], "gid"),
        ("course_id", [21070000000000565], "gid"),
        ("course_id", ["2107~565"], "gid"),
        ("course_id", ["565", None], "lid"),
        ("course_id", [565], "lid"),
        ("assignment_id_duplicated_from", ["565"], "lid"),
        ("sis_batch_id", ["12"], "lid"),
        ("sis_source_id", ["12"], "str"),
        ("lti_assignment_id", ["8b81d12c-fda4-4317-8d83-e987a6d2014a"], "uuid"),
        ("lti_user_id", ["a1b2c3", "12"], "str"),
        ("due_at", ["2018-10-01T05:59:59Z", "2018-10-01T05:59:59+0530"], "time"),
        ("state_started_at", ["2019-10-05 05:38:00 -0800", "2018-10-01T05:59:59Z"], "ruby_time"),
        ("all_day_date", ["2019-08-10"], "date"),
        ("all_day_date", ["2019-08-10", "2019-08-10T00:00:00Z"], "date"),
        ("all_day_date", ["2019-08-10T00:00:00Z"], "date"),
        ("position", [3], "int"),
        ("points_possible", [100], "num"),
        ("percent", [1], "num"),
        ("percent_done", [0.5, 1], "num"),
        ("late", [False, True], "bool"),
        ("grade", ["95"], "str"),
        ("grade", ["95", "2018-10-01"], "str"),
        ("attachment_ids", [["1", "2"]], "list"),
        ("integration_data", [{}], "obj"),
        ("syllabus_body", ["Labs on Tuesdays."], "text"),
        ("name", ["x" * 256], "text"),
        ("name", ["Week 1"], "str"),
        ("workflow_state", ["active"], "state"),
        ("workflow_state", ["Not A Word"], "str"),
    ],
)
def test_the_values_decide_the_kind(name: str, values: list[Any], kind: str) -> None:
    """An id by its name and size, a time by its form, a number by its decimals or by what it counts."""
    judgement = judged(name, *values)
    assert (judgement.kind, judgement.certain) == (kind, True)


@pytest.mark.parametrize(
    ("name", "meaning", "kind"),
    [
        ("folder_id", "The Canvas id of the folder.", "lid"),
        ("folder_id", "The global Canvas id of the folder.", "gid"),
        ("lookup_id", "The LTI lookup uuid.", "str"),
        ("completed_at", "", "time"),
        ("since", "The timestamp when it began.", "time"),
        ("late", "Whether it came after the due date.", "bool"),
        ("can_manually_enroll", "Deprecated, will always be null.", "bool"),
        ("members", "An array of the members.", "list"),
        ("tries", "The number of attempts.", "int"),
        ("score", "The raw score.", "num"),
        ("points_possible", "The number of points that can be reached.", "num"),
        ("hide_points", "Boolean value that indicates whether points are hidden.", "bool"),
        ("user_name", "The user's name.", "str"),
        ("notes", "The notes. NOTE: This field will be truncated to only include the first 8192 characters.", "text"),
        ("workflow_state", "Its state (active, deleted).", "state"),
        ("anything", "", "str"),
    ],
)
def test_without_a_value_the_kind_is_a_guess_that_says_so(name: str, meaning: str, kind: str) -> None:
    """The name and the meaning have to do, and whoever reviews is told."""
    judgement = judged(name, None, meaning=meaning)
    assert (judgement.kind, judgement.certain) == (kind, False)
    assert judgement.remark == "no value was seen, so its kind is a guess"


@pytest.mark.parametrize(
    ("name", "values", "kind", "remark"),
    [
        ("score", [1, 2, "none"], "num", "its values disagree: a whole number (2), a string (1)"),
        (
            "updated_at",
            ["2019-11-01T00:00:00Z", "019-11-01"],
            "time",
            "its values disagree: a date-time (1), a string (1)",
        ),
        ("updated_at", ["019-11-01"], "str", "by its name a date-time, but seen: a string (1)"),
        ("course_id", ["565", "21070000000000565"], "gid", "comes in both forms: a local id (1), a global id (1)"),
        (
            "course_id",
            ["565", "565", "21070000000000565"],
            "lid",
            "comes in both forms: a local id (2), a global id (1)",
        ),
        ("workflow_state", ["active"], "state", "which others are there?"),
    ],
)
def test_what_is_unsure_is_remarked(name: str, values: list[Any], kind: str, remark: str) -> None:
    """Where values disagree most of them decide, and what was seen is said, without a value."""
    judgement = judged(name, *values)
    assert (judgement.kind, judgement.remark) == (kind, remark)


@pytest.mark.parametrize(
    ("meaning", "states", "all_of_them"),
    [
        ("The state of the course (available, claimed, completed).", ["available", "claimed", "completed"], True),
        ("The state of the enrollment. (active, deleted)", ["active", "deleted"], True),
        ('The state of the score, could be "active" or "deleted".', ["active", "deleted"], False),
        (
            "The state of the submission: normally 'submitted' or 'pending_review'.",
            ["submitted", "pending_review"],
            False,
        ),
        ("The state, such as 'submitted' or 'graded'.", ["submitted", "graded"], False),
        (
            "Workflow state. E.g duplicating, fail_to_import. See API documentation.",
            ["duplicating", "fail_to_import"],
            False,
        ),
        ("Workflow status of the outcome (e.g. active, deleted).", ["active", "deleted"], False),
        ("Workflow status of the outcome group, defaults to active.", ["active"], False),
    ],
)
def test_states_are_read_off_the_documentation(meaning: str, states: list[str], all_of_them: bool) -> None:
    """However a page lists them; where it names only some, that is remarked."""
    judgement = judged("workflow_state", "available", meaning=meaning)
    assert judgement.states == tuple(dict.fromkeys([*states, "available"]))
    assert judgement.remark == ("" if all_of_them else "which others are there?")


# Entries


def drafted(*texts: str, families: list[Family] | None = None) -> list[Any]:
    """The drafts of events."""
    return draft.drafted(sources.of_events((text.encode() for text in texts), "here"), families or [])


def test_a_page_becomes_entries_to_paste(canvas_events: Command, knows: Catalogue) -> None:
    """Entity, id, context, events, fields with kinds and meanings: each a guess that says so, or as the source says."""
    knows("modules")
    done = canvas_events("draft", str(PAGES / "group.html"))
    assert done.status == 1
    found = entries(done.out)
    assert list(found) == ["group", "group_category"]
    assert found["group_category"] == {
        "about": "A group category.",
        "events": ["group_category_created", "group_category_updated"],
        "id": "group_category_id",
        "context": "{context_type}#{context_id}",
        "fields": {
            "group_category_id": "gid   The category.",
            "context_id": "lid   What the category belongs to.",
            "context_type": "str   The type of it.",
            "group_category_name": "str   Its name.",
            "group_limit": "int   How many people a group of it may have.",
        },
    }
    assert found["group"]["fields"]["workflow_state"] == "state available, deleted"
    assert "# group_category_created: A new category of groups." in done.out
    assert "Which family?" in done.out


def test_the_catalogue_takes_what_is_printed(canvas_events: Command, knows: Catalogue, tmp_path: Path) -> None:
    """Of each form of page, with nothing before it but what begins a family."""
    knows("modules")
    for name in ("enrollment.md", "group.html", "conversation.html"):
        text = canvas_events("draft", str(PAGES / name)).out
        folder = tmp_path / name
        folder.mkdir()
        (folder / "new.toml").write_text(f'about = "New."\ntable = "NEW_TABLE"\n\n{text}')
        assert set(model.load(folder)) == set(page(name))


def test_whoever_drafts_is_told_what_comes_next(canvas_events: Command, knows: Catalogue) -> None:
    """Paste, sample, generate, deploy, redrive: on standard error, so that the entry can be piped on."""
    knows("modules")
    done = canvas_events("draft", str(PAGES / "enrollment.md"))
    for step in (
        "schemas/catalogue/<family>.toml",
        "events/samples/<event type>.json",
        "make generate && make test",
        "sam deploy",
        "canvas-events rejected redrive --reason unknown_event_type",
    ):
        assert step in done.err
        assert step not in done.out


@pytest.mark.parametrize(
    ("event_type", "body", "name", "id_path", "context"),
    [
        ("wiki_page_created", {"wiki_page_id": "9"}, "wiki_page", "wiki_page_id", "WikiPage#{wiki_page_id}"),
        ("note_created", {"note_id": "9", "course_id": "1", "quiz_id": "2"}, "note", "note_id", "Quiz#{quiz_id}"),
        ("note_created", {"note_id": "9", "context_id": "1", "context_type": "Course"}, "note", "note_id", IN_CONTEXT),
        ("board_note_created", {"note_id": "4", "course_id": "5"}, "board_note", "note_id", "Course#{course_id}"),
        ("quiz_taken", {"submission_id": "4", "quiz_id": "5"}, "quiz_taken", "submission_id", "Quiz#{quiz_id}"),
        ("course_ahead", {"course": {"id": "1"}, "user": {"id": "2"}}, "course_ahead", "user.id", "Course#{course.id}"),
        ("syllabus_updated", {"course_id": "1"}, "syllabus", "course_id", "Course#{course_id}"),
        ("work_rated", {"id": "1", "of_id": "2", "of_type": "Quiz"}, "work_rated", "id", "{of_type}#{of_id}"),
        ("logged_in", {"redirect_url": "https://canvas.example.edu/"}, "logged_in", None, "User#{metadata.user_id}"),
        ("outcomes.retry_clone", {"new_id": "1"}, "retry_clone", "new_id", "New#{new_id}"),
    ],
)
def test_entity_id_and_context_follow_from_names(
    event_type: str, body: dict[str, Any], name: str, id_path: str | None, context: str
) -> None:
    """The entity by the event type's name; its id, and what contains it, by those of the fields."""
    (found,) = drafted(event(event_type, body))
    assert (found.name, found.key.id, found.key.context) == (name, id_path, context)


def test_what_is_unsure_of_a_key_is_marked(canvas_events: Command, tmp_path: Path) -> None:
    """A container that may change, an id that is another's, a type without any: each asks whoever reviews."""
    (found,) = drafted(event("note_created", {"note_id": "9", "course_id": "1"}))
    assert found.key.context_remark == "does every event say its course_id, and always the same? If not: Note#{note_id}"
    (found,) = drafted(event("note_pinned", {"board_id": "9", "pin_id": "1"}))
    assert found.key.id_remark.endswith("Perhaps: board_id, pin_id")
    (found,) = drafted(event("note_seen", {}))
    assert "no field is an id" in found.key.id_remark
    (tmp_path / "event.json").write_text(event("tick", {"tick_id": "1"}, root_account_uuid=None))
    text = canvas_events("draft", str(tmp_path / "event.json")).out
    assert "without_account = true  # review: no event says its root_account_uuid; is that so of all?" in text


def test_events_of_one_entity_become_one_entry() -> None:
    """Created, updated and started together; one that only mentions it has an entry of its own."""
    copied = {"copy_id": "1", "course_id": "2", "kind": "whole"}
    found = drafted(
        event("copy_started", copied),
        event("copy_updated", copied | {"done": True}),
        event("copy_rated", {"copy_id": "1", "stars": 5, "rater_id": "7"}),
    )
    assert [(each.name, each.events) for each in found] == [
        ("copy", ("copy_updated", "copy_started")),
        ("copy_rated", ("copy_rated",)),
    ]


def test_a_family_is_guessed_by_names() -> None:
    """The one whose entities' names begin alike; where several do, or none, that is asked."""
    families = model.families()
    (found,) = drafted(event("module_note_created", {"module_note_id": "1"}), families=families)
    assert found.family == "modules"
    assert "schemas/catalogue/modules.toml" in entry.toml(found)
    (found,) = drafted(event("parking_lot_created", {"parking_lot_id": "1"}), families=families)
    assert found.family == ""
    assert "Which family?" in entry.toml(found)


def test_meanings_that_most_entries_share_are_taken() -> None:
    """What most of several entities say of a field is probably meant here too; else it stays open."""
    body = {"note_id": "1", "title": "Hello", "made_in": "Zürich", "type": "Pinned"}
    (found,) = drafted(event("note_created", body), families=model.families())
    abouts = {name: line.about for name, line in found.lines.items()}
    assert abouts == {"note_id": "…", "title": "Its title.", "made_in": "…", "type": "Seen: Pinned."}


# What differs


def test_every_sample_is_as_the_catalogue_says(canvas_events: Command) -> None:
    """Drafted from its own sample event, no event type of the catalogue differs from it."""
    for name in samples():
        done = canvas_events("draft", f"events/samples/{name}.json")
        assert (done.status, done.err) == (0, ""), done.out
        assert "# Nothing differs." in done.out


def test_drafted_anew_every_sample_has_the_kinds_of_the_catalogue() -> None:
    """Where values are seen, the kind that is drafted is kept in the same way as the one that people chose."""
    alike = ({"gid", "lid"}, {"str", "text", "uuid", "url", "state"}, {"time", "ruby_time", "date"}, {"num", "int"})
    known = model.load()
    wrong = []
    for name, text in samples().items():
        for found in drafted(text):
            for field, line in found.lines.items():
                kind = known[name].fields[field.strip('"')].kind if field.strip('"') in known[name].fields else None
                both = {kind, line.judgement.kind}
                if line.judgement.certain and kind and len(both) > 1 and not any(both <= group for group in alike):
                    wrong.append((name, field, kind, line.judgement.kind))
    assert wrong == []


@pytest.mark.parametrize("name", ["enrollment.md", "group.html", "conversation.html", "module.md"])
def test_a_page_whose_types_are_there_differs_in_nothing(name: str, canvas_events: Command) -> None:
    """The common use: a page of the documentation against the present entries."""
    done = canvas_events("draft", str(PAGES / name))
    assert (done.status, done.err) == (0, ""), done.out
    assert done.out.count("# Nothing differs.") == done.out.count(", against [")


THINGS = """\
about = "Things."
table = "THINGS_TABLE"

[thing]
about   = "A thing."
events  = ["thing_created"]
id      = "thing_id"
context = "Thing#{thing_id}"
renamed = { old__name = "old_name" }

[thing.fields]
thing_id       = "lid   The thing."
old_name       = "str   Its former name."
size           = "int   Its size."
made_at        = "str   When it was made."
label          = "str   What is written on it."
workflow_state = "state active, deleted"
colour         = "str   Its colour."
"""


def test_what_differs_is_told_to_paste(canvas_events: Command, knows: Catalogue, tmp_path: Path) -> None:
    """Fields that the entry lacks, other kinds, new states and events; and for information, what only the entry has."""
    knows(things=THINGS)
    body = {"thing_id": "2107~1", "old__name": "a", "size": 1.5, "made_at": "2026-01-01T00:00:00Z", "label": "95"}
    texts = [
        event("thing_created", body | {"workflow_state": "lost", "weight": 2, "shelf_id": "7"}),
        event("thing_updated", body),
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(texts))
    done = canvas_events("draft", str(tmp_path / "events.jsonl"))
    assert done.status == 1
    blocks = [block.splitlines() for block in done.out.strip().split("\n\n")]
    assert blocks[0] == ["# thing_created, thing_updated, against [thing] of schemas/catalogue/things.toml"]
    assert blocks[1][-1] == 'events  = ["thing_created", "thing_updated"]'
    assert blocks[2] == ["# Fields that the entry lacks:", 'weight   = "num   …"', 'shelf_id = "lid   …"']
    assert blocks[3] == [
        "# Fields of another kind:",
        'size    = "num   …"  # review: the catalogue has int, and would reject a number with decimals (2)',
        'made_at = "time  …"  # review: the catalogue has str, and would keep it as it comes; seen: a date-time (2)',
    ]
    assert blocks[4] == [
        "# States that are new:",
        'workflow_state = "state active, deleted, lost"  # review: new: lost',
    ]
    assert blocks[5][-1] == "# colour"
    assert len(blocks) == 6
    assert "Next: 1." in done.err


VALUES = {
    Form.BOOL: True, Form.WHOLE: 3, Form.FRACTION: 1.5, Form.LOCAL: "565", Form.GLOBAL: "21070000000000565",
    Form.TIME: "2026-09-01T08:00:00Z", Form.RUBY_TIME: "2026-09-01 08:00:00 -0800", Form.DATE: "2026-09-01",
    Form.UUID: "8b81d12c-fda4-4317-8d83-e987a6d2014a", Form.STRING: "a", Form.TEXT: "a" * 256,
    Form.OBJECT: {}, Form.LIST: [],
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(model.KINDS))
def test_what_is_said_to_be_rejected_is(kind: str, tmp_path: Path) -> None:
    """Which forms a kind takes is what its schema takes."""
    for form, value in VALUES.items():
        name = "shelf_id" if form in IDS else "size"
        assert form_of(name, value) is form
        text = THINGS.replace("size           =", f"{name} =").replace("int   Its size.", f"{kind} its")
        (tmp_path / "things.toml").write_text(text)
        rules = json_schema.schema(model.load(tmp_path)["thing_created"], {})["properties"]["body"]["properties"][name]
        formats = {"date-time": is_date_time, "date": is_date, "ruby-time": is_ruby_time}
        taken = Draft202012Validator(rules, validate_formats=True, formats=formats).is_valid(value)
        assert taken == (form in compare._TAKES[kind]), form


def test_what_only_the_catalogue_has_is_no_difference(canvas_events: Command, knows: Catalogue, tmp_path: Path) -> None:
    """Documentation is incomplete and events leave nulls out, so a field that is not there says nothing."""
    knows(things=THINGS)
    (tmp_path / "event.json").write_text(event("thing_created", {"thing_id": "1", "size": None}))
    done = canvas_events("draft", str(tmp_path / "event.json"))
    assert (done.status, done.err) == (0, "")
    assert "# Nothing differs." in done.out
    assert "old_name, made_at, label, workflow_state, colour" in done.out


def test_an_event_that_only_mentions_a_known_entity_has_an_entry_of_its_own(
    canvas_events: Command, knows: Catalogue, tmp_path: Path
) -> None:
    """Merged into the entity's own entry, its events would blank the fields that they lack."""
    knows(things=THINGS)
    (tmp_path / "event.json").write_text(event("thing_lent", {"thing_id": "1", "loan_id": "2", "user_id": "3"}))
    assert list(entries(canvas_events("draft", str(tmp_path / "event.json")).out)) == ["thing_lent"]
    (tmp_path / "event.json").write_text(event("thing_painted", {"thing_id": "1", "coats": 2, "paint_id": "3"}))
    assert list(entries(canvas_events("draft", str(tmp_path / "event.json")).out)) == ["thing_painted"]
    (tmp_path / "event.json").write_text(event("thing_painted", {"thing_id": "1", "size": 2, "colour": "red"}))
    assert "against [thing]" in canvas_events("draft", str(tmp_path / "event.json")).out


def test_an_event_of_two_entities_is_compared_with_both(canvas_events: Command) -> None:
    """The fields of a graded reply are those of the reply and of the submission."""
    done = canvas_events("draft", "events/samples/discussion_entry_submitted.json")
    assert "against [discussion_entry], [discussion_submission] of schemas/catalogue/discussions.toml" in done.out


# Captured events, and what they must not say


@pytest.mark.parametrize("form", ["one", "array", "lines", "invocation"])
def test_captured_events_come_in_each_form(form: str, canvas_events: Command, tmp_path: Path) -> None:
    """One event, an array, one a line, a Lambda invocation: the same entry."""
    text = event("thing_created", {"thing_id": "1", "name": "a"})
    written = {
        "one": text,
        "array": f"[{text}, {text}]",
        "lines": f"{text}\n{text}\n",
        "invocation": json.dumps(sqs_event([text])),
    }
    (tmp_path / "file").write_text(written[form])
    assert entries(canvas_events("draft", str(tmp_path / "file")).out)["thing"]["fields"] == {
        "thing_id": "lid   …",
        "name": "str   Its name.",
    }


def test_no_value_is_printed_but_states_and_types(canvas_events: Command, tmp_path: Path) -> None:
    """Neither text nor numbers nor odd names of an event: they are personal data, and may be anybody's words."""
    body = {
        "thing_id": "77123", "user_name": "Jane Doe", "email": "jane@example.edu", "score": 87.25,
        "born_on": "1990-02-03", "note": "Jane " * 100, "tags": ["Jane"],
        "profile": {"id": "99321", "name": "Jane"}, "Jane Doe's mark": 1,
        "workflow_state": "Jane Doe", "review_state": "pending", "type": "Jane Doe", "owner_type": "Course",
    }  # fmt: skip
    (tmp_path / "events.json").write_text(event("thing_created", body, user_login="jane", client_ip="10.1.2.3"))
    done = canvas_events("draft", str(tmp_path / "events.json"))
    said = done.out + done.err
    for secret in ("Jane", "jane", "77123", "99321", "87.25", "1990", "10.1.2.3"):
        assert secret not in said
    fields = entries(done.out)["thing"]["fields"]
    assert fields["review_state"] == "state pending"
    assert fields["owner_type"] == "str   Seen: Course."
    assert "fields are left out whose names are no plain names" in done.out


def test_a_type_of_many_values_is_no_list_of_types(canvas_events: Command, tmp_path: Path) -> None:
    """Words that are hardly ever the same are not names of types, so none is printed."""
    texts = [event("thing_created", {"thing_id": "1", "type": f"Name{letter}"}) for letter in "abcdefghijklmnopqrstuvw"]
    (tmp_path / "events.jsonl").write_text("\n".join(texts))
    assert entries(canvas_events("draft", str(tmp_path / "events.jsonl")).out)["thing"]["fields"]["type"] == "str   …"


def test_a_hostile_source_does_nothing_to_the_terminal(canvas_events: Command, tmp_path: Path) -> None:
    """Escape sequences and quotes of a page stay text, on the terminal and in the entry; odd types are left out."""
    told = 'The \x1b]0;owned\x07"title". """ \\\\ \u202e]'
    table = f"| Field | Description |\n|-|-|\n| **thing_id** | {told} |\n"
    (tmp_path / "page.md").write_text(f"### thing_created\n\n**Definition:** A \x1b[2J thing.\n\n{table}")
    done = canvas_events("draft", str(tmp_path / "page.md"))
    assert not {"\x1b", "\x07", "\u202e"} & set(done.out + done.err)
    assert '"title". """' in entries(done.out)["thing"]["fields"]["thing_id"]
    texts = [event("thing_created", {"thing_id": "1"}), event('x"]\n[y\x1b[2J', {"y_id": "1"})]
    (tmp_path / "events.jsonl").write_text("\n".join(texts))
    done = canvas_events("draft", str(tmp_path / "events.jsonl"))
    assert list(entries(done.out)) == ["thing"]
    assert "1 record of" in done.err


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.sampled_from(["id", "name"]), children),
    max_leaves=5,
)
NAMES = st.sampled_from(
    ["thing_id", "course_id", "id", "user", "context_id", "context_type", "x_at", "x_state", "type"]
)


@example(bodies=[{"context_type": [], "context_id": None}])  # a list is not part of a key
@given(bodies=st.lists(st.dictionaries(NAMES | st.text(max_size=5), JSON, max_size=6), min_size=1, max_size=4))
def test_whatever_was_captured_the_entry_is_one(
    bodies: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of any events the catalogue takes the entry that is drafted, as it is printed."""
    (found,) = drafted(*(event("thing_created", body) for body in bodies))
    assert isinstance(found, Entry)
    folder = tmp_path_factory.mktemp("catalogue")
    (folder / "things.toml").write_text(f'about = "Things."\ntable = "THINGS_TABLE"\n\n{entry.toml(found)}\n')
    assert set(model.load(folder)) == {"thing_created"}


# The command


def test_standard_input_and_several_sources(
    canvas_events: Command, knows: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dash is standard input; a page and captured events of a type make one entry."""
    knows("modules")
    text = event("conversation_created", {"conversation_id": "21070000000000001", "subject_line": "x"})
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    fields = entries(canvas_events("draft", str(PAGES / "conversation.html"), "-").out)["conversation"]["fields"]
    assert fields["subject_line"] == "str   …"
    assert fields["updated_at"] == "time  When it was last changed."


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (" \n", "is empty"),
        ("Hello.\n", "is no page of Instructure's Live Events documentation"),
        ('{"broken": ', "is no page of Instructure's Live Events documentation"),
        ('{"hello": 1}', "holds no Canvas event"),
        ("[]", "holds no Canvas event"),
    ],
)
def test_another_file_is_named(content: str, complaint: str, canvas_events: Command, tmp_path: Path) -> None:
    """What is neither a page nor events is an error that names it and says what it should be."""
    (tmp_path / "file").write_text(content)
    done = canvas_events("draft", str(tmp_path / "file"))
    assert (done.status, done.out) == (1, "")
    assert f"{tmp_path / 'file'}" in done.err
    assert complaint in done.err


def test_a_file_that_is_not_there_is_named(canvas_events: Command) -> None:
    """A file that cannot be read is an error that says why."""
    done = canvas_events("draft", "nowhere.md")
    assert (done.status, done.err) == (1, "error: nowhere.md cannot be read: No such file or directory.\n")


@pytest.mark.parametrize("arguments", [[], ["page.md", "--rejected"]])
def test_called_wrongly(arguments: list[str], canvas_events: Command) -> None:
    """A source, or the rejected ones: one of the two."""
    with pytest.raises(SystemExit) as ended:
        canvas_events("draft", *arguments)
    assert ended.value.code == 2
