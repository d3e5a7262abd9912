"""The demo against servers and services that already run: `python -m deploy.containers.demo [SPECIMENS] [FOLDER]`.

Settings come from the XRAY_ variables. Images and pictures go to FOLDER, /demo by default.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from services.cli.broker import publisher
from services.cli.demo.cohort import Wanted, rendering
from services.cli.demo.display import Display
from services.cli.demo.outcome import Outcome, gather
from services.cli.demo.pictures import write_contact_sheet, write_refused
from services.cli.demo.progress import Advance, advance
from services.cli.demo.submissions import Submission
from services.cli.demo.tables import account
from services.cli.ledger import ledger
from services.cli.output import console
from services.cli.push.journal import Journal
from services.cli.push.plan import Image
from services.cli.push.upload import Uploader
from services.common.errors import PipelineError, Retriable
from services.common.settings import Settings, load
from services.common.store import ObjectStore
from services.sink.database import Connection

SEED: Final = 1
PATIENCE_SECONDS: Final = 120.0
"""So long nothing may change in the ledger before what is missing counts as missing."""
_POLL_SECONDS: Final = 0.5
_UPLOADS: Final = 4


def main(arguments: list[str]) -> int:
    """Send the mice, wait for their calls, print the account; 1 if a call is missing or a server is away."""
    count = int(arguments[0]) if arguments else 60
    folder = Path(arguments[1] if len(arguments) > 1 else "/demo")
    display = Display(console())
    settings = load(Settings)
    try:
        submissions = _rendered(folder, count, display)
        with display.shown(), ledger(settings) as connection:
            outcome = _sent(settings, connection, folder, submissions, display)
    except PipelineError as error:
        display.say(f"xray: {error}")
        return 1
    return _told(outcome, folder, settings)


def _rendered(folder: Path, count: int, display: Display) -> list[Submission]:
    with display.part(f"rendering {count} mice"), rendering(folder / "cohort", Wanted(count, SEED)) as cohort:
        return cohort.result()


def _sent(
    settings: Settings, connection: Connection, folder: Path, submissions: list[Submission], display: Display
) -> Outcome:
    run = secrets.token_hex(3)
    ids = {f"demo-{run}-{one.biological_sample_id}": one for one in submissions}
    announced: set[str] = set()
    for late, words in ((False, "images pushed and called"), (True, "late images pushed and called again")):
        with display.part(words):
            announced |= _push(settings, folder / f"journal-{run}.jsonl", ids, late=late)
            _settle(connection, list(ids), len(announced), display)
    return gather(connection, ids, display.seconds)


def _push(settings: Settings, journal_file: Path, ids: Mapping[str, Submission], *, late: bool) -> set[str]:
    images = [
        Image(picture.file, name, one.centre, picture.parameter_stable_id, picture.increment)
        for name, one in ids.items()
        for picture in one.pictures
        if picture.late == late
    ]
    announced: set[str] = set()
    with publisher(settings) as producer, Journal(journal_file) as journal:
        uploader = Uploader(ObjectStore(settings, connections=_UPLOADS), producer, journal)
        for result in uploader.push(images, _UPLOADS):
            if result.event_id is None:
                raise Retriable(f"{result.image.path} could not be pushed: {result.words}")
            announced.add(result.event_id)
    return announced


def _settle(connection: Connection, names: list[str], announced: int, display: Display) -> None:
    """Wait until the ledger holds what became of every image, or nothing has changed for a while."""
    last: Advance | None = None
    changed = time.monotonic()
    while time.monotonic() - changed < PATIENCE_SECONDS:
        now = advance(connection, names)
        display.bar("images looked at", now.settled, announced)
        display.bar("calls", now.called, len(names))
        if now.is_final(announced):
            return
        if now != last:
            last, changed = now, time.monotonic()
        time.sleep(_POLL_SECONDS)


def _told(outcome: Outcome, folder: Path, settings: Settings) -> int:
    out = console()
    out.width = max(out.width, 140)
    for part in account(outcome):
        out.print(part)
    if outcome.judged:
        write_contact_sheet(folder / "contact-sheet.png", outcome, ObjectStore(settings))
    write_refused(folder / "refused.png", outcome)
    if outcome.missing:
        out.print(f"no call for {', '.join(outcome.missing)}")
    return int(bool(outcome.missing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
