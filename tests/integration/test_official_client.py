"""Instructure's own client of Canvas Data 2 against the stand-in that the tests of ours use."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.canvas import data_folder
from cli.canvas.data_api import DataApi
from cli.canvas.data_changes import DataChanges
from cli.canvas.http import Http
from cli.reconcile.row import Row
from tests.support.canvas_data_server import CLIENT_ID, CLIENT_SECRET, CanvasDataServer, canvas_data_server, error
from tests.support.http_server import Reply
from tests.support.optional_programs import skip_without

DAP = Path(__file__).parents[2] / ".cache" / "dap-client" / "bin" / "dap"
SINCE = "2026-09-07T08:00:00Z"


def line(id_: int, ts: str, action: str = "U", **value: Any) -> dict[str, Any]:
    """Return a line of a result."""
    return {"key": {"id": id_}, "meta": {"ts": ts, "action": action}} | ({"value": value} if action == "U" else {})


SNAPSHOT = [
    [line(1, "2026-09-07T07:00:00.000Z", name="Week 1"), line(2, "2026-09-07T07:00:00.000Z", name="Week 2")],
    [line(3, "2026-09-07T07:00:00.000Z", name="Week 3")],
]
CHANGES = [[line(2, "2026-09-07T09:00:00.000Z", name="Week 2, new"), line(3, "2026-09-07T09:00:00.000Z", "D")]]


@pytest.fixture
def server() -> Iterator[CanvasDataServer]:
    """A service with a snapshot and changes since."""
    rows = {("modules", None): SNAPSHOT, ("modules", SINCE): CHANGES}
    with canvas_data_server(CanvasDataServer(rows, is_instant=True)) as server:
        yield server


def dap(server: CanvasDataServer, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the official client."""
    if not DAP.exists():
        skip_without("the official client of Canvas Data 2", "run `make dap-client`")
    own = {"DAP_API_URL": server.url, "DAP_CLIENT_ID": CLIENT_ID, "DAP_CLIENT_SECRET": CLIENT_SECRET}
    query, *options = arguments
    directory = str(folder / "modules")
    options += ["--namespace", "canvas", "--table", "modules", "--output-directory", directory]
    return subprocess.run(
        [str(DAP), "--no-tracking", "--non-interactive", query, *options],
        env={**os.environ, **own},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def by_id(rows: list[Row]) -> list[Row]:
    """Return rows in the order of their ids."""
    return sorted(rows, key=lambda row: str(row.values["id"]))


def test_stand_in_serves_the_official_client_and_its_files_are_read(server: CanvasDataServer, tmp_path: Path) -> None:
    """The official client takes a snapshot, through a rate limit, and changes; ours reads its folders as its own rows.

    So the stand-in speaks as the service does, and the files have the names and the layout that the client gives.
    """
    server.faults.append(("POST /dap/object/url", Reply({}, 429, {"Retry-After": "0"})))
    for arguments in (["snapshot"], ["incremental", "--since", SINCE]):
        result = dap(server, tmp_path, *arguments)
        assert result.returncode == 0, result.stderr
    from_files = by_id(list(data_folder.read(tmp_path, ["modules"])))
    assert [(row.values, row.action) for row in from_files] == [
        ({"id": 1, "name": "Week 1"}, "U"),
        ({"id": 2, "name": "Week 2, new"}, "U"),
        ({"id": 3}, "D"),
    ]
    api = DataApi(server.url, CLIENT_ID, CLIENT_SECRET, Http(server.url))
    from_api: dict[object, Row] = {}
    for _ in range(2):
        for part in DataChanges(api, tmp_path / "state").objects("modules"):
            from_api |= {row.values["id"]: row for row in part.rows}
            part.done()
    assert by_id(list(from_api.values())) == from_files


def test_official_client_knows_the_errors_of_the_stand_in(server: CanvasDataServer, tmp_path: Path) -> None:
    """The error for a table that was reloaded has the form that the official client parses, and not an unknown one."""
    reloaded = error(400, "SnapshotRequiredError", since="2026-09-07T09:00:00Z", until="2026-09-07T10:00:00Z")
    server.faults.append(("POST /dap/query/canvas/table/modules/data", reloaded))
    result = dap(server, tmp_path, "incremental", "--since", SINCE)
    assert result.returncode != 0
    assert "Reason: as tests want error-uuid" in result.stderr
