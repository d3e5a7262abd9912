"""Kills a tied stack when the process that it is tied to exits. Run as `python -m deploy.local.watchdog FOLDER PID`.

PR_SET_PDEATHSIG on the servers is not enough: it follows the thread that started them, is lost when a program changes
its user, and does not reach the servers' own children.
"""

import contextlib
import os
import select
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.local.folder import StackFolder
from deploy.local.locks import locked
from deploy.local.process import Launch, ServerProcess
from services.common.environment import CLONE

_NAME = "watchdog"
_LOCK_S = 30.0


@dataclass(frozen=True)
class Watchdog:
    """The watchdog process of one stack."""

    folder: StackFolder

    def watch(self, pid: int) -> None:
        """Start the watchdog for the process `pid`, unless it is already running."""
        with locked(self.folder.lock(_NAME), _LOCK_S, waiting=lambda: None) as lock:
            if self._process.pid() is None:
                command = (sys.executable, "-m", "deploy.local.watchdog", str(self.folder.root), str(pid))
                launch = Launch(command, dict(os.environ), CLONE)
                self._process.spawn(launch, self.folder.log(_NAME), lock)

    def dismiss(self) -> None:
        """Stop the watchdog, if there is one; the servers keep running."""
        self._process.stop(signal.SIGTERM, grace_s=2.0)

    @property
    def _process(self) -> ServerProcess:
        return ServerProcess(self.folder.pid_file(_NAME), self.folder.home(_NAME), frozenset())


def main(root: Path, pid: int) -> None:
    """Wait for the process `pid` to exit, then kill every server of the stack in `root`."""
    from deploy.local.stack import Stack  # noqa: PLC0415 - it imports this module

    with contextlib.suppress(ProcessLookupError):  # It may have exited before this check.
        select.select([os.pidfd_open(pid)], [], [])
    stack = Stack(root)
    for name, server in stack.servers.items():
        # With the lock held, nothing is half started: the starter is dead and its child has written its pid.
        with locked(stack.folder.lock(name), _LOCK_S, waiting=lambda: None):
            stack.kill(name)
            server.clean_up()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
