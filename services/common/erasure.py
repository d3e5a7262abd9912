"""Erased images: the record that stays of them, and the check that keeps their bytes from coming back.

`xray erase` stores the record before it removes anything. A service stores what it made of an image before it looks for
the record. So either the command finds the object and removes it, or the service finds the record and empties the
object: the store shows an acknowledged object to every later request.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from services.common.errors import Rejected
from services.common.events.base import ImageDigest, Moment, Person
from services.common.keys import erasure_key
from services.common.store import ServiceStore


class ErasureRecord(BaseModel):
    """What stays of an image: who erased it, when and why, and the specimens that it belonged to."""

    model_config = ConfigDict(frozen=True)

    image_sha256: ImageDigest
    biological_sample_ids: tuple[str, ...]
    reason: str
    who: Person
    erased_at: Moment

    @property
    def description(self) -> str:
        """One line for people."""
        at: datetime = self.erased_at
        return f"erased at {at:%Y-%m-%d %H:%M:%S} by {self.who}: {self.reason}"


class RecordStore(Protocol):
    """What reading a record needs of object storage; `services.common.store.ObjectStore` documents each method."""

    def get(self, key: str, limit: int | None = None) -> bytes: ...  # noqa: D102


def erasure_of(store: RecordStore, image_sha256: str) -> ErasureRecord | None:
    """Return the record of an image that was erased; None if it was not."""
    try:
        return ErasureRecord.model_validate_json(store.get(erasure_key(image_sha256)))
    except Rejected:
        return None


def refuse_erased(store: ServiceStore, key: str, images: Iterable[str]) -> None:
    """Call this after storing what was made of these images (SHA-256) under `key`.

    If one of them was erased, empties the object and raises Rejected `image_erased`.
    """
    for image in images:
        if store.keys(erasure_key(image), 1):
            store.put(key, b"")
            raise Rejected("image_erased", f"image {image} was erased and is not stored again", image_sha256=image)
