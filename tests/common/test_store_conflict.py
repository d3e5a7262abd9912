"""Two concurrent writers of one key: S3's answers 412 and 409, which no local store gives on demand.

The answers are those of S3's `PutObject` reference for `If-None-Match`. Everything else about the store is tested on a
real one.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from services.common.errors import Retriable
from services.common.settings import Settings
from services.common.store import ObjectStore


@contextmanager
def answering(status: int, code: str) -> Iterator[ObjectStore]:
    class Answer(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = f"<Error><Code>{code}</Code><Message>as asked</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield ObjectStore(Settings.model_validate({"s3_endpoint": address, "s3_access_key": "a"}))
        finally:
            server.shutdown()


def test_an_existing_key_is_not_an_error() -> None:
    with answering(412, "PreconditionFailed") as store:
        assert not store.put_new("key", b"data")


def test_a_key_that_somebody_is_writing_is_tried_again() -> None:
    with answering(409, "ConditionalRequestConflict") as store, pytest.raises(Retriable, match="could not put key"):
        store.put_new("key", b"data")
