"""Renders a specimen: pose, projection and exposure."""

from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.errors import Rejected
from training.simulation.anatomy.mouse import Mouse, build_mouse
from training.simulation.anatomy.plan import SIDES
from training.simulation.anatomy.pose import DV, LAT, draw_pose
from training.simulation.centres import CentreStyle, style_of
from training.simulation.cropping import cropped_at
from training.simulation.imaging.beam import collimate, detect, place_marker, scatter, transmit
from training.simulation.imaging.projection import Thickness, extent, picture_axes, thicknesses
from training.simulation.imaging.radiograph import (
    BLANK,
    CUT,
    HINDQUARTERS,
    SKULL_DV,
    SKULL_LAT,
    TROUBLES,
    TWO_ANIMALS,
    VIEWS,
    WHOLE_BODY,
    Box,
    Radiograph,
    Technique,
    draw_technique,
)
from training.simulation.imaging.rays import Grid, Picture
from training.simulation.landmarks import Landmarks
from training.simulation.solids import Points
from training.simulation.specimen import SimulatedSpecimen, make_specimen
from training.simulation.wide.objects import place_objects
from training.simulation.wide.technique import draw_wide_technique

FINEST_MM: Final = 0.15
_CLOSE_UP_FINEST_MM: Final = 0.05
_SKULL: Final = ("cranium", "snout", "mandible")
_HIPS: Final = ("pelvis L", "pelvis R", "tibia L", "tibia R")
_TARGET: Final = {SKULL_DV: _SKULL, SKULL_LAT: _SKULL, HINDQUARTERS: _HIPS}
_MARGIN_MM: Final = 5.0
_SKIN_MM: Final = 0.4
_APART_MM: Final = 24.0


def render(
    specimen: SimulatedSpecimen,
    view: str,
    seed: int,
    *,
    style: CentreStyle | None = None,
    trouble: str | None = None,
    side: int | None = None,
    mirrored: bool | None = None,
    head_angle: float | None = None,
    roll: float | None = None,
) -> Radiograph:
    """One exposure of a specimen; the same arguments give the same bytes.

    `view` is one of VIEWS. `seed` draws posture and exposure in the style of the specimen's centre (or `style`).
    `trouble` is one of TROUBLES. `side` sets the longer side in pixels. `mirrored`, `head_angle` and `roll` (degrees)
    override the drawn values. Raises Rejected `unknown_view` or `unknown_trouble`.
    """
    if view not in VIEWS:
        raise Rejected("unknown_view", f"view {view!r} is not one of {', '.join(VIEWS)}", view=view)
    if trouble is not None and trouble not in TROUBLES:
        raise Rejected("unknown_trouble", f"trouble {trouble!r} is not one of {', '.join(TROUBLES)}", trouble=trouble)
    rng = np.random.default_rng((specimen.seed, seed, VIEWS.index(view), 3))
    wide = specimen.population == "wide"
    technique = (draw_wide_technique if wide else draw_technique)(
        style or style_of(specimen.centre),
        view,
        rng,
        side=side,
        trouble=trouble,
        mirrored=mirrored,
        head_angle=head_angle,
    )
    pose = specimen.pose(LAT if view in (LAT, SKULL_LAT) else DV, rng)
    mouse = specimen.mouse(pose)
    radiograph = expose(specimen, mouse, view, technique, roll=pose.roll if roll is None else roll, rng=rng)
    return cropped_at(radiograph, technique.crop, keep_head=True) if technique.crop else radiograph


def expose(
    specimen: SimulatedSpecimen,
    mouse: Mouse,
    view: str,
    technique: Technique,
    *,
    roll: float,
    rng: np.random.Generator,
) -> Radiograph:
    """The picture of a posed body; `roll` (degrees) turns it about its long axis. `rng` draws framing and noise."""
    lateral = view in (LAT, SKULL_LAT)
    axes = picture_axes(mouse, lateral, technique.head_angle, technique.mirrored, roll)
    technique, middle = _framed(mouse, axes, view, technique, rng)
    grid = _grid(axes, middle, technique, view)
    layers = _layers(specimen, mouse, grid, technique, lateral=lateral)
    return _detected(specimen, view, technique, layers, mouse=mouse, grid=grid, rng=rng)


def render_pair(specimen: SimulatedSpecimen, seed: int, *, side: int | None = None) -> tuple[Radiograph, Radiograph]:
    """A matched DV and LAT of one specimen."""
    return render(specimen, DV, seed, side=side), render(specimen, LAT, seed, side=side)


def _framed(
    mouse: Mouse, axes: Points, view: str, technique: Technique, rng: np.random.Generator
) -> tuple[Technique, Points]:
    """The technique, its field widened until the animal fits, and the picture's centre (right, down, millimetres)."""
    shape = np.array([technique.width, technique.height]) / max(technique.width, technique.height)
    if view not in WHOLE_BODY:
        box = extent(mouse, axes, _TARGET.get(view) or (f"forepaw {rng.choice(SIDES)}",))
        return technique, box.mean(axis=0) + np.array(technique.offset) * technique.field_mm
    box = extent(mouse, axes)
    size = box[1] - box[0] + 2.0 * _MARGIN_MM
    needed = float(np.max(size / shape)) / (1.0 - 2.0 * technique.collimator)
    technique = replace(technique, field_mm=max(technique.field_mm, needed))
    spare = np.maximum(technique.field_mm * shape * (1.0 - 2.0 * technique.collimator) - size, 0.0) * 0.5
    shift = np.clip(np.array(technique.offset) * technique.field_mm, -spare, spare)
    if technique.trouble == CUT:
        shift = (rng.choice([-1.0, 1.0], 2) * rng.uniform(0.3, 0.45, 2)) * size * rng.permutation([1.0, 0.3])
    if technique.trouble == TWO_ANIMALS:
        technique = replace(technique, field_mm=technique.field_mm * 1.4)
    return technique, box.mean(axis=0) + shift


def _grid(axes: Points, middle: Points, technique: Technique, view: str) -> Grid:
    pixel = technique.field_mm / max(technique.height, technique.width)
    step = max(pixel, FINEST_MM if view in WHOLE_BODY else _CLOSE_UP_FINEST_MM)
    height, width = (max(round(n * pixel / step), 64) for n in (technique.height, technique.width))
    corner = middle - 0.5 * step * np.array([width, height])
    return Grid(axes, axes[:, :2] @ corner, step, height, width)


def _layers(specimen: SimulatedSpecimen, mouse: Mouse, grid: Grid, technique: Technique, *, lateral: bool) -> Thickness:
    if technique.trouble == BLANK:
        empty = np.zeros((grid.height, grid.width), dtype=np.float32)
        return Thickness(empty, empty, {})
    if technique.trouble != TWO_ANIMALS:
        return thicknesses(mouse, grid, specimen.altered_parts)
    # Half the distance between two mice side by side: along the dorsal axis in LAT, sideways in DV.
    apart = np.array([0.0, 0.0, 1.0] if lateral else [0.0, 1.0, 0.0]) * _APART_MM
    here = thicknesses(mouse, replace(grid, origin=grid.origin + apart), specimen.altered_parts)
    neighbour = _neighbour(specimen, lateral)
    there = thicknesses(neighbour, replace(grid, origin=grid.origin - apart + neighbour.rump - mouse.rump), ())
    return Thickness(here.soft + there.soft, here.bone + there.bone, here.boxes)


def _neighbour(specimen: SimulatedSpecimen, lateral: bool) -> Mouse:
    """A second mouse in the same view."""
    other = make_specimen(specimen.seed + 1_000_003, abnormal=False)
    return build_mouse(
        other.plan(), draw_pose(LAT if lateral else DV, np.random.default_rng((other.seed, 5))), other.seed
    )


def _detected(
    specimen: SimulatedSpecimen,
    view: str,
    technique: Technique,
    layers: Thickness,
    *,
    mouse: Mouse,
    grid: Grid,
    rng: np.random.Generator,
) -> Radiograph:
    size = (technique.width, technique.height)
    pixel = technique.field_mm / max(size)
    soft = layers.soft * _folds(grid, technique.unevenness, rng)
    primary = scatter(transmit(soft, layers.bone, technique.hardness), technique.scatter, grid.step)
    primary = np.asarray(cv2.resize(primary, size, interpolation=cv2.INTER_CUBIC), dtype=np.float32)
    outline = ((layers.soft > _SKIN_MM) | (layers.bone > 0.05)).astype(np.uint8)
    mask = cv2.resize(outline, size, interpolation=cv2.INTER_NEAREST).astype(np.bool_)
    zoom = np.array([technique.height / grid.height, technique.width / grid.width] * 2)
    landmarks = _landmarks(mouse, grid, zoom[:2], technique)
    if specimen.population == "wide":
        primary = place_objects(primary, landmarks, pixel, rng)
    field, primary = collimate(primary, technique, rng)
    if technique.marker:
        primary = place_marker(primary, mask, field, technique.marker, rng)
    return Radiograph(
        biological_sample_id=specimen.biological_sample_id,
        centre=specimen.centre,
        view=view,
        transmission=detect(primary, technique, pixel, rng),
        head_angle_degrees=technique.head_angle,
        mirrored=technique.mirrored,
        mm_per_pixel=pixel,
        animal=_box(mask),
        mask=mask,
        altered={name: Box(*(np.array(box) * zoom).astype(int).tolist()) for name, box in layers.boxes.items()},
        collimated=field,
        trouble=technique.trouble,
        mouse=mouse,
        grid=grid,
        landmarks=landmarks.within(field.left, field.top, field.right, field.bottom),
        population=specimen.population,
    )


def _landmarks(mouse: Mouse, grid: Grid, zoom: Points, technique: Technique) -> Landmarks:
    """Landmarks in the picture's pixels; `zoom` (2,) is picture pixels per grid pixel (down, right)."""
    if technique.trouble in (BLANK, TWO_ANIMALS):
        return Landmarks.none()
    return Landmarks.at(grid.project(mouse.landmarks)[:, :2] * zoom[::-1] - 0.5)


def _folds(grid: Grid, unevenness: float, rng: np.random.Generator) -> Picture:
    """Unevenness of skin, fat and fur: a factor around 1 for the soft tissue, varying over 2 mm and over 6 mm."""
    uneven = np.ones((grid.height, grid.width), dtype=np.float32)
    for period, share in ((2.0, 0.025), (6.0, 0.035)):
        coarse = [max(round(n * grid.step / period), 4) for n in (grid.height, grid.width)]
        waves = rng.standard_normal(coarse, dtype=np.float32) * np.float32(share * unevenness)
        uneven += cv2.resize(waves, (grid.width, grid.height), interpolation=cv2.INTER_LINEAR)
    return uneven


def _box(mask: NDArray[np.bool_]) -> Box | None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
