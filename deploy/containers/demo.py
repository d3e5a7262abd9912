"""The demo against servers and services that already run: `python -m deploy.containers.demo [SPECIMENS] [FOLDER]`.

Settings come from the XRAY_ variables. Images and pictures go to FOLDER, /demo by default.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from services.cli.demo.display import Display
from services.cli.demo.tables import account
from services.cli.output import console
from services.common.errors import PipelineError
from services.common.settings import Settings, load
from services.demo.cohort import CohortRequest, rendering
from services.demo.outcome import DemoOutcome
from services.demo.sending import SendOptions, send
from services.demo.submissions import DemoSubmission

SEED: Final = 1
PATIENCE_SECONDS: Final = 120.0


def main(arguments: list[str]) -> int:
    """Send the mice, wait for their calls, print the account; 1 if a call is missing or a server is away."""
    count = int(arguments[0]) if arguments else 60
    folder = Path(arguments[1] if len(arguments) > 1 else "/demo")
    display = Display(console())
    sending = SendOptions(load(Settings), folder, PATIENCE_SECONDS, mend=tuple)
    try:
        submissions = _rendered(folder, count, display)
        with display.shown():
            outcome = send(sending, submissions, display).outcome
    except PipelineError as error:
        display.say(f"xray: {error}")
        return 1
    return _told(outcome)


def _rendered(folder: Path, count: int, display: Display) -> list[DemoSubmission]:
    with display.part(f"rendering {count} mice"), rendering(folder / "cohort", CohortRequest(count, SEED)) as cohort:
        return cohort.result()


def _told(outcome: DemoOutcome) -> int:
    out = console()
    out.width = max(out.width, 140)
    for part in account(outcome):
        out.print(part)
    if outcome.missing:
        out.print(f"no call for {', '.join(outcome.missing)}")
    return int(bool(outcome.missing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
