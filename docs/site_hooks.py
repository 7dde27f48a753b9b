"""Hooks of MkDocs: the site has the pages of ``docs/``, and the README as its home page."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#]+)(#[^)\s]+)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the README as the home page."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "index.md", content=readme))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links to the README at the home page, and show links to other files outside ``docs/`` as text."""
    folder = (ROOT / "docs" / page.file.src_uri).parent

    def replace(found: re.Match[str]) -> str:
        label, link, section = found[1], found[2], found[3] or ""
        target = (folder / link).resolve()
        if "://" in link or target.is_relative_to(ROOT / "docs"):
            return found[0]
        if target == ROOT / "README.md":
            return f"[{label}]({'../' * page.file.src_uri.count('/')}index.md{section})"
        return label

    return _LINK.sub(replace, markdown)
