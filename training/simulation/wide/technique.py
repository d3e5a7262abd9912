"""Exposures of the wide population: any device, setting and framing rather than those of one centre."""

from dataclasses import replace
from typing import Final

import numpy as np

from training.simulation.anatomy.pose import LAT
from training.simulation.centres import CentreStyle
from training.simulation.imaging.radiograph import WHOLE_BODY, Technique, draw_technique, wrapped

_Rng = np.random.Generator

SIDES: Final = (500, 3000)
"""Longer side in pixels."""
CROPPED: Final = 0.12
"""Share of pictures that end behind the rump."""
_TILTED: Final = 0.5
_MOST_TILT: Final = 6.0


def draw_wide_technique(
    style: CentreStyle,
    view: str,
    rng: _Rng,
    *,
    side: int | None = None,
    trouble: str | None = None,
    mirrored: bool | None = None,
    head_angle: float | None = None,
) -> Technique:
    """Draw one exposure, as `draw_technique`; only the habit of the centre's technicians remains."""
    usual = draw_technique(style, view, rng, side=side, trouble=trouble, mirrored=mirrored, head_angle=head_angle)
    longer = side or round(float(np.exp(rng.uniform(*np.log(SIDES)))))
    shape = np.array([1.0, float(rng.uniform(0.65, 1.0))])[rng.permutation(2)]
    height, width = (round(longer * share) for share in shape.tolist())
    cropped = view in WHOLE_BODY and trouble is None and bool(rng.random() < CROPPED)
    angle = _angle(usual, view, rng, cropped=cropped) if head_angle is None else usual.head_angle
    blades = float(rng.uniform(0.03, 0.14)) if rng.random() < 0.25 and view in WHOLE_BODY and not cropped else 0.0
    return replace(
        usual,
        height=height,
        width=width,
        field_mm=usual.field_mm * float(rng.uniform(0.65, 1.1)),
        head_angle=angle,
        offset=tuple(rng.normal(0.0, 0.06, 2).tolist()),
        photons=float(np.exp(rng.uniform(*np.log((900.0, 20_000.0))))),
        scatter=float(rng.uniform(0.0, 0.5)),
        blur_mm=float(rng.uniform(0.02, 0.28)),
        hardness=float(rng.uniform(0.1, 1.0)),
        heel=tuple(rng.normal(0.0, 0.025, 2).tolist()),
        collimator=blades,
        tilt=float(rng.uniform(-_MOST_TILT, _MOST_TILT)) if rng.random() < _TILTED else 0.0,
        unevenness=float(rng.uniform(0.5, 2.0)),
        crop=f"Ca{rng.integers(4, 16)}" if cropped else "",
    )


def _angle(usual: Technique, view: str, rng: _Rng, *, cropped: bool) -> float:
    """Any angle for a third of the pictures; a cropped one is about upright, so that the cut crosses the tail."""
    if cropped:
        return (90.0 if view == LAT else 0.0) + float(rng.normal(0.0, 5.0))
    return wrapped(float(rng.uniform(-180.0, 180.0))) if rng.random() < 0.33 else usual.head_angle
