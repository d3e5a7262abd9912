"""What is to be pushed, or why it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from services.common.errors import Rejected
from services.common.events import image_kind
from services.ingest.push.source import LocalFile, Source


@dataclass(frozen=True)
class Image:
    """One image to push, with everything its event needs but the digest.

    `metadata` goes into the event beside the file's name; it is no part of the image's identity.
    """

    source: Source
    biological_sample_id: str
    centre: str
    parameter_stable_id: str
    increment: str | None = None
    acquired_at: datetime | None = None
    sha256: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LeftOut:
    """One image that is not pushed; `failed` when the user should mend something, not for files that are no images."""

    source: Source
    reason: str
    words: str
    failed: bool = True


def file_left_out(path: Path, reason: str, words: str, *, failed: bool = True) -> LeftOut:
    """Leave out a file on disk."""
    return LeftOut(LocalFile(path), reason, words, failed)


def checked(image: Image) -> Image | LeftOut:
    """Leave an image out when its parameter is none of the X-ray procedure's image parameters."""
    try:
        image_kind(image.parameter_stable_id)
    except Rejected as rejected:
        return LeftOut(image.source, rejected.reason, rejected.words)
    return image
