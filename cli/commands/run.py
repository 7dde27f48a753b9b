"""``run``: the whole system on this machine, with sample events."""

import argparse
from typing import Any

EXAMPLES = """\
examples:
  canvas-events run                       everything
  canvas-events run --families submissions,activity
                                          only these families, as with
                                          the parameter Families
  canvas-events run --keep                keep it running until Ctrl-C;
                                          then, in another terminal:
  canvas-events run --redeploy            update the running stack after
                                          a change and `make generate`
  canvas-events run --redeploy --families all
                                          and change its families
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "run",
        help="deploy the template on this machine and process sample events",
        description="Deploy template.yaml into MiniStack, a local AWS emulator, send sample events through queue and"
        " stream, and report what became of each. Exit status 1 when a record is not accounted for.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--keep", action="store_true", help="keep the stack running until Ctrl-C, and show how to use it")
    mode.add_argument(
        "--redeploy",
        action="store_true",
        help="update the running local stack to the current template, code and schemas; send nothing",
    )
    parser.add_argument("--families", metavar="NAMES", help="families to store: submissions,activity (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Run or update the local stack; returns 0 when every record is accounted for, 1 otherwise."""
    from cli.local import local_run, redeploy

    if args.redeploy:
        return redeploy.run(args.families, as_json=args.json)
    return local_run.run(args.families, keep=args.keep, as_json=args.json)
