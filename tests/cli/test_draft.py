"""``draft``: captured events as catalogue entries, or as differences from existing entries."""

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
from cli.catalogue.model import Family
from cli.catalogue.samples import EVENTS, samples, sqs_event
from cli.commands import draft
from cli.draft import compare, entry, kinds, sources
from cli.draft.entry import DraftEntry
from cli.draft.observed import IDS, ObservedField, ValueType, type_of
from cli.redrive import event_files
from handlers.items.timestamps import is_date, is_date_time, is_ruby_time
from tests.support.local_stack import Command

ACCOUNT = {"root_account_uuid": "VicYj3cu5BIFpoZhDVU4DZumnlBrWi1grgJEzADs", "root_account_id": "21070000000000001"}

IN_CONTEXT = "{context_type}#{context_id}"

Catalogue = Callable[..., None]


@pytest.fixture
def knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """Reduce the catalogue to some families, or to other files: ``knows("modules", notes="table = …")``."""

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
    """Return an event as Canvas sends it."""
    metadata = {"event_name": name, "event_time": "2026-09-01T08:00:00Z"} | ACCOUNT | metadata
    return json.dumps({"metadata": metadata, "body": body})


def entries(printed: str) -> dict[str, Any]:
    """Return the printed entries by name."""
    return tomllib.loads(printed)


def sample_files(*names: str) -> list[str]:
    """Return the paths of sample events."""
    return [str(EVENTS / "samples" / f"{name}.json") for name in names]


# Kinds


def inferred(name: str, *values: Any) -> kinds.KindInference:
    """Infer the kind of a field from these values."""
    field = ObservedField()
    for value in values:
        field.observe(name, value)
    return kinds.infer_kind(name, field)


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
        ("attachment_ids", [["1", "2"]], "ids"),
        ("stuck_sis_fields", [["name"]], "list"),
        ("sis_ids", [["S-1"]], "list"),
        ("status_id", ["", "3"], "lid"),
        ("integration_data", [{}], "obj"),
        ("syllabus_body", ["Labs on Tuesdays."], "text"),
        ("name", ["x" * 256], "text"),
        ("name", ["Week 1"], "str"),
        ("workflow_state", ["active"], "state"),
        ("workflow_state", ["Not A Word"], "str"),
    ],
)
def test_kind_is_inferred_from_values(name: str, values: list[Any], kind: str) -> None:
    """An id follows from name and size, a time from its format, a number from decimals or the name."""
    inference = inferred(name, *values)
    assert (inference.kind, inference.is_certain) == (kind, True)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("folder_id", "lid"),
        ("lti_user_id", "str"),
        ("attachment_ids", "ids"),
        ("completed_at", "time"),
        ("all_day_date", "date"),
        ("can_manually_enroll", "bool"),
        ("owner_type", "str"),
        ("points_possible", "num"),
        ("syllabus_body", "text"),
        ("workflow_state", "str"),
        ("anything", "str"),
    ],
)
def test_kind_without_values_is_guessed_from_the_name_with_a_remark(name: str, kind: str) -> None:
    """A field that is null in every event gets a likely kind and a remark for the reviewer."""
    inference = inferred(name, None)
    assert (inference.kind, inference.is_certain) == (kind, False)
    assert inference.remark == "no value was observed, so the kind is a guess from the name"


@pytest.mark.parametrize(
    ("name", "values", "kind", "remark"),
    [
        ("score", [1, 2, "none"], "num", "the values have different types: an integer (2), a string (1)"),
        (
            "updated_at",
            ["2019-11-01T00:00:00Z", "019-11-01"],
            "time",
            "the values have different types: a date-time (1), a string (1)",
        ),
        ("updated_at", ["019-11-01"], "str", "the name suggests a date-time, but the values are: a string (1)"),
        ("course_id", ["565", "21070000000000565"], "gid", "has ids in both forms: a local id (1), a global id (1)"),
        (
            "course_id",
            ["565", "565", "21070000000000565"],
            "lid",
            "has ids in both forms: a local id (2), a global id (1)",
        ),
        ("workflow_state", ["active"], "state", "are there other states?"),
    ],
)
def test_uncertain_kind_has_a_remark(name: str, values: list[Any], kind: str, remark: str) -> None:
    """Where values disagree the majority decides, and the remark counts the types without showing a value."""
    inference = inferred(name, *values)
    assert (inference.kind, inference.remark) == (kind, remark)


# Entries


def drafted(*texts: str, families: list[Family] | None = None) -> list[Any]:
    """Return the drafts for events."""
    return draft.draft_all(sources.from_events((text.encode() for text in texts), "here"), families or [])


def test_events_become_entries_to_paste(canvas_events: Command, knows: Catalogue) -> None:
    """An entry has the entity, id, context, events, and fields with kinds and the meanings of other entries."""
    knows("modules")
    samples = sample_files("group_created", "group_updated", "group_category_created", "group_category_updated")
    result = canvas_events("draft", *samples)
    assert result.status == 1
    found = entries(result.out)
    assert list(found) == ["group", "group_category"]
    assert found["group_category"] == {
        "about": "A group category.",
        "events": ["group_category_created", "group_category_updated"],
        "id": "group_category_id",
        "context": "{context_type}#{context_id}",
        "fields": {
            "group_category_id": "gid   …",
            "context_id": "lid   …",
            "context_type": "str   The type of what it belongs to: Course.",
            "group_category_name": "str   …",
            "group_limit": "int   …",
        },
    }
    assert found["group"]["fields"]["workflow_state"] == "state available"
    assert "Choose a family" in result.out


def test_the_catalogue_accepts_the_printed_entries(canvas_events: Command, knows: Catalogue, tmp_path: Path) -> None:
    """Pasted after the first lines of a family, the entries drafted from all samples make a valid family."""
    knows("modules")
    names = [name for name in samples() if not name.startswith("module")]
    for name in names:
        text = canvas_events("draft", *sample_files(name)).out
        folder = tmp_path / name
        folder.mkdir()
        (folder / "new.toml").write_text(f'about = "New."\ntable = "NEW_TABLE"\n\n{text}')
        assert set(model.load(folder)) == {name}


def test_next_steps_are_printed_on_standard_error(canvas_events: Command, knows: Catalogue) -> None:
    """Paste, add a sample, generate, deploy, redrive: not on standard output, so that the entry can be piped."""
    knows("modules")
    result = canvas_events("draft", *sample_files("enrollment_created"))
    for step in (
        "schemas/catalogue/<family>.toml",
        "events/samples/<event type>.json",
        "make generate && make test",
        "sam deploy",
        "canvas-events rejected redrive --reason unknown_event_type",
    ):
        assert step in result.err
        assert step not in result.out


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
def test_entity_id_and_context_are_derived_from_names(
    event_type: str, body: dict[str, Any], name: str, id_path: str | None, context: str
) -> None:
    """The entity follows from the event type, its id and context from the field names."""
    (found,) = drafted(event(event_type, body))
    assert (found.name, found.key.id, found.key.context) == (name, id_path, context)


def test_uncertain_key_has_a_remark(canvas_events: Command, tmp_path: Path) -> None:
    """A context that may change, an id of something else, and a type without ids get a remark for the reviewer."""
    (found,) = drafted(event("note_created", {"note_id": "9", "course_id": "1"}))
    assert found.key.context_remark == (
        "does every event have course_id, and does it never change? Otherwise use Note#{note_id}"
    )
    (found,) = drafted(event("note_pinned", {"board_id": "9", "pin_id": "1"}))
    assert found.key.id_remark.endswith("Candidates: board_id, pin_id")
    (found,) = drafted(event("note_seen", {}))
    assert "no field is an id" in found.key.id_remark
    (tmp_path / "event.json").write_text(event("tick", {"tick_id": "1"}, root_account_uuid=None))
    text = canvas_events("draft", str(tmp_path / "event.json")).out
    assert "without_account = true  # review: no observed event has a root_account_uuid. Is that always so?" in text


def test_events_of_one_entity_become_one_entry() -> None:
    """Created, updated and started go together; an event that only mentions the entity gets its own entry."""
    copied = {"copy_id": "1", "course_id": "2", "kind": "whole"}
    found = drafted(
        event("copy_started", copied),
        event("copy_updated", copied | {"done": True}),
        event("copy_rated", {"copy_id": "1", "stars": 5, "rater_id": "7"}),
    )
    assert [(entry.name, entry.events) for entry in found] == [
        ("copy", ("copy_updated", "copy_started")),
        ("copy_rated", ("copy_rated",)),
    ]


def test_family_is_guessed_from_entity_names() -> None:
    """The family whose entities have similar names is chosen; if there is none, a comment asks for it."""
    families = model.families()
    (found,) = drafted(event("module_note_created", {"module_note_id": "1"}), families=families)
    assert found.family == "modules"
    assert "schemas/catalogue/modules.toml" in entry.to_toml(found)
    (found,) = drafted(event("parking_lot_created", {"parking_lot_id": "1"}), families=families)
    assert found.family == ""
    assert "Choose a family" in entry.to_toml(found)


def test_most_common_meaning_of_a_field_is_used() -> None:
    """The meaning that most entities give to a field is probably right; otherwise it is left open."""
    body = {"note_id": "1", "title": "Hello", "made_in": "Zürich", "type": "Pinned"}
    (found,) = drafted(event("note_created", body), families=model.families())
    abouts = {name: line.about for name, line in found.lines.items()}
    assert abouts == {"note_id": "…", "title": "Its title.", "made_in": "…", "type": "Seen: Pinned."}


# Differences


def test_samples_do_not_differ_from_the_catalogue(canvas_events: Command) -> None:
    """Each event type of the catalogue, compared with its own sample event, has no differences."""
    for path in sample_files(*samples()):
        result = canvas_events("draft", path)
        assert (result.status, result.err) == (0, ""), result.out
        assert "# No differences." in result.out


def test_kinds_inferred_from_samples_match_the_catalogue() -> None:
    """Where a sample has values, the inferred kind is stored in the same way as the kind in the catalogue."""
    known = model.load()
    wrong = []
    for name, text in samples().items():
        for found in drafted(text):
            for field, line in found.lines.items():
                kind = known[name].fields[field.strip('"')].kind if field.strip('"') in known[name].fields else None
                both = {kind, line.inference.kind}
                is_equivalent = len(both) == 1 or any(both <= group for group in compare.EQUIVALENT_KINDS)
                if line.inference.is_certain and kind and not is_equivalent:
                    wrong.append((name, field, kind, line.inference.kind))
    assert wrong == []


THINGS = """\
about = "Things."
table = "THINGS_TABLE"

[thing]
about   = "A thing."
events  = ["thing_created"]
id      = "thing_id"
context = "Thing#{thing_id}"
aliases = { old__name = "old_name" }

[thing.fields]
thing_id       = "lid   The thing."
old_name       = "str   Its former name."
size           = "int   Its size."
made_at        = "str   When it was made."
label          = "str   What is written on it."
workflow_state = "state active, deleted"
colour         = "str   Its colour."
"""


def test_differences_are_lines_to_merge(canvas_events: Command, knows: Catalogue, tmp_path: Path) -> None:
    """Missing fields, other kinds, new states and new events are lines of TOML; unobserved fields are a comment."""
    knows(things=THINGS)
    body = {"thing_id": "2107~1", "old__name": "a", "size": 1.5, "made_at": "2026-01-01T00:00:00Z", "label": "95"}
    texts = [
        event("thing_created", body | {"workflow_state": "lost", "weight": 2, "shelf_id": "7"}),
        event("thing_updated", body),
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(texts))
    result = canvas_events("draft", str(tmp_path / "events.jsonl"))
    assert result.status == 1
    blocks = [block.splitlines() for block in result.out.strip().split("\n\n")]
    assert blocks[0] == ["# thing_created, thing_updated, against [thing] of schemas/catalogue/things.toml"]
    assert blocks[1][-1] == 'events  = ["thing_created", "thing_updated"]'
    assert blocks[2] == ["# Missing fields:", 'weight   = "num   …"', 'shelf_id = "lid   …"']
    assert blocks[3] == [
        "# Fields of another kind:",
        'size    = "num   Its size."  # review: the catalogue has int, which rejects a number with decimals (2)',
        "# review: the catalogue has str, which stores values unchanged; observed: a date-time (2)",
        'made_at = "time  When it was made."',
    ]
    assert blocks[4] == [
        "# New states:",
        'workflow_state = "state active, deleted, lost"  # review: new: lost',
    ]
    assert blocks[5][-1] == "# colour"
    assert len(blocks) == 6
    assert "Next: 1." in result.err


VALUES = {
    ValueType.BOOL: True,
    ValueType.INTEGER: 3,
    ValueType.DECIMAL: 1.5,
    ValueType.LOCAL_ID: "565",
    ValueType.GLOBAL_ID: "21070000000000565",
    ValueType.TIME: "2026-09-01T08:00:00Z",
    ValueType.RUBY_TIME: "2026-09-01 08:00:00 -0800",
    ValueType.DATE: "2026-09-01",
    ValueType.UUID: "8b81d12c-fda4-4317-8d83-e987a6d2014a",
    ValueType.STRING: "a",
    ValueType.TEXT: "a" * 256,
    ValueType.OBJECT: {},
    ValueType.LIST: [],
}


@pytest.mark.parametrize("kind", sorted(model.KINDS))
def test_accepted_types_of_a_kind_are_those_of_its_schema(kind: str, tmp_path: Path) -> None:
    """Drafting says that a kind accepts a type of value if and only if its schema does."""
    for value_type, value in VALUES.items():
        name = "shelf_id" if value_type in IDS else "size"
        assert type_of(name, value) is value_type
        text = THINGS.replace("size           =", f"{name} =").replace("int   Its size.", f"{kind} its")
        (tmp_path / "things.toml").write_text(text)
        rules = json_schema.schema(model.load(tmp_path)["thing_created"], {})["properties"]["body"]["properties"][name]
        formats = {"date-time": is_date_time, "date": is_date, "ruby-time": is_ruby_time}
        is_valid = Draft202012Validator(rules, validate_formats=True, formats=formats).is_valid(value)
        assert is_valid == (value_type in compare.ACCEPTED_TYPES[kind]), value_type


def test_unobserved_field_is_not_a_difference(canvas_events: Command, knows: Catalogue, tmp_path: Path) -> None:
    """Events leave out null fields, so the absence of a field proves nothing; it is only mentioned."""
    knows(things=THINGS)
    (tmp_path / "event.json").write_text(event("thing_created", {"thing_id": "1", "size": None}))
    result = canvas_events("draft", str(tmp_path / "event.json"))
    assert (result.status, result.err) == (0, "")
    assert "# No differences." in result.out
    assert "old_name, made_at, label, workflow_state, colour" in result.out


def test_event_that_only_mentions_a_known_entity_gets_its_own_entry(
    canvas_events: Command, knows: Catalogue, tmp_path: Path
) -> None:
    """In the entity's entry, its events would clear the fields that they lack."""
    knows(things=THINGS)
    (tmp_path / "event.json").write_text(event("thing_lent", {"thing_id": "1", "loan_id": "2", "user_id": "3"}))
    assert list(entries(canvas_events("draft", str(tmp_path / "event.json")).out)) == ["thing_lent"]
    (tmp_path / "event.json").write_text(event("thing_painted", {"thing_id": "1", "coats": 2, "paint_id": "3"}))
    assert list(entries(canvas_events("draft", str(tmp_path / "event.json")).out)) == ["thing_painted"]
    (tmp_path / "event.json").write_text(event("thing_painted", {"thing_id": "1", "size": 2, "colour": "red"}))
    assert "against [thing]" in canvas_events("draft", str(tmp_path / "event.json")).out


def test_event_of_two_entities_is_compared_with_both(canvas_events: Command) -> None:
    """A graded reply has the fields of the reply and of the submission."""
    result = canvas_events("draft", "events/samples/discussion_entry_submitted.json")
    assert "against [discussion_entry], [discussion_submission] of schemas/catalogue/discussions.toml" in result.out


# Captured events, and the personal data in them


@pytest.mark.parametrize("form", ["one", "array", "lines", "invocation"])
def test_captured_events_are_read_in_every_file_format(form: str, canvas_events: Command, tmp_path: Path) -> None:
    """One event, an array, one event per line, and a Lambda invocation give the same entry."""
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


def test_draft_prints_no_values_except_states_and_type_names(canvas_events: Command, tmp_path: Path) -> None:
    """Texts, numbers and odd field names of an event, which may be personal data, are not printed."""
    body = {
        "thing_id": "77123", "user_name": "Jane Doe", "email": "jane@example.edu", "score": 87.25,
        "born_on": "1990-02-03", "note": "Jane " * 100, "tags": ["Jane"],
        "profile": {"id": "99321", "name": "Jane"}, "Jane Doe's mark": 1,
        "workflow_state": "Jane Doe", "review_state": "pending", "type": "Jane Doe", "owner_type": "Course",
    }  # fmt: skip
    (tmp_path / "events.json").write_text(event("thing_created", body, user_login="jane", client_ip="10.1.2.3"))
    result = canvas_events("draft", str(tmp_path / "events.json"))
    output = result.out + result.err
    for secret in ("Jane", "jane", "77123", "99321", "87.25", "1990", "10.1.2.3"):
        assert secret not in output
    fields = entries(result.out)["thing"]["fields"]
    assert fields["review_state"] == "state pending"
    assert fields["owner_type"] == "str   Seen: Course."
    assert "fields are omitted whose names are not plain identifiers" in result.out


def test_type_field_with_many_values_shows_none(canvas_events: Command, tmp_path: Path) -> None:
    """Values that are nearly all different are not type names, so none is printed."""
    texts = [event("thing_created", {"thing_id": "1", "type": f"Name{letter}"}) for letter in "abcdefghijklmnopqrstuvw"]
    (tmp_path / "events.jsonl").write_text("\n".join(texts))
    assert entries(canvas_events("draft", str(tmp_path / "events.jsonl")).out)["thing"]["fields"]["type"] == "str   …"


def test_hostile_event_name_is_skipped(canvas_events: Command, tmp_path: Path) -> None:
    """A name with quotes, line breaks and escape sequences reaches neither the terminal nor the entry."""
    texts = [event("thing_created", {"thing_id": "1"}), event('x"]\n[y\x1b[2J', {"y_id": "1"})]
    (tmp_path / "events.jsonl").write_text("\n".join(texts))
    result = canvas_events("draft", str(tmp_path / "events.jsonl"))
    assert list(entries(result.out)) == ["thing"]
    assert "\x1b" not in result.out + result.err
    assert "Skipped 1 record of" in result.err


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
def test_entry_drafted_from_arbitrary_events_is_valid(
    bodies: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The catalogue accepts the printed entry whatever the events contain."""
    (found,) = drafted(*(event("thing_created", body) for body in bodies))
    assert isinstance(found, DraftEntry)
    folder = tmp_path_factory.mktemp("catalogue")
    (folder / "things.toml").write_text(f'about = "Things."\ntable = "THINGS_TABLE"\n\n{entry.to_toml(found)}\n')
    assert set(model.load(folder)) == {"thing_created"}


# The command


def test_events_of_several_files_and_standard_input_make_one_entry(
    canvas_events: Command, knows: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dash means standard input; the events of a type from all files are drafted together."""
    knows("modules")
    text = event("conversation_created", {"conversation_id": "21070000000000001", "subject_line": "x"})
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    printed = canvas_events("draft", *sample_files("conversation_created"), "-").out
    fields = entries(printed)["conversation"]["fields"]
    assert fields["subject_line"] == "str   …"
    assert fields["updated_at"] == "time  …"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (" \n", "is empty"),
        ("Hello.\n", "contains no Canvas events"),
        ('{"broken": ', "contains no Canvas events"),
        ('{"hello": 1}', "contains no Canvas events"),
        ("[]", "contains no Canvas events"),
    ],
)
def test_file_without_events_is_an_error(content: str, complaint: str, canvas_events: Command, tmp_path: Path) -> None:
    """A file that holds no Canvas event is an error that names it."""
    (tmp_path / "file").write_text(content)
    result = canvas_events("draft", str(tmp_path / "file"))
    assert (result.status, result.out) == (1, "")
    assert f"{tmp_path / 'file'}" in result.err
    assert complaint in result.err


def test_missing_file_is_an_error(canvas_events: Command) -> None:
    """A file that cannot be read is an error that says why."""
    result = canvas_events("draft", "nowhere.jsonl")
    assert (result.status, result.err) == (1, "error: nowhere.jsonl cannot be read: No such file or directory.\n")


def test_file_over_the_limit_is_an_error(
    canvas_events: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is read only up to a limit, which the error names."""
    monkeypatch.setattr(event_files, "MAX_FILE_BYTES", 10)
    (tmp_path / "events.jsonl").write_text(event("thing_created", {"thing_id": "1"}))
    result = canvas_events("draft", str(tmp_path / "events.jsonl"))
    assert (result.status, result.out) == (1, "")
    assert "events.jsonl is too large" in result.err


@pytest.mark.parametrize("arguments", [[], ["captured.jsonl", "--rejected"]])
def test_files_and_rejected_option_are_mutually_exclusive(arguments: list[str], canvas_events: Command) -> None:
    """A call with neither files nor --rejected, or with both, is a usage error."""
    with pytest.raises(SystemExit) as ended:
        canvas_events("draft", *arguments)
    assert ended.value.code == 2
