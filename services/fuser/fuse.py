"""Fuses the views of one specimen into one compact tensor (paper 3.3): mean DV, mean LAT, blended edges.

Decision: the paper takes the mean of all images of a view. An animal that was repositioned between two images is in
another posture, and the mean of two postures is a double exposure that shows no rib and no vertebra. The mean is
therefore taken over the images that show the same posture.

Measured on simulated mice at 448 pixels: the fine structure of two images of one animal that was repositioned
correlates by -0.05 to 0.4 (mostly 0). That of an image and its copy with new noise, moved by one pixel, correlates by
0.76 to 0.86; moved by two pixels, 0.46 to 0.71; by four, 0.1 to 0.5.

Every step uses integers or sums that are exact in float64, so the result is bit-identical whatever the order of the
views.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.preprocessing import DV_WEIGHT, TENSOR_SIDE, VIEW_SIDE

Image = NDArray[np.uint8]
_Detail = NDArray[np.int64]

CANNY_LOW: Final = 40
CANNY_HIGH: Final = 110
"""Hysteresis thresholds of the edge detector, in grey levels of the 224-pixel mean view."""
SMALLEST_COMPONENT: Final = 12
"""Edge components of fewer pixels are noise (decision: the paper only says 'cleaned')."""
_FINE: Final = (25, 25)
_FINE_SIGMA: Final = 4.0
"""Fine structure is what a Gaussian blur with this sigma, in pixels, removes: bones, not the body's outline."""
LEAST_CORRELATION: Final = 0.45
"""From this correlation of fine structure, two images are within about two pixels (0.7 mm) of each other."""


def fuse(dorsoventral: Sequence[Image], lateral: Sequence[Image], side: int = TENSOR_SIDE) -> Image:
    """Fuse views (uint8 [448, 448], bone bright, at least one each) into a uint8 [side, side, 3] tensor.

    Channel 0 is the mean DV, channel 1 the mean LAT, channel 2 the cleaned blend of their Canny edges
    (0.6 DV + 0.4 LAT).
    """
    dv, lat = (_resample(mean_view(views), side) for views in (dorsoventral, lateral))
    blend = np.rint(DV_WEIGHT * _edges(dv) + (1 - DV_WEIGHT) * _edges(lat)).astype(np.uint8)
    return np.dstack([dv, lat, _without_small_components(blend)])


def mean_view(views: Sequence[Image]) -> Image:
    """Return the mean of those uint8 [448, 448] views that agree, rounded half up.

    Raises ValueError for no views or a wrong shape.
    """
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


def agreeing(views: Sequence[Image]) -> list[int]:
    """Return the indices of the views that are averaged.

    They are the largest set of views that agree with one of them; of equally large sets, the one around the view with
    the most fine structure. All sums are exact integers: the order of the views changes only the indices.
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


def _detail(view: Image) -> _Detail:
    """Return the fine structure of uint8 [448, 448], flattened; its sum is 0 up to rounding."""
    smooth = np.asarray(cv2.GaussianBlur(view, _FINE, _FINE_SIGMA), dtype=np.int64)
    return np.asarray(view.astype(np.int64) - smooth).ravel()


def _agree(details: Sequence[_Detail], strengths: Sequence[int], one: int, other: int) -> bool:
    if one == other:
        return True
    least = LEAST_CORRELATION * float(strengths[one] * strengths[other]) ** 0.5
    return bool(details[one] @ details[other] >= least)
