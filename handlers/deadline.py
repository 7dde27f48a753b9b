"""The time that an invocation has, so that it responds before Lambda ends it."""

from collections.abc import Callable

# A request to DynamoDB may still be in flight when the time is up: it can wait for the connection, for the response's
# headers and for its body. Then the function's own response takes some time too.
CONNECT_TIMEOUT_SECONDS = 1
READ_TIMEOUT_SECONDS = 2
_SAFETY_MARGIN_MS = (CONNECT_TIMEOUT_SECONDS + 2 * READ_TIMEOUT_SECONDS + 1) * 1000
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
