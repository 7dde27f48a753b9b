"""``dashboard``: of which stack it is."""

import json
from pathlib import Path

import pytest

from cli.local import dashboard
from tests.cli.conftest import Command


@pytest.mark.usefixtures("local")
def test_the_stack_that_is_up_comes_before_the_last_run(
    canvas_events: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where a stack was left up, its numbers are shown, though another one ran since; and they are kept."""
    last_run = tmp_path / "dashboard.json"
    last_run.write_text(json.dumps({"taken": "the other run", "widgets": []}))
    monkeypatch.setattr(dashboard, "LAST_RUN", last_run)
    done = canvas_events("dashboard")
    assert (done.status, "the other run" in done.out, "Oldest event in the queue, s" in done.out) == (0, False, True)
    assert json.loads(last_run.read_text())["widgets"]
