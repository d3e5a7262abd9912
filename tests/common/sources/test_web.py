"""The client for web servers, against servers that send slowly, too much, or the wrong thing."""

import socket
import threading
import time
from collections.abc import Callable

import pytest

from services.common.errors import Rejected, SourceUnavailable
from services.common.sources.hosts import AllowedHosts, resolve
from services.common.sources.uri import WebUri, parse_web_uri
from services.common.sources.web import WebClient
from tests.common.sources.hostile import serving

LIMIT = 10_000
HEAD = b"HTTP/1.1 200 OK\r\n"
Answer = Callable[[socket.socket], object]


def client_for(uri: WebUri, seconds: float = 10, silence_seconds: float | None = None) -> WebClient:
    hosts = AllowedHosts(frozenset({uri.origin}), frozenset({uri.host}))
    return WebClient(hosts, seconds=seconds, silence_seconds=silence_seconds)


def uri_at(port: int) -> WebUri:
    return parse_web_uri(f"http://127.0.0.1:{port}/x?token=secret")


def trickle(piece: bytes, after: bytes = HEAD) -> Answer:
    """Send a piece every 50 ms until the client hangs up."""

    def send(connection: socket.socket) -> None:
        connection.sendall(after)
        while True:
            connection.sendall(piece)
            time.sleep(0.05)

    return send


@pytest.mark.parametrize(
    "answer",
    [
        lambda connection: connection.recv(1),  # silence
        trickle(b"H", after=b""),
        trickle(b"X-A: b\r\n"),
        trickle(b"body", after=HEAD + b"\r\n"),
        trickle(b"1\r\na\r\n", after=HEAD + b"Transfer-Encoding: chunked\r\n\r\n"),
    ],
    ids=["silence", "status", "headers", "body", "chunks"],
)
def test_a_request_has_one_total_time_whatever_the_server_sends(answer: Answer) -> None:
    with serving(answer) as port:
        began = time.monotonic()
        with pytest.raises(SourceUnavailable) as caught:
            client_for(uri_at(port), seconds=0.6).get(uri_at(port), LIMIT)
        assert 0.5 < time.monotonic() - began < 2
    assert caught.value.source == f"http://127.0.0.1:{port}"
    assert "secret" not in str(caught.value)


def test_a_silence_may_be_shorter_than_the_total_time() -> None:
    with serving(lambda connection: connection.recv(1)) as port:
        began = time.monotonic()
        with pytest.raises(SourceUnavailable):
            client_for(uri_at(port), seconds=30, silence_seconds=0.2).get(uri_at(port), LIMIT)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 2",
        b"SSH-2.0-OpenSSH\r\n",
        HEAD + b"Content-Length: 100\r\n\r\nhalf",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab",
        HEAD + b"X: " + b"a" * 70_000 + b"\r\n\r\nbody",
        HEAD + b"X: a\r\n" * 101 + b"\r\nbody",
        HEAD + (b"X: " + b"a" * 1000 + b"\r\n") * 80 + b"\r\nbody",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5000 + HEAD + b"\r\nbody",
    ],
    ids=["nothing", "cut", "ssh", "short", "cut-chunk", "bad-chunk", "line", "number", "headers", "continue"],
)
def test_an_answer_that_breaks_off_or_is_none_may_be_whole_the_next_time(sent: bytes) -> None:
    with serving(lambda connection: connection.sendall(sent)) as port, pytest.raises(SourceUnavailable) as caught:
        client_for(uri_at(port)).get(uri_at(port), LIMIT)
    assert len(str(caught.value)) < 400


def test_a_body_is_limited_whether_its_length_is_announced_or_not() -> None:
    announced = HEAD + b"Content-Length: 10001\r\n\r\n"
    for sent in (announced, HEAD + b"\r\n" + b"x" * 10_001):
        with serving(lambda connection, sent=sent: connection.sendall(sent)) as port:  # type: ignore[misc]
            with pytest.raises(Rejected) as caught:
                client_for(uri_at(port)).get(uri_at(port), LIMIT)
            assert caught.value.reason == "file_too_large"
    with serving(lambda connection: connection.sendall(HEAD + b"\r\n" + b"x" * 10_000)) as port:
        assert client_for(uri_at(port)).get(uri_at(port), LIMIT).body == b"x" * 10_000


def test_a_body_is_not_decompressed_and_an_error_is_read_in_part() -> None:
    packed = HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
    with serving(lambda connection: connection.sendall(packed)) as port:
        assert client_for(uri_at(port)).get(uri_at(port), LIMIT).body == b"abc"
    failed = b"HTTP/1.1 404 Gone\r\n\r\n" + b"x" * 100_000
    with serving(lambda connection: connection.sendall(failed)) as port:
        answer = client_for(uri_at(port)).get(uri_at(port), LIMIT)
    assert (answer.status, len(answer.body)) == (404, 4096)


def test_a_host_that_refuses_the_connection_or_has_no_name_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for uri in (uri_at(port), parse_web_uri("https://no-such-host.invalid/x")):
        with pytest.raises(SourceUnavailable) as caught:
            client_for(uri).get(uri, LIMIT)
        assert caught.value.source == uri.origin


def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """A name server that answers differently the second time must not lead the client elsewhere."""
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    uri = parse_web_uri("http://rebinding.example/x")
    reached: list[str] = []

    def answer(connection: socket.socket) -> None:
        reached.append(connection.getsockname()[0])
        connection.sendall(HEAD + b"\r\nbody")

    with serving(answer) as port:
        uri = parse_web_uri(f"http://rebinding.example:{port}/x")
        hosts = AllowedHosts(frozenset({uri.origin}), frozenset({uri.host}))
        client = WebClient(hosts, seconds=5, resolve=lambda _host, _seconds: next(answers))
        assert client.get(uri, LIMIT).body == b"body"
        assert next(answers) == ["127.0.0.2"]
    assert reached == ["127.0.0.1"]


def test_a_private_address_is_never_connected_to() -> None:
    connected = threading.Event()
    with serving(lambda _connection: connected.set()) as port:
        uri = parse_web_uri(f"http://localhost:{port}/x")
        with pytest.raises(Rejected) as caught:
            WebClient(AllowedHosts(frozenset({uri.origin})), seconds=5).get(uri, LIMIT)
    assert caught.value.reason == "source_not_allowed"
    assert not connected.is_set()
    assert resolve("localhost", 5)


def test_the_request_names_the_host_and_asks_for_the_file_as_it_is() -> None:
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = parse_web_uri(f"http://127.0.0.1:{server.getsockname()[1]}/a b?c=d e")

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                requests.append(connection.recv(1 << 16))
                connection.sendall(HEAD + b"\r\nbody")

        thread = threading.Thread(target=answer)
        thread.start()
        client_for(uri).get(uri, LIMIT)
        thread.join()
    (request,) = requests
    assert request.startswith(b"GET /a%20b?c=d%20e HTTP/1.1\r\nHost: " + uri.authority.encode() + b"\r\n")
    assert b"Accept-Encoding: identity\r\n" in request
    assert request.endswith(b"Connection: close\r\n\r\n")
