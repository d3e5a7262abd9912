"""Start, find and stop the process of one server, whichever process started it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from deploy.local.launch import boot_id, start_ticks

_LAUNCHER = Path(__file__).with_name("launch.py")
_POLL_S = 0.05
_KILLED_WITHIN_S = 15.0
# Children of this process must be waited for; otherwise they stay zombies until it exits.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Launch:
    """A command with its environment (nothing is inherited) and working directory."""

    command: tuple[str, ...]
    environment: dict[str, str]
    directory: Path


@dataclass(frozen=True)
class ServerProcess:
    """The process of a server, identified by its pid file, and every process that it started.

    `programs` are the file names of its programs. Together with the working directory they identify children that
    outlived a killed server.
    """

    pid_file: Path
    directory: Path
    programs: frozenset[str]

    def pid(self) -> int | None:
        """Return the pid if the process that wrote the pid file still runs; a recycled pid does not count."""
        try:
            pid, ticks, boot = self.pid_file.read_text(encoding="ascii").split()
        except (FileNotFoundError, ValueError):
            return None
        _reap(int(pid))
        return int(pid) if boot == boot_id() and start_ticks(int(pid)) == int(ticks) else None

    def spawn(self, launch: Launch, log: Path, lock: IO[str]) -> None:
        """Start the command detached from the terminal, with its output appended to `log`; it records its own pid."""
        self.pid_file.unlink(missing_ok=True)
        descriptor = lock.fileno()
        with log.open("ab") as output:
            child = subprocess.Popen(  # noqa: S603  (commands are built by the servers' modules)
                [sys.executable, "-I", "-S", str(_LAUNCHER), str(self.pid_file), str(descriptor), *launch.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=launch.directory,
                env=launch.environment,
                pass_fds=(descriptor,),
                start_new_session=True,
            )
        _children[child.pid] = child
        while child.poll() is None and not self.pid_file.exists():
            time.sleep(0.005)

    def exit_message(self) -> str:
        """Describe how the process exited, as far as this process can know."""
        try:
            pid = int(self.pid_file.read_text(encoding="ascii").split()[0])
        except (FileNotFoundError, IndexError):
            return "exited"
        code = _children[pid].poll() if pid in _children else None
        if code is None:
            return "exited"
        return f"was killed by signal {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"

    def stop(self, with_signal: signal.Signals, grace_s: float) -> None:
        """Send the signal, and after `grace_s` seconds kill what is left."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, with_signal)
            deadline = time.monotonic() + grace_s
            while self.pid() is not None and time.monotonic() < deadline:
                time.sleep(_POLL_S)
        self.kill()

    def kill(self) -> None:
        """Kill the process and everything that it started, at once (SIGKILL).

        Raises:
            TimeoutError: something could not be killed within 15 s (it hangs in the kernel).
        """
        deadline = time.monotonic() + _KILLED_WITHIN_S
        while victims := list(self.members()):
            for victim in victims:
                _kill(victim)
            if time.monotonic() > deadline:
                msg = f"processes {[victim.pid for victim in victims]} cannot be killed"
                raise TimeoutError(msg)
            time.sleep(_POLL_S)
        self.pid_file.unlink(missing_ok=True)

    def members(self) -> Iterator[psutil.Process]:
        """Yield the process, its descendants and their orphans."""
        pid = self.pid()
        seen: set[int] = set()
        if pid is not None:
            for member in _family(pid):
                seen.add(member.pid)
                yield member
        for process in psutil.process_iter():
            if process.pid not in seen and self._is_orphan(process):
                yield process

    def _is_orphan(self, process: psutil.Process) -> bool:
        try:
            # The kernel cuts process names to 15 characters.
            if not any(program[:15] == process.name()[:15] for program in self.programs):
                return False
            return process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(self.directory)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False


def _family(pid: int) -> list[psutil.Process]:
    try:
        head = psutil.Process(pid)
        return [head, *head.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
    _reap(process.pid)


def _reap(pid: int) -> None:
    if pid in _children:
        _children[pid].poll()
