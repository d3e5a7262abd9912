"""Specimens drawn while a model trains: no picture is stored.

Each passes through the serving code: its pictures are standardised as intake does and fused as the fuser does. Only
writing and reading image files is left out.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.errors import Rejected
from services.common.events.base import View
from services.common.preprocessing import VIEW_SIDE
from services.fuser.fuse import fuse
from services.intake.raster import Grey, Raster, spread
from services.intake.settings import Limits
from services.intake.standardise import standardise_raster
from training.population import Population
from training.simulation.bone_truth import bone_truth, view_to_picture
from training.simulation.files import decoded
from training.simulation.imaging.radiograph import Radiograph
from training.simulation.landmarks import Landmarks
from training.simulation.render import render
from training.simulation.specimen import SimulatedSpecimen, make_specimen

_Image = NDArray[np.uint8]

PICTURE_SIDE: Final = 560
"""Longer side of the pictures in pixels for tensors of 224: the animal then covers about 400 of them."""
_VIEWS: Final[tuple[View, View]] = ("DV", "LAT")


@dataclass(frozen=True, slots=True)
class OnlineSample:
    """One simulated specimen as a model sees it, with its truth.

    `tensor` is uint8 [side, side, 3] as from the fuser; `labels` uint8 [14] in the order of `LABEL_ORDER`;
    `observations` the parameter stable ids that are abnormal; `landmarks_dv` and `landmarks_lat` are in the tensor's
    pixels; `bones` uint8 [2, channels, 56, 56] is the bone truth (`training.simulation.bone_truth`).
    """

    specimen: SimulatedSpecimen
    tensor: _Image
    labels: NDArray[np.uint8]
    observations: tuple[str, ...]
    landmarks_dv: Landmarks
    landmarks_lat: Landmarks
    bones: _Image


@dataclass(frozen=True, slots=True)
class OnlineView:
    """One standard view uint8 [448, 448], its landmarks in the view's pixels, and its bone truth."""

    pixels: _Image
    landmarks: Landmarks
    bones: _Image


Views = tuple[OnlineView, OnlineView]
"""Dorsoventral and lateral."""


def draw(
    seed: int, population: Population = "plain", side: int = 224, refused: Counter[str] | None = None
) -> OnlineSample | None:
    """Draw the specimen of a seed and its tensor of `side` pixels; the same arguments give the same sample.

    None if intake refuses one of its pictures; the reason code is then counted in `refused`.
    """
    specimen = make_specimen(seed, population=population)
    views = standard_views(specimen, radiographs(specimen, side), refused)
    return None if views is None else fused(specimen, views, side)


def radiographs(specimen: SimulatedSpecimen, side: int = 224, exposure: int = 1) -> tuple[Radiograph, Radiograph]:
    """DV and LAT of one exposure, of as many pixels as a tensor of `side` pixels can show."""
    longer = round(PICTURE_SIDE * max(side, 224) / 224)
    dorsoventral, lateral = (render(specimen, view, exposure, side=longer) for view in _VIEWS)
    return dorsoventral, lateral


def standard_views(
    specimen: SimulatedSpecimen,
    pictures: tuple[Radiograph, Radiograph],
    refused: Counter[str] | None = None,
    exposure: int = 1,
    *,
    lenient: bool = False,
) -> Views | None:
    """Both standard views as intake makes them; None if it refuses one, with the reason code counted in `refused`.

    `lenient` lifts intake's limits and lets it believe the declared view.
    """
    limits = _lenient_limits() if lenient else _limits()
    try:
        dorsoventral, lateral = (
            _standard_view(picture, decoded(picture, seed=exposure), declared, specimen, limits)
            for picture, declared in zip(pictures, _VIEWS, strict=True)
        )
    except Rejected as rejection:
        if refused is not None:
            refused[rejection.reason] += 1
        return None
    return dorsoventral, lateral


def fused(specimen: SimulatedSpecimen, views: Views, side: int = 224) -> OnlineSample:
    """The sample of two standard views, fused as the fuser does."""
    dorsoventral, lateral = (view.landmarks.warped(_to_tensor(side)) for view in views)
    return OnlineSample(
        specimen=specimen,
        tensor=fuse([views[0].pixels], [views[1].pixels], side),
        labels=np.array((specimen.level1, *specimen.call), dtype=np.uint8),
        observations=specimen.abnormal_parameter_ids,
        landmarks_dv=dorsoventral,
        landmarks_lat=lateral,
        bones=np.stack([view.bones for view in views]),
    )


def _standard_view(
    radiograph: Radiograph, pixels: Grey, declared: View, specimen: SimulatedSpecimen, limits: Limits
) -> OnlineView:
    """Standardise decoded pixels as intake does; raises Rejected, also `other_view`."""
    raster = Raster(pixels, spread(pixels, pixels.dtype.itemsize * 8))
    standard = standardise_raster(raster, declared, limits)
    if standard.view != declared:
        raise Rejected("other_view", f"declared {declared}, but intake recognises {standard.view}")
    to_picture = np.vstack((view_to_picture(standard.provenance, VIEW_SIDE), (0.0, 0.0, 1.0)))
    landmarks = radiograph.landmarks.warped(np.linalg.inv(to_picture)[:2])
    return OnlineView(standard.pixels, landmarks, bone_truth(radiograph, specimen, standard.provenance))


def _to_tensor(side: int) -> NDArray[np.float64]:
    """Affine [2, 3] from pixels of a view to pixels of a tensor, whose pixels are the mean of several."""
    factor = side / VIEW_SIDE
    return np.array([[factor, 0.0, 0.5 * factor - 0.5], [0.0, factor, 0.5 * factor - 0.5]])


@cache
def _limits() -> Limits:
    return Limits()


@cache
def _lenient_limits() -> Limits:
    return Limits(
        least_stored_range=0,
        least_outline=0,
        least_signal_to_noise=0,
        least_contrast=0,
        most_saturated=1,
        least_tissue_contrast=0,
        most_step=1e9,
        most_animals=1_000,
        most_motion=1,
        most_oblique=1,
        most_touching=1e9,
        most_touching_whole_body=1e9,
        least_animal_side=1,
        least_view_probability=1,
    )
