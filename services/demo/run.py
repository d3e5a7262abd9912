"""One run of the demo: on servers and services that already run, or on the local stack.

The servers of the local stack are afterwards running or stopped as before.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.stack import Stack
from services.common.settings import Settings, settings_of
from services.common.topology import PIPELINE
from services.demo.cohort import CohortRendering, CohortRequest, DemoSubmission, rendering
from services.demo.sending import DemoProgress, DemoResult, SendOptions, send
from services.operations.processes import Processes
from services.operations.provisioning import prepare

_POLL_SECONDS: Final = 0.25


@dataclass(frozen=True)
class DemoOptions:
    """What to send and how long to wait.

    `folder` receives images, logs and pictures. A call counts as missing when the ledger has not changed for
    `patience_seconds`.
    """

    cohort: CohortRequest
    folder: Path
    patience_seconds: float


def run_on_running(options: DemoOptions, settings: Settings, progress: DemoProgress) -> DemoResult:
    """Render the cohort and send it to the system that `settings` names; see `send_rendered`."""
    options.folder.mkdir(parents=True, exist_ok=True)
    with rendering(options.folder / "cohort", options.cohort) as cohort:
        return send_rendered(options, cohort, settings, progress)


def send_rendered(
    options: DemoOptions,
    cohort: CohortRendering,
    settings: Settings,
    progress: DemoProgress,
    restart: Callable[[], Iterable[str]] = tuple,
) -> DemoResult:
    """Wait until the cohort is rendered, send it, wait for its calls and collect the result.

    `restart` starts services that have exited again and returns their names; by default there is nothing to restart.
    """
    submissions = _rendered(cohort, options.cohort.count, progress)
    return send(SendOptions(settings, options.folder, options.patience_seconds, restart), submissions, progress)


def _rendered(cohort: CohortRendering, count: int, progress: DemoProgress) -> list[DemoSubmission]:
    with progress.part("waited for the mice"):
        while cohort.done < count:
            progress.bar("mice rendered", cohort.done, count)
            time.sleep(_POLL_SECONDS)
        progress.bar("mice rendered", count, count)
        return cohort.result()


@contextmanager
def local_servers(
    folder: Path, on_progress: Callable[[str, str], None], *, keep: bool = False
) -> Iterator[dict[str, str]]:
    """Start the servers that do not run and yield the XRAY_ variables; stop those at the end, unless `keep`.

    `on_progress` receives a server's name and a message. If no server ran before, the servers also stop when this
    process is killed.
    """
    before = {server.name for server in Stack(folder).status() if server.state != "stopped"}
    stack = Stack(folder, tied=not keep and not before)
    try:
        stack.up(progress=on_progress)
        yield stack.environment()
    finally:
        if not keep and not before:
            stack.down(progress=on_progress)
        elif not keep:
            for name in sorted(set(stack.servers) - before):
                stack.stop(name)


def run_on_local_stack(options: DemoOptions, stack: Path, progress: DemoProgress, *, keep: bool = False) -> DemoResult:
    """Start the servers in the folder `stack` and the services of the pipeline, then send the cohort.

    With `keep`, the servers keep running afterwards.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    with rendering(options.folder / "cohort", options.cohort) as cohort:
        progress.say("Starting Kafka, SeaweedFS (S3), Triton and PostgreSQL while the mice are rendered")
        with local_servers(stack, progress.server, keep=keep) as environment:
            settings = settings_of(environment)
            with progress.part("topics, bucket and tables"):
                list(prepare(settings))
            with Processes(PIPELINE, environment, options.folder / "logs") as services:
                with progress.part("pipeline services started"):
                    services.wait_ready()
                return send_rendered(options, cohort, settings, progress, services.restart_crashed)
