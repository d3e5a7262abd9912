"""The local stack: Kafka, SeaweedFS, Triton and PostgreSQL as ordinary processes of this machine.

Only the servers themselves keep running. Everything known about them is in the stack's folder, so any process can
continue where another stopped or was killed.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from deploy.local.errors import StackError, failure
from deploy.local.folder import StackFolder
from deploy.local.locks import locked
from deploy.local.security import FOLDER as SECURITY_FOLDER
from deploy.local.security import PRINCIPALS, Security
from deploy.local.servers.base import Server
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.postgres import Postgres
from deploy.local.servers.seaweedfs import SeaweedFS
from deploy.local.servers.tritonserver import TritonServer
from deploy.local.start import start, stop
from deploy.local.status import ServerStatus, status_of
from deploy.local.task import Cancelled, Progress, Task, silent
from deploy.local.watchdog import Watchdog
from services.common.environment import CREDENTIALS

_OTHER_COMMAND_S = 300.0
_POLL_S = 0.1


class Stack:
    """All servers of the stack in `folder`. Any number of stacks can run in parallel in different folders.

    With `secure`, `up` makes a new stack secure (`deploy/local/security.py`); a secure one stays so without it. With
    `tied`, the servers that `up` and `start` leave running are killed when this process exits, however it exits.
    """

    def __init__(self, folder: Path, *, tied: bool = False, secure: bool = False) -> None:
        """Use the stack in a folder, which need not exist yet."""
        self.folder = StackFolder(folder)
        self.security = Security(self.folder.root)
        self._tied, self._secure = tied, secure
        kinds: tuple[type[Server], ...] = (Kafka, SeaweedFS, TritonServer, Postgres)
        self.servers: dict[str, Server] = {kind.name: kind(self.folder) for kind in kinds}

    def up(self, servers: Sequence[str] | None = None, progress: Progress = silent) -> None:
        """Start, in parallel, the servers that are not working; return when each has done a real operation.

        `servers` are names out of kafka, seaweedfs, triton, postgres (default: all). `progress` is called with a
        server's name and a message, from several threads. If interrupted (KeyboardInterrupt), it stops what it started.

        Raises:
            StackError: a server could not be started; the others keep running.
        """
        chosen = [self._server(name) for name in servers or self.servers]
        self._prepare()
        cancelled = threading.Event()
        with ThreadPoolExecutor(len(chosen)) as pool:
            starts = {server.name: pool.submit(self._start, server, cancelled, progress) for server in chosen}
            try:
                while wait(starts.values(), timeout=_POLL_S).not_done:
                    continue  # Short waits, so that Ctrl-C takes effect.
            except KeyboardInterrupt:
                cancelled.set()
                wait(starts.values())
                self._stop_all([name for name, begun in starts.items() if _started(begun)])
                raise
        self._write_environment()
        _raise_failures(list(starts.values()))

    def down(self, progress: Progress = silent) -> None:
        """Stop all servers cleanly, whoever started them; data and ports are kept for the next `up`.

        Raises:
            StackError: something could not be stopped.
        """
        if self.folder.root.exists():
            self._stop_all(list(self.servers), progress)
            Watchdog(self.folder).dismiss()

    def clear(self) -> None:
        """Delete data, logs, ports and passwords of a stack whose servers are stopped."""
        for server in self.servers.values():
            server.clear()
        self.folder.delete((*self.servers, SECURITY_FOLDER))

    def status(self) -> list[ServerStatus]:
        """Return the status of all servers, after a real operation with each that runs."""
        with ThreadPoolExecutor(len(self.servers)) as pool:
            return list(pool.map(status_of, self.servers.values()))

    def start(self, name: str, progress: Progress = silent) -> None:
        """Start one server and wait until it works; does nothing if it already works.

        Raises:
            StackError: it could not be started.
        """
        self.up([name], progress)

    def stop(self, name: str) -> None:
        """Stop one server cleanly."""
        with self._locked(name, lambda: None):
            stop(self._server(name))

    def kill(self, name: str) -> None:
        """Kill one server and all its processes at once (SIGKILL), as in a crash, without taking its lock."""
        self._server(name).process.kill()

    def environment(self) -> dict[str, str]:
        """Return the variables by which services find the servers.

        Raises:
            StackError: there was no `up` in this folder yet.
        """
        if any(not server.ports for server in self.servers.values()):
            raise _no_stack(self.folder.root)
        found = {key: value for server in self.servers.values() for key, value in server.environment().items()}
        return found | {CREDENTIALS: str(self.security.credentials)} if self.security.enabled else found

    def credentials(self, principal: str) -> dict[str, str]:
        """Return the variables by which a principal of a secure stack finds and uses the servers."""
        own = {name: value for one in self.servers.values() for name, value in one.credentials(principal).items()}
        return {name: value for name, value in self.environment().items() if name != CREDENTIALS} | own

    def _server(self, name: str) -> Server:
        if name not in self.servers:
            raise StackError(name, "there is no such server", f"choose one of {', '.join(self.servers)}")
        return self.servers[name]

    def _prepare(self) -> None:
        self.folder.create()
        self._make_secure()
        for server in self.servers.values():
            self.folder.choose_ports(server.name, server.needed_ports)
        self._write_environment()
        if self._tied:
            Watchdog(self.folder).watch(os.getpid())

    def _make_secure(self) -> None:
        if not self._secure or self.security.enabled:
            return
        if any(server.home.exists() for server in self.servers.values()):
            message = f"the stack in {self.folder.root} was created without security"
            raise StackError("stack", message, "delete it with `xray stack down --clear`, or choose another folder")
        self.security.create()

    def _write_environment(self) -> None:
        self.folder.write_environment(self.environment())
        for principal in PRINCIPALS if self.security.enabled else ():
            self.security.write_credentials(principal, self.credentials(principal))

    def _start(self, server: Server, cancelled: threading.Event, progress: Progress) -> bool:
        def waiting() -> None:
            if cancelled.is_set():
                raise Cancelled

        try:
            with self._locked(server.name, waiting) as lock:
                return start(server, Task(server.name, server.log, lock, cancelled, progress))
        except OSError as error:
            progress(server.name, "failed")
            raise failure(server.name, f"cannot be started: {error}", server.log) from error
        except StackError as error:
            progress(server.name, f"failed: {error.message}")
            raise

    def _stop_all(self, names: list[str], progress: Progress = silent) -> None:
        def stop_one(name: str) -> None:
            progress(name, "stopping")
            self.stop(name)
            progress(name, "stopped")

        if names:
            with ThreadPoolExecutor(len(names)) as pool:
                list(pool.map(stop_one, names))

    @contextmanager
    def _locked(self, name: str, waiting: Callable[[], None]) -> Iterator[IO[str]]:
        try:
            with locked(self.folder.lock(name), _OTHER_COMMAND_S, waiting) as lock:
                yield lock
        except TimeoutError as error:
            message = "another command has been starting or stopping it for 5 minutes"
            raise StackError(name, message, "stop that command, then try again") from error


def _no_stack(folder: Path) -> StackError:
    return StackError("stack", f"there is no stack in {folder}", "run `xray stack up` first")


def _started(begun: Future[bool]) -> bool:
    return begun.exception() is None and begun.result()


def _raise_failures(starts: list[Future[bool]]) -> None:
    failures = [error for error in (begun.exception() for begun in starts) if error is not None]
    if not failures:
        return
    for other in failures[1:]:
        failures[0].add_note(str(other))
    raise failures[0]
