"""A soak test: many specimens through the whole local system, with the memory and disk of every process over time.

Each simulated mouse is announced many times under new specimen ids, its defective files included. The originals are
stored once per mouse; views, tensors, events and rows are stored per specimen.
"""

import csv
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import accumulate, islice
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

from deploy.local.stack import Stack
from services.bench.load import UploadedMouse, announce, resident_bytes, upload
from services.common.errors import Retriable
from services.common.kafka.clients import publisher
from services.common.settings import Settings, settings_of
from services.common.store import ObjectStore
from services.common.topology import PIPELINE
from services.demo.cohort import CohortRequest, DemoSubmission, rendering
from services.demo.run import local_servers
from services.ledger.database import Connection, ledger
from services.ledger.queries import CohortProgress, centre_counts, cohort_progress
from services.operations.processes import Processes
from services.operations.provisioning import prepare

_SAMPLE_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 1.0
_READY_SECONDS: Final = 300.0
_CHUNK: Final = 100
_WINDOW: Final = 1000
"""Specimens that may lack their call before the next ones are announced."""
_PATIENCE_SECONDS: Final = 300.0


@dataclass(frozen=True)
class SoakOptions:
    """How many specimens to send, the cohorts that they are copies of, and the folders for logs and of the stack."""

    specimens: int
    cohorts: tuple[CohortRequest, ...]
    folder: Path
    stack: Path


@dataclass(frozen=True)
class Sample:
    """The system, `seconds` after the first announcement.

    `announced` specimens were sent and `called` have a call or an abstention in the ledger. `resident_bytes` is the
    memory of each process with its children, `disk_bytes` what each server occupies on disk.
    """

    seconds: float
    announced: int
    called: int
    resident_bytes: dict[str, int]
    disk_bytes: dict[str, int]


@dataclass(frozen=True)
class SoakResult:
    """All samples, and what the ledger should hold and does hold after the last record."""

    samples: tuple[Sample, ...]
    expected: CohortProgress
    found: CohortProgress

    @property
    def exact(self) -> bool:
        """Whether the ledger holds exactly what it should."""
        return self.expected == self.found


class SampleFile:
    """Writes samples to a CSV file with one column per figure, each as soon as it is taken."""

    def __init__(self, path: Path) -> None:
        """Replace the file when it is entered."""
        self._path = path

    def __enter__(self) -> Self:
        """Open the file."""
        self._file = self._path.open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def write(self, sample: Sample) -> None:
        """Append one row, after the header for the first."""
        row: dict[str, float] = {"seconds": round(sample.seconds, 1)}
        row |= {"announced": sample.announced, "called": sample.called}
        row |= {f"resident {name}": size for name, size in sample.resident_bytes.items()}
        row |= {f"disk {name}": size for name, size in sample.disk_bytes.items()}
        if self._file.tell() == 0:
            self._rows.writerow(row)
        self._rows.writerow(row.values())
        self._file.flush()


def run(options: SoakOptions, on_progress: Callable[[str], None], on_sample: Callable[[Sample], None]) -> SoakResult:
    """Send the specimens and wait until the ledger holds an outcome for every image.

    The first copy of each mouse is sent alone. Its counts are what every other copy must reach. `on_progress` receives
    one line per step, `on_sample` one sample every 15 s. Raises Retriable if no call is recorded for five minutes.
    """
    submissions = [one for number, request in enumerate(options.cohorts) for one in _rendered(options, number, request)]
    on_progress(f"{len(submissions)} mice are rendered")
    with local_servers(options.stack, lambda name, message: on_progress(f"  {name}: {message}")) as environment:
        settings = settings_of(environment)
        list(prepare(settings))
        mice = upload(ObjectStore(settings), submissions)
        with _services(options, environment) as watched, ledger(settings) as connection:
            on_progress(f"sending each of the {len(mice)} mice once")
            soak = _Soak(settings, connection, mice, _Watch(watched, options.stack), on_sample)
            soak.learn()
            on_progress(f"sending {options.specimens} specimens")
            return soak.run(options.specimens)


def _rendered(options: SoakOptions, number: int, request: CohortRequest) -> list[DemoSubmission]:
    with rendering(options.folder / f"soak-cohort-{number}", request) as cohort:
        return cohort.result()


@contextmanager
def _services(options: SoakOptions, environment: Mapping[str, str]) -> Iterator[dict[str, psutil.Process]]:
    """Run the services and yield every process to watch by name: those of the pipeline, and the servers."""
    with Processes(PIPELINE, environment, options.folder / "soak-logs") as services:
        services.wait_ready(_READY_SECONDS)
        servers = {name: server.process.pid() for name, server in Stack(options.stack).servers.items()}
        pids = {name: services.pid(name) for name in PIPELINE} | servers
        yield {name: psutil.Process(pid) for name, pid in pids.items()}


class _Watch:
    """Measures the memory of processes and the disk of servers."""

    def __init__(self, processes: Mapping[str, psutil.Process], stack: Path) -> None:
        self._processes = processes
        self._servers = Stack(stack).servers

    def sample(self, seconds: float, announced: int, called: int) -> Sample:
        """Raises NoSuchProcess if a process has ended: nothing may crash or be restarted in a soak test."""
        resident = {name: resident_bytes(process) for name, process in self._processes.items()}
        disk = {name: _disk_bytes(server.folder.home(name)) for name, server in self._servers.items()}
        return Sample(seconds, announced, called, resident, disk)


def _disk_bytes(folder: Path) -> int:
    """Bytes that the files below a folder occupy; files that vanish meanwhile do not count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_blocks * 512
        except FileNotFoundError:
            continue
    return total


class _Soak:
    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        mice: Sequence[UploadedMouse],
        watch: _Watch,
        on_sample: Callable[[Sample], None],
    ) -> None:
        self._settings, self._connection, self._mice, self._watch = settings, connection, mice, watch
        self._on_sample = on_sample
        self._outcomes: list[CohortProgress] = []
        self._samples: list[Sample] = []
        self._run = secrets.token_hex(4)
        self._announced = 0
        self._started, self._due = time.perf_counter(), 0.0

    def learn(self) -> None:
        """Send the first copy of every mouse, and keep what the ledger then holds for each."""
        specimens = {self._id(0, number): mouse for number, mouse in enumerate(self._mice)}
        with publisher(self._settings) as producer:
            announce(producer, self._settings.s3_bucket, specimens, None)
        self._wait(lambda _: self._is_final(specimens), "the first copies")
        self._outcomes = [cohort_progress(self._connection, [one]) for one in specimens]

    def run(self, count: int) -> SoakResult:
        """Send `count` specimens, at most 1,000 ahead of their calls, and compare the ledger with what is expected."""
        before = self._called()
        specimens = {self._id(1 + n // len(self._mice), n % len(self._mice)): n % len(self._mice) for n in range(count)}
        outcomes = [self._outcomes[mouse] for mouse in specimens.values()]
        expected = list(accumulate((one.called for one in outcomes), initial=before))
        self._started = time.perf_counter()
        with publisher(self._settings) as producer:
            for chunk in _chunks(specimens.items()):
                self._announced += len(chunk)
                sent = {specimen: self._mice[mouse] for specimen, mouse in chunk}
                announce(producer, self._settings.s3_bucket, sent, None)
                self._wait_for_calls(expected[max(0, self._announced - _WINDOW)])
        self._wait_for_calls(expected[-1])
        mice = {specimen: self._mice[mouse] for specimen, mouse in specimens.items()}
        self._wait(lambda _: self._is_final(mice), "the last images")
        self._sample(self._called())
        return SoakResult(tuple(self._samples), _total(outcomes), cohort_progress(self._connection, list(specimens)))

    def _id(self, copy: int, number: int) -> str:
        return f"soak-{self._run}-{copy}-{number}"

    def _is_final(self, specimens: Mapping[str, UploadedMouse]) -> bool:
        images = sum(len(set(mouse.images)) for mouse in specimens.values())
        return cohort_progress(self._connection, list(specimens)).is_final(images)

    def _called(self) -> int:
        return sum(one.called + one.abstained for one in centre_counts(self._connection))

    def _wait_for_calls(self, count: int) -> None:
        self._wait(lambda called: called >= count, f"{count} calls")

    def _wait(self, done: Callable[[int], bool], name: str) -> None:
        """Return once `done` holds for the number of specimens with an outcome; takes the samples that are due."""
        before, changed = -1, time.perf_counter()
        while True:
            called, at = self._called(), time.perf_counter()
            if self._announced and at - self._started >= self._due:
                self._sample(called)
            if done(called):
                return
            if called != before:
                before, changed = called, at
            if at - changed > _PATIENCE_SECONDS:
                raise Retriable(f"no call was recorded for {_PATIENCE_SECONDS:.0f} s, waiting for {name}")
            time.sleep(_POLL_SECONDS)

    def _sample(self, called: int) -> None:
        sample = self._watch.sample(time.perf_counter() - self._started, self._announced, called)
        self._samples.append(sample)
        self._due = sample.seconds + _SAMPLE_SECONDS
        self._on_sample(sample)


def _total(outcomes: Sequence[CohortProgress]) -> CohortProgress:
    return CohortProgress(*(sum(getattr(one, field.name) for one in outcomes) for field in fields(CohortProgress)))


def _chunks(items: Iterable[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    rest = iter(items)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk
