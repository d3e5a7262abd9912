"""The commands that README and docs show, word by word."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

CLONE: Final = Path(__file__).parents[2]
PAGES: Final = [CLONE / name for name in ("README.md", "CONTRIBUTING.md", "examples/README.md")] + sorted(
    (CLONE / "docs").glob("**/*.md")
)
_BLOCK: Final = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_ASSIGNMENT: Final = re.compile(r"[A-Z_][A-Z0-9_]*=.*")
_BETWEEN: Final = ";&|()<>"


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, the language after the fence, and its text."""

    page: str
    language: str
    text: str


@dataclass(frozen=True)
class Command:
    """A simple command, without pipes, comments and variables that are set before it."""

    page: str
    words: tuple[str, ...]

    @property
    def line(self) -> str:
        return " ".join(self.words)

    @property
    def path(self) -> tuple[str, ...]:
        """The names of the command and of its groups, without the program: `models list` of `xray models list`."""
        names = ("stack", "models", "train", "rejections")
        return self.words[1:3] if self.words[1] in names else self.words[1:2]

    @property
    def options(self) -> list[str]:
        return [word.partition("=")[0] for word in self.words if re.match(r"--?[a-z]", word)]


def blocks() -> Iterator[Block]:
    for page in PAGES:
        for indent, language, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
            yield Block(
                page.relative_to(CLONE).as_posix(), language, re.sub(f"^{indent}", "", text, flags=re.MULTILINE)
            )


def commands(*pages: str) -> list[Command]:
    """Each command of the shell blocks once, in the order of the pages; of all pages if none is named."""
    order = {page: number for number, page in enumerate(pages)}
    found = [
        Command(block.page, words)
        for block in sorted(blocks(), key=lambda block: order.get(block.page, -1))
        if block.language == "bash" and (not pages or block.page in order)
        for line in block.text.replace("\\\n", " ").splitlines()
        for words in simple_commands(line)
    ]
    return _once(found)


def _once(found: list[Command]) -> list[Command]:
    unique: dict[tuple[str, ...], Command] = {}
    for command in found:
        unique.setdefault(command.words, command)
    return list(unique.values())


def simple_commands(line: str) -> Iterator[tuple[str, ...]]:
    """The commands of a line, separated by pipes and other operators, without the variables set before them.

    `FILE=a xray push b | jq .` gives (xray, push, b) and (jq, .).
    """
    reader = shlex.shlex(line, posix=True, punctuation_chars=_BETWEEN)
    reader.whitespace_split = True
    for between, words in groupby(reader, key=lambda word: set(word) <= set(_BETWEEN)):
        command = tuple(words)
        while command and _ASSIGNMENT.fullmatch(command[0]):
            command = command[1:]
        if command and not between:
            yield command
