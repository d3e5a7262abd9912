"""`xray run SERVICE`: one service as a process, or all.

`xray run all`: every service as a child process of this one.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from services.common.loop import Handler
    from services.common.settings import ServiceSettings
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

from services.cli.output import errors
from services.operations.processes import SERVICES, Processes

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


class Service(StrEnum):
    """The services, in the order in which an image passes them, the monitor that counts them, and all of them."""

    INTAKE = "intake"
    ASSEMBLER = "assembler"
    FUSER = "fuser"
    CLASSIFIER = "classifier"
    SINK = "sink"
    MONITOR = "monitor"
    ALL = "all"


def run(
    service: Annotated[Service, typer.Argument(help="Which service to run; all: every one, as child processes.")],
    logs: Annotated[Path, typer.Option(help="Where `all` puts the services' logs.")] = Path(".stack/logs"),
) -> None:
    """Run one service, or all of them, until SIGTERM or Ctrl-C.

    Settings come from environment variables (XRAY_KAFKA_BOOTSTRAP, XRAY_S3_ENDPOINT, ...; docs/settings.md lists all).
    Logs are JSON lines on standard error. `/metrics`, `/health/live` and `/health/ready` answer on XRAY_HTTP_PORT.
    Exit code 0 after a clean stop, 2 when something is misconfigured.

    Example: XRAY_HTTP_PORT=9101 xray run intake
    """
    if service is Service.ALL:
        run_all(logs)
        return
    if service is Service.MONITOR:
        from services.common.settings import load
        from services.monitor.process import run_monitor
        from services.monitor.settings import MonitorSettings

        _exit(run_monitor(load(MonitorSettings)))
    from services.common.process import run_service

    handler, settings = make(service)
    _exit(run_service(handler, settings))


def make(service: Service) -> tuple[Handler, ServiceSettings]:
    """Build a service other than the monitor; only its own libraries are loaded, which keeps each process small."""
    from services.common.settings import ServiceSettings, load

    if service is Service.INTAKE:
        from services.intake.service import Intake
        from services.intake.settings import IntakeSettings

        intake = load(IntakeSettings)
        return Intake(intake), intake
    settings = load(ServiceSettings)
    if service is Service.ASSEMBLER:
        from services.assembler.service import Assembler

        return Assembler(settings), settings
    if service is Service.FUSER:
        from services.fuser.service import Fuser

        return Fuser(settings), settings
    if service is Service.CLASSIFIER:
        from services.classifier.service import Classifier

        return Classifier(settings), settings
    from services.sink.service import Sink

    return Sink(settings), settings


def _exit(code: int) -> NoReturn:
    """Exit without tearing down the interpreter, once everything is committed and closed.

    The teardown takes about half a second of processor time per service, in which nothing useful happens.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
