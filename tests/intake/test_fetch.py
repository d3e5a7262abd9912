"""Images from HTTPS hosts: a real TLS server on this machine, with its own certificate authority."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import trustme

from services.common.errors import Fatal, Rejected, SourceUnavailable
from services.common.settings import load
from services.common.sources.uri import parse_image_uri
from services.common.store import ObjectStore
from services.intake.fetch import Fetcher
from services.intake.settings import IntakeSettings
from tests.intake.tls_hosts import closing_the_handshake, serving_files, trickling, trickling_the_handshake

LIMIT = 10_000
BODIES = {"/image.png": b"picture", "/large": b"x" * (LIMIT + 1), "/short": b"half"}
SECRET = "?X-Amz-Signature=planted-secret"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    authority = trustme.CA()
    pem = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))
    return authority, pem


@pytest.fixture(scope="module")
def host(authority: tuple[trustme.CA, Path]) -> Iterator[str]:
    with serving_files(authority[0], BODIES) as address:
        yield address


def fetcher(pem: Path | None, *hosts: str) -> Fetcher:
    settings = IntakeSettings(
        https_hosts=",".join(hosts), private_hosts="localhost,127.0.0.1", https_ca_file=str(pem or "")
    )
    return Fetcher(ObjectStore(settings), settings, LIMIT)


def reading(address: str, pem: Path | None) -> Fetcher:
    """A fetcher that may read from this address."""
    return fetcher(pem, address.removeprefix("https://"))


@pytest.fixture
def fetching(authority: tuple[trustme.CA, Path], host: str) -> Fetcher:
    return reading(host, authority[1])


def refusal(fetching: Fetcher, uri: str) -> Rejected:
    with pytest.raises(Rejected) as caught:
        fetching.fetch(parse_image_uri(uri + SECRET))
    assert "planted-secret" not in str(caught.value)
    return caught.value


def absence(fetching: Fetcher, uri: str) -> SourceUnavailable:
    with pytest.raises(SourceUnavailable) as caught:
        fetching.fetch(parse_image_uri(uri + SECRET))
    assert "planted-secret" not in str(caught.value)
    return caught.value


def test_an_allowed_host_is_read(fetching: Fetcher, host: str) -> None:
    assert fetching.fetch(parse_image_uri(f"{host}/image.png{SECRET}")) == b"picture"


@pytest.mark.parametrize(
    ("path", "reason"), [("/large", "file_too_large"), ("/redirect", "source_refused"), ("/gone", "source_refused")]
)
def test_permanent_failures_are_rejected(fetching: Fetcher, host: str, path: str, reason: str) -> None:
    assert refusal(fetching, host + path).reason == reason


@pytest.mark.parametrize("path", ["/busy", "/many", "/short"])
def test_transient_failures_are_those_of_the_source(fetching: Fetcher, host: str, path: str) -> None:
    assert absence(fetching, host + path).source == host


def test_a_host_that_is_down_is_unavailable(authority: tuple[trustme.CA, Path]) -> None:
    address = "https://localhost:1"
    assert absence(reading(address, authority[1]), f"{address}/image.png").source == address


@pytest.mark.parametrize(
    "host_of", [trickling, lambda _authority: trickling_the_handshake()], ids=["body", "handshake"]
)
def test_a_host_that_sends_a_byte_at_a_time_has_a_total_time(
    authority: tuple[trustme.CA, Path], host_of: Callable[[trustme.CA], AbstractContextManager[str]]
) -> None:
    with host_of(authority[0]) as address:
        settings = IntakeSettings(
            https_hosts=address.removeprefix("https://"),
            private_hosts="localhost",
            https_ca_file=str(authority[1]),
            https_seconds=1,
        )
        began = time.monotonic()
        absence(Fetcher(ObjectStore(settings), settings, LIMIT), f"{address}/image.png")
        assert time.monotonic() - began < 4


def test_a_handshake_that_the_host_closes_is_retried(authority: tuple[trustme.CA, Path]) -> None:
    with closing_the_handshake() as address:
        absence(reading(address, authority[1]), f"{address}/image.png")


def test_an_unknown_authority_is_rejected(host: str) -> None:
    assert "certificate" in refusal(reading(host, None), f"{host}/image.png").message


def test_the_certificate_must_be_that_of_the_name(authority: tuple[trustme.CA, Path], host: str) -> None:
    by_address = host.replace("localhost", "127.0.0.1")
    rejected = refusal(reading(by_address, authority[1]), f"{by_address}/image.png")
    assert rejected.reason == "source_refused"
    assert "certificate" in rejected.message


@pytest.mark.parametrize("uri", ["https://evil.example/x", "https://localhost.evil.example/x", "s3://other/k"])
def test_only_allowed_sources_are_contacted(fetching: Fetcher, uri: str) -> None:
    assert refusal(fetching, uri).reason == "source_not_allowed"


@pytest.mark.parametrize(
    "uri", ["https://evil.example@127.0.0.1/x", "https://127.0.0.1:1234\\@localhost/x", "https://localhost\\.evil/x"]
)
def test_a_uri_whose_host_is_unclear_is_never_fetched(uri: str) -> None:
    with pytest.raises(ValueError, match=r"not allowed|the host"):
        parse_image_uri(uri)


def test_another_port_than_443_must_be_listed(authority: tuple[trustme.CA, Path], host: str) -> None:
    assert refusal(fetcher(authority[1], "localhost"), f"{host}/image.png").reason == "source_not_allowed"


def test_a_private_address_must_be_listed(authority: tuple[trustme.CA, Path], host: str) -> None:
    settings = IntakeSettings(https_hosts=host.removeprefix("https://"), https_ca_file=str(authority[1]))
    rejected = refusal(Fetcher(ObjectStore(settings), settings, LIMIT), f"{host}/image.png")
    assert rejected.reason == "source_not_allowed"
    assert "XRAY_PRIVATE_HOSTS" in rejected.message


def test_nothing_is_allowed_by_default() -> None:
    assert refusal(fetcher(None), "https://localhost/x").reason == "source_not_allowed"


@pytest.mark.parametrize(
    ("setting", "hosts"),
    [
        ("XRAY_HTTPS_HOSTS", "https://a.example"),
        ("XRAY_HTTPS_HOSTS", "a.example:0"),
        ("XRAY_HTTPS_HOSTS", "a.example, b c"),
        ("XRAY_PRIVATE_HOSTS", "a.example:8443"),
        ("XRAY_PRIVATE_HOSTS", "10.0.0.0/8"),
    ],
)
def test_a_wrong_list_of_hosts_stops_the_start(monkeypatch: pytest.MonkeyPatch, setting: str, hosts: str) -> None:
    monkeypatch.setenv(setting, hosts)
    with pytest.raises(Fatal, match=setting):
        load(IntakeSettings)


def test_a_file_without_certificates_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for name in ("empty.pem", "none.pem"):
        with pytest.raises(Fatal, match="XRAY_HTTPS_CA_FILE"):
            fetcher(tmp_path / name)
