"""Keys in object storage. Every key is derived from the object's content, so writing twice changes nothing."""

import hashlib
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from services.common.events.animal import Animal
from services.common.events.base import View, digest
from services.common.events.specimen import SpecimenView

_PLAIN: Final = frozenset((string.ascii_letters + string.digits + "_-").encode())
_LONGEST: Final = 180  # S3 allows keys of 1,024 bytes, file systems 255 bytes per segment

_BELOW_SPECIMEN: Final = re.compile(
    r"views/[^/]+/(?P<folder>[^/]+)/(?P<centre>[^/]+)/(?P<view>DV|LAT)/(?P<sha256>[0-9a-f]{64})"
    r"(?P<suffix>|\.png|(?:\.flags)?(?:/[^/]+)+)"
)
_WITHDRAWN: Final = "withdrawn"
_ANIMAL: Final = "animal"
_IMAGE: Final = ".png"
_FLAGS: Final = ".flags/"


def safe_segment(text: str) -> str:
    """Encode any text as one key segment: injective, ASCII, never empty, `.` or `..`, at most 180 characters.

    Bytes outside A-Z a-z 0-9 _ - become `.XX`; a longer result becomes `.sha256.<hex>`, which no escape can spell.
    """
    encoded = escaped(text)
    if len(encoded) <= _LONGEST:
        return encoded
    return ".sha256." + hashlib.sha256(text.encode()).hexdigest()


def escaped(text: str) -> str:
    """Encode text in the characters A-Z a-z 0-9 _ - and `.XX` for any other byte; `unescaped` is the reverse."""
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
    return f"{prefix}{preprocessing_version}/{escaped(centre)}/{view}/{image_sha256}{_IMAGE}"


def withdrawal_key(biological_sample_id: str, centre: str, view: View, image_sha256: str) -> str:
    """Return the key of the object that withdraws a picture as this view, in every preprocessing version."""
    return f"{specimen_prefix(biological_sample_id)}{_WITHDRAWN}/{escaped(centre)}/{view}/{image_sha256}"


def flags_key(key_of_view: str, flags: Iterable[str]) -> str:
    """Return the key of the empty object that states flags of a stored view."""
    return key_of_view.removesuffix(_IMAGE) + _FLAGS + "/".join(map(escaped, sorted(flags)))


def animal_key(biological_sample_id: str, centre: str, view: View, image_sha256: str, animal: Animal) -> str:
    """Return the key of the empty object that states what an announcement says about the animal."""
    stated = "/".join(escaped(f"{name}={value}") for name, value in sorted(animal.facts().items()))
    return f"{specimen_prefix(biological_sample_id)}{_ANIMAL}/{escaped(centre)}/{view}/{image_sha256}/{stated}"


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


@dataclass(frozen=True)
class StoredFlags:
    """What the key of a view's flags shows."""

    preprocessing_version: str
    centre: str
    view: View
    image_sha256: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class StoredAnimal:
    """What the key of a statement about the animal shows: the view whose announcement states it, and what it states."""

    centre: str
    view: View
    image_sha256: str
    animal: Animal


StoredObject = StoredView | StoredWithdrawal | StoredFlags | StoredAnimal


def parse_specimen_key(key: str) -> StoredObject | None:
    """Parse a key below a specimen's prefix; return None for any key that this module does not make."""
    match = _BELOW_SPECIMEN.fullmatch(key)
    if match is None:
        return None
    folder, centre, image_sha256, suffix = match.group("folder", "centre", "sha256", "suffix")
    view: View = "DV" if match["view"] == "DV" else "LAT"
    name = unescaped(centre)
    if name is None or (folder == _WITHDRAWN) != (suffix == "") or (folder == _ANIMAL) != suffix.startswith("/"):
        return None
    if folder == _WITHDRAWN:
        return StoredWithdrawal(name, view, image_sha256)
    if folder == _ANIMAL:
        animal = _animal(suffix[1:].split("/"))
        return None if animal is None else StoredAnimal(name, view, image_sha256, animal)
    if suffix.startswith(_FLAGS):
        flags = [unescaped(segment) for segment in suffix.removeprefix(_FLAGS).split("/")]
        return StoredFlags(folder, name, view, image_sha256, tuple(flag for flag in flags if flag is not None))
    return StoredView(folder, name, view, image_sha256, key)


def _animal(segments: Iterable[str]) -> Animal | None:
    stated = dict((unescaped(segment) or "").partition("=")[::2] for segment in segments)
    try:
        return Animal.model_validate(stated)
    except ValidationError:
        return None


def unescaped(segment: str) -> str | None:
    """Decode what `escaped` encoded; None if the bytes are not text."""
    try:
        return re.sub(rb"\.([0-9A-F]{2})", lambda byte: bytes.fromhex(byte[1].decode()), segment.encode()).decode()
    except UnicodeDecodeError:
        return None


def tensor_key(preprocessing_version: str, side: int, views: Iterable[SpecimenView]) -> str:
    """Return the key of the fused tensor of these views, whatever their order."""
    members = sorted(f"{view.view}:{view.image_sha256}" for view in views)
    name = digest("tensor", preprocessing_version, side, list(members))
    return f"tensors/{preprocessing_version}-{side}/{name[:2]}/{name}.npy"
