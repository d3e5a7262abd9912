"""`xray run all`: every service as a child process of this one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from services.cli.output import errors
from services.operations.pipeline import SERVICES, Processes

_LOOK_SECONDS: Final = 2.0
"""Between two looks at the children: a service that crashed is started again this soon."""


def run_all(logs: Path) -> None:
    """Run all services until SIGTERM or Ctrl-C; one that crashes is started again.

    Raises Fatal with the end of its log for a service that is misconfigured; the others are stopped then.
    """
    console = errors()
    with _asked_to_stop() as stop, Processes(SERVICES, {}, logs) as services:
        services.wait_ready()
        for name in SERVICES:
            console.print(f"{name:12} http://127.0.0.1:{services.port(name)}/metrics   {logs / name}.log")
        console.print("All services are ready; Ctrl-C stops them.")
        while not stop.wait(_LOOK_SECONDS):
            for name in services.mend():
                console.print(f"{name} had ended and was started again; see {logs / name}.log")
        console.print("Stopping: every service finishes its batch.")


@contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
