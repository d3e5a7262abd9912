"""Runs the monitor as a process: checks, Faust worker, health endpoints, clean stop.

It also limits what the libraries log: without a broker, aiokafka and Faust write thousands of lines per minute.
"""

import logging
import os
import signal
import time
from typing import Any, Final

import faust
import structlog

from services.common import http, logs, metrics
from services.common.errors import Fatal, Retriable
from services.common.loop.lag import lag_exported
from services.common.process import EXIT_FATAL, EXIT_OK, SILENT_SECONDS
from services.common.retry import retry
from services.common.topology import MONITOR
from services.monitor.app import Monitor
from services.monitor.cluster import Cluster, prepare
from services.monitor.settings import MonitorSettings

_LIBRARIES: Final = ("aiokafka", "faust", "mode", "rocksdict")
_SECONDS: Final = 10.0


class _OneInTenSeconds(logging.Filter):
    """Let one message of each library logger through every ten seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.split(".")[0] not in _LIBRARIES or record.levelno >= logging.CRITICAL:
            return True
        due = record.created - self._last.get(record.name, -_SECONDS) >= _SECONDS
        if due:
            self._last[record.name] = record.created
        return due


def quieten() -> None:
    """Limit the libraries to warnings and errors, one per logger in ten seconds; call after logs are configured."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(_OneInTenSeconds())
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


log = structlog.get_logger()


class _State:
    """The state that the health checks read, before and after the app exists."""

    def __init__(self) -> None:
        self.monitor: Monitor | None = None
        self.waiting: str | None = "starting"

    def live(self) -> bool:
        return self.monitor is None or time.monotonic() - self.monitor.last_beat < SILENT_SECONDS

    def not_ready(self) -> str | None:
        return self.waiting if self.monitor is None else self.monitor.waiting


def run_monitor(settings: MonitorSettings) -> int:
    """Run until SIGTERM or SIGINT; returns 0 after a clean stop, 2 when misconfigured, 1 when Faust has crashed.

    On a signal Faust finishes the current record, commits and leaves the group (1 to 3 s).
    """
    logs.configure(MONITOR.name, settings.log_level)
    quieten()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until Faust's worker handles both signals
    state = _State()
    try:
        with http.serve(settings.http_host, settings.http_port, http.Health(state.live, state.not_ready)) as port:
            metrics.started(MONITOR.name, lambda: state.not_ready() is None)
            log.info("started", http_port=port, pid=os.getpid())
            state.monitor = Monitor(settings, _prepared(settings, state))
            with lag_exported(settings, MONITOR.name, list(MONITOR.inputs_by_name)):
                code = _work(state.monitor.app)
    except Fatal as fatal:
        log.critical("stopped", why=str(fatal))
        return EXIT_FATAL
    except OSError as error:
        log.critical("stopped", why=f"cannot listen or store the tables: {error}")
        return EXIT_FATAL
    except KeyboardInterrupt:
        code = EXIT_OK
    log.info("stopped", why="asked to stop" if code == EXIT_OK else "Faust has crashed")
    return code


def _prepared(settings: MonitorSettings, state: _State) -> Cluster:
    """Retry until the cluster is prepared; a signal ends the process here, since nothing has been read yet."""

    def failed(error: Retriable, seconds: float) -> None:
        state.waiting = str(error)
        metrics.retried(MONITOR.name, "start", error)
        log.warning("waiting to start", seconds=round(seconds, 2), why=str(error))

    return retry(lambda: prepare(settings), time.sleep, failed=failed)


def _work(app: Any) -> int:
    worker = faust.Worker(app, override_logging=False, redirect_stdouts=False, quiet=True)
    worker.spinner = None  # it writes terminal codes even into a file
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        return int(ended.code or EXIT_OK)
