"""Which hosts may be contacted, and at which addresses: an event must not reach what is inside the network."""

import queue
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from services.common.errors import Rejected
from services.common.sources.uri import WebUri, parse_web_uri

_NAT64: Final = ip_network("64:ff9b::/96")
"""IPv4 addresses as IPv6-only networks reach them (RFC 6052)."""
Resolve = Callable[[str, float], list[str]]


@dataclass(frozen=True)
class AllowedHosts:
    """The origins that may be contacted (`https://host`, `https://host:port`, also with http).

    Only hosts in `private` may have addresses that are not public. `setting` names the list for people.
    """

    origins: frozenset[str]
    private: frozenset[str] = frozenset()
    setting: str = "XRAY_HTTPS_HOSTS"

    def require(self, uri: WebUri) -> None:
        """Raise Rejected(`source_not_allowed`) unless the URI's origin is listed."""
        if uri.origin not in self.origins:
            raise Rejected("source_not_allowed", f"{uri.origin} is not allowed ({self.setting})")

    def addresses(self, uri: WebUri, resolve: Resolve, seconds: float) -> list[str]:
        """Resolve the host once and return the addresses that may be contacted.

        Raises Rejected(`source_not_allowed`) if there is none, OSError if the name cannot be resolved.
        """
        found = resolve(uri.host, seconds)
        allowed = found if uri.host in self.private else [address for address in found if is_public(address)]
        if not allowed:
            message = f"{uri.host} has no public address; if it is one of yours, list it in XRAY_PRIVATE_HOSTS"
            raise Rejected("source_not_allowed", message)
        return allowed


def is_public(address: str) -> bool:
    """Return whether an IP address is a unicast address of the public internet.

    An IPv6 address that stands for an IPv4 address (mapped, 6to4, NAT64) is judged by that.
    """
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if parsed in _NAT64:
            inner = IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if parsed.is_site_local:
            return False
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


def resolve(host: str, seconds: float) -> list[str]:
    """Return the addresses of a host; raises OSError, a TimeoutError after `seconds`.

    The system's resolver has no time-out that a caller could set, so a thread waits for it and may be left behind.
    """
    answer: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError as error:
            answer.put(error)
        else:
            answer.put(list(dict.fromkeys(str(entry[4][0]) for entry in found)))

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        result = answer.get(timeout=seconds)
    except queue.Empty:
        msg = f"the name was not resolved within {seconds:.0f} s"
        raise TimeoutError(msg) from None
    if isinstance(result, OSError):
        raise result
    return result


def https_origin(name: str) -> str:
    """Return the origin of a host given as `host` or `host:port`; raises ValueError for anything else."""
    if "/" in name:
        msg = "write host or host:port"
        raise ValueError(msg)
    return parse_web_uri(f"https://{name}/-").origin


def listed(text: str) -> frozenset[str]:
    """Return the entries of a comma-separated list in lower case."""
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())
