"""The error that commands report to the user."""


class CommandError(Exception):
    """A command cannot do what it was asked to. The text says what is wrong, where, and what to do."""
