"""Describe an unexpected exception without its message, which may contain the data that failed."""

import traceback
from pathlib import Path

_HANDLERS = Path(__file__).parents[1]


def describe_error(error: Exception) -> str:
    """Return the exception's type and the innermost line of this package: ``KeyError at route.py:57``."""
    frames = traceback.extract_tb(error.__traceback__)
    own_frames = [frame for frame in frames if Path(frame.filename).is_relative_to(_HANDLERS)]
    frame = (own_frames or frames)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
