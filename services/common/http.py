"""Serves `/metrics`, `/health/live` and `/health/ready` of a service."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

log = structlog.get_logger()
JSON: Final = "application/json"


@dataclass(frozen=True)
class Health:
    """State of a service: if `live` is false it must be restarted; `not_ready` gives why it does no work, or None."""

    live: Callable[[], bool]
    not_ready: Callable[[], str | None]


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Log errors in the common format; a probe that has disconnected is not an error."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            log.error("could not answer", client=str(client_address), exc_info=error)


@contextmanager
def serve(host: str, port: int, health: Health) -> Iterator[int]:
    """Serve until the block ends; yield the port (a free one for `port` 0). Raises OSError if the port is taken."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content_type, body = _answer(self.path, health)
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            """Keep probes out of the log."""

    server = _Server((host, port), Answer)
    thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(path: str, health: Health) -> tuple[int, str, bytes]:
    if path == "/metrics":
        return 200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY)
    if path == "/health/live":
        live = health.live()
        return (200 if live else 503), JSON, json.dumps({"live": live, "time": time.time()}).encode()
    if path == "/health/ready":
        why = health.not_ready()
        return (200 if why is None else 503), JSON, json.dumps({"ready": why is None, "why": why}).encode()
    return 404, JSON, json.dumps({"error": "try /metrics, /health/live or /health/ready"}).encode()
