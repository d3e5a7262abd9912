"""The proxy passes on, cuts, delays and stalls real connections."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from services.chaos.proxy import Proxies
from services.common import ports
from services.common.ports import LOOPBACK


@pytest.fixture
def echo() -> Iterator[int]:
    """Port of a server that sends everything back."""
    with socket.create_server((LOOPBACK, 0)) as server:
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1]


def _serve(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_echo, args=(connection,), daemon=True).start()


def _echo(connection: socket.socket) -> None:
    with closing(connection), suppress(OSError):
        while data := connection.recv(65_536):
            connection.sendall(data)


@pytest.fixture
def proxied(echo: int) -> Iterator[tuple[Proxies, int]]:
    [port] = ports.choose(1)
    with Proxies({"echo": (port, echo)}) as proxies:
        yield proxies, port


def connected(port: int) -> socket.socket:
    return socket.create_connection((LOOPBACK, port), timeout=5)


def asked(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    received = b""
    while len(received) < len(data):
        piece = connection.recv(65_536)
        if not piece:
            raise ConnectionResetError
        received += piece
    return received


def test_it_passes_everything_on_in_both_directions(proxied: tuple[Proxies, int]) -> None:
    data = bytes(range(256)) * 2_000
    with connected(proxied[1]) as connection:
        threading.Thread(target=connection.sendall, args=(data,), daemon=True).start()
        received = b""
        while len(received) < len(data):
            received += connection.recv(65_536)
    assert received == data


def test_cut_ends_old_and_new_connections_until_it_passes_again(proxied: tuple[Proxies, int]) -> None:
    proxies, port = proxied
    with connected(port) as old:
        assert asked(old, b"before") == b"before"
        proxies.change("echo", "cut")
        with pytest.raises(ConnectionError):
            asked(old, b"cut")
    with pytest.raises(ConnectionError), connected(port) as new:
        asked(new, b"cut")
    proxies.change("echo", "pass")
    with connected(port) as new:
        assert asked(new, b"after") == b"after"


def test_stalled_connections_continue_where_they_were(proxied: tuple[Proxies, int]) -> None:
    proxies, port = proxied
    with connected(port) as connection:
        proxies.change("echo", "stall")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            asked(connection, b"later")
        proxies.change("echo", "pass")
        connection.settimeout(5)
        assert connection.recv(100) == b"later"


def test_a_connection_that_its_client_resets_ends_at_the_server_too() -> None:
    """Otherwise a database would keep the locks of a worker that was killed."""
    [port] = ports.choose(1)
    with socket.create_server((LOOPBACK, 0)) as server, Proxies({"one": (port, server.getsockname()[1])}):
        client = connected(port)
        end, _ = server.accept()
        with end:
            end.settimeout(5)
            client.sendall(b"hello")
            assert end.recv(100) == b"hello"
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            with suppress(ConnectionError):
                assert end.recv(100) == b""


def test_slow_delays_each_direction(proxied: tuple[Proxies, int]) -> None:
    proxies, port = proxied
    with connected(port) as connection:
        proxies.change("echo", "slow")
        started = time.monotonic()
        assert asked(connection, b"slow") == b"slow"
        assert time.monotonic() - started >= 0.3


def test_a_server_that_is_away_refuses(proxied: tuple[Proxies, int]) -> None:
    [nobody, port] = ports.choose(2)
    with Proxies({"away": (port, nobody)}), pytest.raises(ConnectionError), connected(port) as connection:
        asked(connection, b"hello")
