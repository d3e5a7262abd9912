"""Compares published calls with the candidate in shadow, in a separate thread that nothing waits for.

Comparisons may be lost: when the queue is full, when the candidate is slow, dead or gives invalid output, when the
broker is away. Losses are counted and logged. The calls are never affected.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from services.classifier import metrics
from services.classifier.serving import read_tensor
from services.classifier.shadow.candidate import Candidate
from services.common.errors import PipelineError, Rejected, Retriable
from services.common.events import ModelActivation, PhenotypeCall, ShadowCall
from services.common.events.base import digest
from services.common.kafka.errors import translated
from services.common.store import ServiceStore
from services.common.topics import SHADOW
from services.registry.triton_client import REQUEST_TENSORS

log = structlog.get_logger()

QUEUE_CALLS: Final = 64
"""Most calls that wait; a call offered while the queue is full is not compared."""
REST_SECONDS: Final = 15.0
"""Pause after a failure of the candidate; without it a candidate that hangs would pile up requests in Triton."""
_DIGITS: Final = 13
"""Hexadecimal digits of the digest that are used: as many as a float holds exactly."""
_POLL_SECONDS: Final = 0.5
_PUBLISH_SECONDS: Final = 30.0


def is_shadowed(biological_sample_id: str, share: float) -> bool:
    """Return whether a specimen belongs to `share` (0 to 1) of all specimens.

    Only the id decides, so every worker gives the same answer. A larger share contains every smaller one. Either all
    revisions of a specimen are in the share or none is.
    """
    return int(digest("shadow", biological_sample_id)[:_DIGITS], 16) < share * 16**_DIGITS


class Shadowing:
    """`follow` and `offer` return at once and never raise; everything else happens in the thread."""

    def __init__(self, store: ServiceStore, triton: Callable[[], Any], producer: Callable[[], Any]) -> None:
        """Read tensors from `store`; `triton` and `producer` connect a client when there is a candidate."""
        self._store, self._connect_triton, self._connect_producer = store, triton, producer
        self._queue: queue.Queue[PhenotypeCall] = queue.Queue(QUEUE_CALLS)
        self._record: ModelActivation | None = None
        self._candidate: Candidate | None = None
        self._client: Any = None
        self._producer: Any = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def start(self) -> None:
        """Start the thread, unless it is already running."""
        if self._thread.ident is None:
            self._thread.start()

    def follow(self, record: ModelActivation | None) -> None:
        """Compare with the candidate of this record; a share of 0, or no record, stops comparing."""
        self._record = record if record is not None and record.share else None
        metrics.SHADOW_SHARE.set(self._record.share or 0 if self._record else 0)
        if self._record is None:
            metrics.SHADOW_FAILING.set(0)

    def offer(self, call: PhenotypeCall) -> None:
        """Queue a published call for comparison if its specimen is in the share and the queue is not full."""
        if not _wanted(call, self._record):
            return
        try:
            self._queue.put_nowait(call)
        except queue.Full:
            metrics.SHADOW_SPECIMENS.labels("dropped").inc()

    def close(self) -> None:
        """Stop after the current request; waits at most 2 s for it."""
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
            except Exception as error:  # noqa: BLE001 - the thread must survive whatever a candidate does
                most = 1
                self._rest(record, error, len(calls))
            else:
                most = REQUEST_TENSORS
                metrics.SHADOW_FAILING.set(0)
        for client in (self._client, self._producer):
            if client is not None:
                client.close()

    def _next(self, most: int) -> list[PhenotypeCall]:
        """Wait up to half a second for a call; return it with the calls queued behind it."""
        calls: list[PhenotypeCall] = []
        try:
            calls.append(self._queue.get(timeout=_POLL_SECONDS))
            while len(calls) < most:
                calls.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return calls

    def _compare(self, record: ModelActivation, calls: Sequence[PhenotypeCall]) -> None:
        candidate = self._candidate_of(record)
        tensors = [read_tensor(self._store.get(call.tensor_key), call.tensor_key, call.tensor_sha256) for call in calls]
        compared = candidate.judge(calls, tensors)
        self._publish(compared)
        for one in compared:
            metrics.count_shadow(one)

    def _candidate_of(self, record: ModelActivation) -> Candidate:
        if self._client is None:
            self._client = self._connect_triton()
        if self._candidate is None or self._candidate.record != record:
            self._candidate = Candidate(self._client, self._store, record)
            log.info("candidate in shadow", shadow=record.activation, versions=record.versions, share=record.share)
        return self._candidate

    def _publish(self, compared: Sequence[ShadowCall]) -> None:
        try:
            with translated(f"publish on {SHADOW.name}"):
                if self._producer is None:
                    self._producer = self._connect_producer()
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
    """Return whether the specimen is in the share and the call was made by versions other than the candidate's."""
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
