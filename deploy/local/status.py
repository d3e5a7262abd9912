"""The status of one server."""

import time
from dataclasses import dataclass
from typing import Literal

import psutil

from deploy.local.servers.base import NotReady, Server

State = Literal["running", "not working", "stopped"]


@dataclass(frozen=True)
class ServerStatus:
    """`state` is "running" only if a real operation has just succeeded; otherwise `message` gives the reason.

    `memory_bytes` is the resident memory of the server and its children; times are in seconds.
    """

    name: str
    title: str
    state: State
    address: str
    pid: int | None
    up_s: float
    memory_bytes: int
    message: str


def status_of(server: Server) -> ServerStatus:
    """Check the server's processes and do its real operation."""
    if not server.ports:
        return ServerStatus(server.name, server.title, "stopped", "", None, 0.0, 0, "never started")
    pid = server.process.pid()
    if pid is None:
        return ServerStatus(server.name, server.title, "stopped", server.address(), None, 0.0, 0, "")
    state: State = "running"
    message = ""
    try:
        server.check()
    except NotReady as reason:
        state, message = "not working", str(reason)
    up_s, memory = _age_and_memory(server)
    return ServerStatus(server.name, server.title, state, server.address(), pid, up_s, memory, message)


def _age_and_memory(server: Server) -> tuple[float, int]:
    ages, memory = [0.0], 0
    for process in server.process.members():
        try:
            memory += process.memory_info().rss
            ages.append(time.time() - process.create_time())
        except psutil.NoSuchProcess:
            continue
    return max(ages), memory
