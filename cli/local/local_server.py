"""A server process on this machine that stops when it is no longer needed, or its parent ends."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.errors import CommandError

PORT = "{port}"  # placeholder for the port number
SECONDS_TO_START = 60
MAX_ATTEMPTS = 5

_WATCHDOG = Path(__file__).with_name("watchdog.py")


class LocalServerError(CommandError):
    """A server did not start; the text includes its output."""


@dataclass(frozen=True)
class _Server:
    """A server process, and the socket by which its watchdog notices that this process has ended."""

    process: "subprocess.Popen[bytes]"
    control: socket.socket


@contextlib.contextmanager
def local_server(
    name: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
    grace_seconds: float = 10,
    leftovers: Iterable[Path] = (),
) -> Iterator[int]:
    """Run a server on a free port of the loopback address, and stop it at the end; yields the port.

    ``PORT`` stands for the port number in the command and in the environment. At the end, which includes a SIGKILL of
    this process, the server and the processes that it started get ``grace_seconds`` to finish; then those
    ``leftovers`` are removed that are folders, or files that name the port. Raises ``LocalServerError`` when the
    server does not start.
    """
    watchdog = [sys.executable, "-I", "-S", str(_WATCHDOG), str(grace_seconds), PORT, *map(str, leftovers), "--"]
    server, port = _start(name, [*watchdog, *command], env, cwd)
    try:
        yield port
    finally:
        _stop(server)


def free_port() -> int:
    """A port of the loopback address that no process listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _start(name: str, command: Sequence[str], env: Mapping[str, str], cwd: Path | None) -> tuple[_Server, int]:
    output = b""
    for _ in range(MAX_ATTEMPTS):
        # Another process may take the port before the server does: then the server exits, and gets another port.
        port = free_port()
        with tempfile.TemporaryFile() as log:
            control, watched = socket.socketpair()
            with watched:
                process = subprocess.Popen(  # noqa: S603  # the callers name the server
                    [part.replace(PORT, str(port)) for part in command],
                    env={variable: value.replace(PORT, str(port)) for variable, value in env.items()},
                    cwd=cwd,
                    stdin=watched.fileno(),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            server = _Server(process, control)
            try:
                if _comes_up(process, port):
                    return server, port
            except BaseException:
                _kill(server)
                raise
            has_exited = process.poll() is not None
            _kill(server)
            log.seek(0)
            output = log.read()
        if not has_exited:
            break
    raise LocalServerError(f"{name} did not start. Its output:\n{output.decode(errors='replace')}")


def _comes_up(process: "subprocess.Popen[bytes]", port: int) -> bool:
    until = time.monotonic() + SECONDS_TO_START
    while process.poll() is None and time.monotonic() < until:
        if _listens(process.pid, port):
            return True
        time.sleep(0.05)  # until the next look
    return False


def _listens(pid: int, port: int) -> bool:
    """Whether this very process listens on the port."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        connections = psutil.Process(pid).net_connections(kind="tcp")
        return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections)
    return False


def _kill(server: _Server) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)
    _stop(server)


def _stop(server: _Server) -> None:
    """Let the watchdog stop the server and its processes, and wait until it has."""
    with server.control as control, contextlib.suppress(OSError):
        control.shutdown(socket.SHUT_WR)
        control.recv(1)  # returns when the watchdog, the last process, has ended
    server.process.wait()
