"""Build the package of a function: ``python3 build.py ARCHITECTURE PACKAGE``, in a copy of this folder.

The Makefile beside it runs this for ``sam build``. pip verifies the hash of every library, which SAM's own builder for
Python does not do for compiled libraries of another architecture. What no function needs is deleted: the wheels contain
descriptions of all AWS services and frameworks for web servers, but a function only writes to DynamoDB. The rest is
compiled, because Lambda cannot save the bytecode that it compiles.

Any Python from 3.9 on that has pip can run this; it needs no other library. Bytecode is only valid for the Python
version that compiled it, so it takes the version of the functions; without that, the package has none.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PYTHON = "3.13"  # of the functions, as in template.yaml

MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}

# From the glibc of Lambda's Amazon Linux 2023 down to the oldest that wheels for this Python support.
GLIBC_MINORS = range(34, 16, -1)

# Of these folders only what is named stays: of AWS's services those that the functions call.
KEEP = {
    "botocore/data": {
        *("dynamodb", "s3"),
        *("endpoints.json", "partitions.json", "sdk-default-configuration.json", "_retry.json"),
    },
    "boto3/data": set(),
}
DROP = ("aws_lambda_powertools/event_handler", "boto3/examples", "botocore/docs/bcdoc/docs", "bin")

NO_BYTECODE = (
    f"Python {PYTHON} was not found, so the package has no bytecode and its functions take twice as long to start."
    f" To compile it, put python{PYTHON} on the PATH, or build with sam build --use-container."
)
NO_PIP = f"{sys.executable} has no pip: install it, for example with python3 -m ensurepip or the package python3-pip."
NOT_INSTALLED = (
    "The libraries in package/requirements.txt were not installed; pip gives the reason above. If a hash does not"
    " match, the package index offers a file that the lock file does not contain: do not deploy it."
)


def main(architecture: str, package: Path) -> None:
    """Build ``package`` for one of ``MACHINES``; exits with a message when the libraries cannot be installed."""
    compiler = find_compiler()
    shutil.copytree(libraries(architecture, compiler, package.parent), package, dirs_exist_ok=True)
    for folder in ("handlers", "schemas"):
        # Without what only the commands read.
        shutil.copytree(folder, package / folder, ignore=shutil.ignore_patterns("__pycache__", "catalogue", "maps"))
    if compiler:
        write_bytecode(compiler, package / "handlers", package)
    # On the standard output, because SAM shows the other one only when a build fails.
    size = sum(path.stat().st_size for path in package.rglob("*") if path.is_file())
    print(f"{package.name}: {size / 1e6:.1f} MB for {architecture}", flush=True)
    if not compiler:
        print(NO_BYTECODE, flush=True)


def find_compiler() -> str:
    """The Python of the functions' version: this one, the one on the PATH, or uv's; empty if there is none."""
    uv = output_of("uv", "python", "find", "--managed-python", PYTHON)
    for python in (sys.executable, f"python{PYTHON}", uv):
        # It runs each, because a shim of pyenv may stand on the PATH for a Python that is not activated.
        if output_of(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])") == PYTHON:
            return python
    return ""


def output_of(*command: str) -> str:
    """What a command prints; empty if it fails or does not exist."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def libraries(architecture: str, compiler: str, build: Path) -> Path:
    """The folder of the locked libraries, as a function needs them, in the folder of the build.

    SAM builds each function by itself; the second finds here what the first has installed.
    """
    digest = hashlib.sha256(repr((architecture, compiler, Path("requirements.txt").read_bytes())).encode()).hexdigest()
    folder = build / f"libraries-{digest[:16]}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=build) as temporary:
            new = Path(temporary) / "libraries"
            install(architecture, new)
            slim(new)
            if compiler:
                write_bytecode(compiler, new, new)
            try:
                new.rename(folder)
            except OSError:
                if not folder.exists():  # as it does when `sam build --parallel` builds both functions at once
                    raise
    return folder


def install(architecture: str, folder: Path) -> None:
    """Install the libraries for an architecture; exits with a message when one is not as the lock file describes it."""
    if not output_of(sys.executable, "-m", "pip", "--version"):
        sys.exit(NO_PIP)
    options = ["--require-hashes", "--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}"]
    options += [f"--platform=manylinux_2_{minor}_{MACHINES[architecture]}" for minor in GLIBC_MINORS]
    # The lock file is complete; pip would choose dependencies and check Requires-Python for the Python that runs it.
    options += ["--no-deps", "--ignore-requires-python"]
    options += ["--no-compile", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder), "-r", "requirements.txt"]
    if subprocess.run(command, check=False).returncode:
        sys.exit(NOT_INSTALLED)


def slim(folder: Path) -> None:
    """Delete from the libraries what no function needs."""
    for name, kept in KEEP.items():
        for path in (folder / name).iterdir():
            if path.name not in kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in DROP:
        shutil.rmtree(folder / name, ignore_errors=True)


def write_bytecode(compiler: str, folder: Path, package: Path) -> None:
    """Compile the modules in a folder of a package, so that Python uses the bytecode without a look at the source."""
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(package), "-p", "/var/task"]
    subprocess.run([compiler, "-m", "compileall", *options, str(folder)], check=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
