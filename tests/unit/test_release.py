"""A release: the same bytes from the same files, a template that takes them from a bucket, and checksums that match."""

import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from samtranslator.yaml_helper import yaml_parse

from cli.packaging import release
from tests.support.template_helpers import RESOURCES, ROOT, transform

TEMPLATE = (ROOT / "template.yaml").read_text(encoding="utf-8")


def package(folder: Path, order: int = 1) -> Path:
    """Write a package of a few files, in one of two orders, with times and permissions that follow from it."""
    files = {
        "handlers/sqs.py": "a",
        "handlers.txt": "b",
        "native/native.so": "c",
        "native-1.0.dist-info/RECORD": str(order),
    }
    for number, (name, text) in enumerate(list(files.items())[::order]):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o640 if order == 1 else 0o600)
        os.utime(path, (1_700_000_000 + number * order, 1_700_000_000 + number * order))
    return folder


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A release of version 1.2.3 with two small packages."""
    folder = tmp_path / "1.2.3"
    folder.mkdir()
    (tmp_path / "arm64" / "handlers").mkdir(parents=True)
    (tmp_path / "arm64" / "handlers" / "sqs.py").write_text("arm64")
    release.write_release(folder, {"arm64": tmp_path / "arm64", "x86_64": package(tmp_path / "x86_64")}, TEMPLATE)
    return folder


def test_same_files_give_the_same_zip(tmp_path: Path) -> None:
    """Times, permissions, the order of creation and pip's RECORD change no byte of a package; content does."""
    first, second = package(tmp_path / "first"), package(tmp_path / "second", order=-1)
    for folder in (first, second):
        release.write_zip(folder, folder.with_suffix(".zip"))
    assert first.with_suffix(".zip").read_bytes() == second.with_suffix(".zip").read_bytes()
    (second / "handlers" / "sqs.py").write_text("changed")
    release.write_zip(second, second.with_suffix(".zip"))
    assert first.with_suffix(".zip").read_bytes() != second.with_suffix(".zip").read_bytes()


def test_zip_can_be_read_by_any_user(tmp_path: Path) -> None:
    """Lambda runs as a user that does not own the files: all of them are readable, in folders without entries."""
    release.write_zip(package(tmp_path / "package"), tmp_path / "package.zip")
    with zipfile.ZipFile(tmp_path / "package.zip") as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert modes == {"handlers.txt": 0o644, "handlers/sqs.py": 0o644, "native/native.so": 0o755}


def test_checksums_are_those_of_the_files(written: Path) -> None:
    """The documented command accepts what was written, and rejects a file that was changed."""
    assert shutil.which("sha256sum"), "sha256sum, of GNU coreutils, is needed"
    command = ["sha256sum", "--check", "SHA256SUMS"]
    output = subprocess.run(command, cwd=written, capture_output=True, text=True, check=True).stdout
    assert {line.partition(": ")[0] for line in output.splitlines()} == {
        path.name for path in written.iterdir() if path.name != "SHA256SUMS"
    }
    with (written / "template.yaml").open("a") as template:
        template.write("\n")
    assert subprocess.run(command, cwd=written, capture_output=True, check=False).returncode == 1


def test_template_takes_the_package_of_the_chosen_architecture_from_the_bucket(written: Path) -> None:
    """Every function gets the written package of its architecture; nothing else of the template changes."""
    text = (written / "template.yaml").read_text()
    (arm64,), (x86_64,) = written.glob("*-1.2.3-arm64-*.zip"), written.glob("*-1.2.3-x86_64-*.zip")
    code = yaml_parse(text)["Globals"]["Function"]["CodeUri"]
    assert code == {"Bucket": {"Ref": "PackageBucket"}, "Key": {"Fn::If": ["IsArm64", arm64.name, x86_64.name]}}
    released = transform(text, packaged=True)["Resources"]
    functions = [name for name, resource in released.items() if resource["Type"] == "AWS::Lambda::Function"]
    assert len(functions) == 3
    for name in functions:
        location = released[name]["Properties"]["Code"]
        assert location == {"S3Bucket": {"Ref": "PackageBucket"}, "S3Key": code["Key"]}
        released[name]["Properties"]["Code"] = RESOURCES[name]["Properties"]["Code"]
    assert released == RESOURCES


def test_changed_template_is_not_packaged_by_halves() -> None:
    """Where the template no longer has what packaging replaces, the release fails and names it."""
    with pytest.raises(ValueError, match="'CodeUri: package/' exactly once"):
        release.packaged(TEMPLATE.replace("CodeUri: package/", "CodeUri: other/"), {"arm64": "a", "x86_64": "b"})


def test_changelog_begins_with_the_version_of_the_project() -> None:
    """The newest section of the changelog describes the version that ``make release`` writes."""
    newest = re.search(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest
    assert re.fullmatch(rf"{re.escape(release.version())} \((unreleased|\d{{4}}-\d\d-\d\d)\)", newest[1])
