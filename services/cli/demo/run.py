"""One run of the demo."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.cli.broker import publisher
from services.cli.demo.cohort import Rendering, Wanted, rendering
from services.cli.demo.display import Display
from services.cli.demo.outcome import Outcome, gather
from services.cli.demo.pictures import write_contact_sheet, write_refused
from services.cli.demo.progress import Advance, advance
from services.cli.demo.servers import servers
from services.cli.demo.submissions import Submission
from services.cli.environment import settings_of
from services.cli.ledger import ledger
from services.cli.pipeline import SERVICES, Processes
from services.cli.push.journal import Journal
from services.cli.push.plan import Image
from services.cli.push.upload import Uploader
from services.cli.setup import prepare
from services.common.errors import Retriable
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.sink.database import Connection

PATIENCE_SECONDS: Final = 60.0
"""So long nothing may change before what is missing counts as missing."""
_POLL_SECONDS: Final = 0.25
_UPLOADS: Final = 8


@dataclass(frozen=True)
class Options:
    """What to run and where; `folder` takes images, logs and pictures, `stack` is the local stack's state."""

    wanted: Wanted
    folder: Path
    stack: Path
    keep: bool = False


@dataclass(frozen=True)
class Account:
    """What came out, and the pictures of it."""

    outcome: Outcome
    pictures: tuple[Path, ...]


def run(options: Options, display: Display) -> Account:
    """Start what is needed, send the cohort, wait until nothing is under way, and gather what came out.

    Every run sends its specimens under new ids (`demo-<run>-<mouse>`), so that runs do not touch each other.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    with rendering(options.folder / "cohort", options.wanted) as cohort:
        display.say("Starting Kafka, SeaweedFS (S3), Triton and PostgreSQL; rendering mice meanwhile")
        with servers(options.stack, display.server, keep=options.keep) as environment:
            settings = settings_of(environment)
            with display.part("topics, bucket and tables"):
                list(prepare(settings))
            with Processes(SERVICES, environment, options.folder / "logs") as services:
                with display.part("five services started"):
                    services.wait_ready()
                return _sent(options, settings, services, _rendered(cohort, options.wanted.count, display), display)


def _rendered(cohort: Rendering, count: int, display: Display) -> list[Submission]:
    with display.part("waited for the mice"):
        while cohort.done < count:
            display.bar("mice rendered", cohort.done, count)
            time.sleep(_POLL_SECONDS)
        display.bar("mice rendered", count, count)
        return cohort.result()


def _sent(
    options: Options, settings: Settings, services: Processes, submissions: list[Submission], display: Display
) -> Account:
    name = secrets.token_hex(3)
    ids = {f"demo-{name}-{one.biological_sample_id}": one for one in submissions}
    with ledger(settings) as connection:
        journal = options.folder / "journal.jsonl"
        journal.unlink(missing_ok=True)  # of an earlier run, whose ids do not come again
        sending = _Sending(settings, ids, journal)
        waves = _Waves(sending, connection, services, display)
        with display.part("images pushed and called"):
            waves.send(late=False)
        with display.part("late images pushed and called again"):
            waves.send(late=True)
        outcome = gather(connection, ids, display.seconds)
    return Account(outcome, _pictures(options.folder, outcome, ObjectStore(settings)))


@dataclass(frozen=True)
class _Sending:
    settings: Settings
    ids: Mapping[str, Submission]
    journal: Path


class _Waves:
    """Sends images and waits until the ledger has what becomes of them."""

    def __init__(self, sending: _Sending, connection: Connection, services: Processes, display: Display) -> None:
        self._settings, self._ids, self._journal = sending.settings, sending.ids, sending.journal
        self._connection, self._services, self._display = connection, services, display
        self._announced: set[str] = set()

    def send(self, *, late: bool) -> None:
        total = sum(len(one.pictures) for one in self._ids.values())
        images = list(self._images(late=late))
        with publisher(self._settings) as producer, Journal(self._journal) as journal:
            uploader = Uploader(ObjectStore(self._settings, connections=_UPLOADS), producer, journal)
            for result in uploader.push(images, _UPLOADS):
                if result.event_id is None:
                    raise Retriable(f"{result.image.path} could not be pushed: {result.words}")
                self._announced.add(result.event_id)
                self._show(advance(self._connection, list(self._ids)), total)
        self._settle(total)

    def _images(self, *, late: bool) -> Iterable[Image]:
        for name, one in self._ids.items():
            for picture in one.pictures:
                if picture.late == late:
                    yield Image(picture.file, name, one.centre, picture.parameter_stable_id, picture.increment)

    def _settle(self, total: int) -> None:
        last: Advance | None = None
        changed = time.monotonic()
        while time.monotonic() - changed < PATIENCE_SECONDS:
            now = advance(self._connection, list(self._ids))
            self._show(now, total)
            if now.is_final(len(self._announced)):
                return
            if now != last:
                last, changed = now, time.monotonic()
            for name in self._services.mend():
                self._display.say(f"{name} had ended and was started again; see its log")
            time.sleep(_POLL_SECONDS)

    def _show(self, now: Advance, total: int) -> None:
        self._display.bar("images announced", now.images, total)
        self._display.bar("images looked at", now.settled, total)
        self._display.bar("refused", now.refused, total)
        self._display.bar("specimens complete", now.complete, len(self._ids))
        self._display.bar("calls", now.called, len(self._ids))


def _pictures(folder: Path, outcome: Outcome, store: ObjectStore) -> tuple[Path, ...]:
    sheet, refused = folder / "contact-sheet.png", folder / "refused.png"
    for old in (sheet, refused):
        old.unlink(missing_ok=True)
    if outcome.judged:
        write_contact_sheet(sheet, outcome, store)
    write_refused(refused, outcome)
    return tuple(path for path in (sheet, refused) if path.exists())
