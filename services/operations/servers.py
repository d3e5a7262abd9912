"""Whether the servers answer at all: one connection and one greeting to each, before a command does its work.

A server that is dead, or that accepts connections but sends nothing, is reported within three seconds by its name,
address and setting, whatever time-outs its client has.
"""

import os
import socket
import struct
import time
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
ANSWER_SECONDS: Final = 3.0
_GREETINGS: Final[Mapping[str, bytes]] = {
    "kafka": struct.pack(">ihhih", 10, 18, 0, 0, -1),  # ApiVersions, version 0, without a client id
    "objects": b"HEAD / HTTP/1.0\r\n\r\n",
    "triton": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"),  # an empty SETTINGS frame
    "postgres": struct.pack(">ii", 8, 80877103),  # SSLRequest
}
"""What a client of each server may send first, without credentials.

Whatever comes back counts as an answer, also an end of the connection: a server behind TLS ends it.
"""
_STANDARD_PORTS: Final = {"http": 80, "https": 443}
_POSTGRES_PORT: Final = 5432
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

Address = tuple[str, int]
T = TypeVar("T")


@dataclass(frozen=True)
class UnavailableServer:
    """A server that does not answer, and why; `connected` is True if it accepted a connection."""

    name: str
    problem: str
    connected: bool


def require(settings: Settings, *names: str) -> None:
    """Raise Retriable unless each of these servers answers within three seconds."""
    found = unavailable(settings, names)
    if found:
        kind = "silent" if found[0].connected else "unreachable"
        raise Retriable("; ".join(one.problem for one in found), server=found[0].name, kind=kind)


def unavailable(settings: Settings, names: Sequence[str] = tuple(SERVERS)) -> list[UnavailableServer]:
    """Return those of these servers that do not answer within three seconds, all tried at the same time."""
    attempts = [in_background(lambda name=name: problem_of(name, settings)) for name in names]  # type: ignore[misc]
    return [problem for attempt in attempts if (problem := attempt.result()) is not None]


def problem_of(name: str, settings: Settings) -> UnavailableServer | None:
    """Return why none of a server's addresses answers, None if one does; takes four seconds at most."""
    attempt = in_background(lambda: _problem(name, settings))
    try:
        # The attempt has its own time-out; looking up a name has none.
        return attempt.result(timeout=ANSWER_SECONDS + 1)
    except TimeoutError:
        return _unreachable(name, settings, "no answer")


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


def _problem(name: str, settings: Settings) -> UnavailableServer | None:
    tried = addresses(settings, name)
    problem = None
    for address in tried:
        deadline = time.monotonic() + ANSWER_SECONDS / len(tried)
        try:
            connection = socket.create_connection(address, timeout=ANSWER_SECONDS / len(tried))
        except OSError as error:
            problem = problem or _unreachable(name, settings, error.strerror or str(error))
            continue
        with connection:
            if _answers(connection, _GREETINGS[name], deadline):
                return None
        problem = UnavailableServer(name, _silent(name, settings), connected=True)
    return problem


def _answers(connection: socket.socket, greeting: bytes, deadline: float) -> bool:
    connection.settimeout(max(0.1, deadline - time.monotonic()))
    try:
        connection.sendall(greeting)
        connection.recv(1)
    except TimeoutError:
        return False
    except OSError:
        return True  # it ended the connection
    return True


def _silent(name: str, settings: Settings) -> str:
    reason = f"it accepts connections, but sent nothing for {ANSWER_SECONDS:.0f} s"
    return f"{TITLES[name]} does not answer at {_where(name, settings)} ({SERVERS[name]}): {reason}"


def _unreachable(name: str, settings: Settings, reason: str) -> UnavailableServer:
    problem = f"{TITLES[name]} is unreachable at {_where(name, settings)} ({SERVERS[name]}): {reason}"
    return UnavailableServer(name, problem, connected=False)


def _where(name: str, settings: Settings) -> str:
    return ", ".join(f"{host}:{port}" for host, port in addresses(settings, name))
