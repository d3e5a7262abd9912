"""`xray run SERVICE` runs one service in this process; `xray run all` runs every service as a child process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services.cli.output import errors
from services.common import topology
from services.common.topology import SERVICES
from services.operations.processes import Processes

if TYPE_CHECKING:
    from services.common.loop import Handler
    from services.common.settings import ServiceSettings

_CHECK_SECONDS: Final = 2.0
"""Interval between checks of the children; a service that crashed is restarted within this time."""


class Service(StrEnum):
    """The services in the order in which an image passes them, the monitor that counts their work, and all of them."""

    INTAKE = topology.INTAKE.name
    ASSEMBLER = topology.ASSEMBLER.name
    FUSER = topology.FUSER.name
    CLASSIFIER = topology.CLASSIFIER.name
    SINK = topology.SINK.name
    MONITOR = topology.MONITOR.name
    ALL = "all"


def run(
    service: Annotated[Service, typer.Argument(help="Which service to run; all: every service, as child processes.")],
    logs: Annotated[Path, typer.Option(help="Folder for the logs of the services that `all` runs.")] = Path(
        ".stack/logs"
    ),
) -> None:
    """Run one service, or all of them, until SIGTERM or Ctrl-C.

    Settings come from environment variables (XRAY_KAFKA_BOOTSTRAP, XRAY_S3_ENDPOINT, ...; docs/settings.md lists all).
    Logs are JSON lines on standard error. `/metrics`, `/health/live` and `/health/ready` answer on XRAY_HTTP_PORT.
    Exit code 0 after a clean stop, 2 when something is misconfigured.

    Example: XRAY_HTTP_PORT=9101 xray run intake
    """
    if service is Service.ALL:
        return run_all(logs)
    if service is Service.MONITOR:
        from services.common.settings import load
        from services.monitor.process import run_monitor
        from services.monitor.settings import MonitorSettings

        raise typer.Exit(run_monitor(load(MonitorSettings)))
    from services.common.process import run_service

    handler, settings = make(service)
    raise typer.Exit(run_service(handler, settings))


def make(service: Service) -> tuple[Handler[Any], ServiceSettings]:
    """Build a service other than the monitor; only its own libraries are loaded, which keeps each process small."""
    from services.common.settings import ServiceSettings, load

    if service is Service.INTAKE:
        from services.intake.service import build as build_intake
        from services.intake.settings import IntakeSettings

        intake_settings = load(IntakeSettings)
        return build_intake(intake_settings), intake_settings
    settings = load(ServiceSettings)
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


def run_all(logs: Path) -> None:
    """Run all services until SIGTERM or Ctrl-C; a service that crashes is restarted.

    Raises Fatal with the end of its log when a service is misconfigured; the others are stopped first.
    """
    console = errors()
    with _asked_to_stop() as stop, Processes(SERVICES, {}, logs) as services:
        services.wait_ready()
        for name in SERVICES:
            console.print(f"{name:12} http://127.0.0.1:{services.port(name)}/metrics   {logs / name}.log")
        console.print("All services are ready; Ctrl-C stops them.")
        while not stop.wait(_CHECK_SECONDS):
            for name in services.mend():
                console.print(f"{name} stopped unexpectedly and was restarted; see {logs / name}.log")
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
