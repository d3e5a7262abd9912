"""Image URIs: what is accepted is fetched from exactly the host or bucket that was checked."""

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from random import Random
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import boto3
import pytest
from botocore.config import Config

from services.common.errors import Rejected
from services.common.sources import web
from services.common.sources.hosts import AllowedHosts
from services.common.sources.uri import MOST_CHARACTERS, S3Uri, WebUri, parse_image_uri, parse_web_uri, shown
from tests.fuzz.harness import ACCEPTED, TIMEOUT, run

pytestmark = pytest.mark.timeout(TIMEOUT)
ADDRESS: Final = "203.0.113.7"
STORE: Final = "http://objects.test:8333"
SEEDS: Final = (
    *("s3://bucket/key", "s3://my-bucket.x/a/b c/d%20e?f+g.dcm", "s3://bucket//a//"),
    *("https://allowed.host/x", "https://Allowed.Host:8443/a/b.dcm?sig=secret&x=1", "https://192.0.2.1/x"),
    *("https://h/", "http://h.test/select?q=*:*", "https://a.b/%2e%2e/x", "https://a-b.c/x;y=1,2"),
)
PIECES: Final = (
    *(
        "@",
        ":",
        "/",
        "//",
        "\\",
        "?",
        "#",
        "%",
        "%2f",
        "%2e",
        "%00",
        "%0d%0a",
        "..",
        "/../",
        "/./",
        ".",
        "[",
        "]",
        "::1",
    ),
    *(
        "\r\n",
        "\n",
        "\0",
        "\t",
        " ",
        "\x85",
        "\u2028",
        "\ud800",
        "℀",
        "\u212a",
        "．",
        "。",
        "／",
        "：",
        "４",
        "ü",
        "xn--",
    ),
    *("https:", "s3://", "HTTP://", "file:", "127.0.0.1", "0x7f.1", "169.254.169.254", "localhost", ":0", ":65536"),
    *(
        ":443",
        ":80",
        ":080",
        "user:pw@",
        "evil.test",
        "&",
        ";",
        "*",
        "=",
        "+",
        '"',
        "'",
        "<",
        ">",
        "|",
        "^",
        "`",
        "{",
        "-",
    ),
    *(
        "Host: evil",
        " HTTP/1.1\r\nHost: evil\r\n\r\n",
        "?X-Amz-Signature=1",
        "x" * 63,
        "a." * 130,
        "k" * 1100,
        "ü" * 600,
    ),
)


def changed_uri(random: Random) -> str:
    """One of the seeds after up to four insertions, deletions and exchanges."""
    text = random.choice(SEEDS)
    for _ in range(random.choice((0, 1, 1, 2, 4))):
        at, end = sorted(random.randint(0, len(text)) for _ in range(2))
        kept = random.choice((text[at:], text[min(at + 1, len(text)) :], text[end:]))
        text = (
            text[:at]
            + random.choice((*PIECES, text[at:end], chr(random.choice((9, 127, 255, 0x2126, 0x1F42D)))))
            + kept
        )
    return text


class Server:
    """Takes the place of the network: notes what was resolved and connected to, and what was asked."""

    def __init__(self) -> None:
        self.resolved, self.connected, self.asked = list[str](), list[tuple[list[str], int]](), b""

    def resolve(self, host: str, seconds: float) -> list[str]:
        self.resolved.append(host)
        return [ADDRESS]

    def connect(self, addresses: list[str], port: int, deadline: Any) -> socket.socket:
        self.connected.append((addresses, port))
        here, self.there = socket.socketpair()
        self.there.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return here

    def request(self) -> bytes:
        with self.there:
            return self.there.recv(1 << 16)


def check_fetched(uri: WebUri, patch: pytest.MonkeyPatch) -> None:
    """The client connects to the checked address and sends one request, whose host is the checked one."""
    server = Server()
    patch.setattr(web, "_connect", server.connect)
    plain = replace(uri, scheme="http")
    client = web.WebClient(
        AllowedHosts(frozenset({plain.origin}), frozenset({uri.host})), seconds=5, resolve=server.resolve
    )
    assert client.get(plain, 100).body == b"ok"
    assert server.resolved == [uri.host]
    assert server.connected == [([ADDRESS], uri.port)]
    lines = server.request().decode("ascii").split("\r\n")
    assert lines[0].split(" ") == ["GET", uri.target, "HTTP/1.1"]
    assert [line for line in lines if line.lower().startswith("host:")] == [f"Host: {plain.authority}"]
    assert lines[-2:] == ["", ""]
    assert "" not in lines[:-2]


def check_signed(uri: S3Uri, client: Any) -> None:
    """The S3 client asks our own endpoint for exactly this bucket and key."""
    request = client.generate_presigned_url("get_object", Params={"Bucket": uri.bucket, "Key": uri.key})
    parts = urlsplit(request)
    assert f"{parts.scheme}://{parts.netloc}" == STORE
    assert unquote(parts.path, errors="strict") == f"/{uri.bucket}/{uri.key}"
    assert not parts.fragment


def check_shown(text: str) -> None:
    """What is shown has no user and no query, can be shown again, and is short enough to be parsed again."""
    visible = shown(text)
    assert shown(visible) == visible
    assert len(visible) <= MOST_CHARACTERS
    assert parse_image_uri(visible)
    if text.startswith("https"):
        parts = urlsplit(visible)
        assert parts.username is None
        assert parts.query == "" or parts.query.startswith("sha256=")


@pytest.fixture(scope="module")
def objects() -> Iterator[Any]:
    config = Config(s3={"addressing_style": "path"})
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
    with closing(session.client("s3", endpoint_url=STORE, config=config)) as client:
        yield client


def test_uris(objects: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(random: Random) -> str:
        text = changed_uri(random)
        try:
            uri = parse_web_uri(text) if text.startswith("http:") else parse_image_uri(text)
        except ValueError as error:
            assert not any(piece in str(error) for piece in ("evil", "sig=", "pw@"))
            return "refused"
        if isinstance(uri, S3Uri):
            check_signed(uri, objects)
            check_shown(text)
            return ACCEPTED
        parts = urlsplit(text)
        assert (parts.scheme, parts.hostname) == (uri.scheme, uri.host)
        assert (parts.port or {"https": 443, "http": 80}[uri.scheme]) == uri.port
        assert parts.username is None
        assert unquote(uri.target) == unquote(parts._replace(scheme="", netloc="").geturl())
        with monkeypatch.context() as patch:
            check_fetched(uri, patch)
        if uri.scheme == "https":
            check_shown(text)
        assert isinstance(refusal(uri), Rejected)
        return ACCEPTED

    run("uris", check, {"refused"}, accepted=0.2)


def refusal(uri: WebUri) -> Rejected | None:
    """The refusal of a host that is allowed, but has an address inside the network."""
    try:
        AllowedHosts(frozenset({uri.origin})).addresses(uri, lambda *_: ["127.0.0.1", "fe80::1%eth0"], 1)
    except Rejected as rejected:
        return rejected
    return None
