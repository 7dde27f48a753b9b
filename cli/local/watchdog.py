"""Start a server and stop it when the process that asked for it ends, however that happens.

Usage: ``watchdog.py GRACE_SECONDS PORT LEFTOVER … -- COMMAND …``, as the leader of a process group, with a socket as
standard input. This process becomes the server. A second one waits until the other end of the socket is closed, which
the kernel does even for a process that is killed. Then it ends the process group and removes what is left over:
folders, and files that name the port. It needs nothing but the standard library and works on Linux and macOS alike.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> None:
    """Become the server, after a child was forked that watches over it."""
    separator = arguments.index("--")
    grace_seconds, port, *leftovers = arguments[:separator]
    command = arguments[separator + 1 :]
    server = os.getpid()
    if os.fork() == 0:
        _watch(server, float(grace_seconds))
        for leftover in leftovers:
            _remove(Path(leftover), port)
        os.killpg(0, signal.SIGKILL)  # what ignores SIGTERM, and this process
    # Only the watchdog may hold the socket: its end tells the other side that everything has stopped.
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    os.execvp(command[0], list(command))  # noqa: S606  # the caller names the server


def _watch(server: int, grace_seconds: float) -> None:
    """Return when the socket was closed and the server has ended, or had ``grace_seconds`` to do so."""
    signal.signal(signal.SIGTERM, lambda *_: None)  # it is sent to the whole group
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.killpg(0, signal.SIGTERM)
    until = time.monotonic() + grace_seconds
    while os.getppid() == server and time.monotonic() < until:
        time.sleep(0.05)  # until the next look


def _remove(path: Path, port: str) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    elif path.is_file() and f":{port}" in path.read_text(encoding="utf-8"):
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1:])
