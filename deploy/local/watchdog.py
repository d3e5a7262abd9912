"""Killing a tied stack when the process it is tied to ends.

Why not PR_SET_PDEATHSIG on the servers: it follows the thread that started them, is lost when a program changes its
user, and does not reach the servers' own children.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass

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
                command = (sys.executable, "-m", "deploy.local.watch", str(self.folder.root), str(pid))
                launch = Launch(command, dict(os.environ), CLONE)
                self._process.spawn(launch, self.folder.log(_NAME), lock)

    def dismiss(self) -> None:
        """End the watchdog, if there is one; the servers are left alone."""
        self._process.stop(signal.SIGTERM, grace_s=2.0)

    @property
    def _process(self) -> ServerProcess:
        return ServerProcess(self.folder.pid_file(_NAME), self.folder.home(_NAME), frozenset())
