"""The time that an invocation has, so that it responds before Lambda ends it."""

from collections.abc import Callable

CONNECT_TIMEOUT_SECONDS = 1
READ_TIMEOUT_SECONDS = 2
# The writer waits no longer for a request to DynamoDB, whatever keeps it: time to connect, and to wait for the headers
# and the body of the response.
REQUEST_TIMEOUT_SECONDS = CONNECT_TIMEOUT_SECONDS + 2 * READ_TIMEOUT_SECONDS
_RESPONSE_MS = 1000  # for the function's own response
_SAFETY_MARGIN_MS = REQUEST_TIMEOUT_SECONDS * 1000 + _RESPONSE_MS
_MIN_SAFETY_MARGIN_MS = 500


class Deadline:
    """Says when to stop: processing after half of the time, writing at the end, less a safety margin.

    Half of the time remains for the writes, so an oversized batch makes progress on every invocation.
    ``remaining_ms`` is ``get_remaining_time_in_millis`` of the Lambda context.
    """

    def __init__(self, remaining_ms: Callable[[], int]) -> None:
        self._remaining_ms = remaining_ms
        initial_ms = remaining_ms()
        # A function with a short timeout cannot keep the whole margin, or it would never do anything.
        self._margin_ms = max(_MIN_SAFETY_MARGIN_MS, min(_SAFETY_MARGIN_MS, initial_ms // 2))
        self._response_ms = min(_RESPONSE_MS, self._margin_ms // 2)
        self._processing_cutoff_ms = self._margin_ms + (initial_ms - self._margin_ms) // 2

    def processing_expired(self) -> bool:
        """Whether records that are not processed yet must wait for the next delivery."""
        return self._remaining_ms() <= self._processing_cutoff_ms

    def expired(self) -> bool:
        """Whether nothing new may be started."""
        return self._remaining_ms() <= self._margin_ms

    def remaining_seconds(self) -> float:
        """Return the seconds until ``expired``, at least 0."""
        return max(0.0, (self._remaining_ms() - self._margin_ms) / 1000)

    def request_seconds(self) -> float:
        """Return how long a request that starts now may take without delaying the response; 0 once ``expired``.

        At least ``REQUEST_TIMEOUT_SECONDS`` unless the function's own timeout is under 12 seconds.
        """
        remaining_ms = self._remaining_ms()
        return 0.0 if remaining_ms <= self._margin_ms else (remaining_ms - self._response_ms) / 1000
