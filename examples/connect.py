"""The options of the examples, and the tables that they choose."""

import argparse

from canvas_tables import Tables


def add_stack_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--stack``, ``--account`` and ``--local``."""
    parser.add_argument("--stack", default="canvas-live-events", metavar="NAME", help="name of the stack")
    parser.add_argument("--account", metavar="UUID", help="root account, where the tables hold several")
    parser.add_argument("--local", action="store_true", help="the stack that `make run KEEP=1` keeps running")


def connect(options: argparse.Namespace) -> Tables:
    """Return the tables of the chosen stack; raises ``CommandError`` where no local stack is running."""
    if not options.local:
        return Tables.of_stack(options.stack, root_account=options.account)
    from cli.local.ministack import require_running_stack

    aws = require_running_stack()
    return Tables.of_stack(options.stack, root_account=options.account, session=aws.session, endpoint_url=aws.endpoint)
