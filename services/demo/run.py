"""One run of the demo."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.cli.demo.display import Display
from services.demo.cohort import Rendering, Wanted, rendering
from services.demo.sending import Account, Sending, send
from services.demo.servers import servers
from services.demo.submissions import Submission
from services.operations.environment import settings_of
from services.operations.pipeline import PIPELINE, Processes
from services.operations.provisioning import prepare

PATIENCE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.25


@dataclass(frozen=True)
class Options:
    """What to run and where; `folder` takes images, logs and pictures, `stack` is the local stack's state."""

    wanted: Wanted
    folder: Path
    stack: Path
    keep: bool = False


def run(options: Options, display: Display) -> Account:
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
                return send(Sending(settings, options.folder, PATIENCE_SECONDS, services.mend), submissions, display)


def _rendered(cohort: Rendering, count: int, display: Display) -> list[Submission]:
    with display.part("waited for the mice"):
        while cohort.done < count:
            display.bar("mice rendered", cohort.done, count)
            time.sleep(_POLL_SECONDS)
        display.bar("mice rendered", count, count)
        return cohort.result()
