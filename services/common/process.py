"""Runs one service as a process: checks, loop, health endpoints, clean stop."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from types import FrameType
from typing import Final, Generic, TypeVar

import structlog

from services.common import http, logs, metrics
from services.common.errors import Fatal, Retriable
from services.common.identity import image_event_id, log_fields
from services.common.loop.batch import BatchLoop
from services.common.loop.handler import E, Handler, Interruptible
from services.common.loop.lag import lag_exported
from services.common.loop.transport import KafkaTransport
from services.common.retry import retry
from services.common.settings import ServiceSettings

log = structlog.get_logger()
T = TypeVar("T")

SILENT_SECONDS: Final = 300.0
"""A loop that has neither polled nor retried for this long hangs; the longest normal batch takes far less."""
EXIT_OK: Final = 0
EXIT_FATAL: Final = 2


def run_service(handler: Handler[E], settings: ServiceSettings) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code: 0 after a clean stop, 2 when misconfigured or broken.

    On a signal the current batch is finished, published and committed, or given back if it is Interruptible and takes
    too long, and the process leaves the group.
    """
    stage = handler.topics.name
    logs.configure(stage, settings.log_level)
    stop = _stop_on_signal(handler)
    runner = _Runner(handler, settings, stop)
    metrics.started(stage, lambda: runner.not_ready() is None)
    with ExitStack() as server:
        health = http.Health(runner.live, runner.not_ready)
        try:
            port = server.enter_context(http.serve(settings.http_host, settings.http_port, health))
        except OSError as error:
            log.critical("stopped", why=f"cannot listen on {settings.http_host}:{settings.http_port}: {error}")
            return EXIT_FATAL
        log.info("started", http_port=port, pid=os.getpid())
        try:
            runner.run()
        except Fatal as fatal:
            log.critical("stopped", why=str(fatal))
            return EXIT_FATAL
    log.info("stopped", why="asked to stop")
    return EXIT_OK


class _Runner(Generic[E]):
    def __init__(self, handler: Handler[E], settings: ServiceSettings, stop: threading.Event) -> None:
        self._handler, self._settings, self._stop = handler, settings, stop
        self._loop: BatchLoop[E] | None = None
        self._waiting: str | None = "starting"

    def run(self) -> None:
        topics = self._handler.topics
        names = topics.subscription
        try:
            transport = self._retry(
                lambda: KafkaTransport(self._settings, topics.name, names, self._stop, topics.delays)
            )
            with closing(transport), closing(self._handler):
                self._retry(self._handler.start)
                self._retry(lambda: transport.subscribe(topics.required))
                self._loop = BatchLoop(
                    self._handler, transport, self._stop, log_fields=log_fields, image_event_id=image_event_id
                )
                self._waiting = None
                with lag_exported(self._settings, topics.name, names, topics.delays):
                    self._loop.run()
        except _StoppedWhileStartingError:
            return

    def live(self) -> bool:
        return self._loop is None or time.monotonic() - self._loop.last_beat < SILENT_SECONDS

    def not_ready(self) -> str | None:
        return self._waiting if self._loop is None else self._loop.retrying

    def _retry(self, action: Callable[[], T]) -> T:
        """Retry until it succeeds; raises _StoppedWhileStartingError when asked to stop meanwhile."""

        def failed(error: Retriable, seconds: float) -> None:
            self._waiting = str(error)
            metrics.retried(self._handler.topics.name, "start", error)
            log.warning("waiting to start", seconds=round(seconds, 2), why=str(error))

        try:
            return retry(action, self._stop.wait, failed=failed)
        except Retriable as error:
            raise _StoppedWhileStartingError from error


class _StoppedWhileStartingError(Exception):
    """A signal arrived while the process waited for a server."""


def _stop_on_signal(handler: Handler[E]) -> threading.Event:
    stop = threading.Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        log.info("stopping", signal=signal.Signals(number).name)
        stop.set()
        if isinstance(handler, Interruptible):
            handler.interrupt()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop
