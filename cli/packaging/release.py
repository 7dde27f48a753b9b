"""Write a release into ``dist/<version>/``: packages, template, stack policy and checksums.

``make release`` calls it. The template takes the packages from a bucket, which is its one additional parameter, so that
whoever has these files can deploy them without building anything: docs/releases.md says how.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURES = ("arm64", "x86_64")

_BUCKET = """\
  PackageBucket:
    Type: String
    Description: Bucket, in the Region of the stack, that holds the package of the functions.

"""


def main() -> int:
    """Build and write the release of this checkout; returns the exit status."""
    folder = ROOT / "dist" / version()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        packages = {architecture: build(architecture, Path(temporary)) for architecture in ARCHITECTURES}
        write_release(folder, packages, (ROOT / "template.yaml").read_text(encoding="utf-8"))
    print(f"Wrote {folder.relative_to(ROOT)}/:", *(path.name for path in sorted(folder.iterdir())), sep="\n  ")
    return 0


def version() -> str:
    """Return the version of this checkout, which pyproject.toml alone defines."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def build(architecture: str, temporary: Path) -> Path:
    """Build the package for an architecture as ``sam build`` does; exits with a message if it cannot be deployed."""
    source, package = temporary / f"source-{architecture}", temporary / architecture
    shutil.copytree(ROOT / "package", source, ignore=shutil.ignore_patterns("__pycache__"))
    package.mkdir()
    command = [sys.executable, "build.py", architecture, str(package)]
    if subprocess.run(command, cwd=source, check=False).returncode:  # noqa: S603  # it runs the script beside the lock file
        sys.exit(f"The package for {architecture} was not built; the reason is above.")
    if not any((package / "handlers").rglob("*.pyc")):
        sys.exit("A release contains bytecode: put the Python version that is named above on the PATH.")
    return package


def write_release(folder: Path, packages: Mapping[str, Path], template: str) -> None:
    """Write a release of packages (architecture → folder) and a template into an existing folder."""
    names = {}
    for architecture, package in packages.items():
        archive = folder / f"{architecture}.zip"
        write_zip(package, archive)
        # Named by its content too: CloudFormation updates code only when its location changes.
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        names[architecture] = f"canvas-live-events-{folder.name}-{architecture}-{digest[:12]}.zip"
        archive.rename(folder / names[architecture])
    (folder / "template.yaml").write_text(packaged(template, names), encoding="utf-8", newline="\n")
    shutil.copyfile(ROOT / "stack-policy.json", folder / "stack-policy.json")
    # In the format of `sha256sum --check`.
    checksums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(checksums), encoding="utf-8", newline="\n")


def packaged(template: str, names: Mapping[str, str]) -> str:
    """Return a template that takes the package of each architecture, by its name, from the bucket ``PackageBucket``."""
    code = (
        f"CodeUri:\n      Bucket: !Ref PackageBucket\n      Key: !If [IsArm64, {names['arm64']}, {names['x86_64']}]\n"
    )
    for old, new in (
        ("\nParameters:\n", f"\nParameters:\n{_BUCKET}"),
        ("CodeUri: package/\n", code),
    ):
        if template.count(old) != 1:
            raise ValueError(f"template.yaml must contain {old.strip()!r} exactly once, to be packaged.")
        template = template.replace(old, new)
    return template


def write_zip(package: Path, archive: Path) -> None:
    """Write the files of a package into a zip file that depends on their names and content alone.

    Times, owners, permissions and the order of the file system are left out, and so are pip's ``RECORD`` files, which
    contain the hash of scripts that name the Python of the machine.
    """
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as opened:
        for path in sorted(package.rglob("*"), key=lambda path: path.relative_to(package).as_posix()):
            if path.is_file() and path.name != "RECORD":
                entry = zipfile.ZipInfo(path.relative_to(package).as_posix())  # of 1980, the earliest that zip has
                entry.create_system = 3  # Unix, wherever it is written
                # Lambda runs as another user than the owner of the files.
                entry.external_attr = (0o755 if path.suffix == ".so" else 0o644) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                opened.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
