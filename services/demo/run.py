"""One run of the demo.

The local stack for the length of a demo or a benchmark, left as it was found.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.stack import Stack
from services.cli.demo.display import Display
from services.common.settings import settings_of
from services.common.topology import PIPELINE
from services.demo.cohort import CohortRendering, CohortRequest, rendering
from services.demo.sending import DemoResult, SendOptions, send
from services.demo.submissions import DemoSubmission
from services.operations.processes import Processes
from services.operations.provisioning import prepare


@contextmanager
def servers(folder: Path, say: Callable[[str, str], None], *, keep: bool = False) -> Iterator[dict[str, str]]:
    """Start the servers that do not run and yield the XRAY_ variables; at the end stop those, unless to `keep` them.

    If none ran before, they also end with this process when it is killed.
    """
    before = {server.name for server in Stack(folder).status() if server.state != "stopped"}
    stack = Stack(folder, tied=not keep and not before)
    try:
        stack.up(progress=say)
        yield stack.environment()
    finally:
        if not keep and not before:
            stack.down(progress=say)
        elif not keep:
            for name in sorted(set(stack.servers) - before):
                stack.stop(name)


PATIENCE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.25


@dataclass(frozen=True)
class DemoOptions:
    """What to run and where; `folder` takes images, logs and pictures, `stack` is the local stack's state."""

    wanted: CohortRequest
    folder: Path
    stack: Path
    keep: bool = False


def run(options: DemoOptions, display: Display) -> DemoResult:
    """Start what is needed, send the cohort, wait until nothing is under way, and gather what came out."""
    options.folder.mkdir(parents=True, exist_ok=True)
    with rendering(options.folder / "cohort", options.wanted) as cohort:
        display.say("Starting Kafka, SeaweedFS (S3), Triton and PostgreSQL; rendering mice meanwhile")
        with servers(options.stack, display.server, keep=options.keep) as environment:
            settings = settings_of(environment)
            with display.part("topics, bucket and tables"):
                list(prepare(settings))
            with Processes(PIPELINE, environment, options.folder / "logs") as services:
                with display.part("five services started"):
                    services.wait_ready()
                submissions = _rendered(cohort, options.wanted.count, display)
                return send(
                    SendOptions(settings, options.folder, PATIENCE_SECONDS, services.restart_crashed),
                    submissions,
                    display,
                )


def _rendered(cohort: CohortRendering, count: int, display: Display) -> list[DemoSubmission]:
    with display.part("waited for the mice"):
        while cohort.done < count:
            display.bar("mice rendered", cohort.done, count)
            time.sleep(_POLL_SECONDS)
        display.bar("mice rendered", count, count)
        return cohort.result()
