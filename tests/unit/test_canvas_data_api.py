"""Reading tables through the API of Canvas Data 2, against a stand-in for it."""

import errno
import json
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.canvas.data_api import DataApi, DataApiError
from cli.canvas.data_changes import DataChanges
from cli.canvas.http import Http
from cli.errors import CommandError
from cli.reconcile.row import Row
from handlers.items.timestamps import parse_datetime
from tests.support.canvas_data_server import CLIENT_ID, CLIENT_SECRET, CanvasDataServer, canvas_data_server, error
from tests.support.http_server import FakeClock, Reply

SINCE = "2026-09-07T08:00:00Z"
QUERY = "POST /dap/query/canvas/table/modules/data"


def line(id_: int, action: str = "U") -> dict[str, Any]:
    """Return a line of a result."""
    value = {"value": {"name": f"Week {id_}"}} if action == "U" else {}
    return {"key": {"id": id_}, "meta": {"ts": "2026-09-07T07:00:00.000Z", "action": action}} | value


@pytest.fixture
def server() -> Iterator[CanvasDataServer]:
    """A service with a snapshot in two objects, and two changes since."""
    rows = {
        ("modules", None): [[line(1), line(2)], [line(3)]],
        ("modules", SINCE): [[line(2), line(3, "D")]],
    }
    with canvas_data_server(CanvasDataServer(rows)) as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    """A clock that only sleeping moves."""
    return FakeClock()


@pytest.fixture
def api(server: CanvasDataServer, clock: FakeClock) -> DataApi:
    """A client of the service."""
    return DataApi(server.url, CLIENT_ID, CLIENT_SECRET, Http(server.url, sleep=clock.sleep, now=clock.now))


@pytest.fixture
def read(api: DataApi, tmp_path: Path) -> Callable[[], list[Row]]:
    """A run that reads all there is of a table, and says of each object that it is done."""

    def run() -> list[Row]:
        rows = []
        for part in DataChanges(api, tmp_path / "state").objects("modules"):
            rows += list(part.rows)
            part.done()
        return rows

    return run


def ids(rows: list[Row]) -> list[tuple[object, str]]:
    """Return the id and the action of each row."""
    return [(row.values["id"], row.action) for row in rows]


def queries(server: CanvasDataServer) -> list[str | None]:
    """Return the ``since`` of each query that was made."""
    return [json.loads(request.body).get("since") for request in server.requests if request.target.endswith("/data")]


SNAPSHOT = [(1, "U"), (2, "U"), (3, "U")]


def test_first_run_reads_everything_and_the_next_what_has_changed(
    server: CanvasDataServer, clock: FakeClock, read: Callable[[], list[Row]]
) -> None:
    """A snapshot comes first; afterwards the query is since the time of the last, and brings deletions too."""
    first = read()
    assert ids(first) == SNAPSHOT
    assert first[0].values == {"id": 1, "name": "Week 1"}
    assert {row.as_of for row in first} == {parse_datetime("2026-09-07T07:00:00Z")}
    assert ids(read()) == [(2, "U"), (3, "D")]
    assert queries(server) == [None, SINCE]
    assert clock.sleeps == [5, 5, 5, 5]  # between the states of two jobs


def test_interrupted_run_goes_on_with_the_object_that_was_not_done(
    server: CanvasDataServer, api: DataApi, read: Callable[[], list[Row]], tmp_path: Path
) -> None:
    """What was done is not downloaded again; what was only read is; and the query is not made again."""
    objects = DataChanges(api, tmp_path / "state").objects("modules")
    next(objects).done()
    assert ids(list(next(objects).rows)) == [(3, "U")]
    objects.close()  # type: ignore[attr-defined]  # a generator
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["modules.json"]
    assert ids(read()) == [(3, "U")]
    assert queries(server) == [None]
    assert ids(read()) == [(2, "U"), (3, "D")]


def test_run_that_stopped_after_the_last_object_is_complete(
    api: DataApi, read: Callable[[], list[Row]], tmp_path: Path
) -> None:
    """Everything was done, so the next run asks for what has changed since."""
    objects = DataChanges(api, tmp_path / "state").objects("modules")
    next(objects).done()
    next(objects).done()
    objects.close()  # type: ignore[attr-defined]  # a generator
    assert ids(read()) == [(2, "U"), (3, "D")]


def test_object_that_is_not_done_is_given_again(api: DataApi, read: Callable[[], list[Row]], tmp_path: Path) -> None:
    """Reading alone does not move the time: a comparison without effects can be repeated."""
    for _ in range(2):
        assert len([list(part.rows) for part in DataChanges(api, tmp_path / "state").objects("modules")]) == 2
    assert ids(read()) == SNAPSHOT


@pytest.mark.parametrize("type_", ["SnapshotRequiredError", "OutOfRangeError"])
def test_reloaded_table_is_read_from_a_snapshot(
    server: CanvasDataServer, read: Callable[[], list[Row]], type_: str
) -> None:
    """Where changes can no longer be had, all rows are read, and the next run asks for changes again."""
    read()
    server.faults.append((QUERY, error(400, type_, since="2026-09-07T09:00:00Z")))
    assert ids(read()) == SNAPSHOT
    assert ids(read()) == [(2, "U"), (3, "D")]
    assert queries(server) == [None, SINCE, None, SINCE]


def test_rate_limit_is_waited_for(server: CanvasDataServer, clock: FakeClock, read: Callable[[], list[Row]]) -> None:
    """After 429 it waits as long as the service says, in seconds or until a time, and longer each time otherwise."""
    until = {"Retry-After": "Mon, 07 Sep 2026 12:01:47 GMT"}
    server.faults += [
        (QUERY, Reply({}, 429, {"Retry-After": "47"})),
        (QUERY, Reply({}, 429, until)),
        (QUERY, Reply({}, 429)),
        (QUERY, Reply({}, 503, {"Retry-After": "soon"})),
    ]
    assert ids(read()) == SNAPSHOT
    assert clock.sleeps == [47, 60, 4, 8, 5, 5]


def test_rate_limit_without_end_is_an_error(server: CanvasDataServer, read: Callable[[], list[Row]]) -> None:
    """After eight attempts the error names the request, and nothing is recorded as done."""
    server.faults += [(QUERY, error(429, "TooManyRequests"))] * 8
    with pytest.raises(DataApiError, match=r"/dap/query/canvas/table/modules/data with status 429: TooManyRequests"):
        read()
    assert ids(read()) == SNAPSHOT


@pytest.mark.parametrize(
    "fault",
    [
        Reply(b"<Error>Request has expired</Error>", 403),
        Reply(b"\x1f\x8b cut", length=1000),
        Reply(b"", 302, {"Location": "https://elsewhere.example.edu"}),
    ],
    ids=["expired link", "connection lost", "redirect"],
)
def test_failed_download_gets_a_new_link(server: CanvasDataServer, read: Callable[[], list[Row]], fault: Reply) -> None:
    """A link that has expired or a connection that breaks costs another link, and no row twice."""
    server.faults.append(("GET /storage/.*", fault))
    assert ids(read()) == SNAPSHOT
    assert sum(request.target == "/dap/object/url" for request in server.requests) == 3


def test_download_that_always_fails_is_an_error_without_the_signature(
    server: CanvasDataServer, read: Callable[[], list[Row]]
) -> None:
    """After five links the error names the object's address without its query."""
    server.faults += [("GET /storage/.*", Reply(b"", 403))] * 5
    with pytest.raises(CommandError, match=r"in 5 attempts: .*/storage/job-modules-0-0\.json\.gz answered") as raised:
        read()
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("kind", ["job", "object"])
def test_expired_result_is_queried_again(
    server: CanvasDataServer, api: DataApi, read: Callable[[], list[Row]], tmp_path: Path, kind: str
) -> None:
    """A run that goes on after a day finds the objects gone, and makes the query again."""
    next(DataChanges(api, tmp_path / "state").objects("modules")).done()
    server.faults.append(("POST /dap/object/url", error(404, "NotFoundError", id="x", kind=kind)))
    assert ids(read()) == SNAPSHOT
    assert queries(server) == [None, None]


def test_failed_job_is_tried_again(server: CanvasDataServer, clock: FakeClock, read: Callable[[], list[Row]]) -> None:
    """A job that fails in the service is queried three times, a minute apart; then the error gives its reason."""
    failed = {"status": "failed", "error": {"type": "ProcessingError", "uuid": "u", "message": "m"}, "id": "j"}
    server.faults += [(QUERY, Reply(failed))] * 2
    assert ids(read()) == SNAPSHOT
    assert clock.sleeps[:2] == [60, 60]
    server.faults += [(QUERY, Reply(failed))] * 3
    with pytest.raises(CommandError, match=r"modules failed 3 times in Canvas Data 2: ProcessingError: m \(uuid u\)"):
        read()


def test_job_that_never_ends_is_an_error(
    server: CanvasDataServer, clock: FakeClock, read: Callable[[], list[Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up after four hours of the clock."""
    monkeypatch.setattr("cli.canvas.data_api._POLL_SECONDS", 500)
    waiting = Reply({"id": "j", "status": "waiting"})
    server.faults += [(QUERY, waiting), *[("GET /dap/job/j", waiting)] * 30]
    start = clock.time
    with pytest.raises(CommandError, match="modules is still waiting after four hours"):
        read()
    assert clock.time - start < timedelta(hours=4, minutes=10)


def test_token_is_renewed(server: CanvasDataServer, clock: FakeClock, read: Callable[[], list[Row]]) -> None:
    """One token does for many requests, another is fetched when it ends soon, and when the service rejects it."""

    def logins() -> int:
        return sum(request.target == "/ids/auth/login" for request in server.requests)

    read()
    assert logins() == 1
    clock.sleep(3600 - 300)
    read()
    assert logins() == 2
    server.token = "revoked"  # noqa: S105  # no token
    read()
    assert logins() == 3


@pytest.mark.parametrize(
    ("request_", "reply", "complaint"),
    [
        (
            "POST /ids/auth/login",
            error(401, "AuthenticationError"),
            "does not accept DAP_CLIENT_ID and DAP_CLIENT_SECRET",
        ),
        ("POST /ids/auth/login", Reply({"token": 1}), "an answer of another form"),
        (QUERY, error(403, "AccountNotOnboarded"), "status 403: AccountNotOnboarded: as tests want .uuid error-uuid"),
        (QUERY, error(404, "NotFoundError", kind="table"), "status 404: NotFoundError"),
        (QUERY, Reply(b"<html>", 200), "with status 200: no reason given"),
        (QUERY, Reply({"id": "j", "status": "asleep"}), "an unknown status"),
        (QUERY, Reply({"id": "j", "status": "complete", "objects": [], "at": "noon"}), "an answer of another form"),
        ("POST /dap/object/url", Reply({"urls": {}}), "an answer of another form"),
        ("POST /dap/object/url", Reply({"urls": {"job-modules-0-0.json.gz": {"url": "ftp://x/y"}}}), "is not https"),
    ],
)
def test_what_the_service_rejects_is_an_error_with_its_reason(
    server: CanvasDataServer, read: Callable[[], list[Row]], request_: str, reply: Reply, complaint: str
) -> None:
    """The error has the type, message and uuid that Instructure's support asks for; an odd answer is one, too."""
    server.faults.append((request_, reply))
    with pytest.raises(CommandError, match=complaint):
        read()


def test_credentials_reach_no_log_no_file_and_no_other_host(
    server: CanvasDataServer, read: Callable[[], list[Row]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With the most verbose logs there is neither secret nor token; the stand-in rejects a token on a link."""
    caplog.set_level(logging.DEBUG)
    read()
    text = caplog.text + "".join(path.read_text() for path in (tmp_path / "state").iterdir())
    assert "job-modules-0" in text
    assert CLIENT_SECRET not in text
    assert server.token not in text
    assert (tmp_path / "state").stat().st_mode & 0o77 == 0


def test_settings_come_from_the_environment(server: CanvasDataServer) -> None:
    """They have the official client's names; what is missing or unsafe is an error that names it."""
    settings = {"DAP_API_URL": server.url, "DAP_CLIENT_ID": CLIENT_ID, "DAP_CLIENT_SECRET": CLIENT_SECRET}
    server.is_instant = True
    assert (
        len(DataApi.from_environment(settings | {"DAP_API_URL": f"{server.url}/"}).query("modules", SINCE).objects) == 1
    )
    with pytest.raises(CommandError, match=r"^DAP_CLIENT_ID and DAP_CLIENT_SECRET must be set"):
        DataApi.from_environment({})
    with pytest.raises(CommandError, match=r"^DAP_CLIENT_SECRET must be set"):
        DataApi.from_environment(settings | {"DAP_CLIENT_SECRET": ""})
    for url in ("http://api.example.edu", "api.example.edu", "https://user:pass@api.example.edu", "https://x:y"):
        with pytest.raises(CommandError, match=r"^DAP_API_URL ") as raised:
            DataApi.from_environment(settings | {"DAP_API_URL": url})
        assert "pass" not in str(raised.value)


def test_unreachable_service_is_an_error_at_once(closed_port: int, clock: FakeClock, tmp_path: Path) -> None:
    """An address where nobody answers costs one retry, and the error names it."""
    url = f"http://127.0.0.1:{closed_port}"
    api = DataApi(url, CLIENT_ID, CLIENT_SECRET, Http(url, sleep=clock.sleep, now=clock.now))
    with pytest.raises(CommandError, match=f"POST {url}/ids/auth/login failed: NewConnectionError"):
        next(DataChanges(api, tmp_path).objects("modules"))
    assert clock.sleeps == [1]


def test_proxy_of_the_machine_is_used(closed_port: int, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests to a service with https go through ``HTTPS_PROXY``."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port}")
    url = "https://canvas.example.edu"
    with pytest.raises(CommandError, match=f"GET {url} failed: ProxyError"):
        Http(url, sleep=clock.sleep).request("GET", url, headers={})


def test_full_disk_is_an_error(
    server: CanvasDataServer, api: DataApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object that does not fit is an error that names the folder."""

    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(api, "download", no_space)
    with pytest.raises(CommandError, match="cannot hold modules: No space left on device"):
        next(DataChanges(api, tmp_path).objects("modules"))
    assert server.jobs


@pytest.mark.parametrize(
    "state",
    ["[]", "{", '{"since": null, "job": {"id": "j", "objects": [], "as_of": "noon"}, "done": []}', '{"since": null}'],
)
def test_state_that_cannot_be_used_is_an_error(api: DataApi, tmp_path: Path, state: str) -> None:
    """A file of another content is an error that says what deleting it means."""
    (tmp_path / "modules.json").write_text(state)
    with pytest.raises(CommandError, match=r"modules\.json is not a state of Canvas Data 2. Delete it: the next run"):
        next(DataChanges(api, tmp_path).objects("modules"))
