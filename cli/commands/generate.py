"""``generate``: the generated files from their sources."""

import argparse
from typing import Any

EXAMPLES = """\
examples:
  canvas-events generate            after a change of the catalogue or a sample
  canvas-events generate --check    only name the files that are out of date
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "generate",
        help="update the files that are generated from the catalogue, the template and the commands",
        description="Update the schemas, the blocks of template.yaml, the sample invocations, docs/reference/,"
        " docs/configuration.md and docs/command-reference.md.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="change nothing; exit status 1 if a file is out of date")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Generate or check the files; returns 1 when a file checked is out of date, 0 otherwise."""
    from cli.catalogue import generated

    return generated.run(check=args.check, as_json=args.json)
