"""A run for checking the dashboards: real servers and services, simulated mice, and a Prometheus that scrapes them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.stack import Stack
from deploy.prometheus.server import Prometheus, Series, Target, scraping
from services.common.settings import settings_of
from services.common.topology import SERVICES
from services.demo.cohort import CohortRequest, DemoSubmission, rendering
from services.demo.sending import DemoProgress, SendOptions, send
from services.operations.processes import Processes
from services.operations.provisioning import prepare

WINDOW_SECONDS: Final = 15
"""Length of the monitor's windows; in production it is a day."""
_MONITOR: Final = {
    "XRAY_MONITOR_WINDOW_SECONDS": str(WINDOW_SECONDS),
    "XRAY_MONITOR_GRACE_SECONDS": "3",
    "XRAY_MONITOR_LEAST_COUNT": "3",
}
_PATIENCE_SECONDS: Final = 180.0
_SETTLED_SECONDS: Final = 180.0
_RATE_INTERVAL: Final = "20s"
_STEP_SECONDS: Final = 2.0


@dataclass(frozen=True)
class ObservedRun:
    """A Prometheus that scraped a run, and when the run began and ended (Unix time).

    `step` is in seconds. Rates are taken over `rate_interval`, which must contain several scrapes.
    """

    prometheus: Prometheus
    begin: float
    end: float
    step: float = _STEP_SECONDS
    rate_interval: str = _RATE_INTERVAL

    def over(self, expression: str) -> list[Series]:
        """Evaluate a panel's expression over the run, with all centres selected in Grafana's variable.

        Raises QueryRefused if Prometheus does not accept the expression.
        """
        filled = expression.replace("$__rate_interval", self.rate_interval).replace("$centre", ".*")
        return self.prometheus.over(filled, self.begin, self.end, self.step)


@contextmanager
def observed(stack: Stack, folder: Path, specimens: int, times: int) -> Iterator[ObservedRun]:
    """Send a cohort `times` times through services on a running stack; during the second, Triton is down briefly."""
    environment = stack.environment() | _MONITOR | {"XRAY_MONITOR_FOLDER": str(folder / "monitor")}
    settings = settings_of(environment)
    with rendering(folder / "cohort", CohortRequest(specimens, seed=1)) as cohort:
        list(prepare(settings))
        with Processes(SERVICES, environment, folder / "logs") as services:
            services.wait_ready(2 * _PATIENCE_SECONDS)
            submissions = cohort.result()
            begin = time.time()
            with scraping(folder / "prometheus", targets(stack, services)) as prometheus:
                sending = SendOptions(settings, folder, _PATIENCE_SECONDS, services.restart_crashed)
                for number in range(times):
                    with _triton_away(stack, prometheus, away=number == 1):
                        _send(sending, submissions)
                _settle(prometheus)
                yield ObservedRun(prometheus, begin, time.time())


def targets(stack: Stack, services: Processes) -> list[Target]:
    """Return the targets that are scraped in containers, on this machine's ports."""
    ours = [Target("services", services.port(name), {"service": name}) for name in SERVICES]
    servers = [Target(name, stack.servers[name].ports["metrics"], {}) for name in ("triton", "seaweedfs")]
    return ours + servers


def _send(options: SendOptions, submissions: list[DemoSubmission]) -> None:
    result = send(options, submissions, DemoProgress())
    if result.outcome.missing:
        raise RuntimeError(f"no call for {', '.join(result.outcome.missing)}")


@contextmanager
def _triton_away(stack: Stack, prometheus: Prometheus, *, away: bool) -> Iterator[None]:
    """With `away`, stop Triton and start it again once a service has failed to reach it, to record some errors."""
    if not away:
        yield
        return
    stack.stop("triton")
    back = threading.Thread(target=_start_once_missed, args=[stack, prometheus])
    back.start()
    try:
        yield
    finally:
        back.join()
        stack.start("triton")  # does nothing if it works


def _start_once_missed(stack: Stack, prometheus: Prometheus) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS / 4
    while not prometheus.now('xray_server_errors_total{server="triton"}') and time.monotonic() < deadline:
        time.sleep(0.5)
    stack.start("triton")


def _settle(prometheus: Prometheus) -> None:
    """Wait until the monitor has compared a window with earlier ones, and the ledger has been sampled again."""
    deadline = time.monotonic() + _SETTLED_SECONDS
    # The sink samples the ledger when it starts, while the ledger is still empty.
    sampled = "sum(xray_ledger_images) > 0 and on() time() - xray_ledger_sampled_timestamp_seconds < 5"
    while not (prometheus.now("xray_centre_drift_index") and prometheus.now(sampled)):
        if time.monotonic() > deadline:
            raise RuntimeError("the monitor has checked no window, or the ledger was not sampled")
        time.sleep(1)
    # The newest values must fall on a step of the queries.
    time.sleep(2 * _STEP_SECONDS)
