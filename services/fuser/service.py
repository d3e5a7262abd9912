"""The fuser reads a specimen's views, fuses them, stores the tensor and announces it.

It stores each tensor once. A fuser that processes the same views again, on any processor, announces the stored file.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import cv2
import numpy as np

from services.common import metrics, topology
from services.common.erasure import refuse_erased
from services.common.errors import Rejected
from services.common.events import CallWithdrawal, SpecimenReady, SpecimenView, TensorReady
from services.common.events.base import now
from services.common.events.specimen import MOST_VIEWS, most_of_a_side
from services.common.keys import tensor_key, view_key
from services.common.loop import Done, Message, Outcome, PerRecordHandler, Record, ServiceTopics
from services.common.preprocessing import TENSOR_SIDE, VERSION, VIEW_SIDE
from services.common.revisions import newest_revisions
from services.common.settings import ServiceSettings
from services.common.store import ObjectStore, ServiceStore
from services.common.topics import TENSORS
from services.fuser.fuse import Image, fuse

_SAME_VIEWS: Final = 1.0
"""Two tensors show the same views up to this mean difference in grey levels. Measured on six simulated specimens:
with and without AVX2 at most two values differ by one level (a mean of 0.00001); two animals differ by 17 or more."""


def stored(store: ServiceStore, key: str, tensor: Image) -> bytes:
    """Store a tensor, uint8 [side, side, 3], as a `.npy` file under its key. Return the file that the store now holds.

    OpenCV selects its instructions by processor, so another machine may round a grey level differently. The first
    file stays: its digest may already be announced, or be part of a call. A damaged file is replaced.
    """
    data = npy(tensor)
    if store.put_new(key, data):
        return data
    present = store.get(key)
    if _same_views(present, tensor):
        return present
    store.put(key, data)
    return data


def npy(tensor: Image) -> bytes:
    """Encode a tensor as a `.npy` file; equal tensors give equal bytes."""
    buffer = io.BytesIO()
    np.save(buffer, tensor, allow_pickle=False)
    return buffer.getvalue()


def _same_views(data: bytes, tensor: Image) -> bool:
    try:
        present = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError):
        return False
    if present.shape != tensor.shape or present.dtype != tensor.dtype:
        return False
    return float(np.abs(present.astype(np.int16) - tensor).mean()) <= _SAME_VIEWS


def build(settings: ServiceSettings) -> Fuser:
    """Return the fuser that these settings describe; it connects at its first use."""
    return Fuser(ObjectStore(settings, connections=settings.workers), workers=settings.workers)


class Fuser(PerRecordHandler[SpecimenReady | CallWithdrawal]):
    """Handler of `xray.specimens`."""

    topics: ServiceTopics[SpecimenReady | CallWithdrawal] = topology.FUSER
    stage: str = topology.FUSER.name

    def __init__(self, store: ServiceStore, *, workers: int, now: Callable[[], datetime] = now) -> None:
        """Read and write in `store` with `workers` threads; `now` is the clock of the published events."""
        super().__init__(workers)
        self._store, self._now = store, now

    def start(self) -> None:
        """Check the bucket; this service has its own threads, and OpenCV's would only compete with them."""
        cv2.setNumThreads(1)
        self._store.check_bucket()

    def handle(self, records: Sequence[Record[SpecimenReady | CallWithdrawal]]) -> list[Outcome]:
        """Fuse only the newest revision of each specimen in the batch."""
        newest = newest_revisions(records)
        fused = iter(super().handle([records[index] for index in sorted(newest)]))
        return [next(fused) if index in newest else Done(skipped="superseded") for index in range(len(records))]

    def handle_one(self, record: Record[SpecimenReady | CallWithdrawal]) -> Done:
        """Fuse one revision; raises Rejected for an incomplete or too large set and for unusable views."""
        event = record.event
        if isinstance(event, CallWithdrawal):
            return Done((Message(TENSORS, event),))  # it stays behind the sets that it supersedes
        _check(event)
        with metrics.step(self.stage, "read"):
            images = {kind: [self._read(view) for view in event.views if view.view == kind] for kind in ("DV", "LAT")}
        with metrics.step(self.stage, "fuse"):
            tensor = fuse(images["DV"], images["LAT"])
        key = tensor_key(VERSION, TENSOR_SIDE, event.views)
        with metrics.step(self.stage, "store"):
            data = stored(self._store, key, tensor)
            refuse_erased(self._store, key, (view.image_sha256 for view in event.views))
        metrics.written_bytes(self.stage, "objects", len(data))
        ready = TensorReady(
            biological_sample_id=event.biological_sample_id,
            centre=event.centre,
            revision=event.revision,
            views=event.views,
            tensor_key=key,
            tensor_sha256=hashlib.sha256(data).hexdigest(),
            tensor_side=TENSOR_SIDE,
            preprocessing_version=event.preprocessing_version,
            preprocessing_generation=event.preprocessing_generation,
            announced_at=event.announced_at,
            produced_at=self._now(),
        )
        return Done((Message(TENSORS, ready),))

    def _read(self, view: SpecimenView) -> Image:
        png = self._store.get(view.view_key)
        metrics.read_bytes(self.stage, "objects", len(png))
        return _decoded(view.view_key, png)


def _decoded(key: str, png: bytes) -> Image:
    """Return a stored view, uint8 [448, 448]; raises Rejected(`view_unreadable`) for anything else."""
    try:
        pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise Rejected("view_unreadable", f"{key} is not an image")
    if pixels.shape != (VIEW_SIDE, VIEW_SIDE) or pixels.dtype != np.uint8:
        found = f"{pixels.dtype} {list(pixels.shape)}"
        raise Rejected("view_unreadable", f"{key} is {found}, not uint8 [{VIEW_SIDE}, {VIEW_SIDE}]")
    return np.asarray(pixels, dtype=np.uint8)


def _check(event: SpecimenReady) -> None:
    if event.preprocessing_version != VERSION:
        raise Rejected(
            "preprocessing_version_unknown",
            f"the views are of preprocessing version {event.preprocessing_version}, this fuser handles {VERSION}",
        )
    if (views := most_of_a_side(event.views)) > MOST_VIEWS:
        message = f"{views} views of one side; a specimen has at most {MOST_VIEWS}"
        raise Rejected("too_many_views", message, views=views, limit=MOST_VIEWS)
    for view in event.views:
        expected = view_key(VERSION, event.biological_sample_id, event.centre, view.view, view.image_sha256)
        if view.view_key != expected:
            raise Rejected(
                "view_key_foreign",
                f"{view.view_key} is not the key of a view of specimen {event.biological_sample_id} by {event.centre}",
            )
    if {view.view for view in event.views} != {"DV", "LAT"}:
        raise Rejected("specimen_incomplete", "a specimen needs at least one DV and one LAT view")
