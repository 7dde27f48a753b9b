"""The REST API of Canvas: pages, throttling, and a token that goes to one host only.

https://developerdocs.instructure.com/services/canvas, "Pagination" and "Throttling".
"""

import re
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from cli.canvas.http import MAX_ATTEMPTS, Http, Response, checked_base_url, origin, without_query
from cli.errors import CommandError

PAGE_SIZE = 100  # Canvas gives no more, whatever is asked for

# A token's quota is 700 units, and 10 units a second come back (Instructure, "API Rate Limiting", in its community).
# Below the reserve, each request waits for what is missing: other programs may use the same token.
_RESERVE, _UNITS_PER_SECOND = 200.0, 10.0
_MAX_PAUSE_SECONDS = 30.0

_LINK = re.compile(r"<([^>]*)>([^<]*)")
_NEXT = re.compile(r';\s*rel\s*=\s*"?next"?\s*(?:[;,]|$)', re.IGNORECASE)

Parameters = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """A response: its status, its JSON, and a time at which Canvas did not know less than the response says."""

    status: int
    content: Any
    as_of: datetime
    next_url: str | None


class RefusedError(CommandError):
    """Canvas answered with a status that allows no conclusion, such as 401 or 403."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class CanvasApi:
    """A client of one Canvas, with one request at a time."""

    def __init__(self, base_url: str, token: str, http: Http) -> None:
        self.base_url = checked_base_url(base_url, "--canvas")
        self._origin = origin(self.base_url)
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._http = http
        self._remaining: float | None = None

    @classmethod
    def from_environment(cls, base_url: str, environment: Mapping[str, str]) -> "CanvasApi":
        """Make a client with the token in ``CANVAS_API_TOKEN``. Raises ``CommandError`` where it is not set."""
        token = environment.get("CANVAS_API_TOKEN", "").strip()
        if not token:
            raise CommandError(
                "CANVAS_API_TOKEN must be set: create an access token in Canvas (Account → Settings → New Access"
                " Token) as an administrator of the account, and export it."
            )
        if not token.isascii() or not token.isprintable():
            raise CommandError("CANVAS_API_TOKEN is not a valid access token: it has characters that no token has.")
        return cls(base_url, token, Http(base_url))

    def get(self, path: str, parameters: Parameters = (), *, attempts: int = MAX_ATTEMPTS) -> Answer:
        """Return the answer to one request, with the status 200 or 404.

        ``path`` begins after ``/api/v1``. Raises ``RefusedError`` for any other status, and for a 404 that is not
        Canvas's own.
        """
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        return self._get(f"{self.base_url}/api/v1{path}{query}", attempts)

    def pages(self, path: str, parameters: Parameters = ()) -> Iterator[tuple[list[dict[str, Any]], datetime]]:
        """Yield the pages of a list, each with a time at which it was right.

        Follows the link ``next`` as it is, and to the same host only. Raises ``RefusedError`` for any status but 200.
        """
        answer = self.get(path, (*parameters, ("per_page", str(PAGE_SIZE))))
        seen: set[str] = set()
        while True:
            if answer.status != 200 or not isinstance(answer.content, list):
                raise RefusedError(f"{self.base_url}/api/v1{path} is not a list in Canvas.", answer.status)
            yield answer.content, answer.as_of
            url = answer.next_url
            if url is None:
                return
            if url in seen:
                raise CommandError(f"The pages of {self.base_url}/api/v1{path} lead in a circle.")
            seen.add(url)
            answer = self._get(url, MAX_ATTEMPTS)

    def _get(self, url: str, attempts: int) -> Answer:
        self._slow_down()
        response = self._http.request("GET", url, headers=self._headers, throttled=_is_throttled, attempts=attempts)
        with suppress(ValueError):
            self._remaining = float(response.headers.get("X-Rate-Limit-Remaining", ""))
        place = without_query(url)
        if _is_throttled(response):
            raise CommandError(f"{place} is throttled, and still was after {attempts} attempts. Try again later.")
        content = response.json()
        # A proxy's own 404, or that of another service, is a page and not JSON.
        if response.status != 200 and not (response.status == 404 and isinstance(content, dict)):
            raise RefusedError(_refusal(place, response.status), response.status)
        if response.status == 200 and content is None:
            raise RefusedError(f"{place} did not answer with JSON. Is it the address of Canvas?", 200)
        return Answer(response.status, content, _as_of(response), self._next(response, url))

    def _slow_down(self) -> None:
        if self._remaining is not None and self._remaining < _RESERVE:
            self._http.sleep(min((_RESERVE - self._remaining) / _UNITS_PER_SECOND, _MAX_PAUSE_SECONDS))

    def _next(self, response: Response, url: str) -> str | None:
        for target, attributes in _LINK.findall(response.headers.get("Link", "")):
            if _NEXT.search(attributes):
                next_url: str = urllib.parse.urljoin(url, target)
                with suppress(ValueError):
                    if origin(next_url) == self._origin:
                        return next_url
                raise CommandError(
                    f"{without_query(url)} continues on another host, to which the token is not sent. Pass the address"
                    " of Canvas itself as --canvas."
                )
        return None


def _is_throttled(response: Response) -> bool:
    """Whether Canvas throttles: with 429, or with 403 and a text that tells it from a missing permission."""
    return response.status == 429 or (response.status == 403 and b"rate limit exceeded" in response.body[:1000].lower())


def _as_of(response: Response) -> datetime:
    """The time before the request by this clock or the time of the answer by Canvas's, whichever is earlier."""
    try:
        date = parsedate_to_datetime(response.headers.get("Date", ""))
        return min(date.astimezone(UTC), response.requested_at)
    except (TypeError, ValueError):
        return response.requested_at


def _refusal(place: str, status: int) -> str:
    match status:
        case 401:
            return f"{place} does not accept the token: it is not valid, has expired, or lacks a permission or scope."
        case 403:
            return f"{place} is not allowed with this token. It needs the permissions of an account administrator."
        case 404:
            return f"{place} does not exist, and the answer is not one of Canvas. Is it the address of Canvas?"
        case _ if 300 <= status < 400:
            return f"{place} redirects, and the token is not sent elsewhere. Pass the final address as --canvas."
    return f"{place} answered with status {status}. Try again later."
