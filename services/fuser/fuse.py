"""Views of one specimen to one compact tensor (paper 3.3): mean DV, mean LAT, blended edges.

Decision: the paper takes the mean of all images of a view. An animal that was laid down anew lies otherwise, and the
mean of two postures is a double exposure that shows no rib and no vertebra. The mean is therefore of the images that
show the same posture, see `services.fuser.fuse`.

Every step works on integers or on sums that are exact in float64, so the result is bit-identical whatever the
order of the views.

Which images of one view show the animal in the same posture, so that their mean is sharp.

Measured on simulated mice at 448 pixels: the fine structure of two pictures of one animal that was laid down anew
correlates by -0.05 to 0.4 (mostly 0), that of a picture and itself moved by one pixel with new noise by 0.76 to 0.86,
by two pixels 0.46 to 0.71, by four 0.1 to 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.preprocessing import DV_WEIGHT, TENSOR_SIDE, VIEW_SIDE

_Detail = NDArray[np.int64]

_FINE: Final = (25, 25)
_FINE_SIGMA: Final = 4.0
"""Fine structure is what a Gaussian blur of this many pixels removes: bones, not the body's outline."""
LEAST_CORRELATION: Final = 0.45
"""Of fine structure: from here on two pictures lie within some two pixels (0.7 mm) of each other."""


def agreeing(views: Sequence[Image]) -> list[int]:
    """Return the positions of the views whose mean stands for all.

    These are the largest set of views that agree with one of them; of equally large sets, that around the view with
    the most fine structure. All sums are exact integers: the order of the views changes nothing but the positions.
    """
    if len(views) == 1:
        return [0]
    details = [_detail(view) for view in views]
    strengths = [int(detail @ detail) for detail in details]
    sets = [
        [other for other in range(len(views)) if _agree(details, strengths, one, other)] for one in range(len(views))
    ]
    best = max(range(len(views)), key=lambda one: (len(sets[one]), strengths[one], views[one].tobytes()))
    return sets[best]


def _detail(view: Image) -> _Detail:
    """Fine structure of uint8 [448, 448], flat, with a sum of nought up to rounding."""
    smooth = np.asarray(cv2.GaussianBlur(view, _FINE, _FINE_SIGMA), dtype=np.int64)
    return np.asarray(view.astype(np.int64) - smooth).ravel()


def _agree(details: Sequence[_Detail], strengths: Sequence[int], one: int, other: int) -> bool:
    if one == other:
        return True
    least = LEAST_CORRELATION * float(strengths[one] * strengths[other]) ** 0.5
    return bool(details[one] @ details[other] >= least)


Image = NDArray[np.uint8]

CANNY_LOW: Final = 40
CANNY_HIGH: Final = 110
"""Hysteresis thresholds of the edge detector, in grey levels of the 224-pixel mean view."""
SMALLEST_COMPONENT: Final = 12
"""Edge components of fewer pixels than this are noise (decision: the paper says only 'cleaned')."""


def mean_view(views: Sequence[Image]) -> Image:
    """Mean of those uint8 [448, 448] views that agree, rounded half up; raises ValueError for none or a wrong shape."""
    if not views:
        msg = "a mean needs at least one view"
        raise ValueError(msg)
    for view in views:
        if view.shape != (VIEW_SIDE, VIEW_SIDE) or view.dtype != np.uint8:
            msg = f"a view must be uint8 [{VIEW_SIDE}, {VIEW_SIDE}], got {view.dtype} {list(view.shape)}"
            raise ValueError(msg)
    chosen = [views[index] for index in agreeing(views)]
    total = np.sum(np.stack(chosen), axis=0, dtype=np.uint32)
    return np.asarray((2 * total + len(chosen)) // (2 * len(chosen)), dtype=np.uint8)


def fuse(dorsoventral: Sequence[Image], lateral: Sequence[Image], side: int = TENSOR_SIDE) -> Image:
    """Fuse views (uint8 [448, 448], bone bright, at least one each) into a uint8 [side, side, 3] tensor.

    Channel 0 is the mean DV, channel 1 the mean LAT, channel 2 the cleaned blend of their Canny edges
    (0.6 DV + 0.4 LAT).
    """
    dv, lat = (_resample(mean_view(views), side) for views in (dorsoventral, lateral))
    blend = np.rint(DV_WEIGHT * _edges(dv) + (1 - DV_WEIGHT) * _edges(lat)).astype(np.uint8)
    return np.dstack([dv, lat, _without_small_components(blend)])


def _resample(image: Image, side: int) -> Image:
    if side == image.shape[0]:
        return image
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _edges(image: Image) -> NDArray[np.float64]:
    return np.asarray(cv2.Canny(image, CANNY_LOW, CANNY_HIGH), dtype=np.float64)


def _without_small_components(edges: Image) -> Image:
    _, labels, stats, _ = cv2.connectedComponentsWithStats((edges > 0).astype(np.uint8), connectivity=8)
    large = stats[:, cv2.CC_STAT_AREA] >= SMALLEST_COMPONENT
    large[0] = False
    return np.where(large[labels], edges, 0).astype(np.uint8)
