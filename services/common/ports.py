"""Finds free TCP ports of the loopback interface."""

import secrets
import socket
from collections.abc import Collection

LOOPBACK = "127.0.0.1"
# Below Linux's default ephemeral range (32768-60999): between two starts of a server, the kernel must not give its
# port to an outgoing connection.
LOWEST, HIGHEST = 15_000, 31_999
_ATTEMPTS = 500


def is_free(port: int) -> bool:
    """Return whether a server could listen on `port` of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # The servers set this too: connections of an earlier server in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def is_listening(port: int, timeout_s: float = 1.0) -> bool:
    """Return whether a server accepts connections on `port` of 127.0.0.1."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout_s):
            return True
    except OSError:
        return False


def choose(count: int, taken: Collection[int] = ()) -> list[int]:
    """Return `count` distinct free ports that are not in `taken`.

    They are chosen at random, so that stacks that start at the same moment get different ones.

    Raises:
        OSError: no free port was found.
    """
    chosen: list[int] = []
    for _ in range(_ATTEMPTS):
        if len(chosen) == count:
            break
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST + 1)
        if port not in taken and port not in chosen and is_free(port):
            chosen.append(port)
    if len(chosen) < count:
        msg = f"found only {len(chosen)} of {count} free ports between {LOWEST} and {HIGHEST} on {LOOPBACK}"
        raise OSError(msg)
    return chosen
