"""An HTTP server with the part of Solr that `xray backfill` uses, and with faults on request."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Document = dict[str, Any]
_CLAUSE = re.compile(r'(-?)(\w+):(?:\((?P<any>[^()]*)\)|(?P<there>\[\* TO \*\])|(?P<one>"[^"]*"|[^\s()]+))')


class SolrServer:
    """`cores` are the documents, `pictures` the files by path below /media/.

    Each request of a path (`/solr/experiment/select`, `/media/7`) consumes one of its `faults`: a status code, "half"
    (the connection closes in the middle), "cut" (valid HTTP, half the JSON), "partial" (Solr's partialResults), "slow".
    `requests` counts the requests of each path, `began` records when each began.
    """

    def __init__(self, cores: dict[str, list[Document]], pictures: dict[str, bytes]) -> None:
        self.cores, self.pictures = cores, pictures
        self.faults: defaultdict[str, deque[int | str]] = defaultdict(deque)
        self.requests: defaultdict[str, int] = defaultdict(int)
        self.began: list[float] = []
        self.port = 0
        self.retry_after = "1"
        self.picture_seconds = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/solr"

    @contextmanager
    def running(self) -> Iterator[SolrServer]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def answer(self, path: str, fields: list[tuple[str, str]]) -> tuple[int, bytes]:
        if path.startswith("/media/"):
            time.sleep(self.picture_seconds)
            data = self.pictures.get(path.removeprefix("/media/"))
            return (404, b"no such picture") if data is None else (200, data)
        return self._select(path.split("/")[2], fields)

    def _select(self, core: str, fields: list[tuple[str, str]]) -> tuple[int, bytes]:
        asked = dict(fields)
        if core not in self.cores:
            return 404, b"no such core"
        found = [one for one in self.cores[core] if all(_passes(one, text) for name, text in fields if name == "fq")]
        answer: dict[str, Any] = {"responseHeader": {"status": 0}, "response": {"numFound": len(found), "docs": []}}
        if "cursorMark" in asked:
            if asked.get("sort") != "id asc":
                error = "Cursor functionality requires a sort containing a uniqueKey field tie breaker"
                return 400, json.dumps({"error": {"msg": error, "code": 400}}).encode()
            mark = asked["cursorMark"]
            after = "" if mark == "*" else base64.b64decode(mark).decode()
            rest = sorted((one for one in found if one["id"] > after), key=lambda one: str(one["id"]))
            page = rest[: int(asked["rows"])]
            names = asked["fl"].split()
            answer["response"]["docs"] = [{name: one[name] for name in names if name in one} for one in page]
            answer["nextCursorMark"] = base64.b64encode(page[-1]["id"].encode()).decode() if page else mark
        return 200, json.dumps(answer).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                outer.requests[parts.path] += 1
                outer.began.append(time.monotonic())
                fault = outer.faults[parts.path].popleft() if outer.faults[parts.path] else None
                status, body, promised = _misbehaving(fault, *outer.answer(parts.path, parse_qsl(parts.query)))
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", outer.retry_after)
                self.send_header("Content-Length", str(promised))
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = fault is not None

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
                """Keep the tests' output clean."""

            def handle(self) -> None:
                try:
                    super().handle()
                except (BrokenPipeError, ConnectionResetError):
                    return  # a client that was killed, or timed out

        return Handler


def _misbehaving(fault: int | str | None, status: int, body: bytes) -> tuple[int, bytes, int]:
    """Status, body, and the length that the header states."""
    whole = len(body)
    if isinstance(fault, int):
        page = b"<html>come back later</html>"
        return fault, page, len(page)
    if fault == "half":
        return status, body[: whole // 2], whole
    if fault == "cut":
        return status, body[: whole // 2], whole // 2
    if fault == "partial":
        body = body.replace(b'"status": 0', b'"status": 0, "partialResults": true')
        return status, body, len(body)
    if fault == "slow":
        time.sleep(2)
    return status, body, whole


def _passes(document: Document, text: str) -> bool:
    """One filter query: clauses joined by OR, at least one of which must match."""
    clauses = list(_CLAUSE.finditer(text))
    assert clauses, text
    return any(_holds(document, clause) for clause in clauses)


def _holds(document: Document, clause: re.Match[str]) -> bool:
    value = document.get(clause[2])
    if clause["there"]:
        holds = value is not None
    else:
        pattern = [clause["one"]] if clause["one"] else clause["any"].split(" OR ")
        holds = any(_matches(str(value), one) for one in pattern)
    return not holds if clause[1] else holds


def _matches(value: str, pattern: str) -> bool:
    return value == pattern.strip('"') if pattern.startswith('"') else fnmatchcase(value, pattern)
