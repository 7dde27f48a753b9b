"""Measure the init time of the built package under Lambda's runtime, against a handler that only makes a boto3 client.

Both run on Python 3.13 with ``awslambdaric`` under the runtime interface emulator, which is part of the SAM CLI and
reports the init time.
"""

import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import time
import urllib.request
import zipfile
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from cli.catalogue.generated import ROOT
from cli.local.local_server import free_port
from tests.benchmarks.runner import environment

RUNTIME = ROOT / ".cache" / "lambda-runtime"
PACKAGE = ROOT / ".aws-sam" / "build" / "SqsFunction"
BASELINE = RUNTIME / "baseline"
PYTHON = os.environ.get("PYTHON313", "python3.13")

_REPORT = re.compile(r"INIT REPORT\(durationMs: ([0-9.]+)")


def prepare() -> None:
    """Download the runtime, its emulator and the baseline into ``.cache``, once."""
    if RUNTIME.exists():
        return
    with TemporaryDirectory() as folder:
        download = Path(folder) / RUNTIME.name
        _pip("install", "--target", str(download), "awslambdaric==4.2.2")
        # As in Lambda's own runtime, which contains boto3, compiled.
        _pip("install", "--target", str(download / "baseline"), f"boto3=={version('boto3')}")
        (download / "baseline" / "baseline.py").write_text(_BASELINE)
        _pip("download", "--no-deps", "--dest", folder, "aws-sam-cli==1.170.0")
        (wheel,) = Path(folder).glob("*.whl")
        emulator = download / "aws-lambda-rie"
        emulator.write_bytes(zipfile.ZipFile(wheel).read(f"samcli/local/rapid/aws-lambda-rie-{_architecture()}"))
        emulator.chmod(0o755)
        shutil.copytree(download, RUNTIME)


_BASELINE = """import boto3

client = boto3.client("dynamodb")


def handler(event, context):
    return {}
"""


def _pip(*arguments: str) -> None:
    subprocess.run([PYTHON, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=True)


def _architecture() -> str:
    return {"aarch64": "arm64"}.get(platform.machine(), platform.machine())


def medians(rounds: int) -> tuple[float, float]:
    """Return the median init times of the package and of the baseline, in milliseconds, measured in turn."""
    prepare()
    package, baseline = [], []
    for _ in range(rounds):
        package.append(_init_ms(PACKAGE, "handlers.sqs.handler"))
        baseline.append(_init_ms(BASELINE, "baseline.handler"))
    return statistics.median(package), statistics.median(baseline)


def _init_ms(folder: Path, handler: str) -> float:
    port, api_port = free_port(), free_port()
    command = [str(RUNTIME / "aws-lambda-rie"), "--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    command += ["--runtime-api-address", f"127.0.0.1:{api_port}"]
    command += [PYTHON, "-m", "awslambdaric", handler]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment("http://127.0.0.1:9")
        | {"PYTHONPATH": f"{folder}:{RUNTIME}", "LAMBDA_TASK_ROOT": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        _invoke(port)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        log, _ = process.communicate()
    report = _REPORT.search(log)
    if report is None:
        raise RuntimeError(f"{handler} did not start:\n{log}")
    return float(report[1])


def _invoke(port: int) -> None:
    url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(url, data=b'{"Records": []}', timeout=20).read()  # a fixed scheme and host
        except OSError:
            time.sleep(0.02)  # the emulator does not listen yet
        else:
            return
    raise TimeoutError("The runtime interface emulator did not start.")
