"""One round: send a stream, strike, wait until every record has its outcome, compare."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Final

from services.chaos.faults import Faults, kind_of
from services.chaos.journal import RoundResult
from services.chaos.models import ModelSwitch
from services.chaos.oracle import LedgerRows, Oracle, rows_of
from services.chaos.stream import (
    BAD_KINDS,
    Outgoing,
    RoundStream,
    bad_files,
    picture_key,
    reference_stream,
    stream_of,
)
from services.chaos.system import Position, System
from services.common.errors import Fatal, Retriable
from services.common.retry import retry
from services.demo.cohort import DemoSubmission
from services.ledger.database import ledger
from services.operations.reconcile.account import reconcile_images

RECOVERY_SECONDS: Final = 150.0
"""A round fails if a record has no outcome this long after the fault."""
LATE_SECONDS: Final = 240.0
_SPREAD_SECONDS: Final = 1.2
"""The records of a round are sent over this time."""
_POLL_SECONDS: Final = 0.1
_ATTEMPTS: Final = 5
_SINCE: Final = timedelta(milliseconds=50)


class Rounds:
    """Plays rounds on one system, after two undisturbed passes that show what the ledger must hold."""

    def __init__(self, system: System, models: ModelSwitch, *, seed: int, longest_stop: float) -> None:
        """Prepare; `learn` comes first."""
        self._system, self._models, self._seed = system, models, seed
        self._faults = Faults(system, models, longest_stop=longest_stop)
        self._oracle = Oracle(models.repository)
        self._templates: list[DemoSubmission] = []

    def learn(self, templates: Sequence[DemoSubmission]) -> None:
        """Send every submission, and bad input of every kind, undisturbed: once with each set of model versions.

        A submission of which a picture is rejected is not used. Raises Fatal if the outcome is not what the kinds of
        bad input say.
        """
        pictures = [picture for one in templates for picture in one.pictures]
        self._system.upload(bad_files() | {picture_key(one.sha256): one.file.read_bytes() for one in pictures})
        self._templates = self._accepted(templates)
        kinds = [kind for kind, one in BAD_KINDS.items() if not one.late]
        for name, bad in (("first", kinds), ("second", [])):
            stream = reference_stream(f"chaos-{name}", self._templates, self._bucket, self._system.hanging_port, bad)
            self._oracle.expect(stream.records, self._system.send(stream.records))
            rows = self._outcome(stream, time.monotonic() + RECOVERY_SECONDS)
            self._oracle.learn(stream, rows)
            if differences := self._oracle.differences(stream, rows, [self._models.activation]):
                msg = f"the undisturbed pass is not as expected: {differences}"
                raise Fatal(msg)
            self._models.switch()

    def play(self, number: int) -> RoundResult:
        """Play one round, whatever its outcome."""
        started, kind, detail = time.monotonic(), kind_of(self._seed, number), ""
        recovery: float | None = None
        problems: list[str] = []
        try:
            self._ready()
            draw = Random(f"fault {self._seed} {number}")  # noqa: S311 - must repeat
            detail, strike = self._faults.prepare(kind, draw)
            recovery = self._compared(number, strike, problems)
        except Exception as error:  # noqa: BLE001 - whatever it is, the round must be named
            problems.append(f"{type(error).__name__}: {error}")
        problems += self._system.problems
        self._system.problems.clear()
        return RoundResult(
            seed=self._seed,
            number=number,
            kind=kind,
            detail=detail,
            seconds=round(time.monotonic() - started, 2),
            recovery_seconds=None if problems or recovery is None else round(recovery, 2),
            problems=tuple(problems),
        )

    def finish(self) -> list[str]:
        """Wait for the rejections of records that waited on a retry topic; returns what is wrong with them."""
        nothing = RoundStream((), {})
        try:
            rows = self._outcome(nothing, time.monotonic() + LATE_SECONDS, late=True)
        except Retriable as error:
            return [str(error)]
        return self._oracle.differences(nothing, rows, [])

    @property
    def _bucket(self) -> str:
        return self._system.settings.s3_bucket

    def _ready(self) -> None:
        self._system.revive()
        self._system.wait_ready()

    def _compared(self, number: int, strike: Callable[[], None], problems: list[str]) -> float:
        """Send, strike and compare; returns the seconds from the end of the fault to the last outcome."""
        stream = stream_of(self._seed, number, self._templates, self._bucket, self._system.hanging_port)
        activations = [self._models.activation]
        since = datetime.now(UTC) - _SINCE
        sending = Sending(self._system, stream.records)
        sending.start()
        try:
            strike()
        finally:
            ended = time.monotonic()
            positions = sending.result()
        self._oracle.expect(stream.records, positions)
        activations.append(self._models.activation)
        rows = self._outcome(stream, ended + RECOVERY_SECONDS)
        recovery = max(0.0, time.monotonic() - ended)
        problems += self._oracle.differences(stream, rows, activations)
        problems += self._reconciled(since, len(stream.records), ended + RECOVERY_SECONDS)
        return recovery

    def _outcome(self, stream: RoundStream, deadline: float, *, late: bool = False) -> LedgerRows:
        """Return the rows once everything has its outcome; raises Retriable with what is missing at the deadline."""
        missing = ["the ledger is away"]
        while True:
            self._system.revive()
            try:
                with ledger(self._system.settings) as connection:
                    rows = rows_of(connection, [*stream.specimens])
                if not (missing := self._oracle.missing(stream, rows, late=late)):
                    return rows
            except Retriable as error:
                missing = [str(error)]
            if time.monotonic() > deadline:
                msg = f"no outcome: {'; '.join(missing)}"
                raise Retriable(msg)
            time.sleep(_POLL_SECONDS)

    def _reconciled(self, since: datetime, count: int, deadline: float) -> list[str]:
        """Return what `xray reconcile` finds once nothing is in flight: no offset may be ahead of its effects."""
        while True:
            self._system.revive()
            found = retry(partial(reconcile_images, self._system.settings, since), time.sleep, attempts=_ATTEMPTS)
            if found.missing:
                return [f"reconcile misses {one}" for one in found.missing]
            total = found.total
            if not total.in_flight or time.monotonic() > deadline:
                break
            time.sleep(_POLL_SECONDS)
        settled = total.called + total.rejected + total.skipped + total.parked
        return [] if settled == total.announced == count else [f"{count} were announced, reconcile finds {total}"]

    def _accepted(self, templates: Sequence[DemoSubmission]) -> list[DemoSubmission]:
        """Send every submission once and return those that get a call."""
        stream = reference_stream("chaos-trial", templates, self._bucket, self._system.hanging_port, [])
        positions = self._system.send(stream.records)
        deadline = time.monotonic() + RECOVERY_SECONDS
        while True:
            with ledger(self._system.settings) as connection:
                rows = rows_of(connection, [*stream.specimens])
            views = sum(map(len, rows.views.values()))
            complete = {one for one, found in rows.views.items() if len(found) == len(stream.specimens[one].pictures)}
            if views + len(rows.rejections) == len(positions) and complete <= rows.calls.keys():
                break
            if time.monotonic() > deadline:
                msg = f"the undisturbed pass has {len(rows.calls)} calls of {len(templates)} specimens"
                raise Fatal(msg)
            time.sleep(_POLL_SECONDS)
        self._oracle.expected.update(rows.rejections)
        return [one for specimen, one in stream.specimens.items() if specimen in rows.calls]


class Sending(threading.Thread):
    """Sends records in the background."""

    def __init__(self, system: System, records: Sequence[Outgoing]) -> None:
        """Prepare to send these records."""
        super().__init__(name="sending", daemon=True)
        self._system, self._records = system, records
        self._positions: list[Position] = []
        self._error: Exception | None = None

    def run(self) -> None:
        """Send them, spread over a second or so."""
        try:
            self._positions = self._system.send(self._records, _SPREAD_SECONDS / len(self._records))
        except Exception as error:  # noqa: BLE001 - raised again in the other thread
            self._error = error

    def result(self) -> list[Position]:
        """Return where the records are, once all were acknowledged; raises Retriable if one was not."""
        self.join()
        if self._error is not None:
            msg = f"the stream could not be sent: {self._error!r}"
            raise Retriable(msg) from self._error
        return self._positions
