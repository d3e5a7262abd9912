"""Hosts whose TLS handshake fails, on real local sockets."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import trustme


@contextmanager
def closing_the_handshake() -> Iterator[str]:
    """The address of a host that reads the client's hello and closes the connection."""
    with _answering(lambda connection: connection.recv(1 << 16)) as address:
        yield address


@contextmanager
def of_unknown_authority() -> Iterator[str]:
    """The address of a host whose certificate is signed by an unknown authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with _answering(lambda connection: context.wrap_socket(connection, server_side=True)) as address:
        yield address


@contextmanager
def trickling(authority: trustme.CA) -> Iterator[str]:
    """The address of a host that sends one byte of its answer every 50 ms, without end."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                secured.sendall(b"x")
                time.sleep(0.05)

    with _answering(answer) as address:
        yield address


@contextmanager
def _answering(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    def once() -> None:
        connection, _ = server.accept()
        with connection, suppress(OSError):
            answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        thread = threading.Thread(target=once)
        thread.start()
        yield f"https://localhost:{server.getsockname()[1]}"
        thread.join()
