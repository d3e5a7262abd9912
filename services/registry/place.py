"""The model repository that XRAY_MODEL_REPOSITORY names: a folder, or a place in object storage."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from services.common.settings import Settings
from services.registry.bucket import SCHEME, BucketRepository
from services.registry.repository import ModelRepository


def repository_of(settings: Settings) -> ModelRepository:
    """Open it; raises Fatal when there is none, Retriable when the object store is away.

    Of one in object storage a copy is kept in `$XDG_CACHE_HOME/xray/models`, so that only what is new is fetched.
    """
    place = settings.model_repository
    if not place.startswith(SCHEME):
        return ModelRepository(place)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    name = hashlib.sha256(f"{settings.s3_endpoint} {place}".encode()).hexdigest()[:16]
    return BucketRepository(settings, place, cache / "xray" / "models" / name)
