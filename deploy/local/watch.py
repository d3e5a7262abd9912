"""The watchdog process of a tied stack. Run as `python -m deploy.local.watch FOLDER PID`."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from pathlib import Path

from deploy.local.locks import locked
from deploy.local.stack import Stack

_LOCK_S = 30.0


def main(root: Path, pid: int) -> None:
    """Wait for the end of the process `pid`, then kill every server of the stack in `root`."""
    with contextlib.suppress(ProcessLookupError):  # It may have ended before we could look.
        select.select([os.pidfd_open(pid)], [], [])
    stack = Stack(root)
    for name, server in stack.servers.items():
        # Once we have the lock, nothing is half started: the starter is dead and its child has noted its pid.
        with locked(stack.folder.lock(name), _LOCK_S, waiting=lambda: None):
            stack.kill(name)
            server.clean_up()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
