"""Killing a tied stack when the process it is tied to ends. Run as `python -m deploy.local.watchdog FOLDER PID`.

Why not PR_SET_PDEATHSIG on the servers: it follows the thread that started them, is lost when a program changes its
user, and does not reach the servers' own children.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.local.folder import CLONE, StackFolder
from deploy.local.locks import locked
from deploy.local.process import Launch, ServerProcess

_NAME = "watchdog"
_LOCK_S = 30.0


@dataclass(frozen=True)
class Watchdog:
    """The watchdog process of one stack."""

    folder: StackFolder

    def watch(self, pid: int) -> None:
        """Start the watchdog for the process `pid`, unless it watches already."""
        with locked(self.folder.lock(_NAME), _LOCK_S, waiting=lambda: None) as lock:
            if self._process.pid() is None:
                command = (sys.executable, "-m", "deploy.local.watchdog", str(self.folder.root), str(pid))
                launch = Launch(command, dict(os.environ), CLONE)
                self._process.spawn(launch, self.folder.log(_NAME), lock)

    def dismiss(self) -> None:
        """End the watchdog, if there is one; the servers are left alone."""
        self._process.stop(signal.SIGTERM, grace_s=2.0)

    @property
    def _process(self) -> ServerProcess:
        return ServerProcess(self.folder.pid_file(_NAME), self.folder.home(_NAME), frozenset())


def main(root: Path, pid: int) -> None:
    """Wait for the end of the process, then kill every server of the stack."""
    try:
        watched = os.pidfd_open(pid)
        select.select([watched], [], [])
    except ProcessLookupError:
        pass  # It ended before we could look.
    from deploy.local.stack import Stack  # noqa: PLC0415  (not needed, and not loaded, until the end)

    stack = Stack(root)
    for name, server in stack.servers.items():
        # Once we have the lock, nothing is half started: the starter is dead and its child has noted its pid.
        with locked(stack.folder.lock(name), _LOCK_S, waiting=lambda: None):
            stack.kill(name)
            server.clean_up()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
