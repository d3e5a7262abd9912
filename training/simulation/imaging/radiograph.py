"""One simulated exposure: its settings, drawn from a centre's style, and its truth."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.population import Population
from training.simulation.anatomy.mouse import Mouse
from training.simulation.anatomy.pose import DV, LAT
from training.simulation.centres import CentreStyle
from training.simulation.imaging.rays import Grid, Picture
from training.simulation.landmarks import Landmarks

SKULL_DV: Final = "SKULL_DV"
SKULL_LAT: Final = "SKULL_LAT"
FOREPAW: Final = "FOREPAW"
HINDQUARTERS: Final = "HINDQUARTERS"
VIEWS: Final = (DV, LAT, SKULL_DV, SKULL_LAT, FOREPAW, HINDQUARTERS)
WHOLE_BODY: Final = (DV, LAT)

OVER_EXPOSED: Final = "over_exposed"
BLANK: Final = "blank"
CUT: Final = "cut"
TWO_ANIMALS: Final = "two_animals"
TROUBLES: Final = (OVER_EXPOSED, BLANK, CUT, TWO_ANIMALS)

_CLOSE_UP_MM: Final = {
    SKULL_DV: (34.0, 46.0),
    SKULL_LAT: (34.0, 46.0),
    FOREPAW: (28.0, 42.0),
    HINDQUARTERS: (50.0, 64.0),
}


@dataclass(frozen=True, slots=True)
class Technique:
    """One exposure.

    `height` and `width` in pixels, `field_mm` the longer side, `head_angle` and `mirrored` as in Radiograph, `offset`
    the animal's centre from the picture's as shares of the field; beam and detector values as in CentreStyle. `tilt`
    turns the blades (degrees), `unevenness` multiplies that of skin and fur, and the picture ends at the landmark
    `crop`, if any.
    """

    height: int
    width: int
    field_mm: float
    head_angle: float
    mirrored: bool
    offset: tuple[float, float]
    photons: float
    scatter: float
    blur_mm: float
    hardness: float
    heel: tuple[float, float]
    marker: str
    collimator: float
    trouble: str | None
    tilt: float = 0.0
    unevenness: float = 1.0
    crop: str = ""


def draw_technique(
    style: CentreStyle,
    view: str,
    rng: np.random.Generator,
    *,
    side: int | None = None,
    trouble: str | None = None,
    mirrored: bool | None = None,
    head_angle: float | None = None,
) -> Technique:
    """Draw one exposure; `side` (pixels of the longer side), mirror and angle override the drawn values."""
    height, width = style.sizes[int(rng.integers(len(style.sizes)))]
    if side is not None:
        height, width = (round(n * side / max(height, width)) for n in (height, width))
    close = _CLOSE_UP_MM.get(view)
    field = float(rng.uniform(*(close or style.field_mm)))
    angle = _angle(style, view, rng)
    flipped = view in (LAT, SKULL_LAT) and bool(rng.random() < style.faces_right)
    if flipped and style.habit[0] != 0.0:
        angle = -angle
    shift = rng.normal(0.0, 0.02 if close else 0.025, 2)
    draws = {name: float(rng.uniform(*getattr(style, name))) for name in ("scatter", "blur_mm", "hardness")}
    return Technique(
        height=height,
        width=width,
        field_mm=field,
        head_angle=wrapped(angle if head_angle is None else head_angle),
        mirrored=flipped if mirrored is None else mirrored,
        offset=(float(shift[0]), float(shift[1])),
        photons=style.photons * float(rng.uniform(0.6, 1.6)),
        heel=(float(rng.normal(0.0, 0.009)), float(rng.normal(0.0, 0.009))),
        marker=str(rng.choice(("L", "R"))) if rng.random() < style.marker else "",
        collimator=float(rng.uniform(0.03, 0.12)) if rng.random() < style.collimator and close is None else 0.0,
        trouble=trouble,
        scatter=draws["scatter"],
        blur_mm=draws["blur_mm"],
        hardness=draws["hardness"],
    )


def wrapped(angle: float) -> float:
    """The same angle in [-180, 180) degrees."""
    return (angle + 180.0) % 360.0 - 180.0


def _angle(style: CentreStyle, view: str, rng: np.random.Generator) -> float:
    if rng.random() < 0.1:
        return float(rng.uniform(-180.0, 180.0))
    usual = style.habit[int(rng.integers(len(style.habit)))]
    if view in (LAT, SKULL_LAT) and usual == 0.0 and rng.random() < 0.5:
        usual = 90.0
    return usual + float(rng.normal(0.0, style.turn))


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
    picture, but coarser. `landmarks` are in the picture's pixels; none are present in a blank picture or next to a
    second animal.
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
    landmarks: Landmarks
    population: Population = "plain"
