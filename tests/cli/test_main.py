"""The commands' errors: a sentence on standard error and exit status 1, whatever part of the project they are from."""

from functools import partial
from pathlib import Path

import pytest

from cli.catalogue import model
from handlers.items import event_types as deployed
from tests.cli.conftest import Command


def test_a_mistake_in_a_catalogue_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, canvas_events: Command
) -> None:
    """Whoever adds an event type is told the file and the entry, and sees no traceback."""
    (tmp_path / "things.toml").write_text('table = "THINGS_TABLE"\n[thing]\n')
    monkeypatch.setattr(model, "load", partial(model.load, tmp_path))
    done = canvas_events("generate", "--check")
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("error: things.toml: [thing] must have ")


def test_without_schemas_it_is_told_how_to_make_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, canvas_events: Command
) -> None:
    """A checkout whose schemas were deleted is not told that every event is of an unknown type."""
    monkeypatch.setattr(deployed, "load", partial(deployed.load, tmp_path))
    done = canvas_events("check", "events/samples/module_created.json")
    assert (done.status, done.out) == (1, "")
    assert done.err == f"error: There are no schemas in {tmp_path}. Run `make generate` before `make build`.\n"
