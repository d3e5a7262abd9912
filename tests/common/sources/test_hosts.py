"""Which hosts and addresses may be contacted."""

import time

import pytest

from services.common.errors import Rejected
from services.common.sources.hosts import AllowedHosts, https_origin, is_public, resolve
from services.common.sources.uri import parse_web_uri


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:0:a00:1::",
        "2001:db8::1",
        "fc00::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_addresses_that_are_not_public_are_recognised(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2a00:1450::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
def test_public_addresses_are_recognised(address: str) -> None:
    assert is_public(address)


def test_only_public_addresses_are_contacted_unless_the_host_is_listed_as_private() -> None:
    uri = parse_web_uri("https://images.example.org/x")
    found = ["10.0.0.1", "93.184.216.34"]
    origins = frozenset({uri.origin})
    assert AllowedHosts(origins).addresses(uri, lambda _host, _seconds: found, 1) == ["93.184.216.34"]
    private = AllowedHosts(origins, frozenset({"images.example.org"}))
    assert private.addresses(uri, lambda _host, _seconds: found, 1) == found
    with pytest.raises(Rejected, match="XRAY_PRIVATE_HOSTS") as caught:
        AllowedHosts(origins).addresses(uri, lambda _host, _seconds: found[:1], 1)
    assert caught.value.reason == "source_not_allowed"


def test_a_host_is_allowed_at_its_listed_port_only() -> None:
    hosts = AllowedHosts(frozenset({https_origin("a.example"), https_origin("b.example:8443")}))
    for uri in ("https://a.example/x", "https://A.example:443/x", "https://b.example:8443/x"):
        hosts.require(parse_web_uri(uri))
    for uri in ("https://a.example:8443/x", "https://b.example/x", "http://a.example/x", "https://c.a.example/x"):
        with pytest.raises(Rejected, match="XRAY_HTTPS_HOSTS"):
            hosts.require(parse_web_uri(uri))


@pytest.mark.parametrize("name", ["", "https://a", "a/b", "a:b", "user@a", "[::1]"])
def test_a_listed_host_must_be_one(name: str) -> None:
    with pytest.raises(ValueError, match="host"):
        https_origin(name)


def slow(*_args: object, **_names: object) -> list[object]:
    time.sleep(1)
    return []


def test_a_name_that_does_not_exist_is_an_error_and_a_slow_resolver_a_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match=r".+"):
        resolve("no-such-host.invalid", 10)
    monkeypatch.setattr("socket.getaddrinfo", slow)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="not resolved"):
        resolve("slow.example", 0.1)
    assert time.monotonic() - began < 0.9
