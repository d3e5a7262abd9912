"""`python -m deploy.containers.trial [--keep] [--specimens N]`: run the compose file with a container engine.

Builds our images, pulls the others, brings everything up and sends the demo's mice. Exits with 0 if the demo's calls
are in PostgreSQL and are still there after `down` and `up`, and Prometheus reaches every target and accepts every query
of the dashboards.
"""

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psycopg

from deploy.grafana.observed import ObservedRun
from deploy.grafana.screens import SCREENS
from deploy.prometheus.server import Prometheus, QueryRefused
from services.common import ports
from services.common.topology import SERVICES

CLONE: Final = Path(__file__).resolve().parents[2]
PROJECT: Final = "xray-trial"
PORTS: Final = ("KAFKA", "S3", "TRITON_GRPC", "POSTGRES", "PROMETHEUS", "ALERTMANAGER", "GRAFANA")
"""Ports of docker-compose.yml that are published, as `<name>_PORT`."""
_WORK: Final = CLONE / ".cache" / "containers"
_LOG: Final = _WORK / "trial.log"
_STEP_SECONDS: Final = 1800.0
_SCRAPED_SECONDS: Final = 90.0
_TARGETS: Final = len(SERVICES) + 6
"""The services, Triton, SeaweedFS, Kafka, PostgreSQL, Alertmanager and Prometheus itself."""


class TrialError(Exception):
    """A step of the trial failed; the message names it and shows the end of its output."""


class ComposeProject:
    """One project of Docker Compose on free ports."""

    def __init__(self, specimens: int) -> None:
        """Write the file of variables; nothing starts before `up`. Raises TrialError if Docker Compose is missing."""
        self._ports = dict(zip(PORTS, ports.choose(len(PORTS)), strict=True))
        addresses = {f"{name}_PORT": str(port) for name, port in self._ports.items()}
        values = addresses | {"DEMO_SPECIMENS": str(specimens)}
        self._variables = _WORK / "trial.env"
        self._variables.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        self.compose("version")

    def compose(self, *arguments: str) -> str:
        """Run Docker Compose and return its standard output; all output goes to trial.log. Raises TrialError."""
        command = ["docker", "compose", "--project-name", PROJECT, "--env-file", str(self._variables), *arguments]
        try:
            ended = subprocess.run(  # noqa: S603 - the trial's own command, no shell
                command, cwd=CLONE, capture_output=True, text=True, check=False, timeout=_STEP_SECONDS
            )
        except FileNotFoundError as error:
            raise TrialError("docker was not found; install Docker Engine and Docker Compose 2.24 or later") from error
        except subprocess.TimeoutExpired as error:
            raise TrialError(f"`{' '.join(command)}` did not finish within {_STEP_SECONDS:.0f} s") from error
        with _LOG.open("a") as log:
            log.write(f"$ {' '.join(command)}\n{ended.stdout}{ended.stderr}[{ended.returncode}]\n")
        if ended.returncode:
            end = "\n".join((ended.stdout + ended.stderr).splitlines()[-25:])
            raise TrialError(f"`{' '.join(command)}` exited with {ended.returncode}:\n{end}")
        return ended.stdout

    @contextmanager
    def up(self, *, keep: bool) -> Iterator[None]:
        """Start everything; stop it and delete its volumes at the end, unless `keep`."""
        try:
            self._down()  # Remove what an earlier trial kept.
            self.compose("up", "--detach", "--build")
            yield
        except TrialError:
            with suppress(TrialError):
                self.compose("logs", "--no-color", "--tail", "60")  # Into trial.log.
            raise
        finally:
            if not keep:
                self._down()

    def _down(self) -> None:
        self.compose("--profile", "demo", "down", "--volumes", "--timeout", "40")

    @property
    def prometheus(self) -> Prometheus:
        """The project's Prometheus."""
        return Prometheus(f"http://127.0.0.1:{self._ports['PROMETHEUS']}")

    def calls(self) -> int:
        """Count the specimens with a call in PostgreSQL."""
        dsn = f"postgresql://xray:trial-only-password@127.0.0.1:{self._ports['POSTGRES']}/xray"
        with psycopg.connect(dsn) as connection:
            row = connection.execute("select count(*) from current_call").fetchone()
        return int(row[0]) if row else 0

    def targets(self, expected: int) -> list[str]:
        """Return the services of the targets that are up; wait until there are as many as expected."""
        # Not the metric `up`: it still has the containers that were stopped together with Prometheus.
        url = f"{self.prometheus.url}/api/v1/targets"
        deadline = time.monotonic() + _SCRAPED_SECONDS
        while True:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server
                active = json.load(answer)["data"]["activeTargets"]
            labels = [target["labels"] for target in active if target["health"] == "up"]
            up = sorted(one.get("service", one["job"]) for one in labels)
            if len(up) == expected or time.monotonic() > deadline:
                return up
            time.sleep(2)


def main(arguments: Sequence[str]) -> int:
    """Run the trial and print each step with its time."""
    parser = argparse.ArgumentParser(prog="python -m deploy.containers.trial", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the containers running")
    parser.add_argument("--specimens", type=int, default=12, help="number of simulated mice to send (12)")
    options = parser.parse_args(arguments)
    _WORK.mkdir(parents=True, exist_ok=True)
    _LOG.unlink(missing_ok=True)
    try:
        project = ComposeProject(options.specimens)
        with project.up(keep=options.keep):
            return _run(project)
    except (TrialError, QueryRefused) as error:
        _print(f"{error}\nAll output: {_LOG}")
        return 1


def _run(project: ComposeProject) -> int:
    began = time.time()
    first = _demo(project, _TARGETS)
    with _timed("docker compose down, up with two intake containers"):
        project.compose("down")
        project.compose("up", "--detach", "--no-build", "--scale", "intake=2")
    kept = project.calls()
    second = _demo(project, _TARGETS + 1)
    run = ObservedRun(project.prometheus, began, time.time(), step=15, rate_interval="1m")
    _print(_query_panels(run))
    _print(project.compose("--profile", "models", "run", "--rm", "--no-deps", "models", "list"))
    _print(f"specimens with a call: {first}, after down and up {kept}, after another demo {second}")
    return int(not 0 < first == kept < second)


def _demo(project: ComposeProject, targets: int) -> int:
    """Run the demo and return the number of specimens with a call. Raises TrialError if a target is not reached."""
    _print(project.compose("ps", "--all", "--format", "table {{.Service}}\t{{.Image}}\t{{.Status}}"))
    with _timed("docker compose run demo"):
        _print(project.compose("--profile", "demo", "run", "--rm", "--no-deps", "demo"))
    up = project.targets(targets)
    _print(f"Prometheus reaches {', '.join(up)}")
    if len(up) != targets:
        raise TrialError(f"Prometheus reaches {len(up)} targets, not {targets}")
    return project.calls()


def _query_panels(run: ObservedRun) -> str:
    """Query every panel of every dashboard. Raises QueryRefused if Prometheus does not accept a query."""
    panels = [panel for screen in SCREENS for panel in screen.panels()]
    answers = [[run.over(query.expression) for query in panel.queries] for panel in panels]
    return f"{sum(1 for answer in answers if any(answer))} of {len(panels)} panels have a value"


@contextmanager
def _timed(step: str) -> Iterator[None]:
    _print(f"{step} ...")
    started = time.monotonic()
    yield
    _print(f"{step}: {time.monotonic() - started:.0f} s")


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
