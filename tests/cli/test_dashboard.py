"""The command ``dashboard``."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cli.local import dashboard
from tests.support.local_stack import Command


@pytest.mark.usefixtures("local")
def test_dashboard_shows_the_running_stack_rather_than_the_last_run(
    canvas_events: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """While a stack is running its data is shown and saved, even if another run ended more recently."""
    last_run = tmp_path / "dashboard.json"
    last_run.write_text("{}")
    monkeypatch.setattr(dashboard, "LAST_RUN", last_run)
    page = tmp_path / "dashboard.html"
    result = canvas_events("dashboard", "--output", str(page))
    assert (result.status, result.err) == (0, "")
    assert f"{page}\n" in result.out
    assert page.as_uri() in result.out
    assert "<h2>Alarms</h2>" in page.read_text(encoding="utf-8")
    assert json.loads(last_run.read_text())["dashboard"]["widgets"]
    as_json = canvas_events("dashboard", "--json", "--output", str(page)).json
    assert as_json == {"path": str(page), "url": page.as_uri()}


def test_dashboard_names_a_file_that_it_cannot_write(
    canvas_events: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A missing folder is an error with the path, the reason and the option that changes it."""
    taken = {"taken": "2026-09-07T12:00:00+00:00", "dashboard": {"widgets": []}, "alarms": [], "log_groups": {}}
    queues = {"q": {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"}}
    last_run = tmp_path / "dashboard.json"
    last_run.write_text(json.dumps(taken | {"log_events": {}, "queues": queues}))
    monkeypatch.setattr(dashboard, "LAST_RUN", last_run)
    monkeypatch.setattr("cli.local.ministack.STACK_FILE", tmp_path / "local-stack.json")
    page = tmp_path / "missing" / "dashboard.html"
    result = canvas_events("dashboard", "--output", str(page))
    assert result.status == 1
    assert (
        result.err == f"error: Could not write {page}: No such file or directory. Choose another file with --output.\n"
    )


def test_damaged_file_of_the_last_run_is_an_error(
    canvas_events: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A run that ended on a full disk leaves half a file, which is named with what to do."""
    last_run = tmp_path / "dashboard.json"
    last_run.write_text('{"taken": "2026-09')
    monkeypatch.setattr(dashboard, "LAST_RUN", last_run)
    monkeypatch.setattr("cli.local.ministack.STACK_FILE", tmp_path / "local-stack.json")
    result = canvas_events("dashboard", "--output", str(tmp_path / "dashboard.html"))
    assert (result.status, result.err) == (
        1, f"error: {last_run} is damaged. Run `make run` again, then `make dashboard`.\n",
    )  # fmt: skip


def test_other_commands_do_not_load_the_plotting_library() -> None:
    """The plotting library takes a second to load, so only writing the page loads it."""
    program = "import sys, cli.commands; cli.commands.parser(); sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
