"""Announce specimens whose images are in the bucket, wait for their calls, and measure the services meanwhile."""

import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import psutil

from services.common.errors import Retriable
from services.common.events import ImageEvent
from services.common.kafka.clients import publisher
from services.common.keys import original_key
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.common.topics import IMAGES
from services.demo.cohort import DemoPicture, DemoSubmission
from services.ledger.database import Connection
from services.ledger.queries import calls_of, cohort_progress, current_outcomes_of
from services.operations.processes import Processes

_EVERY_SECONDS: Final = 0.2


class MemoryWatch:
    """Samples the resident memory of services five times per second between enter and exit.

    `peak_bytes` is the peak resident memory of each service with its child processes, `cpu_seconds` the processor time
    that they used.
    """

    def __init__(self, services: Processes, names: tuple[str, ...]) -> None:
        """Choose the running services to watch."""
        self._watched = {name: psutil.Process(services.pid(name)) for name in names}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.peak_bytes: dict[str, int] = dict.fromkeys(names, 0)
        self.cpu_seconds: dict[str, float] = {}

    def __enter__(self) -> Self:
        """Start sampling."""
        self._before = self._cpu()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop sampling."""
        self._stop.set()
        self._thread.join()
        after = self._cpu()
        self.cpu_seconds = {name: after[name] - self._before[name] for name in after if name in self._before}

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            for name, process in self._watched.items():
                try:
                    self.peak_bytes[name] = max(self.peak_bytes[name], resident_bytes(process))
                except psutil.NoSuchProcess:
                    continue

    def _cpu(self) -> dict[str, float]:
        seconds: dict[str, float] = {}
        for name, process in self._watched.items():
            try:
                times = [one.cpu_times() for one in _with_children(process)]
            except psutil.NoSuchProcess:
                continue
            seconds[name] = sum(one.user + one.system for one in times)
        return seconds


def _with_children(process: psutil.Process) -> list[psutil.Process]:
    """The decoder processes of intake are its children."""
    return [process, *process.children(recursive=True)]


def resident_bytes(process: psutil.Process) -> int:
    """Return the resident memory of a process and its children; raises NoSuchProcess if one has just ended."""
    return sum(one.memory_info().rss for one in _with_children(process))


_POLL_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True)
class UploadedMouse:
    """One mouse whose DV and LAT images are in the bucket."""

    centre: str
    images: tuple[tuple[str, str], ...]
    """Pairs of image parameter and SHA-256."""


def upload(store: ObjectStore, submissions: Sequence[DemoSubmission]) -> list[UploadedMouse]:
    """Store every image under its digest."""
    return [
        UploadedMouse(one.announced_centre, tuple(_stored(store, picture) for picture in one.pictures))
        for one in submissions
    ]


def run_through(
    settings: Settings, connection: Connection, mice: Sequence[UploadedMouse], count: int, per_second: float | None
) -> tuple[list[str], float]:
    """Announce `count` specimens and wait until every image has an outcome.

    The mice are used in turn, under new ids. `per_second` is the rate of specimens, None for all at once. Returns the
    specimens that were called or abstained from, and the seconds from the first announcement to the last row. Raises
    Retriable if nothing changes for a minute.
    """
    run = secrets.token_hex(4)
    specimens = {f"bench-{run}-{number}": mice[number % len(mice)] for number in range(count)}
    with publisher(settings) as producer:
        started = time.perf_counter()
        announced = announce(producer, settings.s3_bucket, specimens, per_second)
    return _wait(connection, list(specimens), announced, started)


def latencies(connection: Connection, specimens: Sequence[str]) -> list[float]:
    """Return for each call the seconds from the announcement of its last image to the write of its row."""
    records = [record for specimen in specimens for record in calls_of(connection, specimen)[:1]]
    return [(record.recorded_at - record.call.announced_at).total_seconds() for record in records]


def _stored(store: ObjectStore, picture: DemoPicture) -> tuple[str, str]:
    store.put(original_key(picture.sha256), picture.file.read_bytes())
    return picture.parameter_stable_id, picture.sha256


def announce(producer: Any, bucket: str, specimens: Mapping[str, UploadedMouse], per_second: float | None) -> int:
    """Publish the images of these specimens, at `per_second` specimens per second (None: at once); returns how many."""
    announced, started = 0, time.perf_counter()
    for number, (specimen, mouse) in enumerate(specimens.items()):
        if per_second is not None:
            time.sleep(max(0.0, started + number / per_second - time.perf_counter()))
        for parameter, digest in mouse.images:
            event = ImageEvent(
                biological_sample_id=specimen,
                centre=mouse.centre,
                parameter_stable_id=parameter,
                image_uri=f"s3://{bucket}/{original_key(digest)}",
                sha256=digest,
            )
            producer.send(IMAGES.name, key=event.key.encode(), value=event.encode())
            announced += 1
    producer.flush()
    return announced


def _wait(connection: Connection, specimens: list[str], announced: int, started: float) -> tuple[list[str], float]:
    last, changed = None, time.perf_counter()
    while True:
        now, at = cohort_progress(connection, specimens), time.perf_counter()
        if now.is_final(announced):
            return list(current_outcomes_of(connection, specimens)), at - started
        if now != last:
            last, changed = now, at
        if at - changed > _PATIENCE_SECONDS:
            raise Retriable(f"nothing happened for {_PATIENCE_SECONDS:.0f} s: {now}, {announced} images announced")
        time.sleep(_POLL_SECONDS)
