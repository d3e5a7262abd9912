"""One run of the benchmark."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.bench.bare import BareResult
from services.bench.load import MemoryWatch, UploadedMouse, latencies, run_through, upload
from services.common.environment import CLONE
from services.common.errors import Fatal
from services.common.settings import Settings, settings_of
from services.common.store import ObjectStore
from services.common.tied import tied
from services.common.topology import PIPELINE
from services.demo.cohort import CohortRequest, DemoSubmission, rendering
from services.demo.outcome import quantile
from services.demo.run import local_servers
from services.ledger.database import Connection, ledger
from services.operations.processes import Processes
from services.operations.provisioning import prepare

_WARM_UP: Final = 16
"""Specimens sent first and not counted, to fill caches, open connections and load modules."""


@dataclass(frozen=True)
class BenchOptions:
    """How many specimens to send at full load (half as many at half load), and the mice that they are copies of.

    `folder` receives images and logs; `stack` is the folder of the local stack.
    """

    specimens: int
    mice: CohortRequest
    folder: Path
    stack: Path


@dataclass(frozen=True)
class PipelineFigures:
    """Measurements of the whole pipeline.

    `called` specimens took `seconds` at full load, with each service's peak resident memory (`resident_bytes`) and CPU
    seconds. The latencies, in seconds from a specimen's last image to its row, were measured on `latency_of` specimens
    at `half_load_rate` specimens per second.
    """

    called: int
    seconds: float
    half_load_rate: float
    latency_p50: float
    latency_p99: float
    latency_of: int
    resident_bytes: dict[str, int]
    cpu_seconds: dict[str, float]

    @property
    def rate(self) -> float:
        """Specimens per second from the first event to the last row."""
        return self.called / self.seconds


@dataclass(frozen=True)
class BenchResult:
    """Measurements on the same `specimens`; the loop of `bare_threads` standardises images on all `cores`."""

    cores: int
    specimens: int
    bare: BareResult
    bare_threads: BareResult
    pipeline: PipelineFigures

    @property
    def ratio(self) -> float:
        """Rate of the pipeline divided by the rate of the bare loop."""
        return self.pipeline.rate / self.bare.rate

    @property
    def ratio_threads(self) -> float:
        """Rate of the pipeline divided by the rate of the bare loop on threads."""
        return self.pipeline.rate / self.bare_threads.rate


def run(options: BenchOptions, on_progress: Callable[[str], None]) -> BenchResult:
    """Measure the bare loop alone, then the pipeline at full and at half load.

    `on_progress` receives one line per step.
    """
    with rendering(options.folder / "bench-cohort", options.mice) as cohort:
        on_progress(f"rendering {options.mice.count} mice, unless they are already rendered")
        submissions = cohort.result()
    on_progress("bare loop: one process, one image at a time, libraries may use all cores")
    bare = _bare(submissions, options.specimens, 1)
    cores = len(os.sched_getaffinity(0))
    on_progress(f"bare loop, images on {cores} threads")
    bare_threads = _bare(submissions, options.specimens, cores)
    with local_servers(options.stack, lambda name, message: on_progress(f"  {name}: {message}")) as environment:
        settings = settings_of(environment)
        list(prepare(settings))
        mice = upload(ObjectStore(settings), submissions)
        with Processes(PIPELINE, environment, options.folder / "bench-logs") as services:
            services.wait_ready()
            with ledger(settings) as connection:
                pipeline = _pipeline(options.specimens, _Target(settings, connection, services, mice), on_progress)
    return BenchResult(cores, options.specimens, bare, bare_threads, pipeline)


@dataclass(frozen=True)
class _Target:
    settings: Settings
    connection: Connection
    services: Processes
    mice: list[UploadedMouse]

    def run_through(self, count: int, per_second: float | None = None) -> tuple[list[str], float]:
        return run_through(self.settings, self.connection, self.mice, count, per_second)


def _pipeline(specimens: int, target: _Target, on_progress: Callable[[str], None]) -> PipelineFigures:
    on_progress(f"pipeline: warming up with {_WARM_UP} specimens")
    target.run_through(_WARM_UP)
    on_progress(f"pipeline: {specimens} specimens at once")
    with MemoryWatch(target.services, PIPELINE) as watch:
        called, seconds = target.run_through(specimens)
    half = len(called) / seconds / 2
    on_progress(f"pipeline: half load, {half:.1f} specimens/s")
    at_half, _ = target.run_through(specimens // 2, half)
    measured = latencies(target.connection, at_half)
    return PipelineFigures(
        called=len(called),
        seconds=seconds,
        half_load_rate=half,
        latency_p50=quantile(measured, 0.5),
        latency_p99=quantile(measured, 0.99),
        latency_of=len(measured),
        resident_bytes=watch.peak_bytes,
        cpu_seconds=watch.cpu_seconds,
    )


def _bare(submissions: list[DemoSubmission], specimens: int, threads: int) -> BareResult:
    files = [str(picture.file) for one in submissions for picture in one.pictures]
    repeat = str(max(1, specimens // len(submissions)))
    program = [sys.executable, "-m", "services.bench.bare", str(CLONE / "model_repository"), str(threads), repeat]
    finished = subprocess.run(  # noqa: S603 - our own program, no shell
        tied([*program, *files]), capture_output=True, text=True, check=False
    )
    if finished.returncode:
        raise Fatal(f"the bare loop failed:\n{finished.stderr[-2000:]}")
    return BareResult.model_validate_json(finished.stdout)
