"""Keys in object storage. Every key is derived from the object's content, so writing twice changes nothing."""

import hashlib
import string
from collections.abc import Iterable
from typing import Final

from services.common.events.base import View, digest
from services.common.events.specimen import SpecimenView

_PLAIN: Final = frozenset((string.ascii_letters + string.digits + "_-").encode())
_LONGEST: Final = 180  # S3 allows keys of 1,024 bytes, file systems 255 bytes per segment


def safe_segment(text: str) -> str:
    """Encode any text as one key segment: injective, ASCII, never empty, `.` or `..`, at most 180 characters.

    Bytes outside A-Z a-z 0-9 _ - become `.XX`; a longer result becomes `.sha256.<hex>`, which no escape can spell.
    """
    raw = text.encode()
    encoded = "".join(chr(byte) if byte in _PLAIN else f".{byte:02X}" for byte in raw)
    if len(encoded) <= _LONGEST:
        return encoded
    return ".sha256." + hashlib.sha256(raw).hexdigest()


def original_key(image_sha256: str) -> str:
    """Return the key of an image's original bytes."""
    return f"originals/{image_sha256[:2]}/{image_sha256}"


def specimen_prefix(preprocessing_version: str, biological_sample_id: str) -> str:
    """Return the prefix of all views of one specimen."""
    return f"views/{preprocessing_version}/{safe_segment(biological_sample_id)}/"


def view_key(preprocessing_version: str, biological_sample_id: str, view: View, image_sha256: str) -> str:
    """Return the key of a standardised view."""
    return f"{specimen_prefix(preprocessing_version, biological_sample_id)}{view}/{image_sha256}.png"


def parse_view_key(key: str) -> SpecimenView | None:
    """Parse a view key; return None for any other key under the prefix."""
    *_, view, name = key.rsplit("/", 2)
    image_sha256, dot, suffix = name.partition(".")
    if view not in {"DV", "LAT"} or dot + suffix != ".png" or len(image_sha256) != 64:
        return None
    return SpecimenView.model_validate({"view": view, "image_sha256": image_sha256, "view_key": key})


def tensor_key(preprocessing_version: str, side: int, views: Iterable[SpecimenView]) -> str:
    """Return the key of the fused tensor of these views, whatever their order."""
    members = sorted(f"{view.view}:{view.image_sha256}" for view in views)
    name = digest("tensor", preprocessing_version, side, list(members))
    return f"tensors/{preprocessing_version}-{side}/{name[:2]}/{name}.npy"
