"""A copy of the project, for tests of commands that change it or leave files in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from cli.catalogue.generated import ROOT

FOLDERS = ("canvas_tables", "cli", "handlers", "schemas", "events", "docs", "package")


class Checkout:
    """A copy of the project in a folder; its commands run as separate processes, without an AWS configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in FOLDERS:
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "template.yaml", folder)
        (folder / ".cache").mkdir()

    def run(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(
            self._command(*arguments), cwd=self.folder, env=self._environment(), capture_output=True, text=True,
            input=stdin, check=False,
        )  # fmt: skip

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a command whose output is read while it runs."""
        return subprocess.Popen(
            self._command(*arguments), cwd=self.folder, env=self._environment() | environment, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    @staticmethod
    def _command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "cli", *arguments]

    def _environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "POWERTOOLS_"))}
        return ours | {"PYTHONPATH": str(self.folder), "COLUMNS": "250"}
