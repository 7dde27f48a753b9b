"""Install the locked development environment into the virtual environment that runs this: ``make`` calls it.

pip installs uv, which installs everything else several times faster. Both check the hashes of ``requirements-dev.txt``.
uv does not read pip's configuration, so it is passed the index, certificate and proxy that pip is configured for. This
module imports nothing but the standard library, since nothing else is installed yet.
"""

import ast
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements-dev.txt"

_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")

# pip's options, and uv's for the same purpose; pip accepts several values where the last column says so.
_OPTIONS = (
    ("index-url", "--default-index"),
    ("extra-index-url", "--index"),
    ("find-links", "--find-links"),
    ("trusted-host", "--allow-insecure-host"),
)
_VARIABLES = (("cert", "SSL_CERT_FILE"), ("client-cert", "SSL_CLIENT_CERT"), ("proxy", "ALL_PROXY"))


def main() -> int:
    """Install uv, the locked packages and the command ``canvas-events``; returns the exit status."""
    start = time.monotonic()
    settings = pip_settings()
    options, environment = uv_options(settings), {**os.environ, **uv_variables(settings)}
    requirements = REQUIREMENTS.read_text(encoding="utf-8")
    packages = len(re.findall(r"^\S+==", requirements, re.MULTILINE))
    try:
        _step("Installing uv")
        _install_uv(requirements)
        _step(f"Installing {packages} packages with uv")
        _uv("--require-hashes", "--requirement", str(REQUIREMENTS), *options, environment=environment)
        _step("Installing the command canvas-events")
        # It needs nothing that is not installed by now, not even setuptools.
        _uv("--quiet", "--no-deps", "--no-build-isolation", "--editable", str(ROOT), *options, environment=environment)
    except subprocess.CalledProcessError as error:
        print("The installation failed. Fix what the last lines report, then run make again.", file=sys.stderr)
        return error.returncode
    print(f"Installed in {time.monotonic() - start:.0f} s.")
    return 0


def pip_settings() -> dict[str, str]:
    """Read the configuration of pip: variables override files, and ``[install]`` overrides ``[global]``."""
    listed = subprocess.run([*_PIP, "config", "list"], check=True, capture_output=True, text=True).stdout  # noqa: S603  # pip
    entries = [re.fullmatch(r"(global|install|:env:)\.([\w-]+)=(.*)", line) for line in listed.splitlines()]
    by_section: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for entry in filter(None, entries):
        by_section[entry[1]][entry[2]] = str(ast.literal_eval(entry[3]))
    return {**by_section["global"], **by_section["install"], **by_section[":env:"]}


def uv_options(settings: Mapping[str, str]) -> list[str]:
    """The options that make uv use the same packages as pip would with these settings."""
    # pip treats all indexes alike; so may uv, since the hashes decide which files are acceptable.
    options = ["--index-strategy", "unsafe-best-match"]
    for name, option in _OPTIONS:
        for value in settings.get(name, "").split():
            options += [option, value]
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        options.append("--no-index")
    return options


def uv_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that make uv connect as pip would; those that are set already win."""
    return {
        variable: settings[name] for name, variable in _VARIABLES if name in settings and variable not in os.environ
    }


def _install_uv(requirements: str) -> None:
    """Install uv alone with pip, as the lock file pins it."""
    pinned = re.search(r"^uv==.*(?:\n +.*)*", requirements, re.MULTILINE)
    if pinned is None:
        raise LookupError(f"{REQUIREMENTS.name} does not pin uv")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "uv.txt"
        file.write_text(pinned[0] + "\n", encoding="utf-8")
        command = [*_PIP, "install", "--quiet", "--no-deps", "--require-hashes", "--requirement", str(file)]
        subprocess.run(command, check=True)  # noqa: S603  # pip


def _uv(*arguments: str, environment: Mapping[str, str]) -> None:
    """Run ``uv pip install`` and show its progress, without the list of all packages at its end."""
    command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--python", sys.executable, *arguments]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603  # uv
        assert process.stderr is not None  # noqa: S101  # it is a pipe
        for line in process.stderr:
            if not re.match(r" [-+~] ", line):
                print(f"  {line}", end="", flush=True)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def _step(text: str) -> None:
    print(f"{text} …", flush=True)


if __name__ == "__main__":
    sys.exit(main())
