"""Local servers: ready when they listen, stopped whatever happens to their parent, clear errors when they fail."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from cli.catalogue.generated import ROOT
from cli.local import local_server as module
from cli.local.local_server import PORT, LocalServerError, free_port, local_server

WEB_SERVER = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", PORT]

# A parent that has a server, which has a child, and that is ended by a signal; and what is to be removed then.
PARENT = """\
import pathlib, signal, sys
from cli.__main__ import _exit_on_signals
from cli.local.local_server import PORT, local_server
folder, file = map(pathlib.Path, sys.argv[1:])
server = "import subprocess as s, runpy; s.Popen(['sleep', '600']); runpy.run_module('http.server', None, '__main__')"
_exit_on_signals()
command = [sys.executable, "-c", server, "--bind", "127.0.0.1", PORT]
with local_server("a web server", command, leftovers=[folder, file]) as port:
    file.write_text(f'{{"endpoint": "http://127.0.0.1:{port}"}}')
    print(port, flush=True)
    signal.pause()
"""


def is_listening(port: int) -> bool:
    """Return whether a process listens on a port."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def test_local_server_listens_until_its_context_ends() -> None:
    """It accepts connections at once, and at the end neither it nor a child process is left."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with local_server("a web server", WEB_SERVER) as port:
        assert is_listening(port)
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda number: number.name)
@pytest.mark.usefixtures("default_signals")
def test_server_stops_and_its_files_are_removed_when_its_parent_ends(tmp_path: Path, number: signal.Signals) -> None:
    """A parent that is hung up or killed leaves no process, temporary folder or state file behind."""
    folder, file = tmp_path / "folder", tmp_path / "state.json"
    (folder / "code").mkdir(parents=True)
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder), str(file)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    port = int(process.stdout.readline())
    assert is_listening(port)
    descendants = psutil.Process(process.pid).children(recursive=True)
    assert [child.name() for child in descendants if child.name() == "sleep"]
    process.send_signal(number)
    process.wait(timeout=30)
    process.stdout.close()
    _, running = psutil.wait_procs(descendants, timeout=30)
    assert [child for child in running if child.status() != psutil.STATUS_ZOMBIE] == []
    assert not is_listening(port)
    assert os.listdir(tmp_path) == []


def test_state_file_of_another_server_is_not_removed(tmp_path: Path) -> None:
    """The state file of a stack that started in the meantime is not removed."""
    file = tmp_path / "state.json"
    with local_server("a web server", WEB_SERVER, leftovers=[file]):
        file.write_text('{"endpoint": "http://127.0.0.1:1"}')
    assert file.exists()


def test_server_moves_to_another_port_if_its_port_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that finds its port taken starts on another one, and is never confused with the owner of the first."""
    with socket.socket() as somebody_else:
        somebody_else.bind(("127.0.0.1", 0))
        somebody_else.listen()
        taken = somebody_else.getsockname()[1]
        ports = iter([taken])
        monkeypatch.setattr(module, "free_port", lambda: next(ports, None) or free_port())
        with local_server("a web server", WEB_SERVER) as port:
            assert next(ports, None) is None
            assert port != taken
            assert is_listening(port)


def test_server_that_does_not_start_is_an_error_with_its_output() -> None:
    """The error names the server and repeats the end of its output."""
    command = [sys.executable, "-c", "raise SystemExit('the disk is full')"]
    with pytest.raises(LocalServerError) as error, local_server("a web server", command):
        pass
    assert str(error.value).strip() == "a web server did not start. Its output:\nthe disk is full"
