"""The imports of the command modules: no other command, and nothing heavy before a command runs."""

import ast
from pathlib import Path

import pytest

from cli.catalogue.generated import ROOT

MODULES = sorted((ROOT / "cli" / "commands").glob("*.py"))
LIGHT = {"argparse", "collections.abc", "typing", "cli.errors", "cli.ui"}


def imported(nodes: list[ast.stmt]) -> set[str]:
    """Return the names of the modules that these statements import."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_command_imports_no_other_command(path: Path) -> None:
    """Code that two commands share is in a library, even if a function imports it."""
    statements = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.stmt)]
    assert [name for name in imported(statements) if name.startswith("cli.commands.")] == []


@pytest.mark.parametrize("name", ["check", "send", "rejected", "dlq", "failures"])
def test_command_module_imports_nothing_heavy(name: str) -> None:
    """Its help loads neither boto3 nor rich nor the handlers' pipeline: functions import these when they run."""
    assert imported(ast.parse((ROOT / "cli" / "commands" / f"{name}.py").read_text()).body) <= LIGHT
