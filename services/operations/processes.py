"""The services as child processes: start, stop, kill, restart."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from services.common import ports
from services.common.environment import own_credentials
from services.common.errors import Fatal, Retriable
from services.common.tied import tied

STOP_SECONDS: Final = 30.0
"""A service that does not stop within 25 s of SIGTERM is killed."""
_MISCONFIGURED: Final = 2
_LOG_LINES: Final = 15


class Processes:
    """Services as child processes that die with this one, even by `kill -9`.

    The children die with the thread that starts them: start them from a thread that lives as long as they should.
    Each has `<logs>/<name>.log` and a free port for `/metrics` and `/health`.
    """

    def __init__(self, names: Sequence[str], environment: Mapping[str, str], logs: Path) -> None:
        """Prepare; `environment` is added to this process's own variables.

        If XRAY_CREDENTIALS names a folder, each service gets its own credentials from it.
        """
        self._names = tuple(names)
        self._environment = dict(environment)
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[str, int] = {}

    def __enter__(self) -> Self:
        """Start every service."""
        try:
            self.start(self._names)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every service."""
        self.stop()

    def start(self, names: Sequence[str]) -> None:
        """Start those of these services that do not run."""
        self._logs.mkdir(parents=True, exist_ok=True)
        for name in names:
            if not self.alive(name):
                self._running[name] = self._spawn(name)

    def stop(self, names: Sequence[str] | None = None) -> None:
        """Stop these services (default: all) cleanly, all at the same time; SIGKILL for any that takes over 30 s."""
        ending = [process for name, process in self._running.items() if names is None or name in names]
        for process in ending:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in ending:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kill(self, name: str) -> None:
        """`kill -9` one service, as a crash would."""
        self._running[name].kill()
        self._running[name].wait()

    def restart(self, name: str) -> None:
        """Stop one service cleanly, if it runs, and start it again."""
        self.stop([name])
        self.start([name])

    def alive(self, name: str) -> bool:
        """Return whether the process runs."""
        process = self._running.get(name)
        return process is not None and process.poll() is None

    def exit_code(self, name: str) -> int | None:
        """Exit code of a service that was started; None while it runs."""
        return self._running[name].poll()

    def pid(self, name: str) -> int:
        """Process id of a service that was started."""
        return self._running[name].pid

    def port(self, name: str) -> int:
        """Port of the service's `/metrics` and `/health` on 127.0.0.1."""
        return self._ports[name]

    def restart_crashed(self) -> list[str]:
        """Start every service that has exited again and return their names.

        Raises Fatal with the end of its log for a service that reported a misconfiguration: a restart would not help.
        """
        ended = [name for name in self._running if not self.alive(name)]
        for name in ended:
            if self._running[name].returncode == _MISCONFIGURED:
                raise Fatal(f"{name} refused to start; the end of {self._log(name)}:\n{self.log_tail(name)}")
        self.start(ended)
        return ended

    def wait_ready(self, seconds: float = 60.0) -> None:
        """Return once every running service answers `/health/ready`; raises Retriable when that takes too long."""
        deadline = time.monotonic() + seconds
        waiting = list(self._running)
        while waiting:
            self.restart_crashed()
            waiting = [name for name in waiting if not self._ready(name)]
            if waiting and time.monotonic() > deadline:
                name = waiting[0]
                raise Retriable(f"{name} is not ready after {seconds:.0f} s; its log ends:\n{self.log_tail(name)}")
            time.sleep(0.1 if waiting else 0)

    def log_tail(self, name: str) -> str:
        """Return the last lines of a service's log."""
        log = self._log(name)
        if not log.exists():
            return ""
        return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        [self._ports[name]] = ports.choose(1, taken=self._ports.values())
        service = [sys.executable, "-m", "services.cli.main", "run", name]
        environment = os.environ | self._environment
        environment |= own_credentials(name, environment)
        with self._log(name).open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own program, no shell
                tied(service),
                env=environment | {"XRAY_HTTP_PORT": str(self._ports[name]), "XRAY_DEBUG": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches the supervisor only, which then stops its children in order.
                process_group=0,
            )

    def _ready(self, name: str) -> bool:
        url = f"http://127.0.0.1:{self._ports[name]}/health/ready"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
