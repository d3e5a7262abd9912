"""Runs one service as a process: checks, loop, health, clean stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from types import FrameType
from typing import Final, TypeVar

import structlog

from services.common import http, logs, metrics
from services.common.errors import Fatal, Retriable
from services.common.loop.backoff import delays
from services.common.loop.batch import BatchLoop
from services.common.loop.handler import Handler
from services.common.loop.lag import lag_exported
from services.common.loop.transport import KafkaTransport
from services.common.settings import ServiceSettings
from services.common.topics import REJECTED

log = structlog.get_logger()
T = TypeVar("T")

SILENT_SECONDS: Final = 300.0
"""A loop that neither polls nor retries for this long is hanging; the longest normal batch takes far less."""
EXIT_OK: Final = 0
EXIT_FATAL: Final = 2


def run_service(handler: Handler, settings: ServiceSettings) -> int:
    """Run until SIGTERM or SIGINT; return the exit code: 0 after a clean stop, 2 when misconfigured or broken.

    On a signal the service finishes, publishes and commits the current batch, then leaves the consumer group.
    """
    logs.configure(handler.stage, settings.log_level)
    stop = _stop_on_signal()
    runner = _Runner(handler, settings, stop)
    metrics.started(handler.stage, lambda: runner.not_ready() is None)
    try:
        with http.serve(settings.http_host, settings.http_port, http.Health(runner.live, runner.not_ready)) as port:
            log.info("started", http_port=port, pid=os.getpid())
            runner.run()
    except Fatal as fatal:
        log.critical("stopped", why=str(fatal))
        return EXIT_FATAL
    except OSError as error:
        log.critical("stopped", why=f"cannot listen on {settings.http_host}:{settings.http_port}: {error}")
        return EXIT_FATAL
    log.info("stopped", why="asked to stop")
    return EXIT_OK


class _Runner:
    def __init__(self, handler: Handler, settings: ServiceSettings, stop: threading.Event) -> None:
        self._handler, self._settings, self._stop = handler, settings, stop
        self._loop: BatchLoop | None = None
        self._transport: KafkaTransport | None = None
        self._waiting: str | None = "starting"

    def run(self) -> None:
        topics = list(self._handler.inputs)
        needed = {*topics, *(topic.name for topic in self._handler.outputs), REJECTED.name}
        self._transport = self._retry(lambda: KafkaTransport(self._settings, self._handler.stage, topics))
        if self._transport is None:
            return
        with closing(self._transport) as transport, closing(self._handler):
            if self._done(self._handler.start) and self._done(lambda: transport.subscribe(needed)):
                self._loop = BatchLoop(self._handler, transport, self._stop)
                self._waiting = None
                with lag_exported(self._settings, self._handler.stage, topics):
                    self._loop.run()

    def _done(self, action: Callable[[], None]) -> bool:
        """Retry until the action succeeds; False when asked to stop first."""

        def acted() -> bool:
            action()
            return True

        return self._retry(acted) is not None

    def live(self) -> bool:
        return self._loop is None or time.monotonic() - self._loop.last_beat < SILENT_SECONDS

    def not_ready(self) -> str | None:
        if self._loop is None or self._transport is None:
            return self._waiting
        return self._loop.retrying

    def _retry(self, action: Callable[[], T]) -> T | None:
        """Retry until the action succeeds; return None when asked to stop first."""
        for seconds in delays():
            try:
                return action()
            except Retriable as error:
                self._waiting = str(error)
                metrics.retried(self._handler.stage, "start", error)
                log.warning("waiting to start", seconds=round(seconds, 2), why=str(error))
            if self._stop.wait(seconds):
                return None
        raise AssertionError


def _stop_on_signal() -> threading.Event:
    stop = threading.Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        log.info("stopping", signal=signal.Signals(number).name)
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop
