"""One simulated exposure and its truth."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.simulation.anatomy.mouse import Mouse
from training.simulation.imaging.rays import Grid, Picture


class Box(NamedTuple):
    """Pixel rows [top, bottom) and columns [left, right)."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True, slots=True)
class Radiograph:
    """A linear intensity picture with its truth.

    `transmission` (height, width) float32 is the detected share of the open beam: about 1 next to the animal, near 0
    behind lead. `view` is DV, LAT or the name of a close-up, whatever parameter it is sent under.

    `head_angle_degrees` in [-180, 180) is the direction from rump to nose in the picture as displayed: 0 points up, 90
    left, -90 right (counter-clockwise positive, as in cv2.getRotationMatrix2D). Turning the picture by minus this angle
    puts the head up. With head up and `mirrored` False, a DV shows the animal's left side on the picture's left (seen
    from its back; the tail curves to the left) and a LAT its back on the right. A `mirrored` picture is flipped left to
    right about the head's direction; for a LAT that is the same as an animal lying on its other side.

    `animal` is the box of the whole animal within the picture (None if there is none), `mask` (height, width) bool its
    outline, `altered` the boxes of the bones that an abnormality altered, by part name. `collimated` is the exposed
    field. `trouble` names a deliberate fault. `mouse` is what was projected, and `grid` the rays: the same field as the
    picture, but coarser.
    """

    biological_sample_id: str
    centre: str
    view: str
    transmission: Picture
    head_angle_degrees: float
    mirrored: bool
    mm_per_pixel: float
    animal: Box | None
    mask: NDArray[np.bool_]
    altered: dict[str, Box]
    collimated: Box
    trouble: str | None
    mouse: Mouse
    grid: Grid
