"""A stand-in for the API of Canvas Data 2, which the official client accepts as one (``test_official_client.py``)."""

import base64
import gzip
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.http_server import Reply, Request, http_server

CLIENT_ID, CLIENT_SECRET = "us-east-1#canvas-data-client", "canvas-data-secret"


@dataclass
class CanvasDataServer:
    """``rows`` has the objects of each query: ``rows[table, since]`` is a list of lists of lines.

    ``faults`` has replies that are given once, instead of the right one, to the next requests whose method and path
    match: ``("POST /dap/object/url", Reply(…))``. A job is running when it is first asked for, unless ``is_instant``.
    """

    rows: dict[tuple[str, str | None], list[list[dict[str, Any]]]]
    is_instant: bool = False
    until: str = "2026-09-07T08:00:00Z"
    url: str = ""
    token: str = ""
    requests: list[Request] = field(default_factory=list)
    faults: list[tuple[str, Reply]] = field(default_factory=list)
    jobs: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)

    def answer(self, request: Request) -> Reply:
        """Answer as the service does."""
        self.requests.append(request)
        path = request.target.partition("?")[0]
        for fault in self.faults:
            if re.fullmatch(fault[0], f"{request.method} {path}"):
                self.faults.remove(fault)
                return fault[1]
        if path == "/ids/auth/login":
            return self._log_in(request)
        if path.startswith("/storage/"):
            return self._object(path.rpartition("/")[2], request)
        if request.headers["Authorization"] != f"Bearer {self.token}":
            return error(401, "AuthenticationError")
        if path == "/dap/object/url":
            ids = [entry["id"] for entry in json.loads(request.body)]
            return Reply(
                {"urls": {id_: {"url": f"{self.url}/storage/{id_}?signature=secret-signature"} for id_ in ids}}
            )
        if path == "/dap/query/canvas/table":
            return Reply({"tables": sorted({table for table, _ in self.rows})})
        if path.startswith("/dap/job/"):
            return Reply(self._job(path.rpartition("/")[2]))
        return self._query(path.split("/")[-2], json.loads(request.body))

    def _log_in(self, request: Request) -> Reply:
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers["Authorization"] != f"Basic {basic}" or request.body != b"grant_type=client_credentials":
            return error(401, "AuthenticationError")
        parts = ({"alg": "none", "typ": "JWT"}, {"exp": 4_000_000_000, "n": len(self.requests)})
        encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        self.token = ".".join((*encoded, "c2lnbmF0dXJl"))
        return Reply({"access_token": self.token, "expires_in": 3600, "scope": "dap", "token_type": "Bearer"})

    def _query(self, table: str, query: dict[str, Any]) -> Reply:
        since = query.get("since")
        if (table, since) not in self.rows:
            return error(404, "NotFoundError", id=table, kind="table")
        job = f"job-{table}-{len(self.jobs)}"
        self.jobs[job] = table, since
        if self.is_instant:
            return Reply(self._job(job))
        self.running.add(job)
        return Reply({"id": job, "status": "waiting", "expires_at": "2099-01-01T00:00:00Z"})

    def _job(self, job: str) -> dict[str, Any]:
        if job in self.running:
            self.running.remove(job)
            return {"id": job, "status": "running", "expires_at": "2099-01-01T00:00:00Z"}
        table, since = self.jobs[job]
        objects = [{"id": f"{job}-{number}.json.gz"} for number in range(len(self.rows[table, since]))]
        times = {"since": since, "until": self.until} if since else {"at": self.until}
        complete = {"status": "complete", "objects": objects, "schema_version": 1, **times}
        return {"id": job, "expires_at": "2099-01-01T00:00:00Z", **complete}

    def _object(self, name: str, request: Request) -> Reply:
        assert "Authorization" not in request.headers
        job, _, number = name.removesuffix(".json.gz").rpartition("-")
        lines = self.rows[self.jobs[job]][int(number)]
        return Reply(b"".join(gzip.compress(f"{json.dumps(line)}\n".encode()) for line in lines) or gzip.compress(b""))


def error(status: int, type_: str, **facts: Any) -> Reply:
    """Return an error of the service; ``facts`` are further members."""
    return Reply({"error": {"type": type_, "uuid": "error-uuid", "message": "as tests want", **facts}}, status)


@contextmanager
def canvas_data_server(server: CanvasDataServer) -> Iterator[CanvasDataServer]:
    """Run the stand-in."""
    with http_server(server.answer) as server.url:
        yield server
