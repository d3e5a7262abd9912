"""The intake: fetches an announced image, checks and standardises it, stores the view, announces it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import cast

import cv2

from services.common import metrics
from services.common.errors import Rejected
from services.common.events import Event, ImageEvent, ViewReady, image_kind
from services.common.events.base import now
from services.common.events.image import declared_view
from services.common.keys import original_key, view_key
from services.common.loop import Done, Message, PerRecordHandler, Record
from services.common.preprocessing import GENERATION, VERSION
from services.common.reprocess import original_of
from services.common.settings import load
from services.common.store import ObjectStore
from services.common.topics import IMAGES, VIEWS, Topic
from services.intake.fetch import Fetcher
from services.intake.limits import Limits
from services.intake.settings import IntakeSettings
from services.intake.standardise import StandardView, encode_view, standardise


class Intake(PerRecordHandler):
    """Handler of `xray.images`."""

    stage: str = "intake"
    inputs: Mapping[str, type[Event]] = {IMAGES.name: ImageEvent}
    outputs: Sequence[Topic] = (VIEWS,)

    def __init__(self, settings: IntakeSettings) -> None:
        """Prepare; connects at the first use."""
        super().__init__(settings.workers)
        self._limits = load(Limits)
        self._store = ObjectStore(settings, connections=settings.workers)
        self._fetcher = Fetcher(self._store, settings, self._limits.most_bytes)

    def start(self) -> None:
        """Check the bucket; the threads are ours, so OpenCV's own would only compete with them."""
        cv2.setNumThreads(1)
        self._store.check_bucket()

    def close(self) -> None:
        """End threads and connections."""
        super().close()
        self._fetcher.close()

    def handle_one(self, record: Record[Event]) -> Done:
        """Standardise one image; raises Rejected for one that cannot be used."""
        event = cast(ImageEvent, record.event)
        kind = image_kind(event.parameter_stable_id)
        if kind == "other":
            return Done(skipped="not_a_whole_body_parameter")
        reprocessed = original_of(record.headers)
        uri = event.image_uri if reprocessed is None else self._fetcher.own(original_key(reprocessed))
        with metrics.step(self.stage, "fetch"):
            data = self._fetcher.fetch(uri)
        metrics.read_bytes(self.stage, "https" if uri.startswith("https") else "objects", len(data))
        sha256 = hashlib.sha256(data).hexdigest()
        announced = event.sha256 or reprocessed
        if announced is not None and announced != sha256:
            raise Rejected("digest_mismatch", f"the file's SHA-256 is {sha256}, announced was {announced}")
        original = original_key(sha256)
        if uri != self._fetcher.own(original):
            self._put(original, data)
        with metrics.step(self.stage, "standardise"):
            view = standardise(data, declared_view(kind), self._limits)
        return Done((Message(VIEWS, self._stored(record, event, sha256, view)),))

    def _put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        with metrics.step(self.stage, "store"):
            self._store.put(key, data, content_type)
        metrics.written_bytes(self.stage, "objects", len(data))

    def _stored(self, record: Record[Event], event: ImageEvent, sha256: str, view: StandardView) -> ViewReady:
        """Store the view, and only then have it announced: the assembler lists what is stored."""
        png = encode_view(view.pixels)
        key = view_key(VERSION, event.biological_sample_id, view.view, sha256)
        self._put(key, png, "image/png")
        return ViewReady(
            biological_sample_id=event.biological_sample_id,
            centre=event.centre,
            parameter_stable_id=event.parameter_stable_id,
            image_event_id=event.event_id,
            image_uri=event.image_uri,
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
            produced_at=now(),
        )
