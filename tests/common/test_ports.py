"""Ports are free, distinct, and outside the range the kernel gives to outgoing connections."""

import socket

import pytest

from services.common import ports


def test_chosen_ports_are_distinct_free_and_below_the_ephemeral_range() -> None:
    chosen = ports.choose(20)
    assert len(set(chosen)) == 20
    assert all(ports.LOWEST <= port <= ports.HIGHEST < 32_768 for port in chosen)
    assert all(ports.is_free(port) for port in chosen)


def test_a_port_in_use_is_neither_free_nor_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as stranger:
        port = stranger.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.is_listening(port)
        monkeypatch.setattr(ports, "LOWEST", port)
        monkeypatch.setattr(ports, "HIGHEST", port)
        with pytest.raises(OSError, match="found only 0 of 1 free ports"):
            ports.choose(1)
    assert ports.is_free(port)
    assert not ports.is_listening(port)


def test_ports_of_other_servers_are_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = ports.choose(1)
    monkeypatch.setattr(ports, "LOWEST", port)
    monkeypatch.setattr(ports, "HIGHEST", port)
    assert ports.choose(1) == [port]
    with pytest.raises(OSError, match="0 of 1"):
        ports.choose(1, taken=[port])
