"""The documents match what they describe: the template's alarms, the commands, and each other's sections."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.catalogue import reference, usage
from cli.catalogue.model import families, load
from cli.commands import parser
from cli.cost import monthly
from handlers.items import people
from tests.support.template_helpers import ROOT, of_type

DOCUMENTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
FENCE = re.compile(r"^ *```.*?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
INLINE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
RUNBOOK = re.compile(r"docs/runbook\.md#([a-z-]+)")


def without_code(text: str) -> str:
    """Return the prose of a document."""
    return FENCE.sub("", text)


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub gives to a document's headings."""
    headings = HEADING.findall(without_code(document.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def command_lines(text: str) -> Iterator[str]:
    """Return the documented command lines that begin with ``canvas-events``."""
    lines = [line for block in FENCE.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    for line in (*lines, *INLINE.findall(without_code(text))):
        typed = re.match(r"\s*(?:\$ )?(?:xargs -r )?(?:\.venv/bin/)?canvas-events (.+)", line.replace("\n", " "))
        if typed and not re.search("<[a-z]+>", typed[1]):
            yield re.split(r"\s+# |\s*[|;<>]|\s*&&", typed[1])[0]


# Without the generated page, in which an explanation stands beside each command line.
COMMAND_LINES = sorted(
    {
        (document.name, line)
        for document in DOCUMENTS
        if document != usage.FILE
        for line in command_lines(document.read_text(encoding="utf-8"))
    }
)


def test_every_alarm_has_a_runbook_section() -> None:
    """The section that an alarm's description names exists, and the table at the top links to it."""
    descriptions = [alarm["Properties"]["AlarmDescription"] for alarm in of_type("AWS::CloudWatch::Alarm").values()]
    sections = {section for text in descriptions for section in RUNBOOK.findall(text)}
    runbook = ROOT / "docs" / "runbook.md"
    assert len(sections) == 13
    assert sections <= anchors(runbook)
    table = runbook.read_text(encoding="utf-8").partition("\n## ")[0]
    assert sections <= {link.removeprefix("#") for link in LINK.findall(table)}


def test_data_model_names_every_family_and_entity_kind() -> None:
    """The table in the data model lists every family and kind, and nothing that does not exist."""
    table = (
        (ROOT / "docs" / "data-model.md").read_text(encoding="utf-8").partition("| family |")[2].partition("\n\n")[0]
    )
    rows = re.findall(r"^\| (?:`(\w+)`)? ?\| (.*) \| .* \|$", table, re.MULTILINE)
    assert sorted(name for name, _ in rows if name) == sorted(family.name for family in families())
    documented = {word for _, kinds in rows for word in INLINE.findall(kinds)}
    assert documented - {"_group", "_link", "_result"} <= {
        entity.kind for family in families() for entity in family.entities
    }


@pytest.mark.parametrize(("document", "line"), COMMAND_LINES)
def test_every_documented_command_line_is_valid(document: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each documented command line is accepted by the command's parser."""
    assert is_valid(line), f"{document}: canvas-events {line}: {capsys.readouterr().err}"


def is_valid(line: str) -> bool:
    """Return whether the parser accepts a line; asking for help is accepted."""
    try:
        parser().parse_args(shlex.split(line))
    except SystemExit as ended:
        return ended.code == 0
    return True


def test_documented_command_lines_are_found() -> None:
    """The search finds fenced and inline ones in every document that has some, and an invalid one is detected."""
    assert {"README.md", "commands.md", "runbook.md", "upgrading.md", "personal-data.md"} <= {
        document for document, _ in COMMAND_LINES
    }
    text = "`canvas-events doctor`\n```\n$ canvas-events show 2041 \\\n  --local  # all of it\n```\n"
    assert list(command_lines(text)) == ["show 2041    --local", "doctor"]
    assert not is_valid("rejected redrive --raison too_large")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_has_a_target(document: Path) -> None:
    """Links between the documents name existing files and sections."""
    for link in LINK.findall(without_code(document.read_text(encoding="utf-8"))):
        if link.startswith(("http://", "https://")):
            continue
        name, _, section = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), link
        assert not section or section in anchors(target), link
    for name, section in re.findall(r"docs/([a-z-]+\.md)#([a-z-]+)", _code_of_the_commands()):
        assert section in anchors(ROOT / "docs" / name), (name, section)


def _code_of_the_commands() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "cli").rglob("*.py")))


def test_every_field_that_names_a_person_is_documented_and_searched() -> None:
    """Each field with a person's id, name or login is in personal-data.md, and each id in the search of a person."""
    text = (ROOT / "docs" / "personal-data.md").read_text(encoding="utf-8")
    named = re.compile(
        r"(?:.*_)?(?:user|student|grader|author|assessor|teacher|member)(?:_(?:id|uuid|name|login|sis_id))?"
    )
    fields = {
        name
        for event_type in load().values()
        for entity in event_type.entities
        for name in (*entity.fields, *(path.removeprefix("metadata.") for path in entity.key_paths))
        if named.fullmatch(name)
    }
    assert {"user_id", "student_id", "grader_id", "author_id", "user_login", "user_name", "user"} <= fields
    assert sorted(name for name in fields if f"`{name}`" not in text) == []
    # A SIS id, and that towards LTI tools, never stand alone.
    ids = {name for name in fields if re.search("_(?:uu)?id$", name)} - {"lti_user_id", "student_sis_id", "user_sis_id"}
    assert ids == {*people.SUBJECT_FIELDS, people.GRADER, people.UUID_FIELD}


def test_documents_contain_no_program_that_changes_tables() -> None:
    """Tables are changed by tested commands; the Python programs in the documents only read."""
    programs = [
        block
        for document in DOCUMENTS
        for block in FENCE.findall(document.read_text(encoding="utf-8"))
        if re.search(r"^ *(?:import|from) \w+", block, re.MULTILINE)
    ]
    assert programs
    assert [re.findall(r"\b(?:update|delete|put|batch)_\w+", program) for program in programs] == [[] for _ in programs]


def test_reference_describes_every_key() -> None:
    """Keys list fields and members by name, and say which type becomes a class name."""
    text = "".join(reference.files().values())
    for key in ("<account>#<class of asset_type>#<asset_id>", "course_progress#<user.id>"):
        assert f"`{key}`" in text


def test_reference_lists_the_event_types_of_each_family() -> None:
    """Each family's page has one line with the event types to select in Canvas, and no type is left out."""
    documented = {
        path.stem: found[1]
        for path, text in reference.files().items()
        if (found := re.search(r"^Event types: (.*)\.$", text, re.MULTILINE))
    }
    assert {family: set(INLINE.findall(line)) for family, line in documented.items()} == {
        family.name: {event for entity in family.entities for event in entity.events} for family in families()
    }


def cost_tables() -> list[list[tuple[str, str]]]:
    """Return arithmetic and amount of each row in the tables of costs with an "arithmetic" column."""
    text = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("cost.md", "speed.md"))
    tables = re.findall(r"^\|[^|]*\| arithmetic \| USD[^|]*\|\n\| --- .*\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [re.findall(r"^\|[^|]*\| (.+?) \| (.+?) \|$", table, re.MULTILINE) for table in tables]


def test_documented_costs_match_their_arithmetic() -> None:
    """Each amount is the result of its arithmetic, and each total is the sum of its table."""
    tables = cost_tables()
    assert len(tables) == 2
    for table in tables:
        exact = 0.0
        for arithmetic, amount in table:
            if arithmetic == "**together**":
                assert float(amount.strip("*")) == pytest.approx(exact, abs=0.05)
            else:
                value = evaluate(arithmetic)
                exact += value
                assert float(amount) == pytest.approx(value, abs=0.02), arithmetic  # of rounded quantities


def evaluate(arithmetic: str) -> float:
    """Return the value of sums and products, such as ``(1 + 0.1) × 0.40``."""
    expression = re.sub(r" (?:M|GB|s)\b", "", arithmetic).replace("×", "*").replace(",", "")
    assert re.fullmatch(r"[\d.*+/() ]+", expression), arithmetic
    value: float = eval(expression)  # noqa: S307  # digits and operators only
    return value


def test_readme_states_the_cost_of_a_million_events() -> None:
    """About two dollars in full batches, without the costs that do not depend on events."""
    full = monthly.bill(monthly.Load(events_per_second=300))
    fixed = {"metrics, alarms and the key", "queue: polling while it is empty, at most"}
    millions = monthly.Load(events_per_second=300).events / 1e6
    assert round(sum(line.usd for line in full if line.item not in fixed) / millions) == 2
