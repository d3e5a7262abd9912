"""Training pictures of the view network: simulated exposures, processed by intake's code up to the network's input."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.errors import Rejected
from services.intake.animal.find import find
from services.intake.animal.trunk import Mask, Trunk, find_trunk
from services.intake.orient import CLASSES, INPUT_SIDE, orientation_input
from services.intake.raster import Raster
from training.simulation.imaging.radiograph import CUT, FOREPAW, HINDQUARTERS, SKULL_DV, SKULL_LAT, Radiograph
from training.simulation.render import render
from training.simulation.specimen import make_specimen

WHOLE: Final = ("DV", "LAT")
CLOSE_UPS: Final = (SKULL_DV, SKULL_LAT, FOREPAW, HINDQUARTERS)
_CUT_SHARE: Final = 0.12
_SIDES: Final = (192, 448)
"""Range of the longer side in pixels; the scout picture that intake uses is never larger than 384."""
_MIRRORED_SHARE: Final = 0.5


@dataclass(frozen=True)
class Samples:
    """`pictures` uint8 [n, 96, 96]; `view` int64 [n], index in CLASSES; `up` and `mirrored` float32 [n], 0 or 1.

    `up` and `mirrored` have no meaning where `view` is "other".
    """

    pictures: NDArray[np.uint8]
    view: NDArray[np.int64]
    up: NDArray[np.float32]
    mirrored: NDArray[np.float32]


Sample = tuple[NDArray[np.uint8], int, float, float]


def specimen_samples(seed: int) -> list[Sample]:
    """Samples of one simulated specimen: both whole-body views, one close-up, each whole and with parts removed."""
    rng = np.random.default_rng((seed, 11))
    specimen = make_specimen(seed)
    views = (*WHOLE, CLOSE_UPS[int(rng.integers(len(CLOSE_UPS)))])
    samples: list[Sample] = []
    for view in views:
        trouble = CUT if view in WHOLE and rng.random() < _CUT_SHARE else None
        exposure = render(
            specimen,
            view,
            seed,
            side=int(rng.integers(*_SIDES)),
            trouble=trouble,
            mirrored=bool(rng.random() < _MIRRORED_SHARE),
            head_angle=float(rng.uniform(-180, 180)),
        )
        samples.extend(_samples_of(exposure, rng))
    return samples


def collect(samples: list[Sample]) -> Samples:
    """Stack samples into arrays."""
    pictures, view, up, mirrored = zip(*samples, strict=True)
    return Samples(
        np.stack(pictures).reshape(-1, INPUT_SIDE, INPUT_SIDE),
        np.array(view, dtype=np.int64),
        np.array(up, dtype=np.float32),
        np.array(mirrored, dtype=np.float32),
    )


def to_raster(exposure: Radiograph, rng: np.random.Generator) -> Raster:
    """Convert an exposure as a centre might: logarithm or power of the transmission, 8 bits, bright bone."""
    transmission = np.clip(exposure.transmission, 0.005, 1.2)
    power = float(rng.uniform(0.5, 1.5))
    shown = -np.log(transmission) if rng.random() < 0.5 else 1.2 - transmission**power
    low, high = np.percentile(shown, (0.1, rng.uniform(97.0, 99.9)))
    grey = np.clip((shown - low) / max(float(high - low), 1e-6), 0, 1) ** float(rng.uniform(0.6, 1.2))
    return Raster(np.rint(grey * 255).astype(np.uint8), stored_range=1.0)


def _samples_of(exposure: Radiograph, rng: np.random.Generator) -> Iterator[Sample]:
    try:
        found = find(to_raster(exposure, rng))
    except Rejected:
        return
    trunk = find_trunk(found.animal.mask)
    view = CLASSES.index(exposure.view) if exposure.view in WHOLE else CLASSES.index("other")
    up = float(heading(exposure.head_angle_degrees) @ trunk.axis > 0)
    thick = _without_thin_parts(found.animal.mask, trunk)
    shown = [found.animal.mask, thick]
    if exposure.view in WHOLE:
        shown.append(_without_tail(found.animal.mask, thick, trunk.axis if up else -trunk.axis))
    for mask in filter(np.any, shown):
        yield orientation_input(found, trunk, mask), view, up, float(exposure.mirrored)


def heading(head_angle_degrees: float) -> NDArray[np.float64]:
    """Unit vector (x, y), y down, of a Radiograph's head angle (0 up, counter-clockwise positive)."""
    angle = np.radians(head_angle_degrees)
    return np.array([-np.sin(angle), -np.cos(angle)])


def _without_thin_parts(mask: Mask, trunk: Trunk) -> Mask:
    """The animal without tail and feet: some real pictures show only the body."""
    size = max(3, int(trunk.width * 0.35) | 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc) > 0, dtype=np.bool_)


def _without_tail(mask: Mask, trunk: Mask, head: NDArray[np.float64]) -> Mask:
    """The animal with its feet, cut off directly behind the rump."""
    rows, columns = np.indices(mask.shape)
    forward = columns * head[0] + rows * head[1]
    return np.asarray(mask & (forward >= forward[trunk].min()), dtype=np.bool_)
