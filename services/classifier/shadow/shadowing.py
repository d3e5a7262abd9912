"""Sends published calls past the candidate in shadow, in a thread of its own that nothing waits for.

Everything here may be lost: a full queue, a candidate that is slow, dead or answers nonsense, a broker that is away.
It is counted and logged, and the calls never notice.

Which specimens a candidate in shadow is asked about.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from typing import Any, Final

import structlog

from services.classifier import metrics
from services.classifier.serving import read_tensor
from services.classifier.shadow.candidate import Candidate
from services.common.errors import PipelineError, Rejected, Retriable
from services.common.events import ModelActivation, PhenotypeCall, ShadowCall
from services.common.events.base import digest
from services.common.kafka.clients import open_producer
from services.common.kafka.errors import translated
from services.common.settings import ServiceSettings
from services.common.store import ObjectStore
from services.common.topics import SHADOW
from services.registry.triton_client import REQUEST_TENSORS, connect

_DIGITS: Final = 13
"""Hexadecimal digits of the digest that are read: as many as a float holds exactly."""


def is_shadowed(biological_sample_id: str, share: float) -> bool:
    """Tell whether a specimen belongs to `share` (0 to 1) of all: by its id alone, so every worker says the same.

    A larger share holds the smaller one; every revision of a specimen is in it or none.
    """
    return int(digest("shadow", biological_sample_id)[:_DIGITS], 16) < share * 16**_DIGITS


log = structlog.get_logger()

QUEUE_CALLS: Final = 64
"""So many calls wait at most; what comes while it is full is not compared."""
REST_SECONDS: Final = 15.0
"""So long a candidate that failed is left alone: one that hangs would else gather requests in Triton."""
_LOOK_SECONDS: Final = 0.5
_PUBLISH_SECONDS: Final = 30.0


class Shadowing:
    """`follow` and `offer` return at once and raise nothing; all else happens in the thread."""

    def __init__(self, settings: ServiceSettings) -> None:
        """Prepare; connects when there is a candidate."""
        self._settings = settings
        self._store = ObjectStore(settings, connections=1)
        self._queue: queue.Queue[PhenotypeCall] = queue.Queue(QUEUE_CALLS)
        self._record: ModelActivation | None = None
        self._candidate: Candidate | None = None
        self._client: Any = None
        self._producer: Any = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def start(self) -> None:
        """Begin; starting again changes nothing."""
        if self._thread.ident is None:
            self._thread.start()

    def follow(self, record: ModelActivation | None) -> None:
        """Take the newest record in shadow; one with share 0, or none, ends it."""
        self._record = record if record is not None and record.share else None
        metrics.SHADOW_SHARE.set(self._record.share or 0 if self._record else 0)
        if self._record is None:
            metrics.SHADOW_FAILING.set(0)

    def offer(self, call: PhenotypeCall) -> None:
        """Have a published call compared, if its specimen is in the share and there is room."""
        if not _wanted(call, self._record):
            return
        try:
            self._queue.put_nowait(call)
        except queue.Full:
            metrics.SHADOW_SPECIMENS.labels("dropped").inc()

    def close(self) -> None:
        """End after the request in hand, without waiting long for it."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=2)

    def _run(self) -> None:
        most = REQUEST_TENSORS
        while not self._stop.is_set():
            waiting, record = self._next(most), self._record
            calls = [call for call in waiting if _wanted(call, record)]
            if record is None or not calls:
                continue
            try:
                self._compare(record, calls)
            except Exception as error:  # noqa: BLE001 - whatever a candidate does, the thread goes on
                most = 1
                self._rest(record, error, len(calls))
            else:
                most = REQUEST_TENSORS
                metrics.SHADOW_FAILING.set(0)
        for client in (self._client, self._producer):
            if client is not None:
                client.close()

    def _next(self, most: int) -> list[PhenotypeCall]:
        """Wait shortly for a call; return it with those that wait behind it."""
        calls: list[PhenotypeCall] = []
        try:
            calls.append(self._queue.get(timeout=_LOOK_SECONDS))
            while len(calls) < most:
                calls.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return calls

    def _compare(self, record: ModelActivation, calls: Sequence[PhenotypeCall]) -> None:
        candidate = self._taken_up(record)
        tensors = [read_tensor(self._store.get(call.tensor_key), call.tensor_key, call.tensor_sha256) for call in calls]
        compared = candidate.judge(calls, tensors)
        self._publish(compared)
        for one in compared:
            metrics.count_shadow(one)

    def _taken_up(self, record: ModelActivation) -> Candidate:
        if self._client is None:
            self._client = connect(self._settings.triton_grpc)
        if self._candidate is None or self._candidate.record != record:
            self._candidate = Candidate(self._client, record)
            log.info("candidate in shadow", shadow=record.activation, versions=record.versions, share=record.share)
        return self._candidate

    def _publish(self, compared: Sequence[ShadowCall]) -> None:
        try:
            with translated(f"publish on {SHADOW.name}"):
                if self._producer is None:
                    self._producer = open_producer(self._settings)
                sent = [self._producer.send(SHADOW.name, key=one.key.encode(), value=one.encode()) for one in compared]
                for future in sent:
                    future.get(timeout=_PUBLISH_SECONDS)
        except PipelineError as error:
            raise Retriable(str(error), server="kafka", kind="kafka") from error

    def _rest(self, record: ModelActivation, error: Exception, lost: int) -> None:
        kind = _kind(error)
        metrics.SHADOW_SPECIMENS.labels("failed").inc(lost)
        metrics.SHADOW_ERRORS.labels(kind).inc()
        metrics.SHADOW_FAILING.set(1)
        log.warning("candidate in shadow fails", shadow=record.activation, kind=kind, why=str(error), lost=lost)
        self._candidate = None
        self._stop.wait(REST_SECONDS)


def _wanted(call: PhenotypeCall, record: ModelActivation | None) -> bool:
    """Tell whether a specimen is in the share, and was called by others than the candidate itself."""
    if record is None or not record.share:
        return False
    called_by = {one.model: one.version for one in call.models}
    return called_by != record.versions and is_shadowed(call.biological_sample_id, record.share)


def _kind(error: Exception) -> str:
    match error:
        case Retriable():
            return error.kind
        case Rejected():
            return error.reason
        case PipelineError():
            return "contract"
    return "internal"
