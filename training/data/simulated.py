"""One simulated specimen through the code that serves: encode, standardise (intake), fuse (fuser)."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.errors import Rejected
from services.fuser.fuse import fuse
from services.intake.limits import Limits
from services.intake.standardise import View, standardise
from training.data.recipe import PICTURE_SIDE
from training.data.store import Entry
from training.phantom.files.encode import encode
from training.phantom.render import render
from training.phantom.specimen import Specimen, make_specimen

Image = NDArray[np.uint8]

VIEWS: Final[tuple[View, ...]] = ("DV", "LAT")
IMAGES_PER_VIEW: Final = (0.6, 0.3, 0.1)
"""Chances of one, two, three images of a view: several are normal, and their mean looks softer than one."""


def simulate(index: int, first_seed: int) -> tuple[Entry, Image | None]:
    """Make specimen `first_seed + index` and its tensor, uint8 [224, 224, 3].

    The tensor is None if intake refused all images of a view, and for a specimen that is abnormal only outside the
    thirteen labels, which no training uses.
    """
    specimen = make_specimen(first_seed + index)
    if specimen.abnormal_elsewhere:
        return _entry(index, specimen, None, ""), None
    random = np.random.default_rng((specimen.seed, 8))
    views: dict[View, list[Image]] = {}
    for view in VIEWS:
        taken, reason = _standard_views(specimen, view, 1 + int(random.choice(3, p=IMAGES_PER_VIEW)))
        if not taken:
            return _entry(index, specimen, None, reason), None
        views[view] = taken
    tensor = fuse(views["DV"], views["LAT"])
    return _entry(index, specimen, tensor, ""), tensor


def _standard_views(specimen: Specimen, view: View, images: int) -> tuple[list[Image], str]:
    """Return the accepted views and the reason of the last refusal, if there was one."""
    taken: list[Image] = []
    reason = ""
    for number in range(1, images + 1):
        encoded = encode(render(specimen, view, number, side=PICTURE_SIDE), seed=number)
        try:
            standard = standardise(encoded.data, view, _limits())
        except Rejected as refusal:
            reason = refusal.reason
            continue
        if standard.view == view:
            taken.append(standard.pixels)
        else:
            reason = "other_view"
    return taken, reason


def _entry(index: int, specimen: Specimen, tensor: Image | None, refused: str) -> Entry:
    return Entry(
        index=index,
        specimen=specimen.biological_sample_id,
        centre=specimen.centre,
        labels=(specimen.level1, *specimen.call),
        digest="" if tensor is None else hashlib.sha256(tensor.tobytes()).hexdigest(),
        refused=refused,
    )


@cache
def _limits() -> Limits:
    return Limits()
