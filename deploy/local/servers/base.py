"""The interface of a server."""

import os
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from deploy.local.folder import StackFolder
from deploy.local.process import Launch, ServerProcess
from deploy.local.security import Security
from deploy.local.task import Task


class NotReady(Exception):
    """The server's real operation does not work yet; the message gives the reason."""


class Server(ABC):
    """One server: how to prepare, start, check and stop it.

    `ready_within_s` is the deadline from the start to the first successful check, `grace_s` the time from the stop
    signal to SIGKILL, `start_attempts` the number of starts before its death while starting is an error.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    port_names: ClassVar[tuple[str, ...]]
    secure_port_names: ClassVar[tuple[str, ...]] = ()
    programs: ClassVar[frozenset[str]]
    ready_within_s: ClassVar[float] = 90.0
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    grace_s: ClassVar[float] = 15.0
    start_attempts: ClassVar[int] = 2

    def __init__(self, folder: StackFolder) -> None:
        """Use the stack in `folder`."""
        self.folder = folder
        self.security = Security(folder.root)

    @property
    def home(self) -> Path:
        """The folder of its configuration and data, and its working directory."""
        return self.folder.home(self.name)

    @property
    def log(self) -> Path:
        """Its log file."""
        return self.folder.log(self.name)

    @property
    def needed_ports(self) -> tuple[str, ...]:
        """Names of the ports on which it listens; a secure stack may have more."""
        return self.port_names + (self.secure_port_names if self.security.enabled else ())

    @property
    def ports(self) -> dict[str, int]:
        """Its ports by name."""
        return self.folder.ports(self.name)

    @property
    def process(self) -> ServerProcess:
        """Its process, running or not."""
        return ServerProcess(self.folder.pid_file(self.name), self.home, self.programs)

    @abstractmethod
    def prepare(self, task: Task) -> Launch:
        """Prepare downloads, data folder and configuration, and return how to run the server.

        Raises:
            StackError: something is missing; the message gives a remedy.
        """

    @abstractmethod
    def check(self) -> None:
        """Do one real operation, which takes at most about 5 s.

        Raises:
            NotReady: it did not work.
        """

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """Return the variables by which the services find this server, with the administrator's credentials."""

    @abstractmethod
    def credentials(self, principal: str) -> dict[str, str]:
        """Return the variables with which a principal of a secure stack uses this server."""

    def address(self) -> str:
        """Return where it listens, as shown to the user."""
        return next(iter(self.environment().values()))

    def clean_up(self) -> None:
        """Remove what the stopped server left outside its folder (sockets, shared memory)."""
        return

    def clear(self) -> None:
        """Delete data that the stopped server keeps outside the stack's folder."""
        return


def plain_environment(**more: str) -> dict[str, str]:
    """Return a minimal environment, without the shell's proxies, library paths and Java options."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "TZ") if name in os.environ}
    return {**kept, **more}
