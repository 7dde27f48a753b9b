"""The installation: uv with pip's settings, and an explanation when a wheel is built."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.catalogue.generated import ROOT
from cli.packaging import install

PIP_CONF = """\
[global]
index-url = https://mirror.example.edu/simple
extra-index-url =
    https://one.example.edu/simple
    https://two.example.edu/simple
cert = /etc/ssl/mirror.pem
[install]
trusted-host = mirror.example.edu
"""


@pytest.fixture
def pip_conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pip configuration for a mirror, in place of the machine's own."""
    for name in [*os.environ]:
        if name.startswith(("PIP_", "UV_", "SSL_CERT", "XDG_CONFIG")):
            monkeypatch.delenv(name)
    for variable in ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"):
        monkeypatch.setenv(variable, str(tmp_path / "no-configuration"))
    file = tmp_path / "pip.conf"
    file.write_text(PIP_CONF)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))


@pytest.mark.usefixtures("pip_conf")
def test_uv_uses_the_index_and_certificate_of_the_pip_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """From pip's files uv takes the index, the extra indexes, the trusted host and the certificate of a mirror."""
    settings = install.pip_settings()
    options = install.uv_options(settings)
    pairs = list(zip(options[::2], options[1::2], strict=True))
    assert ("--default-index", "https://mirror.example.edu/simple") in pairs
    assert [value for option, value in pairs if option == "--index"] == [
        "https://one.example.edu/simple", "https://two.example.edu/simple",
    ]  # fmt: skip
    assert ("--allow-insecure-host", "mirror.example.edu") in pairs
    assert install.uv_variables(settings) == {"SSL_CERT_FILE": "/etc/ssl/mirror.pem"}
    monkeypatch.setenv("SSL_CERT_FILE", "/mine.pem")
    assert install.uv_variables(settings) == {}


@pytest.mark.usefixtures("pip_conf")
def test_environment_variables_of_pip_override_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in pip itself, PIP_INDEX_URL overrides pip.conf."""
    monkeypatch.setenv("PIP_INDEX_URL", "https://other.example.edu/simple")
    assert install.pip_settings()["index-url"] == "https://other.example.edu/simple"


def test_building_a_wheel_fails_with_instructions(tmp_path: Path) -> None:
    """`pip install .` ends with an explanation, and installs no package named cli or handlers."""
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index"]
    result = subprocess.run(
        [*command, "--target", str(tmp_path), str(ROOT)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert result.returncode == 1
    assert "it can only be installed from there: run `make`" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert list(tmp_path.iterdir()) == []


def test_make_lists_its_targets_in_sixty_columns() -> None:
    """`make` alone shows every target with its purpose, and every line fits into a narrow terminal."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    result = subprocess.run(["make"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    targets = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY:"))
    assert [name for name in targets.split()[1:] if f"\n  make {name} " not in result.stdout] == []
    assert max(map(len, result.stdout.splitlines())) <= 60
