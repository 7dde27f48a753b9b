"""How a running local stack ends: by Ctrl-C through make, and together with its parent process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.catalogue.generated import ROOT

WAITS = """\
import contextlib, os
parent = os.getppid()
from cli.local import local_run
with contextlib.suppress(KeyboardInterrupt), local_run._alone_in_foreground():
    print("waiting", flush=True)
    local_run._wait_while_parent_runs(parent)
print("ended", flush=True)
"""
# In a process of its own, since a process with threads must not fork.
ON_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


@pytest.mark.usefixtures("default_signals")
def test_ctrl_c_ends_make_without_an_error(tmp_path: Path) -> None:
    """Ctrl-C is handled by the command alone, so make exits with status 0, as the command does."""
    (tmp_path / "waits.py").write_text(WAITS)
    (tmp_path / "Makefile").write_text(f"run:\n\t@{sys.executable} {tmp_path / 'waits.py'}\n")
    with subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, "make", "-C", str(tmp_path)], env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        while b"waiting" not in process.stdout.readline():
            assert process.poll() is None
        process.stdin.write(b"\x03")
        process.stdin.flush()
        output = process.stdout.read()
    assert (process.returncode, b"ended" in output, b"Error" in output) == (0, True, False)


@pytest.mark.usefixtures("default_signals")
def test_local_stack_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    """When make is killed, the command that it started notices and ends."""
    (tmp_path / "waits.py").write_text(WAITS)
    # The shell ends as soon as the command waits.
    shell = f"{sys.executable} {tmp_path / 'waits.py'} | {{ read line; echo $line; kill -9 $$; cat; }}"
    with subprocess.Popen(
        ["sh", "-c", shell], env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.read() == "waiting\nended\n"
