"""Named shifts of specimens and their pictures, each with a single purpose, for stress tests of a model.

`BENIGN` shifts change nothing that a scorer would judge. `IMPROPER` ones are no proper pictures of a mouse: the system
should abstain. A shift is applied by name, with a seed:

    sample = shifted(make_specimen(7), "roll", seed=0)

Depending on the shift, the specimen, its radiographs or the standard views are changed. Everything else is as in
`training.simulation.online.draw`.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.preprocessing import VIEW_SIDE
from training.simulation.anatomy.pose import DV, LAT
from training.simulation.centres import style_of
from training.simulation.cropping import cropped_at
from training.simulation.imaging.radiograph import Radiograph, draw_technique
from training.simulation.landmarks import Landmarks
from training.simulation.online import PICTURE_SIDE, OnlineSample, OnlineView, Views, fused, radiographs, standard_views
from training.simulation.render import expose, render
from training.simulation.specimen import SimulatedSpecimen
from training.simulation.strange_bodies import hand, rat_of

_Rng = np.random.Generator
_Image = NDArray[np.uint8]

ROLL_DEGREES: Final = 12.0
GAMMA: Final = 1.7
BLUR_PIXELS: Final = 1.5
NOISE_LEVELS: Final = 10.0
SPREAD: Final = 2.0


@dataclass(frozen=True, slots=True)
class Shift:
    """What one shift changes; the steps that it does not name stay as they are.

    `specimen` is given the specimen; `pictures` makes its DV and LAT from a tensor side and an exposure number; `views`
    changes the standard views. `text` is for reports.
    """

    text: str
    specimen: Callable[[SimulatedSpecimen], SimulatedSpecimen] | None = None
    pictures: Callable[[SimulatedSpecimen, int, int, _Rng], tuple[Radiograph, Radiograph]] | None = None
    views: Callable[[Views, _Rng], Views] | None = None


def shifted(
    specimen: SimulatedSpecimen,
    shift: str,
    seed: int,
    side: int = 224,
    refused: Counter[str] | None = None,
    *,
    lenient: bool = True,
) -> OnlineSample | None:
    """The specimen under a shift of `SHIFTS`; the same arguments give the same sample.

    `lenient` lifts intake's limits, so that the model sees what intake would refuse. None if intake refuses a picture
    all the same; the reason code is counted in `refused`. Truth that the shift removes from the
    picture is removed from the sample. The labels are the specimen's, and mean nothing for `IMPROPER` shifts. Raises
    KeyError for an unknown shift.
    """
    chosen = SHIFTS[shift]
    rng = np.random.default_rng((specimen.seed, seed, list(SHIFTS).index(shift), 9))
    if chosen.specimen is not None:
        specimen = chosen.specimen(specimen)
    exposure = seed + 1
    if chosen.pictures is None:
        pictures = radiographs(specimen, side, exposure)
    else:
        pictures = chosen.pictures(specimen, side, exposure, rng)
    views = standard_views(specimen, pictures, refused, exposure, lenient=lenient)
    if views is None:
        return None
    return fused(specimen, views if chosen.views is None else chosen.views(views, rng), side)


def _rolled(specimen: SimulatedSpecimen, side: int, exposure: int, rng: _Rng) -> tuple[Radiograph, Radiograph]:
    longer = round(PICTURE_SIDE * max(side, 224) / 224)
    turns = rng.normal(0.0, ROLL_DEGREES, 2).tolist()
    return (
        render(specimen, DV, exposure, side=longer, roll=turns[0]),
        render(specimen, LAT, exposure, side=longer, roll=turns[1]),
    )


def _upright(specimen: SimulatedSpecimen, side: int, exposure: int) -> tuple[Radiograph, Radiograph]:
    """DV with the head up and LAT with the head left, so that a straight cut crosses the animal."""
    longer = round(PICTURE_SIDE * max(side, 224) / 224)
    return (
        render(specimen, DV, exposure, side=longer, head_angle=0.0),
        render(specimen, LAT, exposure, side=longer, head_angle=90.0),
    )


def _without_tail(specimen: SimulatedSpecimen, side: int, exposure: int, _: _Rng) -> tuple[Radiograph, Radiograph]:
    """Pictures that end behind the rump, three tail vertebrae after the pelvis."""
    dorsoventral, lateral = _upright(specimen, side, exposure)
    return cropped_at(dorsoventral, "Ca3", keep_head=True), cropped_at(lateral, "Ca3", keep_head=True)


def _half(specimen: SimulatedSpecimen, side: int, exposure: int, rng: _Rng) -> tuple[Radiograph, Radiograph]:
    """The front or the rear half of the animal."""
    dorsoventral, lateral = _upright(specimen, side, exposure)
    front = bool(rng.random() < 0.5)
    return cropped_at(dorsoventral, "T12", keep_head=front), cropped_at(lateral, "T12", keep_head=front)


def _hands(specimen: SimulatedSpecimen, side: int, _: int, rng: _Rng) -> tuple[Radiograph, Radiograph]:
    longer = round(PICTURE_SIDE * max(side, 224) / 224)
    style = style_of(specimen.centre)

    def one(view: str) -> Radiograph:
        technique = draw_technique(style, view, rng, side=longer)
        return expose(replace(specimen, findings=()), hand(rng), view, technique, roll=0.0, rng=rng)

    return one(DV), one(LAT)


def _each(change: Callable[[_Image, _Rng], _Image]) -> Callable[[Views, _Rng], Views]:
    """A change of the pixels of both standard views."""

    def changed(views: Views, rng: _Rng) -> Views:
        first, second = (replace(view, pixels=change(view.pixels, rng)) for view in views)
        return first, second

    return changed


def _gamma(pixels: _Image, _: _Rng) -> _Image:
    table = np.rint(255.0 * (np.arange(256) / 255.0) ** GAMMA).astype(np.uint8)
    return np.asarray(table[pixels], dtype=np.uint8)


def _blurred(pixels: _Image, _: _Rng) -> _Image:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), BLUR_PIXELS), dtype=np.uint8)


def _noisy(pixels: _Image, rng: _Rng) -> _Image:
    noise = rng.normal(0.0, NOISE_LEVELS, pixels.shape)
    return np.asarray(np.rint(np.clip(pixels + noise, 0, 255)), dtype=np.uint8)


def _bone_window(pixels: _Image, _: _Rng) -> _Image:
    """Soft tissue, up to the animal's median level, becomes black."""
    animal = pixels[pixels > 20]
    low = float(np.median(animal)) if animal.size else 0.0
    levels = (pixels.astype(np.float32) - low) * np.float32(250.0 / max(250.0 - low, 1.0))
    return np.asarray(np.rint(np.clip(levels, 0, 255)), dtype=np.uint8)


def _swapped(views: Views, _: _Rng) -> Views:
    return views[1], views[0]


def _head_down(views: Views, _: _Rng) -> Views:
    turn = np.array([[-1.0, 0.0, VIEW_SIDE - 1.0], [0.0, -1.0, VIEW_SIDE - 1.0]])
    first, second = (
        OnlineView(
            np.ascontiguousarray(view.pixels[::-1, ::-1]),
            view.landmarks.warped(turn),
            np.ascontiguousarray(view.bones[:, ::-1, ::-1]),
        )
        for view in views
    )
    return first, second


def _nothing(draw_pixels: Callable[[_Rng], _Image]) -> Callable[[Views, _Rng], Views]:
    """Views that show no animal."""

    def emptied(views: Views, rng: _Rng) -> Views:
        first, second = (OnlineView(draw_pixels(rng), Landmarks.none(), np.zeros_like(view.bones)) for view in views)
        return first, second

    return emptied


def _white_noise(rng: _Rng) -> _Image:
    return np.asarray(rng.integers(0, 256, (VIEW_SIDE, VIEW_SIDE)), dtype=np.uint8)


def _black(_: _Rng) -> _Image:
    return np.zeros((VIEW_SIDE, VIEW_SIDE), dtype=np.uint8)


def _varied(specimen: SimulatedSpecimen) -> SimulatedSpecimen:
    return replace(specimen, spread=SPREAD * specimen.spread)


BENIGN: Final[Mapping[str, Shift]] = MappingProxyType(
    {
        "none": Shift("as drawn"),
        "roll": Shift(f"rolled about the long axis, SD {ROLL_DEGREES:g} degrees", pictures=_rolled),
        "gamma": Shift(f"gamma {GAMMA:g}", views=_each(_gamma)),
        "blur": Shift(f"blurred, sigma {BLUR_PIXELS:g} pixels of the view", views=_each(_blurred)),
        "noise": Shift(f"noise, SD {NOISE_LEVELS:g} of 255 levels", views=_each(_noisy)),
        "cropped": Shift("cropped behind the rump", pictures=_without_tail),
        "bone_window": Shift("soft tissue black", views=_each(_bone_window)),
        "varied_anatomy": Shift(f"normal anatomy varied {SPREAD:g} times as much", specimen=_varied),
    }
)
"""Shifts that are no finding: a normal mouse must stay normal."""

IMPROPER: Final[Mapping[str, Shift]] = MappingProxyType(
    {
        "swapped_views": Shift("DV and LAT exchanged", views=_swapped),
        "head_down": Shift("head down, or to the right in LAT", views=_head_down),
        "white_noise": Shift("white noise", views=_nothing(_white_noise)),
        "black": Shift("black", views=_nothing(_black)),
        "rat": Shift("a rat", specimen=rat_of),
        "hand": Shift("a hand", pictures=_hands),
        "half_animal": Shift("the front or rear half of an animal", pictures=_half),
    }
)
"""Pictures that show no whole mouse in its place: the system should abstain, or intake refuse them."""

SHIFTS: Final[Mapping[str, Shift]] = MappingProxyType({**BENIGN, **IMPROPER})
