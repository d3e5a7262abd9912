"""Write a file completely or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path; the file written there replaces `path` at the end, or is deleted if the block fails.

    The temporary file is in the folder of `path`, because renaming is atomic only within one file system. After a
    kill -9 it remains there as `.<name>.<process id>.part`.
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
    """Replace the content of a file: readers see the old content or the new one, never a part."""
    with atomic(path) as part:
        part.write_bytes(data)
