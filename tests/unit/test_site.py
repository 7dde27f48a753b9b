"""The documentation as a site: it builds without a warning and without another host."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cli.catalogue.generated import ROOT
from cli.catalogue.model import families


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site in a folder of its own; a broken link or a page that the navigation lacks fails the build."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    assert built.stdout + built.stderr == ""
    return folder


def test_site_has_every_page(site: Path) -> None:
    """The README is the home page, and every page of docs/ and every family has a page in the site."""
    built = {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")}
    pages = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    assert pages | {Path("index")} <= built
    assert {Path("reference") / family.name for family in families()} <= built
    assert "Canvas emits an event" in (site / "index.html").read_text(encoding="utf-8")


def test_site_loads_nothing_from_another_host(site: Path) -> None:
    """Scripts, styles, fonts and pictures are files of the site, so that it works offline."""
    loaded = [
        found
        for path in site.rglob("*")
        if path.suffix in (".html", ".css")
        for found in re.findall(
            r"""(?:<script[^>]*src=|<link[^>]*href=|<img[^>]*src=|url\()["']?((?:https?:)?//[^"')>]+)""",
            path.read_text(encoding="utf-8"),
        )
    ]
    assert loaded == []
