"""The start of one server: progress, tools, waiting and cancellation."""

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deploy.local.errors import failure
from deploy.local.locks import locked
from services.common.tied import tied

Progress = Callable[[str, str], None]
_POLL_S = 0.05
_CACHE_WAIT_S = 900.0


class Cancelled(Exception):
    """The user interrupted the start."""


def silent(server: str, message: str) -> None:
    """Ignore progress."""


@dataclass(frozen=True)
class Task:
    """The start of `server`. Every child inherits the open file `lock`, until it becomes the server."""

    server: str
    log: Path
    lock: IO[str]
    cancelled: threading.Event
    progress: Progress

    def say(self, message: str) -> None:
        """Report progress to the user."""
        self.progress(self.server, message)

    def pause(self, seconds: float) -> None:
        """Sleep, or raise `Cancelled` as soon as the start is interrupted."""
        if self.cancelled.wait(seconds):
            raise Cancelled

    def shared_lock(self, lock_file: Path) -> AbstractContextManager[IO[str]]:
        """Hold a lock that is shared with other stacks, such as the one on the cache."""
        return locked(lock_file, _CACHE_WAIT_S, waiting=lambda: self.pause(0))

    def run(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        stdin: str = "",
        locks: Sequence[IO[str]] = (),
    ) -> None:
        """Run a tool until it exits, with its output in the server's log and `stdin` as its input.

        The tool dies with this process. It inherits the locks, so that no other process works on the same files before
        it has exited.

        Raises:
            StackError: it failed, or ran longer than `timeout_s`.
            Cancelled: the user interrupted; the tool was killed.
        """
        with self.log.open("ab") as output:
            tool = subprocess.Popen(  # noqa: S603  (commands are built by the servers' modules)
                tied([shutil.which(command[0]) or command[0], *command[1:]]),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                cwd=directory,
                pass_fds=[lock.fileno() for lock in (self.lock, *locks)],
            )
        try:
            _write_input(tool, stdin)
            self._await(tool, Path(command[0]).name, timeout_s)
        finally:
            tool.kill()
            tool.wait()

    def _await(self, tool: subprocess.Popen[bytes], name: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while tool.poll() is None:
            if time.monotonic() > deadline:
                raise failure(self.server, f"{name} did not finish within {timeout_s:.0f} s", self.log)
            self.pause(_POLL_S)
        if tool.returncode:
            raise failure(self.server, f"{name} failed with exit code {tool.returncode}", self.log)


def _write_input(tool: subprocess.Popen[bytes], text: str) -> None:
    if tool.stdin is None:
        return
    try:
        tool.stdin.write(text.encode())
        tool.stdin.close()
    except BrokenPipeError:
        return  # The tool exited early; its exit code shows why.
