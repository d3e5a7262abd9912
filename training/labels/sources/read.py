"""One entry for all sources: what a file is, is told by its content, not by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from services.common.errors import Rejected
from training.labels.sources.centre_xml import read_xml
from training.labels.sources.csv_rows import read_csv
from training.labels.sources.record import Item
from training.labels.sources.solr import read_solr

UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks; of the three sources only XML may be UTF-16."""


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def read(path: Path, opener: Callable[[Path], BinaryIO] = _open) -> Iterator[Item]:
    """Items of one source file, in its order; `opener` may count the bytes read.

    Raises Rejected with a reason (`unreadable_source`, `empty_source`, and those of the readers) whose words name the
    file, the line where there is one, and the mend.
    """
    try:
        with opener(path) as file:
            yield from _reader(file, path)(file, path)
    except OSError as error:
        raise Rejected("unreadable_source", f"{path}: {error.strerror}") from error


def _reader(file: BinaryIO, path: Path) -> Callable[[BinaryIO, Path], Iterator[Item]]:
    start = file.read(4096)
    file.seek(0)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise Rejected("empty_source", f"{path}: the file is empty")
    if text.startswith(b"<") or start.startswith(UTF_16):
        return read_xml
    if text.startswith((b"{", b"[")):
        return read_solr
    return read_csv
