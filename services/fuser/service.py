"""The fuser: reads a specimen's views, fuses them, stores the tensor, announces it.

Stores a tensor once: whoever fuses the same views again, on whatever processor, announces what is there.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from services.common import metrics, topology
from services.common.errors import Rejected
from services.common.events import SpecimenReady, SpecimenView, TensorReady
from services.common.events.base import now
from services.common.keys import tensor_key, view_key
from services.common.loop import Done, Message, Outcome, PerRecordHandler, Record, ServiceTopics
from services.common.preprocessing import TENSOR_SIDE, VERSION
from services.common.revisions import newest_revisions
from services.common.settings import ServiceSettings
from services.common.store import ObjectStore
from services.common.topics import TENSORS
from services.fuser.fuse import Image, fuse

_ALIKE: Final = 1.0
"""Mean difference in grey levels up to which two tensors are of the same views. Measured on six simulated specimens:
with and without AVX2, at most two values by one level (a mean of 0.00001); two animals, 17 and more."""


def stored(store: ObjectStore, key: str, tensor: Image) -> bytes:
    """Store a tensor, uint8 [side, side, 3], as a `.npy` file under its key; returns the file that is there then.

    OpenCV chooses its instructions by the processor, so that a grey level may be rounded otherwise on another machine.
    The first file stays: its digest may be announced, or named by a call. What was damaged is replaced.
    """
    data = npy(tensor)
    if store.put_new(key, data):
        return data
    there = store.get(key)
    if _alike(there, tensor):
        return there
    store.put(key, data)
    return data


def npy(tensor: Image) -> bytes:
    """Encode a tensor as a `.npy` file; equal tensors give equal bytes."""
    buffer = io.BytesIO()
    np.save(buffer, tensor, allow_pickle=False)
    return buffer.getvalue()


def _alike(data: bytes, tensor: Image) -> bool:
    try:
        there = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError):
        return False
    if there.shape != tensor.shape or there.dtype != tensor.dtype:
        return False
    return float(np.abs(there.astype(np.int16) - tensor).mean()) <= _ALIKE


class Fuser(PerRecordHandler[SpecimenReady]):
    """Handler of `xray.specimens`."""

    topics: ServiceTopics[SpecimenReady] = topology.FUSER
    stage: str = topology.FUSER.name

    def __init__(self, settings: ServiceSettings) -> None:
        """Prepare; connects at the first use."""
        super().__init__(settings.workers)
        self._store = ObjectStore(settings, connections=settings.workers)

    def start(self) -> None:
        """Check the bucket; the threads are ours, so OpenCV's own would only compete with them."""
        cv2.setNumThreads(1)
        self._store.check_bucket()

    def handle(self, records: Sequence[Record[SpecimenReady]]) -> list[Outcome]:
        """Fuse only the newest revision of each specimen in the batch."""
        newest = newest_revisions(records)
        fused = iter(super().handle([records[index] for index in sorted(newest)]))
        return [next(fused) if index in newest else Done(skipped="superseded") for index in range(len(records))]

    def handle_one(self, record: Record[SpecimenReady]) -> Done:
        """Fuse one revision; raises Rejected for a set that this version did not make."""
        event = record.event
        _check(event)
        with metrics.step(self.stage, "read"):
            images = {kind: [self._read(view) for view in event.views if view.view == kind] for kind in ("DV", "LAT")}
        with metrics.step(self.stage, "fuse"):
            tensor = fuse(images["DV"], images["LAT"])
        key = tensor_key(VERSION, TENSOR_SIDE, event.views)
        with metrics.step(self.stage, "store"):
            data = stored(self._store, key, tensor)
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
            produced_at=now(),
        )
        return Done((Message(TENSORS, ready),))

    def _read(self, view: SpecimenView) -> Image:
        png = self._store.get(view.view_key)
        metrics.read_bytes(self.stage, "objects", len(png))
        pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is None:
            raise Rejected("view_unreadable", f"{view.view_key} is not an image")
        return np.asarray(pixels, dtype=np.uint8)


def _check(event: SpecimenReady) -> None:
    if event.preprocessing_version != VERSION:
        raise Rejected(
            "preprocessing_version_unknown", f"made by {event.preprocessing_version}, this fuser knows {VERSION}"
        )
    for view in event.views:
        expected = view_key(VERSION, event.biological_sample_id, view.view, view.image_sha256)
        if view.view_key != expected:
            raise Rejected("view_key_foreign", f"{view.view_key} is not a view of {event.biological_sample_id}")
    if {view.view for view in event.views} != {"DV", "LAT"}:
        raise Rejected("specimen_incomplete", "a specimen needs at least one DV and one LAT view")
