"""File locks that the kernel releases however their holder exits."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_POLL_S = 0.05


@contextmanager
def locked(path: Path, timeout_s: float, waiting: Callable[[], None]) -> Iterator[IO[str]]:
    """Hold an exclusive `flock` on `path`.

    `waiting` is called at each poll while another process holds the lock; it may raise.

    Yields the open file, which a child may inherit. The lock then lasts until both have closed it, even if the parent
    is killed.

    Raises:
        TimeoutError: another process held it for `timeout_s` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + timeout_s
    with path.open("a", encoding="ascii") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    msg = f"{path} is held by another process"
                    raise TimeoutError(msg) from None
                waiting()
                time.sleep(_POLL_S)
        # Released by closing, not by LOCK_UN, so that an inherited copy keeps the lock.
        yield file
