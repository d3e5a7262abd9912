"""`python -m deploy.containers.trial [--stand-ins] [--keep] [--specimens N]`: the compose file, for real.

With Docker: builds our images, pulls the others. With --stand-ins (root, Debian, podman): builds everything, pulls
nothing. Ends with 0 when the demo's calls are in PostgreSQL, stay there over `down` and `up`, and Prometheus reaches
every target and answers every query of the dashboards.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import psycopg

from deploy.containers.trial.compose_program import compose_program
from deploy.containers.trial.podman import Podman
from deploy.containers.trial.standins import ABSENT, PYTHON_IMAGE, build_standins, variables
from deploy.containers.trial.tools import CLONE, WORK, TrialError, run
from deploy.grafana.observed import ObservedRun
from deploy.grafana.values import told
from deploy.prometheus.server import Prometheus, QueryRefused
from services.cli.output import console
from services.common import ports
from services.common.topology import SERVICES

PROJECT: Final = "xray-trial"
DOCKERFILE: Final = CLONE / "deploy" / "containers" / "Dockerfile"
OURS: Final = {"services": "XRAY_IMAGE", "demo": "DEMO_IMAGE", "triton-wheel": "TRITON_IMAGE"}
_PORTS: Final = ("KAFKA", "S3", "TRITON_GRPC", "POSTGRES", "PROMETHEUS", "ALERTMANAGER", "GRAFANA")
_SCRAPED_SECONDS: Final = 90.0
_TARGETS: Final = len(SERVICES) + 4
"""The services, Triton, SeaweedFS, Alertmanager and Prometheus itself."""


class Trial:
    """One project of Docker Compose, on free ports."""

    def __init__(self, chosen: dict[str, str], engine: dict[str, str], absent: Sequence[str] = ()) -> None:
        """Write the file of variables, and one that leaves out what is absent.

        `--scale NAME=0` would not do: Compose pulls the image of a service with no container too.
        """
        self._ports = dict(zip(_PORTS, ports.choose(len(_PORTS)), strict=True))
        addresses = {f"{name}_PORT": str(port) for name, port in self._ports.items()}
        self._file = WORK / "trial.env"
        WORK.mkdir(parents=True, exist_ok=True)
        self._file.write_text("".join(f"{name}={value}\n" for name, value in (chosen | addresses).items()))
        self._left_out = WORK / "left-out.json"
        self._left_out.write_text(json.dumps({"services": {name: {"profiles": ["absent"]} for name in absent}}))
        self._environment = engine
        self._program = compose_program()

    def compose(self, *words: str) -> str:
        """Run Docker Compose on the project's file with these variables."""
        project = ("--project-name", PROJECT, "--project-directory", str(CLONE), "--env-file", str(self._file))
        files = ("--file", str(CLONE / "docker-compose.yml"), "--file", str(self._left_out))
        return run(*self._program, *project, *files, *words, environment=self._environment)

    @contextmanager
    def up(self, *, built: bool, keep: bool) -> Iterator[None]:
        """Bring everything up, and down with its volumes in the end, unless to keep it for a look.

        What an earlier trial kept or left is brought down first.
        """
        try:
            self._down()
            self.compose("up", "--detach", "--no-build" if built else "--build")
            yield
        except TrialError:
            self.compose("logs", "--no-color", "--tail", "60")  # into trial.log
            raise
        finally:
            if not keep:
                self._down()

    def _down(self) -> None:
        self.compose("--profile", "demo", "down", "--volumes", "--timeout", "40")

    @property
    def prometheus(self) -> Prometheus:
        """The composed one."""
        return Prometheus(f"http://127.0.0.1:{self._ports['PROMETHEUS']}")

    def calls(self) -> int:
        """Count the specimens with a call in PostgreSQL."""
        dsn = f"postgresql://xray:trial-only-password@127.0.0.1:{self._ports['POSTGRES']}/xray"
        with psycopg.connect(dsn) as connection:
            row = connection.execute("select count(*) from current_call").fetchone()
        return int(row[0]) if row else 0

    def targets(self, wanted: int) -> list[str]:
        """Ask Prometheus for its targets that are up, by service; waits until there are as many as wanted."""
        # Not the metric `up`, which also tells of containers that went down together with Prometheus.
        url = f"{self.prometheus.url}/api/v1/targets"
        deadline = time.monotonic() + _SCRAPED_SECONDS
        while True:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server
                active = json.load(answer)["data"]["activeTargets"]
            labels = [target["labels"] for target in active if target["health"] == "up"]
            up = sorted(one.get("service", one["job"]) for one in labels)
            if len(up) == wanted or time.monotonic() > deadline:
                return up
            time.sleep(2)


def main(arguments: Sequence[str]) -> int:
    """Run the trial and tell each step with its time."""
    parser = argparse.ArgumentParser(prog="python -m deploy.containers.trial", description=__doc__)
    parser.add_argument(
        "--stand-ins", action="store_true", help="podman and stand-in images; pulls nothing; needs root"
    )
    parser.add_argument("--keep", action="store_true", help="leave it up")
    parser.add_argument("--specimens", type=int, default=12, help="simulated mice to send (12)")
    options = parser.parse_args(arguments)
    try:
        with ExitStack() as stack:
            return _run(options, stack)
    except TrialError as error:
        console().print(f"{error}\nAll output: {WORK / 'trial.log'}", markup=False)
        return 1


def _run(options: argparse.Namespace, stack: ExitStack) -> int:
    (WORK / "trial.log").unlink(missing_ok=True)
    chosen, engine = {"DEMO_SPECIMENS": str(options.specimens)}, dict[str, str]()
    if options.stand_ins:
        podman = stack.enter_context(Podman())
        chosen, engine = chosen | variables() | _built(podman), podman.environment
    trial = Trial(chosen, engine, ABSENT if options.stand_ins else ())
    with _told("docker compose up"):
        stack.enter_context(trial.up(built=options.stand_ins, keep=options.keep))
    began = time.time()
    first = _sent(trial, _TARGETS)
    with _told("docker compose down, up with two of intake"):
        trial.compose("down")
        trial.compose("up", "--detach", "--no-build", "--scale", "intake=2")
    kept = trial.calls()
    second = _sent(trial, _TARGETS + 1)
    _panels(ObservedRun(trial.prometheus, began, time.time(), step=15, rate_interval="1m"))
    _print(trial.compose("--profile", "models", "run", "--rm", "--no-deps", "models", "list"))
    _print(f"specimens with a call: {first}, after down and up {kept}, after another demo {second}")
    return int(not 0 < first == kept < second)


def _sent(trial: Trial, targets: int) -> int:
    """Run the demo; return the number of specimens with a call. Raises TrialError if Prometheus misses a target."""
    _print(trial.compose("ps", "--all", "--format", "table {{.Service}}\t{{.Image}}\t{{.Status}}"))
    with _told("docker compose run demo"):
        _print(trial.compose("--profile", "demo", "run", "--rm", "--no-deps", "demo"))
    up = trial.targets(targets)
    _print(f"Prometheus reaches {', '.join(up)}")
    if len(up) != targets:
        raise TrialError(f"Prometheus reaches {len(up)} targets, not {targets}")
    return trial.calls()


def _panels(run: ObservedRun) -> None:
    """Tell every panel's values. Raises TrialError if Prometheus takes a query for wrong."""
    try:
        panels = list(told(run))
    except QueryRefused as error:
        raise TrialError(f"Prometheus refuses a panel's query: {error}") from error
    for panel in panels:
        _print(str(panel))
    _print(f"{sum(1 for panel in panels if panel.values)} of {len(panels)} panels have a value")


def _built(podman: Podman) -> dict[str, str]:
    with _told("stand-in images"):
        build_standins(podman)
    names: dict[str, str] = {}
    for target, variable in OURS.items():
        names[variable] = f"localhost/xray-trial/{target}:latest"
        with _told(f"our image {target}"):
            podman.build(CLONE, DOCKERFILE, target, names[variable], PYTHON_IMAGE=PYTHON_IMAGE)
    _print(podman.podman("images", "--format", "table {{.Repository}} {{.Size}}"))
    return names


@contextmanager
def _told(step: str) -> Iterator[None]:
    console().print(f"{step} ...")
    started = time.monotonic()
    yield
    console().print(f"{step}: {time.monotonic() - started:.0f} s")


def _print(text: str) -> None:
    console().print(text, markup=False, soft_wrap=True)


if __name__ == "__main__":
    os.chdir(Path(CLONE))
    sys.exit(main(sys.argv[1:]))
