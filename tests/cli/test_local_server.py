"""Servers on this machine: up when they themselves listen, gone afterwards, and understood when they do not start."""

import socket
import sys

import psutil
import pytest

from cli.local import local_server as module
from cli.local.local_server import PORT, LocalServerError, free_port, local_server

WEB_SERVER = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", PORT]


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
    assert str(error.value).strip() == "a web server did not start. It said:\nthe disk is full"
