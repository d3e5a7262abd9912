"""One X-ray file to one standardised view: decode, find the animal, check, orient, frame.

The stored form of a view: lossless PNG whose bytes depend on the pixels alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from services.common.errors import Rejected
from services.common.events.base import View
from services.common.preprocessing import VIEW_SIDE
from services.intake.animal.find import ScoutAnalysis, find
from services.intake.animal.trunk import find_trunk
from services.intake.crop import Crop, crop_around, normalise, render
from services.intake.decode import decode
from services.intake.orient import Orientation, OrientedView, body_angle, decide, orientation_input, view_model
from services.intake.quality import FRAMING_RULES, PICTURE_RULES, check, measure
from services.intake.raster import Raster
from services.intake.settings import Limits

_FAST: Final = (cv2.IMWRITE_PNG_COMPRESSION, 1)


def encode_view(pixels: NDArray[np.uint8]) -> bytes:
    """Encode uint8 [448, 448] as PNG."""
    done, encoded = cv2.imencode(".png", pixels, _FAST)
    if not done:
        msg = "OpenCV cannot encode a view as PNG"
        raise RuntimeError(msg)
    return bytes(encoded)


def decode_view(data: bytes) -> NDArray[np.uint8]:
    """Decode a stored view to uint8 [448, 448]; raises Rejected `view_corrupt` for anything else."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error:
        pixels = None
    if pixels is None or pixels.shape != (VIEW_SIDE, VIEW_SIDE) or pixels.dtype != np.uint8:
        raise Rejected("view_corrupt", f"not a PNG of {VIEW_SIDE}x{VIEW_SIDE} grey pixels")
    return np.asarray(pixels, dtype=np.uint8)


_DECIMALS: Final = 4
_TOUCHES_EDGE: Final = 0.05
"""From this `touching` on a tail's tip or a foot may be beyond the picture."""
_REACHES_EDGE: Final = 0.13
"""From this `touching` on more than a tail or a foot is beyond the picture: it may be a close-up."""


@dataclass(frozen=True)
class StandardView:
    """A view that every later stage can rely on.

    `pixels` is uint8 [448, 448], bone bright, air black, the animal framed with its tail; a DV has its head up and is
    never flipped, a LAT has its head left and its back up and may have been (`provenance["flipped"]`). `scores`,
    `flags` and reason codes are listed in docs/intake.md.
    """

    pixels: NDArray[np.uint8]
    view: View
    scores: dict[str, float]
    flags: tuple[str, ...]
    provenance: dict[str, JsonValue]


def standardise(data: bytes, declared: View | None, limits: Limits) -> StandardView:
    """Standardise one file; raises Rejected with a reason code of docs/intake.md.

    `declared` is the view that the image's parameter stands for, None when it is unknown. The same bytes always give
    the same view.
    """
    raster = decode(data, limits)
    found = find(raster)
    trunk = find_trunk(found.animal.mask)
    scores = measure(raster, found, trunk)
    check(PICTURE_RULES, scores, limits)
    orientation = view_model().orient(orientation_input(found, trunk))
    verdict = decide(orientation, trunk, declared, reaches_edge=scores["touching"] > _REACHES_EDGE, limits=limits)
    crop = crop_around(found.animal.mask, verdict.pose, found.factor)
    scores |= _orientation_scores(orientation, verdict, crop)
    check(FRAMING_RULES, scores, limits)
    return StandardView(
        normalise(render(raster, found, crop), found, crop),
        verdict.view,
        {name: round(score, _DECIMALS) for name, score in scores.items()},
        (*verdict.flags, *_picture_flags(raster, found, scores)),
        _provenance(raster, found, crop, verdict),
    )


def _orientation_scores(orientation: Orientation, verdict: OrientedView, crop: Crop) -> dict[str, float]:
    return {
        "view_dv": orientation.view["DV"],
        "view_lat": orientation.view["LAT"],
        "view_other": orientation.view["other"],
        "head": max(orientation.head_up, 1 - orientation.head_up),
        "mirrored": orientation.mirrored,
        "body_angle": body_angle(verdict.heading),
        "animal_side": crop.side,
    }


def _picture_flags(raster: Raster, found: ScoutAnalysis, scores: dict[str, float]) -> list[str]:
    flags = ["touches_edge"] if scores["touching"] > _TOUCHES_EDGE else []
    if found.sign < 0:
        flags.append("polarity_inverted")
        # A DICOM file says which way its grey runs: contradicting it is more than a habit of a centre.
        if "photometric" in raster.facts:
            flags.append("polarity_contradicts_file")
    return flags


def _provenance(raster: Raster, found: ScoutAnalysis, crop: Crop, verdict: OrientedView) -> dict[str, JsonValue]:
    rows, columns = raster.pixels.shape
    turn = float(np.degrees(np.arctan2(crop.pose.right[1], crop.pose.right[0])))
    return {
        **raster.facts,
        "columns": columns,
        "rows": rows,
        "polarity_inverted": found.sign < 0,
        "rotation_degrees": round(turn, 2),
        "flipped": verdict.flipped,
        "crop_centre": [round(float(place), 2) for place in crop.centre],
        "crop_side": round(crop.side, 2),
        "other_objects": bool(found.animal.others.any()),
    }
