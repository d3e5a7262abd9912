"""One X-ray file to one standardised view: decode, find the animal, check, orient and frame.

A view is stored as a lossless PNG whose bytes depend only on the pixels.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from services.common.errors import Rejected
from services.common.events.base import View
from services.intake.animal.find import ScoutAnalysis, find
from services.intake.animal.trunk import find_trunk
from services.intake.crop import Crop, crop_around, normalise, render
from services.intake.decode import decode
from services.intake.orient import Orientation, OrientedView, body_angle, decide, orientation_input, view_model
from services.intake.posture import posture_scores
from services.intake.quality import FRAMING_RULES, PICTURE_RULES, POSTURE_RULES, check, measure
from services.intake.raster import Raster
from services.intake.settings import Limits

_FAST: Final = (cv2.IMWRITE_PNG_COMPRESSION, 1)
_DECIMALS: Final = 4
_TOUCHES_EDGE: Final = 0.05
"""From this value of `touching`, the tip of a tail or a foot may be outside the image."""
_CUT: Final = ("cut_off", "not_whole_body")
_REACHES_EDGE: Final = 0.13
"""From this value of `touching`, more than a tail or a foot is outside the image: it may be a close-up."""


@dataclass(frozen=True)
class StandardView:
    """A view in the form that every later stage requires.

    `pixels` is uint8 [448, 448]: bone bright, air black, the animal framed with its tail. A DV has its head up and is
    never flipped. A LAT has its head left and its back up, and may be flipped (`provenance["flipped"]`). docs/intake.md
    lists `scores`, `flags` and reason codes.
    """

    pixels: NDArray[np.uint8]
    view: View
    scores: dict[str, float]
    flags: tuple[str, ...]
    provenance: dict[str, JsonValue]


def standardise(data: bytes, declared: View | None, limits: Limits) -> StandardView:
    """Standardise one file of known origin; raises Rejected with a reason code of docs/intake.md.

    `declared` is the view that the image's parameter declares, None when unknown. The same bytes always give the same
    view. Intake decodes in a child process (`services.intake.decoder`) and standardises the raster.
    """
    return standardise_raster(decode(data, limits), declared, limits)


def standardise_raster(raster: Raster, declared: View | None, limits: Limits) -> StandardView:
    """Standardise a decoded image; see `standardise`.

    An image that is refused gets a second look without what lies beyond straight edges at any angle: tilted collimator
    blades and rotated-in corners look like steps, over-exposure or another animal. Images that pass the first look keep
    the pixels of this preprocessing version.
    """
    try:
        return _standardised(raster, find(raster), declared, limits)
    except Rejected as first:
        try:
            return _standardised(raster, find(raster, tilted=True), declared, limits)
        except Rejected as second:
            # An edge through the animal is a step, not a blade: the first reason is the right one.
            raise (first if first.reason == "sharp_steps" and second.reason in _CUT else second) from None


def _standardised(raster: Raster, found: ScoutAnalysis, declared: View | None, limits: Limits) -> StandardView:
    trunk = find_trunk(found.animal.mask)
    scores = measure(raster, found, trunk)
    check(PICTURE_RULES, scores, limits)
    orientation = view_model().orient(orientation_input(found, trunk))
    oriented = decide(orientation, trunk, declared, reaches_edge=scores["touching"] > _REACHES_EDGE, limits=limits)
    crop = crop_around(found.animal.mask, oriented.pose, found.factor)
    scores |= _orientation_scores(orientation, oriented, crop)
    check(FRAMING_RULES, scores, limits)
    scores |= posture_scores(raster, found, trunk, oriented, oblique=orientation.oblique, limits=limits)
    check(POSTURE_RULES, scores, limits)
    return StandardView(
        normalise(render(raster, found, crop), found, crop),
        oriented.view,
        {name: round(score, _DECIMALS) for name, score in scores.items()},
        (*_view_flags(oriented, scores, limits), *_picture_flags(raster, found, scores)),
        _provenance(raster, found, crop, oriented),
    )


def _orientation_scores(orientation: Orientation, oriented: OrientedView, crop: Crop) -> dict[str, float]:
    return {
        "view_dv": orientation.view["DV"],
        "view_lat": orientation.view["LAT"],
        "view_other": orientation.view["other"],
        "head": max(orientation.head_up, 1 - orientation.head_up),
        "mirrored": orientation.mirrored,
        "body_angle": body_angle(oriented.heading),
        "animal_side": crop.side,
    }


def _view_flags(oriented: OrientedView, scores: dict[str, float], limits: Limits) -> tuple[str, ...]:
    suspected = scores["tail_side"] >= limits.least_tail_side and "mirrored_suspected" not in oriented.flags
    return (*oriented.flags, "mirrored_suspected") if suspected else oriented.flags


def _picture_flags(raster: Raster, found: ScoutAnalysis, scores: dict[str, float]) -> list[str]:
    flags = ["touches_edge"] if scores["touching"] > _TOUCHES_EDGE else []
    if found.sign < 0:
        flags.append("polarity_inverted")
        # A DICOM file declares its polarity, so a contradiction is more than a centre's convention.
        if "photometric" in raster.facts:
            flags.append("polarity_contradicts_file")
    return flags


def _provenance(raster: Raster, found: ScoutAnalysis, crop: Crop, oriented: OrientedView) -> dict[str, JsonValue]:
    rows, columns = raster.pixels.shape
    turn = float(np.degrees(np.arctan2(crop.pose.right[1], crop.pose.right[0])))
    return {
        **raster.facts,
        "columns": columns,
        "rows": rows,
        "polarity_inverted": found.sign < 0,
        "rotation_degrees": round(turn, 2),
        "flipped": oriented.flipped,
        "crop_centre": [round(float(coordinate), 2) for coordinate in crop.centre],
        "crop_side": round(crop.side, 2),
        "other_objects": bool(found.animal.others.any()),
    }


def encode_view(pixels: NDArray[np.uint8]) -> bytes:
    """Encode uint8 [448, 448] as PNG. Equal pixels give equal bytes."""
    done, encoded = cv2.imencode(".png", pixels, _FAST)
    if not done:
        msg = "OpenCV cannot encode a view as PNG"
        raise RuntimeError(msg)
    return bytes(encoded)
