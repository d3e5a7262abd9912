"""Hosts that images are fetched from, good and bad ones, on real local sockets."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme

STATUSES = {"/redirect": 302, "/gone": 410, "/busy": 503, "/many": 429}


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None: ...


@contextmanager
def serving_files(authority: trustme.CA, files: Mapping[str, bytes]) -> Iterator[str]:
    """The address of a host that serves `files` by path, half of `/short`, and gives `STATUSES` for their paths."""

    class Files(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            body = files.get(path, b"")
            self.send_response(STATUSES.get(path, 200 if path in files else 404))
            self.send_header("Location", "https://localhost/image.png")
            self.send_header("Content-Length", str(len(body) * (2 if path == "/short" else 1)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the base class's name

    context = _context(authority)
    # Handshakes happen in the connection's own thread, which closes the socket whether they succeed or fail.
    server = _QuietServer(("127.0.0.1", 0), Files)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def closing_the_handshake() -> Iterator[str]:
    """The address of a host that reads the client's hello and closes the connection."""
    with _answering(lambda connection: connection.recv(1 << 16)) as address:
        yield address


@contextmanager
def of_unknown_authority() -> Iterator[str]:
    """The address of a host whose certificate is signed by an unknown authority."""
    context = _context(trustme.CA())
    with _answering(lambda connection: context.wrap_socket(connection, server_side=True)) as address:
        yield address


@contextmanager
def trickling(authority: trustme.CA) -> Iterator[str]:
    """The address of a host that sends one byte of its answer every 50 ms, without end."""
    context = _context(authority)

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            _trickle(secured)

    with _answering(answer) as address:
        yield address


@contextmanager
def trickling_the_handshake() -> Iterator[str]:
    """The address of a host that begins a TLS record of 16 KiB and sends one byte of it every 50 ms."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"\x16\x03\x03\x40\x00")
        _trickle(connection)

    with _answering(answer) as address:
        yield address


def _context(authority: trustme.CA) -> ssl.SSLContext:
    """What a server at localhost presents, signed by `authority`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def _trickle(connection: socket.socket) -> None:
    """Send one byte every 50 ms until the other side is gone."""
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


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
