"""Log files of the servers: show the last lines, follow them, limit their size."""

import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

_ROTATE_BYTES = 20 * 1024 * 1024
_START = "=== start"
_BLOCK = 64 * 1024
_STACK_FRAME = re.compile(r"^\s+at |^\s+\.\.\. \d+ more")


def tail(log: Path, lines: int) -> tuple[str, ...]:
    """Return the last `lines` lines, without the frames of Java stack traces; empty if there is no such file."""
    try:
        with log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - _BLOCK - 400 * lines))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ()
    kept = [line for line in text.splitlines() if line.strip() and not _STACK_FRAME.match(line)]
    return tuple(kept[-lines:]) if lines > 0 else ()


def tail_since_start(log: Path, lines: int) -> tuple[str, ...]:
    """Return the last lines since the last start of the server."""
    kept = tail(log, lines)
    starts = [number for number, line in enumerate(kept) if line.startswith(_START)]
    return kept[starts[-1] + 1 :] if starts else kept


def mark_start(log: Path) -> None:
    """Mark where the output of a new start begins."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{_START} {datetime.now(UTC).isoformat(timespec='seconds')}\n")


def follow(log: Path, poll_s: float = 0.2) -> Iterator[str]:
    """Yield lines as they are appended, forever; continue with the new file when the log is rotated."""
    position = log.stat().st_size if log.exists() else 0
    pending = ""
    while True:
        size = log.stat().st_size if log.exists() else 0
        if size < position:
            position, pending = 0, ""
        if size > position:
            with log.open("rb") as file:
                file.seek(position)
                pending += file.read(size - position).decode("utf-8", errors="replace")
            position = size
            *whole, pending = pending.split("\n")
            yield from whole
        time.sleep(poll_s)


def rotate(log: Path) -> None:
    """Rename a log over 20 MiB, replacing the previous one; call only while its server is stopped."""
    if log.exists() and log.stat().st_size > _ROTATE_BYTES:
        log.replace(log.with_suffix(".log.1"))
