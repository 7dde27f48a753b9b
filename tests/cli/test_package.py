"""The build of a package with ``package/<architecture>/Makefile``, as ``sam build`` runs it, from wheels made here."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from cli.catalogue.generated import ROOT
from cli.local import ministack

NATIVE_WHEELS = {
    "arm64": "native-1.0-cp313-cp313-manylinux_2_28_aarch64.whl",
    "x86_64": "native-1.0-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
}
# What a function needs of the libraries, and what it does not.
NEEDED = (
    *("boto3/session.py", "botocore/data/endpoints.json"),
    *("botocore/data/dynamodb/service.json", "botocore/data/s3/service.json"),
)
UNNEEDED = (
    *("boto3/data/ec2/resources.json", "boto3/examples/s3.rst", "botocore/data/ec2/service.json"),
    *("aws_lambda_powertools/event_handler/router.py", "bin/script"),
)


class Build:
    """The folder ``package/`` of a project with two libraries, one of them compiled, and an index that offers both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = folder / "index"
        self.index.mkdir()
        self.source = folder / "package"
        shutil.copytree(ROOT / "package", self.source, ignore=shutil.ignore_patterns("handlers", "schemas"))
        for name in ("handlers/sqs.py", "handlers/__pycache__/sqs.cpython-312.pyc", "schemas/module_created.json"):
            _write(self.source / name, f"# {name}\n")
        libraries = {name: "" for name in (*NEEDED, *UNNEEDED) if not name.startswith("bin/")}
        libraries["libraries-1.0.data/scripts/script"] = "#!python\n"
        self._add_wheel("libraries-1.0-py3-none-any.whl", libraries)
        for architecture, wheel in NATIVE_WHEELS.items():
            self._add_wheel(wheel, {"native/native.so": architecture})
        self.lock(NATIVE_WHEELS.values())

    def lock(self, native_wheels: Iterable[str]) -> None:
        """Write the lock file, with the hashes of these wheels of the compiled library, or without that library."""
        (library,) = self.index.glob("libraries-*.whl")
        hashes = {"libraries": [_sha256(library)], "native": [_sha256(self.index / wheel) for wheel in native_wheels]}
        lines = [f"{name}==1.0 --hash=sha256:{' --hash=sha256:'.join(of)}\n" for name, of in hashes.items() if of]
        (self.source / "requirements.txt").write_text("".join(lines))

    def run(self, architecture: str, function: str = "SqsFunction", **environment: str) -> tuple[int, str]:
        """Build a function as SAM does, with make in a copy; returns the status and the output."""
        scratch = self.folder / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(self.source, scratch)
        self.package(function).mkdir(parents=True, exist_ok=True)
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PIP_"))
        }
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.index), "PIP_CONFIG_FILE": os.devnull}
        done = subprocess.run(
            ["make", "--makefile", str(self.source / architecture / "Makefile"), f"build-{function}"],
            cwd=scratch, env={**inherited, **pip, "ARTIFACTS_DIR": str(self.package(function)), **environment},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    def package(self, function: str = "SqsFunction") -> Path:
        """The folder in which SAM expects the package of a function."""
        return self.folder / "build" / function

    def _add_wheel(self, name: str, files: dict[str, str]) -> None:
        distribution, version, *tags = name.removesuffix(".whl").split("-")
        info = f"{distribution}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\nRequires-Python: ==3.13.*\n"
        with zipfile.ZipFile(self.index / name, "w") as wheel:
            for path, text in files.items():
                wheel.writestr(path, text)
            wheel.writestr(f"{info}/METADATA", metadata)
            wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {'-'.join(tags)}\n")
            wheel.writestr(f"{info}/RECORD", "")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _programs(folder: Path, **scripts: str) -> str:
    """A folder for the PATH with a shell's own programs, without Python, and with these scripts of a shell."""
    folder.mkdir()
    for name in ("sh", "make", "env", "cat"):
        (folder / name).symlink_to(str(shutil.which(name)))
    for name, script in scripts.items():
        file = folder / name.replace("_", ".")
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    return str(folder)


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """A project to build."""
    return Build(tmp_path)


@pytest.mark.parametrize("architecture", NATIVE_WHEELS)
def test_package_has_the_compiled_library_of_the_architecture(build: Build, architecture: str) -> None:
    """A package gets the wheels for the functions, whatever machine and whatever version of Python build it."""
    status, output = build.run(architecture)
    assert status == 0, output
    assert (build.package() / "native" / "native.so").read_text() == architecture
    assert f" MB for {architecture}\n" in output


@pytest.mark.parametrize("architecture", NATIVE_WHEELS)
def test_compiled_library_without_its_hash_in_the_lock_file_fails_the_build(build: Build, architecture: str) -> None:
    """The hash of one architecture's wheel does not admit the wheel of the other, and the message says what to do."""
    (other,) = NATIVE_WHEELS.keys() - {architecture}
    build.lock([NATIVE_WHEELS[other]])
    status, output = build.run(architecture)
    assert status != 0
    assert "DO NOT MATCH THE HASHES" in output
    assert "package/requirements.txt were not installed" in output
    assert "Traceback" not in output
    assert list(build.package().rglob("*")) == []


def test_package_contains_only_what_a_function_needs(build: Build) -> None:
    """A package has neither descriptions of other AWS services, nor scripts, nor bytecode that was in the folders."""
    environment = {"PATH": _programs(build.folder / "programs", python3=f'exec {sys.executable} "$@"')}
    status, output = build.run("arm64", **environment)
    assert status == 0, output
    files = {path.relative_to(build.package()).as_posix() for path in build.package().rglob("*") if path.is_file()}
    assert {*NEEDED, "native/native.so", "handlers/sqs.py", "schemas/module_created.json"} <= files
    assert files.isdisjoint(UNNEEDED)
    assert "handlers/__pycache__/sqs.cpython-312.pyc" not in files


def test_modules_are_compiled_with_the_python_of_the_functions(build: Build) -> None:
    """Another Python runs the build, and the one that the functions have compiles all modules, never to be checked."""
    # Instead of Python 3.13, which not every machine has: this Python, which claims to be it.
    claims = f'case "$1$2" in -cimport*) echo 3.13;; *) exec {sys.executable} "$@";; esac'
    path = _programs(build.folder / "programs", python3=f'exec {sys.executable} "$@"', python3_13=claims)
    status, output = build.run("arm64", PATH=path)
    assert status == 0, output
    for module in ("handlers/sqs.py", "boto3/session.py"):
        bytecode = Path(importlib.util.cache_from_source(str(build.package() / module))).read_bytes()
        assert bytecode[4:8] == b"\x01\0\0\0", module  # by hash, and unchecked (PEP 552)
        assert f"/var/task/{module}".encode() in bytecode, "tracebacks must name the file as it is in Lambda"
        assert str(build.folder).encode() not in bytecode


def test_build_without_the_python_of_the_functions_says_what_it_costs(build: Build) -> None:
    """Without that Python the package has no bytecode, since that of another is useless, and the build says so."""
    # A version that no machine has but as a shim of pyenv, which runs nothing.
    script = build.source / "build.py"
    script.write_text(script.read_text().replace('PYTHON = "3.13"', 'PYTHON = "3.99"'))
    build.lock([])
    shim = 'echo "pyenv: python3.99: command not found" >&2; exit 127'
    path = _programs(build.folder / "programs", python3=f'exec {sys.executable} "$@"', python3_99=shim)
    status, output = build.run("arm64", PATH=path)
    assert status == 0, output
    assert "Python 3.99 was not found" in output
    assert (build.package() / "handlers" / "sqs.py").exists()
    assert list(build.package().rglob("*.pyc")) == []


def test_second_function_uses_the_libraries_of_the_first(build: Build) -> None:
    """The libraries are installed once for both functions, and again when the lock file is another."""
    assert build.run("arm64", "SqsFunction")[0] == 0
    for wheel in build.index.glob("*.whl"):
        wheel.unlink()
    status, output = build.run("arm64", "KinesisFunction")
    assert status == 0, output
    assert (build.package("KinesisFunction") / "native" / "native.so").read_text() == "arm64"
    assert build.run("x86_64", "KinesisFunction")[0] != 0
    with (build.source / "requirements.txt").open("a") as lock:
        lock.write("# changed\n")
    assert build.run("arm64", "KinesisFunction")[0] != 0


def test_build_without_python_names_what_is_missing(build: Build) -> None:
    """One line says that python3 is needed."""
    status, output = build.run("arm64", PATH=_programs(build.folder / "programs"))
    assert status != 0
    assert output.splitlines()[0] == "python3 is not on the PATH: install Python 3.9 or newer, with pip."


def test_build_without_pip_names_what_is_missing(build: Build) -> None:
    """A Python without pip, as Debian has it, gives one line and no traceback."""
    _write(build.folder / "without" / "pip.py", "raise ModuleNotFoundError('No module named pip')\n")
    status, output = build.run("arm64", PYTHONPATH=str(build.folder / "without"))
    assert status != 0
    assert "has no pip: install it" in output.splitlines()[0]
    assert "Traceback" not in output


def test_local_stack_runs_the_code_without_the_files_that_build_it() -> None:
    """MiniStack gets the handlers and the schemas, and no Makefile."""
    assert {path.relative_to(ROOT).parts[0] for path in ministack._files_to_package()} == {"handlers", "schemas"}
