"""The API of Canvas Data 2, also called the Data Access Platform: queries, their jobs, and the objects of a result.

https://developerdocs.instructure.com/services/dap and the official client, ``instructure-dap-client`` 2.3.1.
"""

import base64
import json
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO

from cli.canvas.http import Http, Response, checked_base_url, origin, without_query
from cli.errors import CommandError
from handlers.items.timestamps import parse_datetime

DEFAULT_URL = "https://api-gateway.instructure.com"
_NAMESPACE = "canvas"
_POLL_SECONDS = 5.0
_MAX_JOB_DURATION = timedelta(hours=4)
_MAX_JOBS, _FAILED_JOB_DELAY_SECONDS = 3, 60.0  # "ProcessingError" is passing
_MAX_DOWNLOADS, _DOWNLOAD_DELAY_SECONDS = 5, 5.0
_TOKEN_MARGIN = timedelta(minutes=5)


@dataclass(frozen=True)
class Job:
    """A complete query: the ids of its objects, and the time in UTC, as text, that its result is right for.

    The next query passes that time as ``since``.
    """

    id: str
    objects: tuple[str, ...]
    as_of: str


class DataApiError(CommandError):
    """Canvas Data 2 rejected a request. ``type`` is its name of the error, such as ``ValidationError``."""

    def __init__(self, text: str, type_: str) -> None:
        super().__init__(text)
        self.type = type_


class SnapshotRequiredError(CommandError):
    """The changes since a time can no longer be had: the table was reloaded, or the time is too long ago."""


class ExpiredError(CommandError):
    """A job or an object is no longer there: Canvas Data 2 keeps both for about a day."""


class DataApi:
    """A client of Canvas Data 2 with one connection, one request at a time."""

    def __init__(self, base_url: str, client_id: str, client_secret: str, http: Http) -> None:
        self._base_url = checked_base_url(base_url, "DAP_API_URL")
        self._basic = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self._http = http
        self._token: str | None = None
        self._token_expires_at = http.now()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "DataApi":
        """Make a client from ``DAP_API_URL``, ``DAP_CLIENT_ID`` and ``DAP_CLIENT_SECRET``.

        Raises ``CommandError`` naming what is not set.
        """
        missing = [name for name in ("DAP_CLIENT_ID", "DAP_CLIENT_SECRET") if not environment.get(name)]
        if missing:
            raise CommandError(
                f"{' and '.join(missing)} must be set: create an API key at identity.instructure.com, and export its"
                " client id and secret."
            )
        url = environment.get("DAP_API_URL") or DEFAULT_URL
        return cls(url, environment["DAP_CLIENT_ID"], environment["DAP_CLIENT_SECRET"], Http(url))

    def query(self, table: str, since: str | None) -> Job:
        """Run a query to its end: of all rows, or of what has changed since a time.

        The same query within a day gives the same job. Raises ``SnapshotRequiredError``; ``CommandError`` where the
        job fails three times or takes more than four hours; ``DataApiError`` for anything else.
        """
        path = f"/dap/query/{_NAMESPACE}/table/{urllib.parse.quote(table, safe='')}/data"
        payload = {"format": "jsonl", **({"since": since} if since else {})}
        for _ in range(_MAX_JOBS):
            try:
                job = self._completed(self._call("POST", path, payload), table)
            except DataApiError as error:
                # The official client does not tell them apart: both have the times that can be asked for.
                if since and ("SnapshotRequired" in error.type or "OutOfRange" in error.type):
                    raise SnapshotRequiredError(str(error)) from None
                raise
            if job["status"] == "complete":
                with _expected_members():
                    as_of = job.get("until") or job["at"]
                    parse_datetime(as_of)  # passed back as it came, since Canvas Data 2 need not take every form
                    return Job(job["id"], tuple(entry["id"] for entry in job["objects"]), as_of)
            self._http.sleep(_FAILED_JOB_DELAY_SECONDS)
        problem = _error_text(job.get("error"))
        raise CommandError(
            f"The query of {table} failed {_MAX_JOBS} times in Canvas Data 2: {problem} Try again later."
        )

    def _completed(self, job: dict[str, Any], table: str) -> dict[str, Any]:
        """Poll a job until it is complete, with its objects, or has failed."""
        give_up_at = self._http.now() + _MAX_JOB_DURATION
        while job.get("status") not in ("complete", "failed") or (job["status"] == "complete" and "objects" not in job):
            if job.get("status") not in ("waiting", "running", "complete"):
                raise CommandError(f"Canvas Data 2 gave the query of {table} an unknown status. Try again later.")
            if self._http.now() > give_up_at:
                raise CommandError(f"The query of {table} is still {job['status']} after four hours. Try again later.")
            if job["status"] != "complete":
                self._http.sleep(_POLL_SECONDS)
            with _expected_members():
                path = f"/dap/job/{urllib.parse.quote(job['id'], safe='')}"
            job = self._call("GET", path)
        return job

    def download(self, object_id: str, file: BinaryIO) -> None:
        """Write an object, compressed, to an empty file.

        A link lives about 15 minutes, so each attempt asks for a new one. Raises ``ExpiredError``, or ``CommandError``
        where five attempts fail.
        """
        for attempt in range(_MAX_DOWNLOADS):
            if attempt:
                self._http.sleep(_DOWNLOAD_DELAY_SECONDS)
            with _expected_members():
                url = self._call("POST", "/dap/object/url", [{"id": object_id}])["urls"][object_id]["url"]
            if origin(url)[0] != origin(self._base_url)[0]:
                raise CommandError("Canvas Data 2 gave a link that is not https, over which data could be read.")
            file.seek(0)
            file.truncate()
            try:
                status = self._http.download(url, file)
                if status == 200:
                    return
                problem = f"{without_query(url)} answered with status {status}"
            except CommandError as error:
                problem = str(error)
        raise CommandError(
            f"An object of Canvas Data 2 could not be downloaded in {_MAX_DOWNLOADS} attempts: {problem}."
        )

    def _call(self, method: str, path: str, payload: object = None) -> Any:
        response = self._send(method, path, payload)
        if response.status == 401:  # the token was revoked, or the clocks differ
            self._token = None
            response = self._send(method, path, payload)
        return self._content(response, path)

    def _send(self, method: str, path: str, payload: object) -> Response:
        headers = {"Authorization": f"Bearer {self._access_token()}", "Content-Type": "application/json"}
        body = None if payload is None else json.dumps(payload).encode()
        return self._http.request(method, f"{self._base_url}{path}", headers=headers, body=body)

    def _access_token(self) -> str:
        if self._token is None or self._http.now() >= self._token_expires_at - _TOKEN_MARGIN:
            headers = {"Authorization": f"Basic {self._basic}", "Content-Type": "application/x-www-form-urlencoded"}
            body = b"grant_type=client_credentials"
            path = "/ids/auth/login"
            response = self._http.request("POST", f"{self._base_url}{path}", headers=headers, body=body)
            if response.status in (400, 401):
                raise CommandError(
                    "Canvas Data 2 does not accept DAP_CLIENT_ID and DAP_CLIENT_SECRET. Check them, and whether the key"
                    " has expired, at identity.instructure.com."
                )
            grant = self._content(response, path)
            with _expected_members():
                self._token = str(grant["access_token"])
                self._token_expires_at = self._http.now() + timedelta(seconds=float(grant["expires_in"]))
        return self._token

    def _content(self, response: Response, path: str) -> Any:
        """Return the JSON of a successful response; raise the error that another one states."""
        document = response.json()
        if 200 <= response.status < 300 and isinstance(document, dict):
            return document
        error = document.get("error") if isinstance(document, dict) else None
        text = f"Canvas Data 2 answered {path} with status {response.status}: {_error_text(error)}"
        type_ = str(error.get("type")) if isinstance(error, dict) else ""
        if "NotFound" in type_ and isinstance(error, dict) and str(error.get("kind", "")).lower() in ("job", "object"):
            raise ExpiredError(text)
        raise DataApiError(text, type_)


@contextmanager
def _expected_members() -> Iterator[None]:
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise CommandError(
            f"Canvas Data 2 gave an answer of another form ({type(error).__name__}). Try again later."
        ) from None


def _error_text(error: object) -> str:
    """What an error of the API says: its type, its message, and the id that Instructure's support asks for."""
    if not isinstance(error, dict):
        return "no reason given."
    return f"{error.get('type', 'Error')}: {error.get('message', '')} (uuid {error.get('uuid', 'unknown')})."
