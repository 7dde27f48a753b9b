"""How an exception that nobody foresaw is told."""

import traceback
from pathlib import Path

_HANDLERS = Path(__file__).parents[1]


def name_and_place(bug: Exception) -> str:
    """``KeyError at route.py:57``: never the message, which may hold what failed."""
    frames = traceback.extract_tb(bug.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_HANDLERS)]
    place = (ours or frames)[-1]
    return f"{type(bug).__name__} at {Path(place.filename).name}:{place.lineno}"
