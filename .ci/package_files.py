"""Prove that a package for Lambda holds what its architecture and Python version need, and nothing else.

Runs on the Python version of the functions, since only that one can read their bytecode.
"""

import importlib.util
import struct
import sys
from pathlib import Path

package, architecture = Path(sys.argv[1]).resolve(), sys.argv[2]
files = [path for path in package.rglob("*") if path.is_file()]
size = sum(path.stat().st_size for path in files)
assert 20e6 < size < 35e6, f"{size / 1e6:.1f} MB"

machine = {"arm64": 0xB7, "x86_64": 0x3E}[architecture]  # EM_AARCH64, EM_X86_64
compiled = [path for path in files if ".so" in path.suffixes]
assert {path.parent.name for path in compiled} == {"jsonschema_rs", "rpds"}, compiled
for path in compiled:
    header = path.read_bytes()[:20]
    # 64 bits, little-endian, and e_machine.
    assert header[:6] == b"\x7fELF\x02\x01", path
    assert struct.unpack_from("<H", header, 18)[0] == machine, f"{path} is not for {architecture}"

unchecked = importlib.util.MAGIC_NUMBER + struct.pack("<I", 0b01)  # PEP 552
for path in files:
    if path.suffix == ".py":
        bytecode = Path(importlib.util.cache_from_source(str(path)))
        assert bytecode.exists(), f"{path} is not compiled"
        assert bytecode.read_bytes()[:8] == unchecked, bytecode

for stranger in (
    "cli",
    "tests",
    "events",
    "moto",
    "ministack",
    "pytest",
    "bin",
    "aws_lambda_powertools/event_handler",
    "schemas/catalogue",
    "schemas/maps",
):
    assert not (package / stranger).exists(), stranger
described = {path.name for path in (package / "botocore" / "data").iterdir()}
shared = {"endpoints.json", "partitions.json", "sdk-default-configuration.json", "_retry.json"}
assert described == {"dynamodb", "s3"} | shared, described
print(f"{package.name} for {architecture}: {size / 1e6:.1f} MB unpacked, compiled")
