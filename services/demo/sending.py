"""Sends a cohort in two waves, waits until the ledger has what becomes of it, and gathers what came out."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.cli.demo.display import Display
from services.common.errors import Retriable
from services.common.kafka.clients import publisher
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.demo.outcome import DemoOutcome, gather
from services.demo.pictures import write_contact_sheet, write_refused
from services.demo.submissions import DemoSubmission
from services.ingest.push.image import LocalFile, PushImage
from services.ingest.push.journal import UploadJournal
from services.ingest.push.upload import Uploader
from services.ledger.database import Connection, ledger
from services.ledger.queries.progress import CohortProgress, advance

_POLL_SECONDS: Final = 0.25
_UPLOADS: Final = 8


@dataclass(frozen=True)
class DemoResult:
    """What came out, and the pictures of it."""

    outcome: DemoOutcome
    pictures: tuple[Path, ...]


@dataclass(frozen=True)
class SendOptions:
    """Where to send from and how to wait.

    `folder` takes the journal and the pictures. `patience_seconds`: so long nothing may change in the ledger before
    what is missing counts as missing. `mend` starts services again that have ended and names them.
    """

    settings: Settings
    folder: Path
    patience_seconds: float
    mend: Callable[[], Iterable[str]]


def send(sending: SendOptions, submissions: Iterable[DemoSubmission], display: Display) -> DemoResult:
    """Send the submissions under new ids (`demo-<run>-<mouse>`), so that runs do not touch each other."""
    name = secrets.token_hex(3)
    ids = {f"demo-{name}-{one.biological_sample_id}": one for one in submissions}
    with ledger(sending.settings) as connection:
        waves = _Waves(sending, ids, connection, display)
        with display.part("images pushed and called"):
            waves.send(late=False)
        with display.part("late images pushed and called again"):
            waves.send(late=True)
        outcome = gather(connection, ids, display.seconds)
    return DemoResult(outcome, _pictures(sending.folder, outcome, ObjectStore(sending.settings)))


class _Waves:
    """Sends images and waits until the ledger has what becomes of them."""

    def __init__(
        self, sending: SendOptions, ids: Mapping[str, DemoSubmission], connection: Connection, display: Display
    ) -> None:
        self._sending, self._ids, self._connection, self._display = sending, ids, connection, display
        self._journal = sending.folder / "journal.jsonl"
        self._journal.unlink(missing_ok=True)  # of an earlier run, whose ids do not come again
        self._announced: set[str] = set()

    def send(self, *, late: bool) -> None:
        total = sum(len(one.pictures) for one in self._ids.values())
        images = list(self._images(late=late))
        settings = self._sending.settings
        with publisher(settings) as producer, UploadJournal(self._journal) as journal:
            uploader = Uploader(ObjectStore(settings, connections=_UPLOADS), producer, journal)
            for result in uploader.push(images, _UPLOADS):
                if result.event_id is None:
                    raise Retriable(f"{result.image.source} could not be pushed: {result.words}")
                self._announced.add(result.event_id)
                self._show(advance(self._connection, list(self._ids)), total)
        self._settle(total)

    def _images(self, *, late: bool) -> Iterable[PushImage]:
        for name, one in self._ids.items():
            for picture in one.pictures:
                if picture.late == late:
                    source = LocalFile(picture.file)
                    yield PushImage(source, name, one.centre, picture.parameter_stable_id, picture.increment)

    def _settle(self, total: int) -> None:
        last: CohortProgress | None = None
        changed = time.monotonic()
        while time.monotonic() - changed < self._sending.patience_seconds:
            now = advance(self._connection, list(self._ids))
            self._show(now, total)
            if now.is_final(len(self._announced)):
                return
            if now != last:
                last, changed = now, time.monotonic()
            for name in self._sending.mend():
                self._display.say(f"{name} had ended and was started again; see its log")
            time.sleep(_POLL_SECONDS)

    def _show(self, now: CohortProgress, total: int) -> None:
        self._display.bar("images announced", now.images, total)
        self._display.bar("images looked at", now.settled, total)
        self._display.bar("refused", now.refused, total)
        self._display.bar("specimens complete", now.complete, len(self._ids))
        self._display.bar("calls", now.called, len(self._ids))


def _pictures(folder: Path, outcome: DemoOutcome, store: ObjectStore) -> tuple[Path, ...]:
    sheet, refused = folder / "contact-sheet.png", folder / "refused.png"
    for old in (sheet, refused):
        old.unlink(missing_ok=True)
    if outcome.judged:
        write_contact_sheet(sheet, outcome, store)
    write_refused(refused, outcome)
    return tuple(path for path in (sheet, refused) if path.exists())
