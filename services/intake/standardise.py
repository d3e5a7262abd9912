"""One X-ray file to one standardised view: decode, find the animal, check, orient, frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from services.intake.animal.find import find
from services.intake.animal.trunk import find_trunk
from services.intake.crop import crop_around, head_left, head_up
from services.intake.decode import decode
from services.intake.frame import normalise, render
from services.intake.limits import Limits
from services.intake.view_png import decode_view, encode_view

__all__ = ["StandardView", "View", "decode_view", "encode_view", "standardise"]

View = Literal["DV", "LAT"]


@dataclass(frozen=True)
class StandardView:
    """A view that every later stage can rely on.

    `pixels` is uint8 [448, 448], bone bright, air black, the animal framed with its tail; a DV has its head up and is
    never a mirror image, a LAT has its head left and may be one (`provenance["mirrored"]`). `scores`, `flags` and
    reason codes are listed in docs/intake.md.
    """

    pixels: NDArray[np.uint8]
    view: View
    scores: dict[str, float]
    flags: tuple[str, ...]
    provenance: dict[str, JsonValue]


def standardise(data: bytes, declared: View | None, limits: Limits) -> StandardView:
    """Standardise one file; raises Rejected with a reason code of docs/intake.md.

    `declared` is the view that the image's parameter stands for, None when it is unknown.
    """
    raster = decode(data, limits)
    found = find(raster)
    trunk = find_trunk(found.animal.mask)
    view: View = declared or "DV"
    heading = trunk.axis
    pose = head_up(heading) if view == "DV" else head_left(heading, mirrored=False)
    crop = crop_around(found.animal.mask, pose, found.factor)
    excess = render(raster, found, crop)
    return StandardView(
        normalise(excess, found, crop),
        view,
        {"polarity": round(found.background.polarity, 4), "elongation": round(trunk.elongation, 4)},
        ("view_uncertain", "orientation_uncertain"),
        {**raster.facts, "columns": raster.pixels.shape[1], "rows": raster.pixels.shape[0]},
    )
