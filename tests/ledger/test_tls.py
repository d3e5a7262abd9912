"""TLS to PostgreSQL, as far as the first bytes of a connection: a refusal names the setting and is not retried."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme

from services.common.errors import Fatal
from services.ledger.database import connect


@contextmanager
def server(context: ssl.SSLContext | None) -> Iterator[int]:
    """A server that offers TLS, as PostgreSQL does before a login, or refuses it; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(8)  # SSLRequest
                    connection.sendall(b"N" if context is None else b"S")
                    if context is not None:
                        context.wrap_socket(connection, server_side=True).close()

        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.parametrize("case", ["no TLS", "unknown authority", "another host"])
def test_a_server_that_cannot_be_verified_is_fatal(case: str, tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signer, name = (stranger, "127.0.0.1") if case == "unknown authority" else (authority, "db.example.org")
    signer.issue_cert(name).configure_cert(context)
    with server(None if case == "no TLS" else context) as port:
        dsn = f"postgresql://xray@127.0.0.1:{port}/xray?sslmode=verify-full&gssencmode=disable"
        with pytest.raises(Fatal, match="XRAY_POSTGRES_DSN"):
            connect(f"{dsn}&sslrootcert={tmp_path / 'ca.pem'}", "test")
