"""Keys in object storage. Every key is derived from the object's content, so writing twice changes nothing."""

import hashlib
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.common.events.base import View, digest
from services.common.events.specimen import SpecimenView

_PLAIN: Final = frozenset((string.ascii_letters + string.digits + "_-").encode())
_LONGEST: Final = 180  # S3 allows keys of 1,024 bytes, file systems 255 bytes per segment

_BELOW_SPECIMEN: Final = re.compile(
    r"views/[^/]+/(?P<folder>[^/]+)/(?P<centre>[^/]+)/(?P<view>DV|LAT)/(?P<sha256>[0-9a-f]{64})(?P<suffix>\.png|)"
)


def safe_segment(text: str) -> str:
    """Encode any text as one key segment: injective, ASCII, never empty, `.` or `..`, at most 180 characters.

    Bytes outside A-Z a-z 0-9 _ - become `.XX`; a longer result becomes `.sha256.<hex>`, which no escape can spell.
    """
    encoded = _escaped(text)
    if len(encoded) <= _LONGEST:
        return encoded
    return ".sha256." + hashlib.sha256(text.encode()).hexdigest()


def _escaped(text: str) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f".{byte:02X}" for byte in text.encode())


def original_key(image_sha256: str) -> str:
    """Return the key of an image's original bytes."""
    return f"originals/{image_sha256[:2]}/{image_sha256}"


def erasure_key(image_sha256: str) -> str:
    """Return the key of the record that an image was erased for good."""
    return f"erasures/{image_sha256[:2]}/{image_sha256}"


def specimen_prefix(biological_sample_id: str) -> str:
    """Return the prefix of all views of one specimen, of every preprocessing version, and of their withdrawals."""
    return f"views/{safe_segment(biological_sample_id)}/"


def view_key(preprocessing_version: str, biological_sample_id: str, centre: str, view: View, image_sha256: str) -> str:
    """Return the key of a standardised view. It names the centre, so that a listing shows whose picture it is."""
    prefix = specimen_prefix(biological_sample_id)
    return f"{prefix}{preprocessing_version}/{_escaped(centre)}/{view}/{image_sha256}.png"


def withdrawal_key(biological_sample_id: str, centre: str, view: View, image_sha256: str) -> str:
    """Return the key of the object that withdraws a picture as this view, in every preprocessing version."""
    return f"{specimen_prefix(biological_sample_id)}withdrawn/{_escaped(centre)}/{view}/{image_sha256}"


@dataclass(frozen=True)
class StoredView:
    """What the key of a view shows."""

    preprocessing_version: str
    centre: str
    view: View
    image_sha256: str
    key: str


@dataclass(frozen=True)
class StoredWithdrawal:
    """What the key of a withdrawal shows."""

    centre: str
    view: View
    image_sha256: str


def parse_specimen_key(key: str) -> StoredView | StoredWithdrawal | None:
    """Parse a key below a specimen's prefix; return None for any key that is not a view's or a withdrawal's."""
    match = _BELOW_SPECIMEN.fullmatch(key)
    if match is None:
        return None
    folder, centre, image_sha256, suffix = match.group("folder", "centre", "sha256", "suffix")
    view: View = "DV" if match["view"] == "DV" else "LAT"
    name = _unescaped(centre)
    if name is None or (folder == "withdrawn") != (suffix == ""):
        return None
    if folder == "withdrawn":
        return StoredWithdrawal(name, view, image_sha256)
    return StoredView(folder, name, view, image_sha256, key)


def _unescaped(segment: str) -> str | None:
    try:
        return re.sub(rb"\.([0-9A-F]{2})", lambda byte: bytes.fromhex(byte[1].decode()), segment.encode()).decode()
    except UnicodeDecodeError:
        return None


def tensor_key(preprocessing_version: str, side: int, views: Iterable[SpecimenView]) -> str:
    """Return the key of the fused tensor of these views, whatever their order."""
    members = sorted(f"{view.view}:{view.image_sha256}" for view in views)
    name = digest("tensor", preprocessing_version, side, list(members))
    return f"tensors/{preprocessing_version}-{side}/{name[:2]}/{name}.npy"
