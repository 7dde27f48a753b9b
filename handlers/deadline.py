"""How long an invocation may go on, so that it answers before Lambda ends it."""

from collections.abc import Callable

# One request to DynamoDB may still be under way when time runs out: it may wait for the connection, for the head of
# the answer and for its body, and then our own answer needs a little too.
CONNECT_SECONDS = 1
READ_SECONDS = 2
_RESERVE_MS = (CONNECT_SECONDS + 2 * READ_SECONDS + 1) * 1000
_LEAST_RESERVE_MS = 500


class Deadline:
    """Tells when to stop: to judge records after half of the time, so that the rest is there to write them.

    A batch that is too much for one invocation thus gets on a little in each.
    ``remaining_ms`` is the Lambda context's ``get_remaining_time_in_millis``.
    """

    def __init__(self, remaining_ms: Callable[[], int]) -> None:
        self._remaining_ms = remaining_ms
        at_start = remaining_ms()
        # A function with a short time limit cannot keep the whole reserve, or it would never do anything.
        self._reserve_ms = max(_LEAST_RESERVE_MS, min(_RESERVE_MS, at_start // 2))
        self._judge_until_ms = self._reserve_ms + (at_start - self._reserve_ms) // 2

    def judging_is_over(self) -> bool:
        """Whether the records that were not judged yet must wait for the next delivery."""
        return self._remaining_ms() <= self._judge_until_ms

    def is_over(self) -> bool:
        """Whether nothing more may be begun."""
        return self._remaining_ms() <= self._reserve_ms

    def seconds_left(self) -> float:
        """Seconds until ``is_over``."""
        return max(0.0, (self._remaining_ms() - self._reserve_ms) / 1000)
