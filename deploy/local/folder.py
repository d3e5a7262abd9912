"""The folder of one stack: its paths, and the state kept between starts."""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from deploy.local.errors import StackError
from deploy.local.locks import locked
from services.common import ports
from services.common.environment import CLONE, environment_file, in_clone

CACHE = CLONE / ".cache" if in_clone() else user_cache_path("xray") / "stack"
"""Kafka's jars and Triton's environment, which all stacks share. Without a clone, they are in the user's cache."""
MINIMUM_FREE_BYTES = 1024**3
_STATE_LOCK_S = 10.0


class StackFolder:
    """Paths below one root, and the state stored there: the ports of each server and the secrets (file mode 0600)."""

    def __init__(self, root: Path) -> None:
        """Set the root; nothing is written before `create`."""
        self.root = root.absolute()
        self._state = self.root / "state.json"
        self.environment_file = environment_file(self.root)

    def create(self) -> None:
        """Create the folder and its secrets.

        Raises:
            StackError: less than 1 GiB is free, or the folder cannot be written.
        """
        try:
            for path in (self.root, self.root / "logs", CACHE):
                path.mkdir(parents=True, exist_ok=True)
                self._check_space(path)
            with self._changing() as state:
                for name in ("s3_access_key", "s3_secret_key", "postgres_password"):
                    state["secrets"].setdefault(name, secrets.token_hex(20))
        except OSError as error:
            message = f"cannot write {error.filename or self.root}: {error.strerror or error}"
            raise StackError("stack", message, "choose another folder with XRAY_STACK_FOLDER") from error

    def home(self, server: str) -> Path:
        """Return the folder of a server's configuration and data, which is also its working directory."""
        return self.root / server

    def log(self, server: str) -> Path:
        """Return the log file of a server."""
        return self.root / "logs" / f"{server}.log"

    def pid_file(self, server: str) -> Path:
        """Return the file into which a server writes its own pid."""
        return self.root / f"{server}.pid"

    def lock(self, server: str) -> Path:
        """Return the file that is locked while a server is started or stopped."""
        return self.root / f"{server}.lock"

    def secret(self, name: str) -> str:
        """Return a secret that `create` generated."""
        value: str = self._read()["secrets"][name]
        return value

    def ports(self, server: str) -> dict[str, int]:
        """Return the ports of a server by name; empty before they are chosen."""
        found: dict[str, int] = self._read()["ports"].get(server, {})
        return found

    def choose_ports(self, server: str, names: tuple[str, ...], *, again: bool = False) -> dict[str, int]:
        """Return a server's ports; choose those that it lacks and, if `again`, those that are no longer free."""
        with self._changing() as state:
            known: dict[str, int] = state["ports"].setdefault(server, {})
            lost = [name for name in names if name not in known or (again and not ports.is_free(known[name]))]
            taken = [port for each in state["ports"].values() for port in each.values()]
            known.update(zip(lost, ports.choose(len(lost), taken), strict=True))
            return dict(known)

    def delete(self, servers: Iterable[str]) -> None:
        """Delete the state, the logs and the folders of these servers, and the root if nothing else is in it."""
        homes = [self.home(server) for server in servers]
        for folder in (self.root / "logs", *homes):
            if folder.is_symlink():
                folder.unlink()
            else:
                shutil.rmtree(folder, ignore_errors=True)
        for file in (self._state, self.environment_file, *self.root.glob("*.pid"), *self.root.glob("*.lock")):
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # Not empty.
            self.root.rmdir()

    def write_environment(self, values: Mapping[str, str]) -> None:
        """Write KEY=VALUE lines for the services and commands that use this stack (mode 0600)."""
        _write_private(self.environment_file, "".join(f"{key}={value}\n" for key, value in values.items()))

    def _check_space(self, path: Path) -> None:
        free = shutil.disk_usage(path).free
        if free < MINIMUM_FREE_BYTES:
            message = (
                f"only {free / 1024**2:.0f} MiB are free on the disk of {path}, {MINIMUM_FREE_BYTES >> 20} are needed"
            )
            raise StackError("stack", message, "free some disk space, or choose another folder with XRAY_STACK_FOLDER")

    def _read(self) -> dict[str, Any]:
        if not self._state.exists():
            return {"ports": {}, "secrets": {}}
        state: dict[str, Any] = json.loads(self._state.read_text(encoding="ascii"))
        return state

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        with locked(self.root / "state.lock", _STATE_LOCK_S, waiting=lambda: None):
            state = self._read()
            yield state
            _write_private(self._state, json.dumps(state, indent=1) + "\n")


def check_clone(server: str) -> None:
    """Raise StackError if a server needs files of the repository, and this program runs from an installed package."""
    if not in_clone():
        message = "the installed package contains neither the models nor Triton's pinned requirements"
        raise StackError(server, message, "run `make setup` and `xray stack up` in a clone of the repository")


def _write_private(path: Path, text: str) -> None:
    """Replace a file atomically; only its owner can ever read it."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text)
    partial.replace(path)
