"""Servers on this machine: ready when they listen, stopped whatever happens to their parent, clear when they fail."""

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


def answers(port: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def test_a_server_listens_for_as_long_as_it_is_needed() -> None:
    """It can be talked to at once, and at the end neither it nor a process of it is left."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with local_server("a web server", WEB_SERVER) as port:
        assert answers(port)
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda number: number.name)
@pytest.mark.usefixtures("default_signals")
def test_server_stops_and_its_files_are_removed_when_its_parent_ends(tmp_path: Path, number: signal.Signals) -> None:
    """A parent that is hung up or killed leaves no process behind, no temporary folder, and no state file."""
    folder, file = tmp_path / "folder", tmp_path / "state.json"
    (folder / "code").mkdir(parents=True)
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder), str(file)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    port = int(process.stdout.readline())
    assert answers(port)
    descendants = psutil.Process(process.pid).children(recursive=True)
    assert [child.name() for child in descendants if child.name() == "sleep"]
    process.send_signal(number)
    process.wait(timeout=30)
    process.stdout.close()
    _, running = psutil.wait_procs(descendants, timeout=30)
    assert [child for child in running if child.status() != psutil.STATUS_ZOMBIE] == []
    assert not answers(port)
    assert os.listdir(tmp_path) == []


def test_file_that_names_another_server_is_left_alone(tmp_path: Path) -> None:
    """The state file of a stack that was started since is not removed."""
    file = tmp_path / "state.json"
    with local_server("a web server", WEB_SERVER, leftovers=[file]):
        file.write_text('{"endpoint": "http://127.0.0.1:1"}')
    assert file.exists()


def test_a_port_that_somebody_else_took_meanwhile_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that finds its port taken is started on another one, and never mistaken for who has the first."""
    with socket.socket() as somebody_else:
        somebody_else.bind(("127.0.0.1", 0))
        somebody_else.listen()
        taken = somebody_else.getsockname()[1]
        ports = iter([taken])
        monkeypatch.setattr(module, "free_port", lambda: next(ports, None) or free_port())
        with local_server("a web server", WEB_SERVER) as port:
            assert next(ports, None) is None
            assert port != taken
            assert answers(port)


def test_a_server_that_does_not_start_is_an_error_with_what_it_said() -> None:
    """The error names the server and repeats its last words."""
    command = [sys.executable, "-c", "raise SystemExit('the disk is full')"]
    with pytest.raises(LocalServerError) as error, local_server("a web server", command):
        pass
    assert str(error.value).strip() == "a web server did not start. Its output:\nthe disk is full"
