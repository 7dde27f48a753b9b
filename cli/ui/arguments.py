"""How the commands are called: what they have in common."""

import argparse
import re
from typing import Any

from cli.catalogue import model
from cli.errors import CommandError
from cli.local.ministack import STACK


def where() -> argparse.ArgumentParser:
    """The options, the same for all commands, that say where to work."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("where")
    group.add_argument("--stack", default=STACK, metavar="NAME", help=f"the stack's name (default {STACK})")
    group.add_argument("--region", help="its AWS region (default: that of your AWS configuration)")
    group.add_argument("--profile", help="a profile of your AWS configuration")
    group.add_argument("--local", action="store_true", help="the stack that `make run KEEP=1` leaves up here")
    return parser


def command(commands: Any, name: str, about: str, examples: str, run: Any, *, more: str = "") -> Any:
    """Add a command that works on a stack; ``about`` in a few words, ``more`` in some sentences."""
    parser = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}. {more}".rstrip(),
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[where()],
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.set_defaults(command=run)
    return parser


def group(commands: Any, name: str, about: str, examples: str, *, more: str) -> Any:
    """Add a group of commands; what its own commands are added to."""
    parser = commands.add_parser(
        name, help=about, description=more, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    return parser.add_subparsers(required=True, metavar="ACTION")


def choice(families: str | None) -> dict[str, str]:
    """The parameter Families as a person named them; empty where nobody did.

    Raises ``CommandError`` for a family that is not there.
    """
    if families is None:
        return {}
    known = [each.name for each in model.families()]
    unknown = [name for name in re.split(" *, *", families) if name not in known]
    if unknown and families != "all":
        raise CommandError(f"there is no family {', '.join(unknown)}. There are {', '.join(known)}, and all.")
    return {"Families": families}


def natural(said: str) -> int:
    """A whole number from 1 on. Raises ``argparse.ArgumentTypeError``."""
    if not (said.isascii() and said.isdigit() and int(said)):
        raise argparse.ArgumentTypeError(f"{said!r} is no whole number from 1 on")
    return int(said)
