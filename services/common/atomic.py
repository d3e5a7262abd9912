"""A file that is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a path to write to; what was written replaces `path` at the end, and vanishes if the block fails.

    The temporary file lies beside `path`, because renaming is atomic within one file system only; kill -9 leaves it
    there under the name `.<name>.<process id>.part`.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def replace(path: Path, data: bytes) -> None:
    """Give a file new content as a whole: whoever reads it sees the old one or the new one."""
    with atomic(path) as part:
        part.write_bytes(data)
