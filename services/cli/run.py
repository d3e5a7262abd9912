"""`xray run SERVICE`: one service in the foreground, or all of them as child processes."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

if TYPE_CHECKING:
    from services.common.loop import Handler
    from services.common.settings import ServiceSettings

_CHECK_SECONDS: Final = 2.0
"""Between two checks of the child processes: the longest time until a crashed service is started again."""


class Service(StrEnum):
    """The services in the order in which an image passes them, the monitor that counts them, and all of them.

    A test compares them with `services.common.topology`, which is not imported here because it loads Kafka's library.
    """

    ADMISSION = "admission"
    INTAKE = "intake"
    ASSEMBLER = "assembler"
    FUSER = "fuser"
    CLASSIFIER = "classifier"
    SINK = "sink"
    MONITOR = "monitor"
    ALL = "all"


def run(
    service: Annotated[
        Service, typer.Argument(metavar="SERVICE", help="Which service to run; all: every one, as child processes.")
    ],
    logs: Annotated[Path, typer.Option(help="Folder for the services' logs, with `all`.")] = Path(".stack/logs"),
) -> None:
    """Run one service, or all of them, until SIGTERM or Ctrl-C.

    SERVICE is admission, intake, assembler, fuser, classifier, sink, monitor or all. Settings come from environment
    variables (XRAY_KAFKA_BOOTSTRAP, XRAY_S3_ENDPOINT, ...; docs/settings.md lists them). Logs are JSON lines on
    standard error. `/metrics`, `/health/live` and `/health/ready` are served on XRAY_HTTP_PORT. Exit code 0 after a
    clean stop, 2 when something is misconfigured.

    Examples:

        xray run all
        XRAY_HTTP_PORT=9101 xray run intake
    """
    if service is Service.ALL:
        run_all(logs)
        return
    from services.common.environment import own_credentials

    os.environ.update(own_credentials(service, os.environ))
    if service is Service.MONITOR:
        from services.common.settings import load
        from services.monitor.process import run_monitor
        from services.monitor.settings import MonitorSettings

        _exit(run_monitor(load(MonitorSettings)))
    from services.common.process import run_service

    handler, settings = make(service)
    _exit(run_service(handler, settings))


def run_all(logs: Path) -> None:
    """Run all services until SIGTERM or Ctrl-C; one that crashes is started again.

    Raises Fatal with the end of its log for a service that is misconfigured, after stopping the others.
    """
    from services.cli.output import errors
    from services.common.topology import SERVICES
    from services.operations.processes import Processes

    console = errors()
    with _stop_requested() as stop, Processes(SERVICES, {}, logs) as services:
        services.wait_ready()
        for name in SERVICES:
            where = f"http://127.0.0.1:{services.port(name)}/metrics"
            console.print(f"{name:12} {where}   {logs / name}.log", soft_wrap=True)
        console.print("All services are ready; Ctrl-C stops them.")
        while not stop.wait(_CHECK_SECONDS):
            for name in services.restart_crashed():
                console.print(f"{name} stopped unexpectedly and was restarted; see {logs / name}.log", soft_wrap=True)
        console.print("Stopping: every service finishes its batch.")


def make(service: Service) -> tuple[Handler[Any], ServiceSettings]:
    """Build a service other than the monitor; only its own libraries are loaded, which keeps each process small."""
    from services.common.settings import ServiceSettings, load

    if service is Service.INTAKE:
        from services.intake.service import build as build_intake
        from services.intake.settings import IntakeSettings

        intake_settings = load(IntakeSettings)
        return build_intake(intake_settings), intake_settings
    settings = load(ServiceSettings)
    if service is Service.ADMISSION:
        from services.admission.service import build as build_admission

        return build_admission(settings), settings
    if service is Service.ASSEMBLER:
        from services.assembler.service import build as build_assembler

        return build_assembler(settings), settings
    if service is Service.FUSER:
        from services.fuser.service import build as build_fuser

        return build_fuser(settings), settings
    if service is Service.CLASSIFIER:
        from services.classifier.service import build as build_classifier

        return build_classifier(settings), settings
    from services.sink.service import build as build_sink

    return build_sink(settings), settings


@contextmanager
def _stop_requested() -> Iterator[threading.Event]:
    """Give an event that SIGINT and SIGTERM set."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit(code: int) -> NoReturn:
    """Exit without tearing down the interpreter, once everything is committed and closed.

    The teardown takes about half a second of processor time per service, in which nothing useful happens.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
