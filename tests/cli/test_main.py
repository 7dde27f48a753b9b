"""The command line itself: what it imports, its version and completion, and errors from any part of the project."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from cli import commands
from cli.catalogue import model
from cli.catalogue.generated import ROOT
from cli.commands import COMMANDS, parser
from handlers.items import event_types as deployed
from tests.support.local_stack import Command

HEAVY = ("boto3", "botocore", "rich", "jsonschema_rs", "jsonschema", "aws_lambda_powertools", "psutil", "shtab")
HELP_OF = """\
import sys
from cli.__main__ import main
try:
    main(sys.argv[2:])
finally:
    print("loaded:", *[name for name in sys.argv[1].split() if name in sys.modules], file=sys.stderr)
"""
COMPLETE = """\
source /dev/stdin
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
COMP_LINE="${{COMP_WORDS[*]}}"
COMP_POINT=${{#COMP_LINE}}
$(complete -p canvas-events | sed 's/.*-F \\([^ ]*\\).*/\\1/') canvas-events "${{COMP_WORDS[COMP_CWORD]}}" ""
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def test_command_table_matches_the_command_modules() -> None:
    """The table behind the help lists exactly the existing modules, with their help texts."""
    modules = {path.stem for path in Path(commands.__file__).parent.glob("[a-z]*.py")}
    assert modules == COMMANDS.keys()
    assert _helps(parser()) == dict(COMMANDS)
    assert _helps(parser([])) == dict(COMMANDS)


def _helps(root: object) -> dict[str, str]:
    (subparsers,) = root._subparsers._group_actions  # type: ignore[attr-defined]
    return {action.dest: action.help for action in subparsers._choices_actions}


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_loads_no_heavy_library(command: str) -> None:
    """The help of a command appears at once, since it imports neither boto3 nor rich."""
    arguments = [*command.split(), "--help"]
    result = subprocess.run(
        [sys.executable, "-c", HELP_OF, " ".join(HEAVY), *arguments], cwd=ROOT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert result.stdout.startswith(f"usage: canvas-events {command}".rstrip())
    assert result.stderr == "loaded:\n"


def test_help_of_a_command_loads_no_other_command() -> None:
    """Only the chosen command is imported."""
    result = subprocess.run(
        [sys.executable, "-c", HELP_OF, " ".join(f"cli.commands.{name}" for name in COMMANDS), "doctor", "--help"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert result.stderr == "loaded: cli.commands.doctor\n"


def test_version_is_the_project_version(
    canvas_events: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--version prints the version in pyproject.toml, whether the package is installed or not."""
    with pytest.raises(SystemExit) as ended:
        canvas_events("--version")
    assert (ended.value.code, capsys.readouterr().out) == (0, "canvas-events 0.1.0\n")
    monkeypatch.setattr("sys.path", [])  # no metadata can be found
    monkeypatch.setattr("sys.meta_path", [])
    assert commands.version() == "0.1.0"


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("canvas-events rej", {"rejected"}),
        ("canvas-events rejected redrive --rea", {"--reason"}),
        ("canvas-events send --to str", {"stream"}),
        ("canvas-events run --rede", {"--redeploy"}),
        ("canvas-events check pyproj", {"pyproject.toml"}),
    ],
)
def test_completion_script_completes_in_bash(canvas_events: Command, words: str, completions: set[str]) -> None:
    """The script that `completion bash` prints completes commands, options, choices and file names."""
    script = canvas_events("completion", "bash").out
    result = subprocess.run(
        ["bash", "--norc", "-c", COMPLETE.format(words=words)],
        input=script, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert set(result.stdout.split()) == completions


def test_completion_script_for_zsh_declares_its_command(canvas_events: Command) -> None:
    """The first line tells zsh which command the completions are for."""
    assert canvas_events("completion", "zsh").out.startswith("#compdef canvas-events\n")


@pytest.mark.parametrize(
    "encoding",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["ascii", "C"],
)
def test_output_that_cannot_be_encoded_is_escaped(tmp_path: Path, encoding: dict[str, str]) -> None:
    """On a terminal that is not in UTF-8 a command prints escapes instead of a traceback."""
    file = tmp_path / "zu Prüfung.json"
    file.write_text("{}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    for arguments in (["--help"], ["check", str(file)]):
        result = subprocess.run(
            [sys.executable, "-m", "cli", *arguments], cwd=ROOT, env=environment | encoding, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert result.stderr == ""
        assert result.stdout.isascii()
        assert "\\" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [["check", "events/samples/module_created.json"], ["event", "grade_change"], ["completion", "bash"], ["--version"]],
    ids=lambda arguments: arguments[0],
)
def test_output_that_cannot_be_written_is_an_error(arguments: list[str]) -> None:
    """On a full disk a command ends with one line and exit status 1, whichever way it prints its result."""
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "cli", *arguments], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr == (
        "error: No space left on device. What was to be written is incomplete: free space, and run the command again.\n"
    )


@pytest.mark.parametrize("option", ["--region", "--profile"])
def test_local_with_an_aws_option_is_a_usage_error(
    canvas_events: Command, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    """--local never uses AWS, so a region or profile with it is a usage error, in either order."""
    for arguments in (["--local", option, "x"], [option, "x", "--local"]):
        with pytest.raises(SystemExit) as ended:
            canvas_events("doctor", *arguments)
        assert ended.value.code == 2
        assert "--local cannot be combined with --region or --profile" in capsys.readouterr().err


def test_catalogue_error_names_the_file_and_the_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, canvas_events: Command
) -> None:
    """A mistake in an event type is reported with the file and the entry, without a traceback."""
    (tmp_path / "things.toml").write_text('table = "THINGS_TABLE"\n[thing]\n')
    monkeypatch.setattr(model, "load", partial(model.load, tmp_path))
    result = canvas_events("generate", "--check")
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("error: things.toml: [thing] must have ")


def test_catalogue_file_that_is_not_text_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, canvas_events: Command
) -> None:
    """A file in another encoding is named, without a traceback."""
    (tmp_path / "things.toml").write_bytes(b'about = "\xff"')
    monkeypatch.setattr(model, "load", partial(model.load, tmp_path))
    result = canvas_events("generate", "--check")
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("error: things.toml: 'utf-8' codec")


def test_sample_event_that_is_not_json_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, canvas_events: Command
) -> None:
    """`event` names a sample file that is not JSON."""
    sample = tmp_path / "samples" / "module_created.json"
    sample.parent.mkdir()
    sample.write_text("{")
    monkeypatch.setattr("cli.catalogue.samples.EVENTS", tmp_path)
    result = canvas_events("event", "module_created")
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"error: {sample} is not valid JSON: ")


def test_missing_schemas_are_reported_with_the_command_that_generates_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, canvas_events: Command
) -> None:
    """Without schemas, a checkout does not report every event as being of an unknown type."""
    monkeypatch.setattr(deployed, "load", partial(deployed.load, tmp_path))
    result = canvas_events("check", "events/samples/module_created.json")
    assert (result.status, result.out) == (1, "")
    assert result.err == f"error: There are no schemas in {tmp_path}. Run `make generate` before `sam build`.\n"
