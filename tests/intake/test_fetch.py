"""Images from HTTPS hosts: a real TLS server on this machine, with its own certificate authority."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from services.common.errors import Rejected, Retriable
from services.common.store import ObjectStore
from services.intake.fetch import Fetcher
from services.intake.settings import IntakeSettings
from tests.intake.tls_hosts import closing_the_handshake

LIMIT = 10_000
BODIES = {"/image.png": b"picture", "/large": b"x" * (LIMIT + 1), "/short": b"half"}


class Host(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path in BODIES:
            body = BODIES[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) * (2 if self.path == "/short" else 1)))
            self.end_headers()
            self.wfile.write(body)
            return
        status = {"/redirect": 302, "/gone": 410, "/busy": 503}[self.path]
        self.send_response(status)
        self.send_header("Location", "https://localhost/image.png")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the base class's name


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None: ...


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    authority = trustme.CA()
    pem = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))
    return authority, pem


@pytest.fixture(scope="module")
def host(authority: tuple[trustme.CA, Path]) -> Iterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority[0].issue_cert("localhost").configure_cert(context)
    # Handshakes happen in the connection's own thread, which closes the socket whether they succeed or fail.
    server = QuietServer(("127.0.0.1", 0), Host)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def fetcher(pem: Path | None, hosts: str = "localhost") -> Fetcher:
    settings = IntakeSettings(https_hosts=hosts, https_ca_file=str(pem or ""))
    return Fetcher(ObjectStore(settings), settings, LIMIT)


@pytest.fixture(scope="module")
def fetching(authority: tuple[trustme.CA, Path]) -> Iterator[Fetcher]:
    with closing(fetcher(authority[1])) as fetching:
        yield fetching


def test_an_allowed_host_is_read(fetching: Fetcher, host: str) -> None:
    assert fetching.fetch(f"{host}/image.png") == b"picture"


@pytest.mark.parametrize(
    ("path", "reason"), [("/large", "file_too_large"), ("/redirect", "source_refused"), ("/gone", "source_refused")]
)
def test_permanent_failures_are_rejected(fetching: Fetcher, host: str, path: str, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        fetching.fetch(host + path)
    assert caught.value.reason == reason


@pytest.mark.parametrize("path", ["/busy", "/short"])
def test_transient_failures_are_retried(fetching: Fetcher, host: str, path: str) -> None:
    with pytest.raises(Retriable):
        fetching.fetch(host + path)


def test_a_host_that_is_down_is_retried(fetching: Fetcher) -> None:
    with pytest.raises(Retriable):
        fetching.fetch("https://localhost:1/image.png")


def test_a_handshake_that_the_host_closes_is_retried(fetching: Fetcher) -> None:
    with closing_the_handshake() as address, pytest.raises(Retriable):
        fetching.fetch(f"{address}/image.png")


def test_an_unknown_authority_is_rejected(host: str) -> None:
    with pytest.raises(Rejected, match="certificate"):
        fetcher(None).fetch(f"{host}/image.png")


@pytest.mark.parametrize(
    "uri",
    ["https://evil.example/x", "https://localhost.evil.example/x", "https://evil.example@127.0.0.1/x", "s3://b/k"],
)
def test_only_allowed_sources_are_contacted(fetching: Fetcher, uri: str) -> None:
    with pytest.raises(Rejected) as caught:
        fetching.fetch(uri)
    assert caught.value.reason == "source_not_allowed"


def test_nothing_is_allowed_by_default() -> None:
    with pytest.raises(Rejected) as caught:
        fetcher(None, hosts="").fetch("https://localhost/x")
    assert caught.value.reason == "source_not_allowed"
