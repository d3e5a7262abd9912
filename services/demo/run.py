"""One run of the demo on servers and services that already run."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.common.settings import Settings
from services.demo.cohort import CohortRendering, CohortRequest, rendering
from services.demo.progress import DemoProgress
from services.demo.sending import DemoResult, SendOptions, send
from services.demo.submissions import DemoSubmission

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
