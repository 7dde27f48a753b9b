"""``run --redeploy``: update the running local stack, as ``sam deploy`` updates one in AWS."""

from collections.abc import Iterable, Mapping

from cli.local.invocation import table_variables
from cli.local.ministack import STACK, LocalAws, redeploy, require_running_stack
from cli.stack.stack import family
from cli.ui import arguments, output


def run(families: str | None = None, *, as_json: bool = False) -> int:
    """Update the stack to the current template, code and schemas; returns 0.

    ``families`` is the parameter Families; without it, the families stay. Raises ``CommandError`` where no local stack
    is running.
    """
    chosen = arguments.families_parameter(families)
    aws = require_running_stack()
    before = _tables(aws)
    with output.stderr().status("Deploying template.yaml into the running stack …"):
        after = table_variables(redeploy(aws, chosen))
    changes = {
        "unchanged": _families(variable for variable in after if after[variable] == before.get(variable)),
        "created": _families(variable for variable in after if after[variable] != before.get(variable)),
        "removed": _families(before.keys() - after.keys()),
    }
    if as_json:
        output.print_json(changes)
    else:
        _show(changes)
    return 0


def _show(changes: Mapping[str, list[str]]) -> None:
    console = output.stdout(whole_lines=True)
    console.print(f"The stack {STACK} now has the current template, code and schemas.")
    for names, remark in (
        (changes["unchanged"], "Tables with the same items as before"),
        (changes["created"], "New, empty tables"),
        (changes["removed"], "No longer in the stack; their tables are retained, but will not be used again"),
    ):
        if names:
            console.print(f"{remark}: {', '.join(names)}.")


def _tables(aws: LocalAws) -> dict[str, str]:
    """The tables of the stack by their variables."""
    (stack,) = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return table_variables({entry["OutputKey"]: entry["OutputValue"] for entry in stack["Outputs"]})


def _families(variables: Iterable[str]) -> list[str]:
    return sorted(map(family, variables))
