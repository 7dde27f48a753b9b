"""``doctor``: is the stack well formed, and if not, what to do."""

import argparse
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from cli import errors
from cli.errors import CommandError
from cli.stack import checks
from cli.stack.checks.finding import Finding, State, gone
from cli.stack.stack import Stack, open_stack
from cli.ui import arguments, output
from cli.ui.output import out, plural, print_json

EXAMPLES = """\
examples:
  canvas-events doctor                                the stack of your AWS configuration
  canvas-events doctor --stack live-events-test       another one
  canvas-events doctor --local                        the one that `make run KEEP=1` leaves up here
  canvas-events doctor --json                         for machines

What your AWS identity may not look at is "not checked". Exit status 1 when something is at fault.
"""
_STYLES = {
    State.OK: "green",
    State.WARNING: "yellow",
    State.FAULT: "bold red",
    State.NOT_CHECKED: "dim",
    State.INFO: "",
}


def add_to(commands: Any) -> None:
    """Add the command."""
    arguments.command(
        commands, "doctor", "check whether the stack is well formed, and say what to do", EXAMPLES, run,
        more="Looks at queue, mappings, functions, permissions, tables, alarms, deployed schemas. Changes nothing.",
    )  # fmt: skip


def run(called: argparse.Namespace) -> int:
    """The command: 0 when nothing is at fault, 1 otherwise."""
    found = list(examine(open_stack(called)))
    if called.json:
        print_json([{"area": area, "state": each.state, "finding": each.text, "do": each.do} for area, each in found])
    else:
        _show(found)
    return 1 if any(each.state is State.FAULT for _, each in found) else 0


def examine(stack: Stack) -> Iterator[tuple[str, Finding]]:
    """Every check's findings, each with its area; a check that cannot look says so, and the others go on."""
    with output.progress() as progress:
        for area, check in progress.track(list(checks.ALL.items()), description="looking"):
            try:
                for finding in check(stack):
                    yield area, finding
            except CommandError as error:
                yield area, Finding(State.FAULT, str(error))
            except (BotoCoreError, ClientError) as error:
                yield area, gone(error) or Finding(State.NOT_CHECKED, errors.sentence(error))
            except OSError as error:
                yield area, Finding(State.NOT_CHECKED, f"it cannot be downloaded: {error}")
            except ResponseParserError:
                yield area, Finding(State.NOT_CHECKED, "AWS's answer cannot be read")


def _show(found: list[tuple[str, Finding]]) -> None:
    areas = [area for area, _ in found]
    rows = (
        # Each area is named but once.
        ("" if areas.index(area) < number else area, output.text(each.state, _STYLES[each.state]), _told(each))
        for number, (area, each) in enumerate(found)
    )
    out().print(output.table(("of the stack.", ".", "finding, and what to do"), rows))
    counts = {state: sum(each.state is state for _, each in found) for state in (State.FAULT, State.WARNING)}
    out().print(f"{plural(counts[State.FAULT], 'fault')}, {plural(counts[State.WARNING], 'warning')}.")


def _told(finding: Finding) -> str:
    return f"{finding.text}\n{finding.do}".rstrip("\n")
