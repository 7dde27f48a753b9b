"""A server on this machine, for as long as something needs it."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from cli.errors import CommandError

PORT = "{port}"  # stands for the number of the port
SECONDS_TO_START = 60
MAX_ATTEMPTS = 5


class LocalServerError(CommandError):
    """A server did not start; the text has what it said."""


@contextlib.contextmanager
def local_server(
    name: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
    grace_seconds: float = 10,
) -> Iterator[int]:
    """Run a server on a free port of the loopback address, and end it; the port.

    ``PORT`` stands for its number in the command and in the environment. At the end the server and what it started get
    ``grace_seconds`` to finish. Raises ``LocalServerError`` when it does not start.
    """
    process, port = _start(name, command, env, cwd)
    try:
        yield port
    finally:
        _end(process, grace_seconds)


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _start(
    name: str, command: Sequence[str], env: Mapping[str, str], cwd: Path | None
) -> tuple["subprocess.Popen[bytes]", int]:
    said = b""
    for _ in range(MAX_ATTEMPTS):
        # Until the server listens, another process may take its port: then it ends, and gets another one.
        port = free_port()
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(  # noqa: S603  # the callers name the server
                [part.replace(PORT, str(port)) for part in command],
                env={variable: value.replace(PORT, str(port)) for variable, value in env.items()},
                cwd=cwd,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                if _comes_up(process, port):
                    return process, port
            except BaseException:
                _end(process, 0)
                raise
            log.seek(0)
            said = log.read()
        if process.poll() is None:
            _end(process, 0)
            break
    raise LocalServerError(f"{name} did not start. It said:\n{said.decode(errors='replace')}")


def _comes_up(process: "subprocess.Popen[bytes]", port: int) -> bool:
    until = time.monotonic() + SECONDS_TO_START
    while process.poll() is None and time.monotonic() < until:
        if _listens(process.pid, port):
            return True
        time.sleep(0.05)  # until the next look
    return False


def _listens(pid: int, port: int) -> bool:
    """Whether it is this very process that listens on the port."""
    with contextlib.suppress(psutil.NoSuchProcess):
        sockets = psutil.Process(pid).net_connections(kind="tcp")
        return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in sockets)
    return False


def _end(process: "subprocess.Popen[bytes]", grace_seconds: float) -> None:
    """End the server and the processes that it started, which are in its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=grace_seconds)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
