"""Waiting for what takes its time."""

import time
from collections.abc import Callable


def wait_for(happened: Callable[[], bool], seconds: float = 60) -> None:
    """Return when it happened; raises ``TimeoutError``."""
    until = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > until:
            raise TimeoutError("it did not happen in time")
        time.sleep(0.2)  # until the next look
