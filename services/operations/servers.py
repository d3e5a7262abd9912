"""Whether the servers answer at all: one TCP connection to each, before a command does its work.

A dead server is reported within three seconds by its name, address and setting, whatever time-outs its client has.
"""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Final, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from psycopg import ProgrammingError, conninfo

from services.common import ports
from services.common.environment import read_environment, stack_folder
from services.common.errors import Retriable
from services.common.settings import Settings, settings_of

SERVERS: Final[Mapping[str, str]] = {
    "kafka": "XRAY_KAFKA_BOOTSTRAP",
    "objects": "XRAY_S3_ENDPOINT",
    "triton": "XRAY_TRITON_GRPC",
    "postgres": "XRAY_POSTGRES_DSN",
}
"""The setting that holds the address of each server; the names are those of `Retriable.server`."""
TITLES: Final[Mapping[str, str]] = {"kafka": "Kafka", "objects": "S3", "triton": "Triton", "postgres": "PostgreSQL"}
CONNECT_SECONDS: Final = 3.0
_STANDARD_PORTS: Final = {"http": 80, "https": 443}
_POSTGRES_PORT: Final = 5432
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

Address = tuple[str, int]
T = TypeVar("T")


@dataclass(frozen=True)
class UnreachableServer:
    """A server to which no connection was made, and why."""

    name: str
    problem: str


def require(settings: Settings, *names: str) -> None:
    """Raise Retriable unless a TCP connection to each of these servers is made within three seconds."""
    found = unreachable(settings, names)
    if found:
        raise Retriable("; ".join(one.problem for one in found), server=found[0].name, kind="unreachable")


def unreachable(settings: Settings, names: Sequence[str] = tuple(SERVERS)) -> list[UnreachableServer]:
    """Return those of these servers that no connection is made to within three seconds, all tried at the same time."""
    attempts = {name: in_background(lambda name=name: _problem(name, settings)) for name in names}  # type: ignore[misc]
    result = []
    for name, attempt in attempts.items():
        try:
            # The attempt has its own time-out; looking up a name has none.
            problem = attempt.result(timeout=CONNECT_SECONDS + 1)
        except TimeoutError:
            problem = _sentence(name, settings, "no answer")
        if problem is not None:
            result.append(UnreachableServer(name, problem))
    return result


def in_background(action: Callable[[], T]) -> Future[T]:
    """Run an action in a thread that does not keep this process alive."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(action())
        except BaseException as error:  # noqa: BLE001 - handed to whoever asks for the result
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


def stack_advice(settings: Settings) -> str | None:
    """Return what to do if a server is expected on this machine and no local stack runs, else None."""
    expected_here = any(host in _LOOPBACK for name in SERVERS for host, _ in addresses(settings, name))
    if not expected_here or stack_runs():
        return None
    return "no local stack is running; `xray stack up` starts one"


def stack_runs() -> bool:
    """Return whether any server of the local stack accepts connections."""
    environment = read_environment(stack_folder())
    if not environment:
        return False
    settings = settings_of(environment)
    return any(ports.is_listening(port) for name in SERVERS for _, port in addresses(settings, name))


def addresses(settings: Settings, name: str) -> list[Address]:
    """Return host and port of a server; empty for a Unix socket, behind a proxy, or if its setting cannot be read."""
    try:
        return [*_ADDRESSES[name](settings)]
    except (ValueError, ProgrammingError):
        return []


def _kafka(settings: Settings) -> list[Address]:
    return [_host_and_port(one) for one in settings.kafka_bootstrap.split(",")]


def _objects(settings: Settings) -> list[Address]:
    url = urlsplit(settings.s3_endpoint)
    if url.scheme in getproxies() and not proxy_bypass(url.hostname or ""):
        return []  # the client reaches it through the proxy only
    return [(url.hostname or "", url.port or _STANDARD_PORTS[url.scheme])] if url.scheme in _STANDARD_PORTS else []


def _triton(settings: Settings) -> list[Address]:
    return [_host_and_port(settings.triton_grpc)]


def _postgres(settings: Settings) -> list[Address]:
    given = conninfo.conninfo_to_dict(settings.postgres_dsn.get_secret_value())
    hosts = str(given.get("host") or given.get("hostaddr") or "").split(",")
    numbers = str(given.get("port") or os.environ.get("PGPORT") or _POSTGRES_PORT).split(",")
    if any(not host or host.startswith("/") for host in hosts) or len(numbers) not in {1, len(hosts)}:
        return []
    return [(host, int(numbers[min(number, len(numbers) - 1)])) for number, host in enumerate(hosts)]


_ADDRESSES: Final[Mapping[str, Callable[[Settings], list[Address]]]] = {
    "kafka": _kafka,
    "objects": _objects,
    "triton": _triton,
    "postgres": _postgres,
}


def _host_and_port(text: str) -> Address:
    host, _, port = text.strip().rpartition("://")[2].rpartition(":")
    return host.strip("[]/"), int(port)


def _problem(name: str, settings: Settings) -> str | None:
    """Return why none of a server's addresses accepts a connection, None if one does."""
    tried = addresses(settings, name)
    reason = ""
    for address in tried:
        try:
            socket.create_connection(address, timeout=CONNECT_SECONDS / len(tried)).close()
        except OSError as error:
            reason = error.strerror or str(error)
        else:
            return None
    return _sentence(name, settings, reason) if tried else None


def _sentence(name: str, settings: Settings, reason: str) -> str:
    where = ", ".join(f"{host}:{port}" for host, port in addresses(settings, name))
    return f"{TITLES[name]} is unreachable at {where} ({SERVERS[name]}): {reason}"
