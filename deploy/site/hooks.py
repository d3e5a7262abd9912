"""MkDocs hooks that add files of the repository to the site if pages of docs/ link to them.

A link `../NAME` in a page leads out of docs/. The file NAME is added to the site as `repository/NAME`, a folder as a
page that lists its files, and the link is changed accordingly. So nothing depends on where the repository is published.
"""

import os
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_CLONE: Final = Path(__file__).parents[2]
_DOCS: Final = _CLONE / "docs"
_PREFIX: Final = "repository"
_LINK: Final = re.compile(r"(?<=\]\()([^)#\s:]+)(?=[)#])")
_FENCED: Final = re.compile(r"(^ *```.*?^ *```|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside docs/ that pages link to, and what those files link to."""
    waiting = list(_DOCS.glob("**/*.md"))
    while waiting:
        for target in _targets(waiting.pop()):
            source = _source(target)
            if target.is_relative_to(_DOCS) or not target.exists() or source in files.src_uris:
                continue
            if target.is_dir():
                files.append(File.generated(config, source, content=_listing(target)))
            else:
                files.append(File.generated(config, source, abs_src_path=str(target)))
            if target.is_dir() or target.suffix == ".md":
                waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Change links between docs/ and the rest of the repository to the locations in the site."""
    source = page.file.src_uri
    added = source.startswith(f"{_PREFIX}/")
    folder = (_CLONE / source.removeprefix(f"{_PREFIX}/") if added else _DOCS / source).parent

    def changed(match: re.Match[str]) -> str:
        target = _resolved(folder, match[1])
        return os.path.relpath(_source(target), Path(source).parent) if target.exists() else match[1]

    parts = _FENCED.split(markdown)
    return "".join(part if index % 2 else _LINK.sub(changed, part) for index, part in enumerate(parts))


def _targets(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(child for child in path.iterdir() if child.is_file())
    return [_resolved(path.parent, link) for link in _LINK.findall(_FENCED.sub("", path.read_text()))]


def _resolved(folder: Path, link: str) -> Path:
    return Path(os.path.normpath(folder / link))


def _source(target: Path) -> str:
    """Return the location of a file among the site's sources; for a folder, the page that lists its files."""
    if target.is_relative_to(_DOCS):
        return target.relative_to(_DOCS).as_posix()
    source = f"{_PREFIX}/{target.relative_to(_CLONE).as_posix()}"
    return f"{source}/index.md" if target.is_dir() else source


def _listing(folder: Path) -> str:
    lines = (f"- [`{child.name}`]({child.name})" for child in _targets(folder))
    return "\n".join([f"# {folder.relative_to(_CLONE).as_posix()}/", "", *lines, ""])
