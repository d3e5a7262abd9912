"""One server being started: how it reports progress, runs tools, waits, and is cancelled."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deploy.local.errors import failure
from deploy.local.locks import locked

_TOOL = Path(__file__).with_name("tool.py")
Progress = Callable[[str, str], None]
_POLL_S = 0.05
_CACHE_WAIT_S = 900.0


class Cancelled(Exception):
    """The user interrupted the start."""


def silent(server: str, words: str) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True)
class Task:
    """The start of `server`: `lock` is the open lock file that every child inherits until it is a server itself."""

    server: str
    log: Path
    lock: IO[str]
    cancelled: threading.Event
    progress: Progress

    def say(self, words: str) -> None:
        """Tell the user what is going on."""
        self.progress(self.server, words)

    def pause(self, seconds: float) -> None:
        """Sleep, or raise `Cancelled` as soon as the start is interrupted."""
        if self.cancelled.wait(seconds):
            raise Cancelled

    def alone(self, lock_file: Path) -> AbstractContextManager[IO[str]]:
        """Hold a lock that other stacks respect too, such as the one on a shared cache."""
        return locked(lock_file, _CACHE_WAIT_S, waiting=lambda: self.pause(0))

    def run(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        given: str = "",
        locks: Sequence[IO[str]] = (),
    ) -> None:
        """Run a tool to its end, its output in the server's log, `given` as its input.

        The tool inherits the locks, so that nobody works on the same files while it runs, even if this process dies.

        Raises:
            StackError: it failed, or ran longer than `timeout_s`.
            Cancelled: the user interrupted; the tool was killed.
        """
        with self.log.open("ab") as output:
            tool = subprocess.Popen(  # noqa: S603  (commands are built by the servers' modules)
                [sys.executable, "-I", "-S", str(_TOOL), str(os.getpid()), *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                cwd=directory,
                pass_fds=[lock.fileno() for lock in (self.lock, *locks)],
            )
        try:
            _feed(tool, given)
            self._await(tool, Path(command[0]).name, timeout_s)
        finally:
            tool.kill()
            tool.wait()

    def _await(self, tool: subprocess.Popen[bytes], name: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while tool.poll() is None:
            if time.monotonic() > deadline:
                raise failure(self.server, f"{name} did not end within {timeout_s:.0f} s", self.log)
            self.pause(_POLL_S)
        if tool.returncode:
            raise failure(self.server, f"{name} failed with exit code {tool.returncode}", self.log)


def _feed(tool: subprocess.Popen[bytes], given: str) -> None:
    if tool.stdin is None:
        return
    try:
        tool.stdin.write(given.encode())
        tool.stdin.close()
    except BrokenPipeError:
        return  # The tool ended early; its exit code says why.
