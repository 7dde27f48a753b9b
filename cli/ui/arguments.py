"""Arguments and options that several commands share."""

import argparse
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.catalogue import model
from cli.errors import CommandError
from cli.local.ministack import STACK

_AGO_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


class _StackOption(argparse.Action):
    """An option that chooses a stack: ``--local`` excludes those that choose an AWS account and region."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002  # as argparse calls it
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        setattr(namespace, self.dest, True if self.nargs == 0 else values)
        if namespace.local and (namespace.region or namespace.profile):
            raise argparse.ArgumentError(None, "--local cannot be combined with --region or --profile")


def stack_options() -> argparse.ArgumentParser:
    """The options that choose a stack, as a parent parser."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("stack")
    group.add_argument("--stack", default=STACK, metavar="NAME", help=f"name of the stack (default: {STACK})")
    group.add_argument("--region", action=_StackOption, help="AWS region (default: from your AWS configuration)")
    group.add_argument("--profile", action=_StackOption, help="profile of your AWS configuration")
    group.add_argument(
        "--local", action=_StackOption, nargs=0, default=False, help="the stack that `make run KEEP=1` keeps running"
    )
    return parser


def command(commands: Any, name: str, about: str, examples: str, run: Any, *, more: str = "") -> Any:
    """Add a command that works on a stack. ``about`` is its one-line help, ``more`` the rest of its description."""
    parser = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}. {more}".rstrip(),
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[stack_options()],
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=run)
    return parser


def group(commands: Any, name: str, about: str, examples: str, *, more: str) -> Any:
    """Add a group of commands; returns the object that its own commands are added to."""
    parser = commands.add_parser(
        name, help=about, description=more, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    return parser.add_subparsers(required=True, metavar="ACTION")


def families_parameter(families: str | None) -> dict[str, str]:
    """The template parameter ``Families`` for the option ``--families``; empty without the option.

    Raises ``CommandError`` naming a family that does not exist.
    """
    if families is None:
        return {}
    if families != "all":
        family_names(families, others="; or all")
    return {"Families": families}


def family_names(text: str, *, others: str = "") -> list[str]:
    """The families in a list with commas.

    Raises ``CommandError`` naming those that do not exist, and all that do.
    """
    known = [family.name for family in model.families()]
    names = _split(text)
    if unknown := [name for name in names if name not in known]:
        raise CommandError(f"there is no family {', '.join(unknown)}. The families are {', '.join(known)}{others}.")
    return names


def event_type_names(text: str) -> list[str]:
    """The event types in a list with commas.

    Raises ``CommandError`` naming those that do not exist, and all that do.
    """
    known = model.load()
    names = _split(text)
    if unknown := [name for name in names if name not in known]:
        raise CommandError(f"unknown event type {', '.join(unknown)}. The event types are {', '.join(sorted(known))}.")
    return names


def _split(text: str) -> list[str]:
    return re.split(" *, *", text.strip())


def positive_int(text: str) -> int:
    """A positive integer. Raises ``argparse.ArgumentTypeError``."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} must be a positive integer")
    return int(text)


def time_argument(text: str) -> datetime:
    """``2d``, ``12h`` or ``30m`` ago, or an ISO 8601 date or date-time, in UTC where it has no offset.

    Raises ``argparse.ArgumentTypeError``.
    """
    ago = re.fullmatch(r"(\d{1,4})([dhm])", text)
    if ago:
        return datetime.now(UTC) - timedelta(**{_AGO_UNITS[ago[2]]: int(ago[1])})
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a valid time: use 2d, 12h, 30m, 2026-09-07 or 2026-09-07T12:00Z"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
