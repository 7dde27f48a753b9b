"""``generate``: the generated files from their sources."""

import argparse
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command."""
    about = "update the schemas, the blocks of template.yaml and the sample invocations"
    parser = commands.add_parser(
        "generate",
        help=about,
        description=f"R{about[1:]}: schemas/catalogue/*.toml and events/samples/*.json.",
    )
    parser.add_argument("--check", action="store_true", help="change nothing; exit status 1 if a file is out of date")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Generate or check the files; returns 1 when a file checked is out of date, 0 otherwise."""
    from cli.catalogue import generated

    return generated.run(check=args.check)
