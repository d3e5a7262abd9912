"""The intake fetches an announced image, checks and standardises it, stores the view and announces it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

import cv2

from services.common import metrics, topology
from services.common.errors import Rejected, SourceUnavailable
from services.common.events import ImageEvent, ViewReady, image_kind
from services.common.events.base import now
from services.common.events.image import declared_view
from services.common.keys import original_key, view_key
from services.common.loop import Done, Message, PerRecordHandler, Record, ServiceTopics
from services.common.preprocessing import GENERATION, VERSION
from services.common.reprocess import original_of
from services.common.settings import load
from services.common.sources.uri import WebUri
from services.common.store import ObjectStore, ServiceStore
from services.common.topics import VIEWS
from services.intake.fetch import Fetcher
from services.intake.parking import RetryPlan
from services.intake.settings import IntakeSettings, Limits
from services.intake.sources import GuardedReader, ImageReader
from services.intake.standardise import StandardView, encode_view, standardise


def build(settings: IntakeSettings) -> Intake:
    """Return the intake that these settings and the XRAY_LIMIT_ variables describe; it connects at its first use."""
    limits = load(Limits)
    store = ObjectStore(settings, connections=settings.workers)
    reader = GuardedReader(Fetcher(store, settings, limits.most_bytes))
    plan = RetryPlan(Intake.topics.retries, timedelta(hours=settings.source_retry_hours))
    return Intake(store, reader, limits, plan, workers=settings.workers)


class Intake(PerRecordHandler[ImageEvent]):
    """Handler of `xray.images`."""

    topics: ServiceTopics[ImageEvent] = topology.INTAKE
    stage: str = topology.INTAKE.name

    def __init__(
        self,
        store: ServiceStore,
        source: ImageReader,
        limits: Limits,
        plan: RetryPlan,
        *,
        workers: int,
        now: Callable[[], datetime] = now,
    ) -> None:
        """Fetch from `source`, store in `store`, with `workers` threads; `now` is the clock of the published events.

        `plan` decides what happens to a record whose source does not answer.
        """
        super().__init__(workers)
        self._store, self._source, self._limits, self._plan, self._now = store, source, limits, plan, now

    def start(self) -> None:
        """Check the bucket; this service has its own threads, and OpenCV's would only compete with them."""
        cv2.setNumThreads(1)
        self._store.check_bucket()

    def handle_one(self, record: Record[ImageEvent]) -> Done:
        """Standardise one image, or set its record aside; raises Rejected if it cannot be used."""
        try:
            return self._standardised(record)
        except SourceUnavailable as error:
            return self._plan.outcome(record, error)

    def _standardised(self, record: Record[ImageEvent]) -> Done:
        event = record.event
        kind = image_kind(event.parameter_stable_id)
        if kind == "other":
            return Done(skipped="not_a_whole_body_parameter")
        reprocessed = original_of(record.headers)
        uri = event.location if reprocessed is None else self._source.own(original_key(reprocessed))
        with metrics.step(self.stage, "fetch"):
            data = self._source.fetch(uri)
        metrics.read_bytes(self.stage, "https" if isinstance(uri, WebUri) else "objects", len(data))
        sha256 = hashlib.sha256(data).hexdigest()
        announced = event.sha256 or reprocessed
        if announced is not None and announced != sha256:
            raise Rejected("digest_mismatch", f"the file's SHA-256 is {sha256}, the announced one is {announced}")
        original = original_key(sha256)
        if uri != self._source.own(original):
            self._put(original, data)
        with metrics.step(self.stage, "standardise"):
            view = standardise(data, declared_view(kind), self._limits)
        return Done((Message(VIEWS, self._stored(record, event, sha256, view)),))

    def _put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        with metrics.step(self.stage, "store"):
            self._store.put(key, data, content_type)
        metrics.written_bytes(self.stage, "objects", len(data))

    def _stored(self, record: Record[ImageEvent], event: ImageEvent, sha256: str, view: StandardView) -> ViewReady:
        """Store the view, then return its announcement: the assembler lists what is stored."""
        png = encode_view(view.pixels)
        key = view_key(VERSION, event.biological_sample_id, view.view, sha256)
        self._put(key, png, "image/png")
        return ViewReady(
            biological_sample_id=event.biological_sample_id,
            centre=event.centre,
            parameter_stable_id=event.parameter_stable_id,
            image_event_id=event.event_id,
            image_uri=event.shown_uri,
            image_sha256=sha256,
            view=view.view,
            view_key=key,
            view_sha256=hashlib.sha256(png).hexdigest(),
            original_key=original_key(sha256),
            preprocessing_version=VERSION,
            preprocessing_generation=GENERATION,
            scores=view.scores,
            flags=view.flags,
            provenance=view.provenance,
            announced_at=record.timestamp,
            produced_at=self._now(),
        )
