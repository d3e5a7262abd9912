"""The site builds without a broken link, and loads nothing from other servers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.reading import CLONE

LOADED = re.compile(
    r"<(?:script|img|iframe)\b[^>]*\bsrc=\"?(https?:[^\">\s]+)|<link\b[^>]*\bhref=\"?(https?:[^\">\s]+)"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    answer = subprocess.run(command, cwd=CLONE, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr + answer.stdout
    return folder


def test_every_page_is_built(site: Path) -> None:
    pages = {page.with_suffix(".html").name for page in (CLONE / "docs").glob("*.md")}
    assert pages <= {page.name for page in site.glob("*.html")}


def test_files_that_pages_link_to_are_part_of_the_site(site: Path) -> None:
    contracts = (site / "contracts.html").read_text(encoding="utf-8")
    assert 'href="repository/examples/index.html"' in contracts
    original = CLONE / "deploy" / "schemas" / "asyncapi.json"
    assert (site / "repository" / "deploy" / "schemas" / "asyncapi.json").read_bytes() == original.read_bytes()
    assert "image_event.v1.json" in (site / "repository/deploy/schemas/json/index.html").read_text(encoding="utf-8")


def test_every_entry_of_the_navigation_is_shown(site: Path) -> None:
    """Otherwise MkDocs turns a README into a link on the heading of its section, where it is easily overlooked."""
    contracts = (site / "contracts.html").read_text(encoding="utf-8")
    for title in ("Contracts", "Examples", "JSON Schemas"):
        assert re.search(rf"<span class=\"?md-ellipsis\"?>\s*{title}", contracts), title


def test_nothing_is_loaded_from_other_servers(site: Path) -> None:
    assert LOADED.search('<script src="https://cdn.example/x.js">')
    for page in site.glob("**/*.html"):
        assert not LOADED.search(page.read_text(encoding="utf-8")), page.name
