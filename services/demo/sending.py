"""Send a cohort in two waves, wait until the ledger holds every outcome, and collect the result."""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.common.errors import Retriable
from services.common.kafka.clients import publisher
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.demo.cohort import DemoSubmission
from services.demo.outcome import DemoOutcome, read_outcome
from services.demo.pictures import write_contact_sheet, write_rejected
from services.ingest.push.image import LocalFile, PushImage
from services.ingest.push.journal import UploadJournal
from services.ingest.push.upload import Uploader
from services.ledger.database import Connection, ledger
from services.ledger.queries import CohortProgress, cohort_progress


class DemoProgress:
    """Receives messages and counts while the demo runs, and measures how long each part takes.

    `seconds` maps the name of each finished part to its wall time.
    """

    def __init__(self) -> None:
        """Start with no part."""
        self.seconds: dict[str, float] = {}

    def say(self, message: str) -> None:
        """Show one line."""

    def server(self, name: str, message: str) -> None:
        """Show what a server of the local stack is doing."""

    def bar(self, name: str, done: int, of: int) -> None:
        """Set a progress bar."""

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Announce a part of the run and measure its time."""
        self.say(name)
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started


_POLL_SECONDS: Final = 0.25
_UPLOADS: Final = 8


@dataclass(frozen=True)
class DemoResult:
    """The outcome of a run and the picture files that show it."""

    outcome: DemoOutcome
    pictures: tuple[Path, ...]


@dataclass(frozen=True)
class SendOptions:
    """Where to send to and how long to wait.

    `folder` receives the upload journal and the pictures. A call counts as missing when the ledger has not changed for
    `patience_seconds`. `restart` starts services that have exited again and returns their names.
    """

    settings: Settings
    folder: Path
    patience_seconds: float
    restart: Callable[[], Iterable[str]]


def send(options: SendOptions, submissions: Iterable[DemoSubmission], progress: DemoProgress) -> DemoResult:
    """Send the submissions and wait for their calls.

    Every run uses new ids (`demo-<run>-<mouse>`), so runs do not affect each other. Raises Retriable if an image could
    not be pushed.
    """
    name = secrets.token_hex(3)
    ids = {f"demo-{name}-{one.biological_sample_id}": one for one in submissions}
    with ledger(options.settings) as connection:
        waves = _Waves(options, ids, connection, progress)
        with progress.part("images pushed and called"):
            waves.send(late=False)
        with progress.part("late images pushed and specimens called again"):
            waves.send(late=True)
        outcome = read_outcome(connection, ids, progress.seconds)
    return DemoResult(outcome, _pictures(options.folder, outcome, ObjectStore(options.settings)))


class _Waves:
    """Send images and wait until the ledger holds their outcomes."""

    def __init__(
        self, options: SendOptions, ids: Mapping[str, DemoSubmission], connection: Connection, progress: DemoProgress
    ) -> None:
        self._options, self._ids, self._connection, self._progress = options, ids, connection, progress
        self._journal = options.folder / "journal.jsonl"
        self._journal.unlink(missing_ok=True)  # left by an earlier run, whose ids are never used again
        self._announced: set[str] = set()

    def send(self, *, late: bool) -> None:
        total = sum(len(one.pictures) for one in self._ids.values())
        images = list(self._images(late=late))
        settings = self._options.settings
        with publisher(settings) as producer, UploadJournal(self._journal) as journal:
            uploader = Uploader(ObjectStore(settings, connections=_UPLOADS), producer, journal)
            for result in uploader.push(images, _UPLOADS):
                if result.event_id is None:
                    raise Retriable(f"{result.image.source} could not be pushed: {result.message}")
                self._announced.add(result.event_id)
                self._show(cohort_progress(self._connection, list(self._ids)), total)
        self._settle(total)

    def _images(self, *, late: bool) -> Iterable[PushImage]:
        for name, one in self._ids.items():
            for picture in one.pictures:
                if picture.late == late:
                    source = LocalFile(picture.file)
                    yield PushImage(source, name, one.announced_centre, picture.parameter_stable_id, picture.increment)

    def _settle(self, total: int) -> None:
        last: CohortProgress | None = None
        changed = time.monotonic()
        while time.monotonic() - changed < self._options.patience_seconds:
            now = cohort_progress(self._connection, list(self._ids))
            self._show(now, total)
            if now.is_final(len(self._announced)):
                return
            if now != last:
                last, changed = now, time.monotonic()
            for name in self._options.restart():
                self._progress.say(f"{name} exited and was restarted; see its log")
            time.sleep(_POLL_SECONDS)

    def _show(self, now: CohortProgress, total: int) -> None:
        self._progress.bar("images announced", now.images, total)
        self._progress.bar("images checked", now.settled, total)
        self._progress.bar("rejected", now.refused, total)
        self._progress.bar("specimens complete", now.complete, len(self._ids))
        self._progress.bar("calls", now.called, len(self._ids))


def _pictures(folder: Path, outcome: DemoOutcome, store: ObjectStore) -> tuple[Path, ...]:
    sheet, rejected = folder / "contact-sheet.png", folder / "rejected.png"
    for old in (sheet, rejected):
        old.unlink(missing_ok=True)
    if outcome.called:
        write_contact_sheet(sheet, outcome, store)
    write_rejected(rejected, outcome)
    return tuple(path for path in (sheet, rejected) if path.exists())
