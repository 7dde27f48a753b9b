"""HTTP requests that are retried while they are throttled or fail, and whose errors hold no secrets.

No redirect is followed, so that a token reaches no other host. Errors name a URL without its query, which in the link
of an object is a signature.
"""

import email.utils
import ipaddress
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError

from cli.errors import CommandError

MAX_ATTEMPTS = 8
_BASE_DELAY_SECONDS, _MAX_DELAY_SECONDS = 1.0, 60.0
_MAX_RETRY_AFTER_SECONDS = 900.0
_TIMEOUT = urllib3.Timeout(connect=30, read=120)
_CHUNK_BYTES = 65_536
_TRANSIENT = frozenset({500, 502, 503, 504})


@dataclass(frozen=True)
class Response:
    """A complete response. ``headers`` are looked up in any case; ``requested_at`` is the time before the request."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    requested_at: datetime

    def json(self) -> Any:
        """Return the body, parsed, with ``Decimal`` for fractions, or None where it is not JSON."""
        try:
            return json.loads(self.body, parse_float=Decimal)
        except (ValueError, RecursionError):
            return None


def is_throttled(response: Response) -> bool:
    """Whether the status says that there were too many requests."""
    return response.status == 429


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


class Http:
    """A client for one service. ``sleep`` takes seconds; ``now`` returns a time in UTC."""

    def __init__(
        self, base_url: str, *, sleep: Callable[[float], object] = time.sleep, now: Callable[[], datetime] = utc_now
    ) -> None:
        host = urlsplit(base_url).hostname or ""
        proxy = None if _is_loopback(host) or proxy_bypass(host) else getproxies().get("https")
        self._pool = urllib3.ProxyManager(proxy) if proxy else urllib3.PoolManager()
        self.sleep = sleep
        self.now = now
        self._was_reached = False

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        throttled: Callable[[Response], bool] = is_throttled,
        attempts: int = MAX_ATTEMPTS,
    ) -> Response:
        """Return the first response that is neither throttled nor a fault of the service, or the last one.

        Between attempts it waits as long as ``Retry-After`` says, or else 1, 2, 4 … up to 60 seconds. Raises
        ``CommandError`` if the service cannot be reached: after two attempts if it never was, since then its address
        may be wrong.
        """
        attempt = 0
        while True:
            attempt += 1
            requested_at = self.now()
            delay = min(_BASE_DELAY_SECONDS * 2 ** (attempt - 1), _MAX_DELAY_SECONDS)
            try:
                answer = self._pool.request(
                    method, url, body=body, headers=headers, redirect=False, retries=False, timeout=_TIMEOUT
                )
            except HTTPError as error:
                if attempt >= (attempts if self._was_reached else 2):
                    raise unreachable(method, url, error) from None
            else:
                self._was_reached = True
                response = Response(answer.status, answer.headers, answer.data, requested_at)
                if attempt == attempts or not (throttled(response) or response.status in _TRANSIENT):
                    return response
                delay = self._retry_after(response) or delay
            self.sleep(delay)

    def download(self, url: str, file: BinaryIO) -> int:
        """Write the body of a successful response to a file, as it was sent, and return the status.

        Raises ``CommandError`` if the connection fails or ends before the body does.
        """
        try:
            answer = self._pool.request(
                "GET", url, redirect=False, retries=False, timeout=_TIMEOUT, preload_content=False, decode_content=False
            )
            try:
                if answer.status == 200:
                    for chunk in answer.stream(_CHUNK_BYTES, decode_content=False):
                        file.write(chunk)
                return answer.status
            finally:
                answer.close()
        except HTTPError as error:
            raise unreachable("GET", url, error) from None

    def _retry_after(self, response: Response) -> float | None:
        """The seconds to wait that the response states, as a number or as a time (RFC 9110, section 10.2.3)."""
        text = response.headers.get("Retry-After", "")
        try:
            seconds = float(text)
        except ValueError:
            try:
                seconds = (email.utils.parsedate_to_datetime(text) - self.now()).total_seconds()
            except (TypeError, ValueError):  # not a time, or one without a time zone
                return None
        return min(max(seconds, 0.0), _MAX_RETRY_AFTER_SECONDS) if seconds == seconds else None


def unreachable(method: str, url: str, error: HTTPError) -> CommandError:
    """The error for a request without a complete response. The text of the library's error would hold the URL."""
    return CommandError(f"{method} {without_query(url)} failed: {type(error).__name__}. Check the network, and retry.")


def without_query(url: str) -> str:
    """A URL for messages: scheme, host and path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL. Raises ``ValueError`` for a port that is not a number."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def checked_base_url(url: str, name: str) -> str:
    """Return a base URL without a final slash.

    Raises ``CommandError`` where it is not ``https://host``, with a port or path or without. Plain http is accepted
    for loopback addresses: elsewhere the credentials could be read on the way.
    """
    try:
        scheme, host, _ = origin(url)
    except ValueError:
        scheme = host = ""
    parts = urlsplit(url) if host else None
    if parts is None or parts.username is not None or parts.query or parts.fragment:
        raise CommandError(f"{name} is not a valid base URL. It must be an address such as https://canvas.example.edu.")
    if scheme != "https" and not (scheme == "http" and _is_loopback(host)):
        raise CommandError(f"{name} must begin with https://, since credentials are sent to it.")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
