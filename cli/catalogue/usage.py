"""``docs/command-reference.md``: arguments, options and examples of each command, from the parser.

These are tables, not the output of ``--help``, whose layout depends on the version of Python and on the terminal.
"""

import argparse
import re
from collections.abc import Iterator

from handlers.items.event_types import SCHEMAS_DIR

FILE = SCHEMAS_DIR.parent / "docs" / "command-reference.md"

# The options of every command, which the page describes once, at its top.
_DESCRIBED_ONCE = frozenset({"help", "json", "stack", "region", "profile", "local"})

_INTRODUCTION = """\
# Command reference

Generated from `canvas-events --help` by `make generate`; do not edit this page. [Commands](commands.md) explains each
command and shows its output.

Every command has `--help`. Commands that print results have `--json`. Commands that work on a stack have:

| argument | meaning |
| --- | --- |
| `--stack NAME` | name of the stack (default: canvas-live-events) |
| `--region REGION`, `--profile PROFILE` | AWS region and profile (default: from your AWS configuration) |
| `--local` | the stack that `make run KEEP=1` keeps running on this machine |

Exit status: 0 success, 1 problem found, 2 usage error.
"""


def text() -> str:
    """Return the whole page."""
    from cli.commands import parser  # not above, since a command imports this module

    commands = _subcommands(parser()).items()
    return "\n".join([_INTRODUCTION, *(line for name, command in commands for line in _command(name, command))])


def _command(name: str, command: argparse.ArgumentParser) -> Iterator[str]:
    yield f"## {name}\n"
    yield f"{_prose(command.description or '')}\n"
    yield from _arguments(command)
    for action in _subcommands(command).values():
        yield f"### {action.prog.removeprefix('canvas-events ')}\n"
        yield f"{_prose(action.description or '')}\n"
        yield from _arguments(action)
    if command.epilog:
        yield f"```text\n{command.epilog.strip()}\n```\n"


def _arguments(command: argparse.ArgumentParser) -> Iterator[str]:
    rows = [
        f"| {_name(action)} | {_help(command, action)} |"
        for action in command._actions
        if action.dest not in _DESCRIBED_ONCE and not isinstance(action, argparse._SubParsersAction)
    ]
    if rows:
        yield "| argument | meaning |\n| --- | --- |\n" + "\n".join(rows) + "\n"


def _name(action: argparse.Action) -> str:
    metavar = action.metavar or (action.dest if action.choices is None else "|".join(map(str, action.choices)))
    value = metavar if isinstance(metavar, str) else " ".join(metavar)
    if not action.option_strings:
        return _code(value)
    takes_value = action.nargs != 0
    return ", ".join(
        _code(f"{option} {value.upper() if action.metavar is None and action.choices is None else value}")
        if takes_value
        else _code(option)
        for option in action.option_strings
    )


def _help(command: argparse.ArgumentParser, action: argparse.Action) -> str:
    return _prose((action.help or "") % (vars(action) | {"prog": command.prog}))


def _subcommands(command: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _code(text: str) -> str:
    return f"`{text}`".replace("|", r"\|")


def _prose(text: str) -> str:
    """Return a text on one line, without characters that Markdown interprets."""
    return re.sub(r"([|*<])", r"\\\1", " ".join(text.split()))
