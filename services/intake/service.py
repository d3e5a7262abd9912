"""The intake fetches an announced image, checks and standardises it, stores the view and announces it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

import cv2

from services.common import metrics, topology
from services.common.erasure import refuse_erased
from services.common.errors import Fatal, Rejected, SourceUnavailable
from services.common.events import ImageEvent, ViewReady, image_kind
from services.common.events.base import now
from services.common.events.image import ImageKind, declared_view, id_by_centre
from services.common.events.specimen import ABSTAINING_FLAGS
from services.common.keys import animal_key, flags_key, original_key, view_key
from services.common.loop import Done, Message, PerRecordHandler, Record, ServiceTopics
from services.common.preprocessing import GENERATION, VERSION
from services.common.reprocess import original_of
from services.common.settings import load
from services.common.sources.uri import WebUri
from services.common.store import ObjectStore, ServiceStore
from services.common.topics import VIEWS
from services.intake.decoder.process import DecoderPool
from services.intake.fetch import Fetcher
from services.intake.parking import RetryPlan
from services.intake.raster import Raster
from services.intake.settings import IntakeSettings, Limits
from services.intake.shares import DecodingShares
from services.intake.sources import GuardedReader, ImageReader
from services.intake.standardise import StandardView, encode_view, standardise_raster

_LONGEST_BATCH_SECONDS: Final = 270.0
"""Less than Kafka's max.poll.interval.ms and than SILENT_SECONDS of services/common/process.py, both 300 s."""


class ImageDecoder(Protocol):
    """What decodes images; `services.intake.decoder.process.DecoderPool` implements it and documents each method."""

    def start(self) -> None: ...  # noqa: D102
    def decode(self, data: bytes) -> Raster: ...  # noqa: D102
    def interrupt(self) -> None: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


def build(settings: IntakeSettings) -> Intake:
    """Return the intake that these settings and the XRAY_LIMIT_ variables describe; it connects at its first use."""
    limits = load(Limits)
    store = ObjectStore(settings, connections=settings.workers)
    _check_batch(settings, limits)
    decoder = DecoderPool(topology.INTAKE.name, limits, settings.workers)
    reader = GuardedReader(Fetcher(store, settings, limits.most_bytes))
    plan = RetryPlan(Intake.topics.retries, timedelta(hours=settings.source_retry_hours))
    return Intake(store, reader, decoder, limits, plan, workers=settings.workers, ids_by_centre=settings.ids_by_centre)


def _check_batch(settings: IntakeSettings, limits: Limits) -> None:
    """A batch of the slowest images must be done before the loop counts as hanging and the group gives it to another.

    Otherwise the batch would be handled again and again.
    """
    seconds = math.ceil(settings.batch_size / settings.workers) * limits.decoder_seconds
    if seconds > _LONGEST_BATCH_SECONDS:
        msg = (
            f"a batch of {settings.batch_size} images may take {seconds:g} s, more than {_LONGEST_BATCH_SECONDS:g} s: "
            "lower XRAY_BATCH_SIZE or XRAY_LIMIT_DECODER_SECONDS, or raise XRAY_WORKERS"
        )
        raise Fatal(msg)


class Intake(PerRecordHandler[ImageEvent]):
    """Handler of `xray.images`."""

    topics: ServiceTopics[ImageEvent] = topology.INTAKE
    stage: str = topology.INTAKE.name

    def __init__(
        self,
        store: ServiceStore,
        source: ImageReader,
        decoder: ImageDecoder,
        limits: Limits,
        plan: RetryPlan,
        *,
        workers: int,
        shares: DecodingShares | None = None,
        ids_by_centre: bool = False,
        now: Callable[[], datetime] = now,
    ) -> None:
        """Fetch from `source`, decode with `decoder`, store in `store`, with `workers` threads.

        `plan` decides what happens to a record whose source does not answer or whose centre has used its share of the
        time for decoding (`shares`); with `ids_by_centre` an id must begin with its centre; `now` is the clock of the
        published events.
        """
        super().__init__(workers)
        self._store, self._source, self._decoder, self._limits = store, source, decoder, limits
        self._plan, self._shares, self._now = plan, shares or DecodingShares(), now
        self._ids_by_centre = ids_by_centre

    def start(self) -> None:
        """Check the bucket; this service has its own threads, and OpenCV's would only compete with them."""
        cv2.setNumThreads(1)
        self._store.check_bucket()
        self._decoder.start()

    def interrupt(self) -> None:
        """Give up images that take long to decode."""
        self._decoder.interrupt()

    def close(self) -> None:
        """Stop the threads and the decoder processes."""
        super().close()
        self._decoder.close()

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
        if self._ids_by_centre and event.biological_sample_id != id_by_centre(event.centre, event.biological_sample_id):
            message = f"{event.biological_sample_id!r} does not begin with '{event.centre}:' (XRAY_IDS_BY_CENTRE)"
            raise Rejected("id_without_centre", message)
        self._shares.admit(event.centre)
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
        refuse_erased(self._store, original, [sha256])
        try:
            return Done((Message(VIEWS, self._stored(record, event, sha256, self._view(event, data, kind))),))
        except Rejected as rejected:
            rejected.details["image_sha256"] = sha256  # so that `xray erase` finds the stored original
            raise

    def _view(self, event: ImageEvent, data: bytes, kind: ImageKind) -> StandardView:
        with self._shares.charged(event.centre):
            with metrics.step(self.stage, "decode"):
                raster = self._decoder.decode(data)
            with metrics.step(self.stage, "standardise"):
                return standardise_raster(raster, declared_view(kind), self._limits)

    def _put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        with metrics.step(self.stage, "store"):
            self._store.put(key, data, content_type)
        metrics.written_bytes(self.stage, "objects", len(data))

    def _state(self, event: ImageEvent, sha256: str, key: str, view: StandardView) -> None:
        """Store empty objects whose keys hold the flags with which no call is made, and the facts about the animal."""
        if flags := ABSTAINING_FLAGS.intersection(view.flags):
            self._put(flags_key(key, flags), b"")
        if event.animal is not None and event.animal.facts():
            self._put(animal_key(event.biological_sample_id, event.centre, view.view, sha256, event.animal), b"")

    def _stored(self, record: Record[ImageEvent], event: ImageEvent, sha256: str, view: StandardView) -> ViewReady:
        """Store what is known of the view, then the view, then return its announcement.

        The assembler lists what is stored, so it never sees a view without its flags.
        """
        key = view_key(VERSION, event.biological_sample_id, event.centre, view.view, sha256)
        self._state(event, sha256, key, view)
        png = encode_view(view.pixels)
        self._put(key, png, "image/png")
        refuse_erased(self._store, key, [sha256])
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
            animal=event.animal,
            announced_at=record.timestamp,
            produced_at=self._now(),
        )
