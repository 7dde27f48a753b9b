"""The commands, run as separate processes."""

import io
import itertools
import json
import re
import signal
from collections import Counter
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import psutil
import pytest
from moto import mock_aws
from rich.console import Console

from cli.__main__ import main
from cli.catalogue import generated, reference
from cli.catalogue.generated import ROOT
from cli.errors import CommandError
from cli.local import invocation, local_run
from cli.local.invocation import scan, table_variables
from cli.local.local_run import demo_records
from cli.local.ministack import REGION
from tests.support.checkout import Checkout
from tests.support.engines import Tables
from tests.support.template_helpers import FAMILIES


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A copy of the project, because a run leaves files that another run would overwrite."""
    return Checkout(tmp_path / "checkout")


def test_run_accounts_for_every_record(checkout: Checkout) -> None:
    """The template is deployed, events go through queue and stream, and every record is accounted for."""
    result = checkout.run("run")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "All records accounted for" in result.stdout
    sent = Counter(record.source for record in demo_records())
    assert f"{sent.total()}/{sent.total()}" in result.stdout
    assert [family for family in FAMILIES if not re.search(rf"^{family} +\d", result.stdout, re.MULTILINE)] == []
    assert re.search(r"user#8123 .*\n.*\n.*activity 7 Sep 2026, \d\d:\d\d UTC logged_out", result.stdout)
    assert result.stdout.count("asset_accessed in Course#2041") == 1
    for shown in (
        "assignment#9001",
        "Week 1: Cells and membranes",
        "caliper_format",
        "body.due_at is not a valid date-time.",
        "unroutable",
    ):
        assert shown in result.stdout
    assert "Traceback" not in result.stderr
    dashboard = checkout.run("dashboard")
    assert dashboard.returncode == 0, dashboard.stderr
    page = (checkout.folder / "dashboard.html").read_text(encoding="utf-8")
    for label, count in (("sqs received", sent["queue"]), ("kinesis received", sent["stream"])):
        assert f'<td>{label}</td><td class="number">{count}</td>' in page


def test_run_deploys_only_the_given_families(checkout: Checkout) -> None:
    """As with the parameter Families, events of other families are ignored, and every record is accounted for."""
    result = checkout.run("run", "--families", "submissions, activity")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "or ignored with its family" in result.stdout
    rows = {row[0]: row[1:] for line in result.stdout.splitlines() if (row := re.findall(r"[\w()]+|·", line))}
    event_types, sent, *fates, ignored = rows["assignments"]
    assert (event_types, fates, ignored) == ("6", ["·"] * 3, sent)
    assert rows["submissions"][-1] == "·"


def test_run_with_unknown_family_lists_the_valid_ones(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelled family is reported before anything starts, with the valid ones."""
    assert main(["run", "--families", "modules,submission"]) == 1
    assert capsys.readouterr().err.startswith(
        "error: there is no family submission. The families are activity, assignments,"
    )


def test_outcome_table_shows_every_family_name_in_full() -> None:
    """On a terminal of 60 columns nothing in the table of outcomes is truncated or wrapped."""
    console = Console(width=60, file=io.StringIO())
    console.print(local_run._totals_table(list(demo_records()), {}))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert [family for family in FAMILIES if f"\n{family} " not in shown] == []
    assert max(map(len, shown.splitlines())) <= 60


def test_dashboard_without_a_run_names_the_command_to_run_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first run there is nothing to show, and the error names the command that changes that."""
    monkeypatch.setattr("cli.local.dashboard.LAST_RUN", tmp_path / "dashboard.json")
    monkeypatch.setattr("cli.local.ministack.STACK_FILE", tmp_path / "local-stack.json")
    assert main(["dashboard"]) == 1
    assert "make run" in capsys.readouterr().err


@pytest.mark.usefixtures("default_signals")
def test_interrupted_run_leaves_no_process_or_file_behind(checkout: Checkout, tmp_path: Path) -> None:
    """Ctrl-C ends a running stack with exit status 0 and leaves no process, state file or file of MiniStack."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = checkout.start("run", "--keep", "--families", "submissions", TMPDIR=str(temporary))
    assert process.stdout is not None
    lines = list(itertools.takewhile(lambda line: "aws logs" not in line, process.stdout))
    assert [line for line in lines if "keeps running until Ctrl-C" in line]
    assert (checkout.folder / ".cache" / "local-stack.json").exists()
    assert list(temporary.rglob("ministack-lambda-*"))
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(signal.SIGINT)
    last_lines = process.stdout.read()
    assert (process.wait(timeout=60), last_lines.split()[-1]) == (0, "Stopped.")
    process.stdout.close()
    assert not (checkout.folder / ".cache" / "local-stack.json").exists()
    _, running = psutil.wait_procs(children, timeout=60)
    assert running == []
    assert list(temporary.iterdir()) == []


def test_invoke_shows_response_and_items(checkout: Checkout) -> None:
    """An event file is passed to its handler, and the response and items are shown."""
    result = checkout.run("invoke", "events/kinesis/assignment_updated.json")
    assert result.returncode == 0, result.stderr
    assert '"batchItemFailures": []' in result.stdout
    assert '"entity": "assignment#9001"' in result.stdout
    assert "ASSIGNMENTS_TABLE" in result.stdout


def test_invoke_reads_an_invocation_from_standard_input(checkout: Checkout) -> None:
    """The output of `event` can be piped to `invoke`, which chooses the handler by the event source."""
    printed = checkout.run("event", "grade_change", "--source", "kinesis")
    result = checkout.run("invoke", "-", stdin=printed.stdout)
    assert result.returncode == 0, result.stderr
    assert '"source": "kinesis"' in result.stdout
    assert '"entity": "submission_grade#771190"' in result.stdout


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "cannot be read"),
        ("{", "is not a Lambda invocation"),
        ('{"Records": [{"eventSource": "aws:s3"}]}', "aws:kinesis"),
        ('{"Records": [{"eventSource": []}]}', "is not a Lambda invocation"),
        ("[" * 100_000, "is not a Lambda invocation"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "is not a Lambda invocation"),
    ],
)
def test_invoke_rejects_missing_or_invalid_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, complaint: str
) -> None:
    """A file that is missing or holds no invocation is an error that names it, and nothing is started."""
    path = tmp_path / "event.json"
    if text is not None:
        path.write_text(text)
    assert main(["invoke", str(path)]) == 1
    assert complaint in capsys.readouterr().err


def test_failure_of_a_handler_is_one_sentence() -> None:
    """An invocation that the handler cannot process is an error with the place of the failure, and no traceback."""

    def fail(event: Any, context: object) -> None:
        del context
        raise KeyError(event["secret"])

    with pytest.raises(
        CommandError, match=r"the handler failed: KeyError at test_run\.py:\d+\. Lambda would"
    ) as failed:
        invocation._invoke(fail, {"secret": "Jane"})
    assert "Jane" not in str(failed.value)


def test_generate_check_names_outdated_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that differs from what the catalogue generates fails the check and is named."""
    assert main(["generate", "--check"]) == 0
    generated_files = generated.files()
    stale = ROOT / "schemas" / "module_created.json"
    monkeypatch.setattr(generated, "files", lambda: generated_files | {stale: "{}"})
    assert main(["generate", "--check"]) == 1
    assert "out of date: schemas/module_created.json" in capsys.readouterr().out
    assert main(["generate", "--check", "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed == {"out_of_date": ["schemas/module_created.json"], "template_blocks": []}


def test_generate_writes_missing_files_and_removes_obsolete_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new event type gets its files, a removed one loses them, and a second run changes nothing."""
    monkeypatch.setattr(generated, "SCHEMAS_DIR", tmp_path)
    monkeypatch.setattr(generated, "EVENTS", tmp_path / "events")
    monkeypatch.setattr(reference, "FOLDER", tmp_path / "reference")
    invocations = tmp_path / "events" / "kinesis"
    page = tmp_path / "reference" / "left_over.md"
    left_over = [
        tmp_path / "left_over.json",
        page,
        invocations / "left_over.json",
        invocations / "left_over.response.json",
    ]
    new = [tmp_path / "new.json", tmp_path / "events" / "sqs" / "new.json"]
    monkeypatch.setattr(generated, "files", lambda: dict.fromkeys(new, "{}\n"))
    invocations.mkdir(parents=True)
    page.parent.mkdir()
    for path in left_over:
        path.write_text("{}")
    assert generated.stale() == sorted([*left_over, *new])
    assert generated.write() == sorted([*left_over, *new])
    assert [json.loads(path.read_text()) for path in new] == [{}, {}]
    assert not any(path.exists() for path in left_over)
    assert generated.write() == []


def test_main_help_shows_every_command_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """The help names every command and shows how it is called."""
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for example in (
        "canvas-events run",
        "canvas-events dashboard",
        "canvas-events invoke events/",
        "canvas-events generate",
        "canvas-events doctor",
    ):
        assert example in shown


def test_stack_outputs_determine_the_table_variables() -> None:
    """The outputs of the template determine exactly the environment variables of its functions."""
    template = (ROOT / "template.yaml").read_text()
    outputs = [line.strip(" :") for line in template.splitlines() if line.strip().endswith("TableName:")]
    assert table_variables(dict.fromkeys(outputs, "t")).keys() == {
        *(f"{family.upper()}_TABLE" for family in FAMILIES), "REJECTED_TABLE",
    }  # fmt: skip


@mock_aws
def test_scan_reads_every_page_in_key_order() -> None:
    """A table larger than one response is read completely, with its items as plain values."""
    client = boto3.client("dynamodb", region_name=REGION)
    Tables(client, "").reset()
    for number in (3, 1, 2):
        item = {"context": {"S": "c"}, "entity": {"S": f"e#{number}"}, "body": {"S": "x" * 390_000}, "n": {"N": "1.5"}}
        client.put_item(TableName="modules", Item=item)
    aws: Any = SimpleNamespace(client=lambda _: client)
    items = [(item["entity"], item["n"]) for item in scan(aws, "modules")]
    assert items == [(f"e#{number}", Decimal("1.5")) for number in (1, 2, 3)]
