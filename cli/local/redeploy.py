"""``run --redeploy``: the stack that is up on this machine takes what was changed, as after ``sam deploy``."""

from rich.console import Console

from cli.local.invocation import table_variables
from cli.local.ministack import STACK, redeploy
from cli.stack.stack import family, local
from cli.ui import arguments, output
from handlers.items import rejection


def run(families: str | None = None) -> int:
    """The command: 0 when the stack has the template, the code and the schemas of now.

    ``families`` is the parameter Families; without, it stays. Raises ``CommandError`` where no stack is up.
    """
    chosen = arguments.choice(families)
    aws = local()
    with Console().status("Deploying template.yaml into the stack that is up …"):
        outputs = redeploy(aws, chosen)
    kept = sorted(family(variable) for variable in table_variables(outputs) if variable != rejection.TABLE_VARIABLE)
    output.out().print(
        f"The stack {STACK} has the template, the code and the schemas of now; its tables hold what they held."
        f"\nIt keeps {', '.join(kept)}.",
        soft_wrap=True,
    )
    return 0
