"""The former place of ``time_argument``."""

from cli.ui.arguments import time_argument as moment

__all__ = ["moment"]
