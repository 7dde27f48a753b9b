"""``completion``: shell completion, as a script for bash or zsh."""

import argparse
from typing import Any

EXAMPLES = """\
examples:
  eval "$(canvas-events completion bash)"             in ~/.bashrc
  canvas-events completion zsh > ~/.zfunc/_canvas-events
                                                      in a folder of $fpath
"""
_FILES = {"FILE", "SOURCE"}  # the metavars of arguments that take the name of a file


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "completion",
        help="print a completion script for bash or zsh",
        description="Print a completion script for commands, options, choices and file names.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=("bash", "zsh"))
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Print the script; returns 0."""
    import shtab

    from cli.commands import parser

    root = parser()
    _complete_files(root, shtab.FILE)
    print(shtab.complete(root, args.shell))
    return 0


def _complete_files(parser: argparse.ArgumentParser, completion: object) -> None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                _complete_files(subparser, completion)
        elif action.metavar in _FILES:
            action.complete = completion  # type: ignore[attr-defined]  # shtab reads it
