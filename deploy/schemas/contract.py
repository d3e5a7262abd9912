"""The generated files, and the checks that must pass before they are written.

The check for broken promises compares with the committed files and with every edition of them in git's history.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.schemas import page
from deploy.schemas.asyncapi import document
from deploy.schemas.channels import channel_of
from deploy.schemas.compatibility import ChangeKind, Schema, breaks
from deploy.schemas.json_schema import file_name, json_schema
from services.common.topics import TOPICS


@dataclass(frozen=True)
class Edition:
    """One schema file in the state of one commit. `schema` is None if that commit deleted the file."""

    commit: str
    name: str
    schema: Schema | None


def editions(folder: Path) -> Iterator[Edition]:
    """Yield every edition of every schema in a folder in the history of HEAD, newest first.

    A shallow clone has fewer editions. Without git, or outside a repository, there are none.
    """
    git = shutil.which("git")
    if git is None:
        return
    # Run in the parent folder, because the folder itself may have been deleted.
    above = folder.parent
    log = _git(git, above, "log", "--format=commit %h", "--name-only", "--no-renames", "--relative", "--", folder.name)
    commit = ""
    for line in (log or "").splitlines():
        if line.startswith("commit "):
            commit = line.removeprefix("commit ")
        elif line.endswith(".json"):
            text = _git(git, above, "show", f"{commit}:./{line}")
            yield Edition(commit, Path(line).name, None if text is None else json.loads(text))


def _git(git: str, folder: Path, *arguments: str) -> str | None:
    # The program is the git on PATH. The arguments come from this module and from git's own output.
    answer = subprocess.run(  # noqa: S603
        [git, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    return answer.stdout if answer.returncode == 0 else None


FOLDER: Final = Path(__file__).parent
JSON_SCHEMAS: Final = FOLDER / "json"
ASYNCAPI: Final = FOLDER / "asyncapi.json"


def files() -> dict[Path, str]:
    """Return the content of every generated file by path."""
    made = {JSON_SCHEMAS / name: _text(schema) for name, schema in schemas().items()}
    return made | {ASYNCAPI: _text(document()), page.PAGE: page.page()}


def schemas() -> dict[str, Schema]:
    """Return the JSON Schema of each event, generated from the code, by file name."""
    return {file_name(event): json_schema(event) for topic in TOPICS for event in topic.events}


def drift() -> list[str]:
    """Return one message per file that differs from what the code generates."""
    return [
        f"{path.relative_to(FOLDER.parents[1])} is out of date: run `python -m deploy.schemas`"
        for path, text in files().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def broken_promises(made: dict[str, Schema], committed: Path = JSON_SCHEMAS) -> list[str]:
    """Return one message per promise of a committed schema that the schemas in `made` break.

    The committed schemas are the files in the folder and every edition of them in git's history. A version that no
    event uses any more must stay as it is, because records of it are still on the topics.
    """
    found: dict[str, None] = {}
    for where, name, earlier in _earlier(committed):
        now = made.get(name) or _read(committed / name)
        if now is None:
            found[f"{name} is missing, but {where} has it: a published version must stay"] = None
        elif earlier is not None:
            found |= {f"{name} breaks {where}: {one}": None for one in breaks(earlier, now) if _counts(name, one.kind)}
    return list(found)


def _earlier(committed: Path) -> Iterator[tuple[str, str, Schema | None]]:
    for path in sorted(committed.glob("*.json")):
        yield "the file", path.name, _read(path)
    for edition in editions(committed):
        yield f"commit {edition.commit}", edition.name, edition.schema


def _counts(name: str, kind: ChangeKind) -> bool:
    """Whether a change breaks a promise. A topic that others write and only this system reads may widen."""
    return kind is not ChangeKind.WIDENED or name not in _received()


def _received() -> set[str]:
    return {file_name(event) for topic in TOPICS if channel_of(topic).received for event in topic.events}


def _read(path: Path) -> Schema | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
