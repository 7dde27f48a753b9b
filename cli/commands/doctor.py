"""``doctor``: health check of a stack, with remedies."""

import argparse
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from cli.errors import CommandError
from cli.stack import checks
from cli.stack.checks.finding import Finding, State, missing_resource
from cli.stack.stack import Stack, open_stack
from cli.ui import arguments, output
from cli.ui.output import plural, print_json, stdout

if TYPE_CHECKING:
    from rich.text import Text

EXAMPLES = """\
examples:
  canvas-events doctor                            the stack of your AWS configuration
  canvas-events doctor --stack live-events-test   another stack
  canvas-events doctor --local                    the stack of `make run KEEP=1`
  canvas-events doctor --json                     print JSON

What your AWS identity may not read is "not checked".
Exit status 1 when there is an error.
"""
_STYLES = {
    State.OK: "green",
    State.WARNING: "yellow",
    State.ERROR: "bold red",
    State.NOT_CHECKED: "dim",
    State.INFO: "",
}


def add_parser(commands: Any) -> None:
    """Add the command."""
    arguments.command(
        commands, "doctor", "health check: what is wrong with a stack and how to fix it", EXAMPLES, run,
        more="Checks queues, mappings, functions, permissions, tables, alarms and the deployed schemas. Changes"
        " nothing.",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Check a stack; returns 0 when there is no error, 1 otherwise."""
    findings = list(examine(open_stack(args)))
    if args.json:
        print_json(
            [
                {"area": area, "state": finding.state, "finding": finding.text, "remedy": finding.remedy}
                for area, finding in findings
            ]
        )
    else:
        _show(findings)
    return 1 if any(finding.state is State.ERROR for _, finding in findings) else 0


def examine(stack: Stack) -> Iterator[tuple[str, Finding]]:
    """Every check's findings, each with its area; a check that AWS does not answer is reported as not checked."""
    from botocore.exceptions import BotoCoreError, ClientError

    from cli.ui import aws_errors

    with output.progress() as progress:
        for area, check in progress.track(list(checks.ALL.items()), description="checking"):
            try:
                for finding in check(stack):
                    yield area, finding
            except CommandError as error:
                yield area, Finding(State.ERROR, str(error))
            except (BotoCoreError, ClientError) as error:
                yield area, missing_resource(error) or Finding(State.NOT_CHECKED, str(aws_errors.describe(error)))
            except OSError as error:
                yield area, Finding(State.NOT_CHECKED, f"the download failed: {error}")
            except Exception as error:  # botocore has no error of its own for every response that it cannot parse
                sentence = aws_errors.describe(error)
                if sentence is None:
                    raise
                yield area, Finding(State.NOT_CHECKED, sentence)


def _show(findings: list[tuple[str, Finding]]) -> None:
    console = stdout()
    width = max(map(len, _STYLES))
    for area, group in groupby(findings, key=lambda entry: entry[0]):
        console.print(output.text(area, "bold"))
        console.print(output.labelled(_pairs(finding for _, finding in group), label_width=width))
    counts = {state: sum(finding.state is state for _, finding in findings) for state in (State.ERROR, State.WARNING)}
    console.print(f"\n{plural(counts[State.ERROR], 'error')}, {plural(counts[State.WARNING], 'warning')}.")


def _pairs(findings: Iterable[Finding]) -> Iterator[tuple["Text", "Text"]]:
    for finding in findings:
        content = output.text(finding.text)
        if finding.remedy:
            content.append(f"\n{output.visible(finding.remedy)}", "dim")
        yield output.text(finding.state, _STYLES[finding.state]), content
