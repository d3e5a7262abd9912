"""Draws the pictures of the trial: sound ones, and every fault that intake must refuse or flag."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.events.base import View
from services.intake.raster import Raster, spread
from training.intake_trial.manner import behind, behind_blades, on_tray, turned_in, with_text
from training.population import Population
from training.simulation.centres import CENTRES, UNSEEN_CENTRES, CentreStyle, style_of
from training.simulation.files import display, quantise
from training.simulation.imaging.radiograph import OVER_EXPOSED, Radiograph
from training.simulation.imaging.rays import Picture
from training.simulation.render import render
from training.simulation.skeleton.specimen import make_skeleton_specimen
from training.simulation.specimen import SimulatedSpecimen, make_specimen

SOUND: Final = "sound"
MOTION: Final = "motion_blur"
OBLIQUE: Final = "oblique"
SILHOUETTE: Final = "silhouette"
HALF: Final = "half"
MIRRORED: Final = "mirrored"
EMPTY: Final = "empty"
NOT_A_MOUSE: Final = "not_a_mouse"

REFUSED_AS: Final = MappingProxyType(
    {
        MOTION: frozenset({"motion_blur"}),
        OBLIQUE: frozenset({"oblique"}),
        SILHOUETTE: frozenset({"silhouette", "over_exposed"}),
        HALF: frozenset({"cut_off", "not_whole_body"}),
        EMPTY: frozenset({"blank", "low_contrast", "under_exposed"}),
        NOT_A_MOUSE: frozenset({"not_a_mouse"}),
    }
)
"""The reason codes that name each fault."""

_SIDES: Final = (500, 1400)
_SOUND_ROLL: Final = 15.0
_OBLIQUE_ROLL: Final = (32.0, 58.0)
"""Roll in degrees of sound and of oblique pictures; 90 turns a DV into a LAT."""
_SOUND_BLUR: Final = 2.0
"""Largest unsharpness of a sound picture: the standard deviation in pixels at a longer side of 1,000 pixels."""
_MOTION_MM: Final = (1.5, 4.0)
"""Length of the movement during an exposure; a lumbar vertebra of a mouse is 3 to 4 mm long."""


@dataclass(frozen=True)
class Drawn:
    """One picture of the trial, sent under the view that it shows, and its true head direction (see Radiograph)."""

    raster: Raster
    kind: str
    view: View
    head_angle_degrees: float


def draw(kind: str, seed: int, population: Population = "plain", skeleton: Path | None = None) -> Drawn:
    """Draw picture `seed` of a kind; the same arguments give the same pixels.

    The mice have the bones of the skeleton in the folder `skeleton`, by default those of the simulator's
    `population`.
    """
    rng = np.random.default_rng((seed, KINDS.index(kind), 14))
    view: View = "DV" if kind == MIRRORED or rng.random() < 0.5 else "LAT"
    if kind in _WITHOUT_ANIMAL:
        return Drawn(_stored(_WITHOUT_ANIMAL[kind](rng), _style(rng), rng), kind, view, 0.0)
    style = _style(rng)
    specimen = make_skeleton_specimen(skeleton, seed) if skeleton else make_specimen(seed, population=population)
    exposure = _exposure(kind, specimen, view, style, rng)
    grey, turned = _surrounded(kind, exposure, style, rng)
    return Drawn(_stored(grey, style, rng), kind, view, exposure.head_angle_degrees + turned)


def _style(rng: np.random.Generator) -> CentreStyle:
    return style_of(str(rng.choice((*CENTRES, *UNSEEN_CENTRES))))


def _exposure(
    kind: str, specimen: SimulatedSpecimen, view: View, style: CentreStyle, rng: np.random.Generator
) -> Radiograph:
    roll = float(rng.uniform(-_SOUND_ROLL, _SOUND_ROLL))
    if kind == OBLIQUE:
        roll = float(rng.uniform(*_OBLIQUE_ROLL) * rng.choice((-1, 1)))
    exposure = render(
        specimen,
        view,
        specimen.seed,
        style=style,
        side=int(rng.integers(*_SIDES)),
        trouble=OVER_EXPOSED if kind == SILHOUETTE and rng.random() < 0.4 else None,
        mirrored=kind == MIRRORED if view == "DV" else None,
        roll=roll,
    )
    if kind == MOTION:
        return replace(exposure, transmission=_moved(exposure, rng))
    return exposure


def _moved(exposure: Radiograph, rng: np.random.Generator) -> Picture:
    """The exposure of an animal that drifts, or that jumps from one place to another."""
    length = float(rng.uniform(*_MOTION_MM)) / exposure.mm_per_pixel
    angle = float(rng.uniform(0, np.pi))
    half = int(np.ceil(length / 2)) + 1
    step = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    kernel = np.zeros((2 * half + 1,) * 2, dtype=np.float32)
    start, end = np.rint(half - step).astype(int).tolist(), np.rint(half + step).astype(int).tolist()
    if rng.random() < 0.25:
        kernel[start[1], start[0]], kernel[end[1], end[0]] = rng.dirichlet((6, 6))
        kernel = np.asarray(cv2.GaussianBlur(kernel, (0, 0), max(length / 12, 0.4)), dtype=np.float32)
    else:
        cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_AA)
    moved = cv2.filter2D(exposure.transmission, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    noise = rng.normal(0, float(rng.uniform(0.008, 0.02)), moved.shape)
    noisy = moved + noise * np.sqrt(np.maximum(moved, 1e-3))
    return np.asarray(np.clip(noisy, 1e-3, 1.3), dtype=np.float32)


def _surrounded(kind: str, exposure: Radiograph, style: CentreStyle, rng: np.random.Generator) -> tuple[Picture, float]:
    """The grey values of an exposure with what surrounds its animal, and by how many degrees it was turned."""
    animal = exposure.mask
    if rng.random() < 0.3:
        exposure = replace(exposure, transmission=on_tray(exposure.transmission, rng))
    grey = display(exposure, style, rng)
    if kind == SILHOUETTE and exposure.trouble is None:
        grey = _without_bone(grey, animal, rng)
    blur = float(rng.uniform(0, _SOUND_BLUR)) * max(grey.shape) / 1000
    if blur > 0.3 and kind != MOTION and rng.random() < 0.5:
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), blur), dtype=np.float32)
    if kind == HALF:
        return _half(grey, animal, exposure.head_angle_degrees, rng), 0.0
    if rng.random() < 0.4:
        grey = behind_blades(grey, animal, rng)
    grey, turned = turned_in(grey, animal, rng) if rng.random() < 0.4 else (grey, 0.0)
    return (with_text(grey, rng) if rng.random() < 0.3 else grey), turned


def _half(grey: Picture, animal: NDArray[np.bool_], head_angle: float, rng: np.random.Generator) -> Picture:
    """Cut the picture through the trunk across the body, along its rows or columns; a blade may cover the lost part."""
    turn = np.radians(head_angle)
    forward = np.array([-np.sin(turn), -np.cos(turn)])
    axis = int(abs(forward[1]) < abs(forward[0]))
    thick = cv2.erode(animal.astype(np.uint8), np.ones((max(animal.shape) // 30,) * 2))
    place = int(np.quantile(np.nonzero(thick)[axis], rng.uniform(0.2, 0.8)))
    kept = slice(None, place) if rng.random() < 0.5 else slice(place, None)
    chosen = (kept, slice(None)) if axis == 0 else (slice(None), kept)
    if rng.random() < 0.7:
        return grey[chosen]
    covered = np.ones(animal.shape, dtype=np.float32)
    covered[chosen] = 0.0
    return behind(grey, covered, rng)


def _without_bone(grey: Picture, animal: NDArray[np.bool_], rng: np.random.Generator) -> Picture:
    """A window that turns all soft tissue white."""
    white = float(np.quantile(grey[animal], rng.uniform(0.05, 0.25)))
    return np.asarray(np.clip(grey / max(white, 0.02), 0, 1), dtype=np.float32)


def _stored(grey: Picture, style: CentreStyle, rng: np.random.Generator) -> Raster:
    """The raster that a decoder would return for this centre's file."""
    bits = 8 if style.storage.bits == 8 else 16
    pixels = quantise(grey, bits)
    if rng.random() < 0.2:
        pixels = (2**bits - 1 - pixels).astype(pixels.dtype)
    return Raster(pixels, stored_range=spread(pixels, bits))


def _empty(rng: np.random.Generator) -> Picture:
    """Black, white noise, smooth noise, or the open beam with its slope."""
    shape = tuple(int(side) for side in rng.integers(*_SIDES, size=2))
    chosen = int(rng.integers(4))
    noise = rng.random(shape, dtype=np.float32)
    if chosen == 0:
        return np.zeros(shape, dtype=np.float32)
    if chosen == 1:
        return noise
    if chosen == 2:
        smooth = cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(2, 60)))
        return np.asarray((smooth - smooth.min()) / np.ptp(smooth), dtype=np.float32)
    slope = np.linspace(0.2, 0.5, shape[0], dtype=np.float32)[:, None] * np.linspace(0.6, 1, shape[1])[None, :]
    return np.asarray(slope + noise * 0.02, dtype=np.float32)


def _not_a_mouse(rng: np.random.Generator) -> Picture:
    """A plain body, a hand's bones, a page of text, or a wire and bolts."""
    side = int(rng.integers(*_SIDES))
    picture = np.zeros((side, side), dtype=np.float32)
    (_body, _hand, _page, _hardware)[int(rng.integers(4))](picture, rng)
    blurred = cv2.GaussianBlur(picture, (0, 0), side / 400) + rng.normal(0.05, 0.01, picture.shape)
    return np.clip(blurred, 0, 1).astype(np.float32)


def _body(picture: Picture, rng: np.random.Generator) -> None:
    side = len(picture)
    axes = (int(rng.uniform(0.1, 0.35) * side), int(rng.uniform(0.1, 0.35) * side))
    cv2.ellipse(picture, (side // 2, side // 2), axes, float(rng.uniform(0, 180)), 0, 360, 0.5, -1)
    for _ in range(int(rng.integers(0, 8))):
        at = rng.integers(side // 3, 2 * side // 3, size=2).tolist()
        cv2.circle(picture, at, int(rng.uniform(0.01, 0.08) * side), float(rng.uniform(0.3, 0.9)), -1)


def _hand(picture: Picture, rng: np.random.Generator) -> None:
    side = len(picture)
    palm = np.array([side * 0.5, side * 0.65])
    cv2.circle(picture, palm.astype(int).tolist(), int(side * 0.14), 0.4, -1)
    for angle in np.radians(np.linspace(-140, -45, 5) + rng.normal(0, 4, 5)):
        forward = np.array([np.cos(angle), np.sin(angle)])
        tip = palm + forward * side * 0.38
        cv2.line(picture, palm.astype(int).tolist(), tip.astype(int).tolist(), 0.4, int(side * 0.07))
        for start, end in ((0.02, 0.16), (0.18, 0.26), (0.28, 0.36)):
            first, last = ((palm + forward * side * part).astype(int).tolist() for part in (start, end))
            cv2.line(picture, first, last, 0.85, int(side * 0.025))


def _page(picture: Picture, rng: np.random.Generator) -> None:
    side = len(picture)
    for line in range(4, 28):
        text = "".join(chr(letter) for letter in rng.integers(65, 91, size=30))
        cv2.putText(picture, text, (side // 10, line * side // 30), cv2.FONT_HERSHEY_SIMPLEX, side / 900, 0.9, 2)


def _hardware(picture: Picture, rng: np.random.Generator) -> None:
    side = len(picture)
    points = np.cumsum(rng.normal(0, side / 18, (30, 2)), axis=0) + side / 2
    cv2.polylines(picture, [points.astype(np.int32)], False, 0.9, max(side // 60, 2))
    for _ in range(4):
        corner = rng.integers(side // 5, 3 * side // 5, size=2)
        cv2.rectangle(
            picture, corner.tolist(), (corner + rng.integers(side // 20, side // 4, size=2)).tolist(), 0.8, -1
        )


_WITHOUT_ANIMAL: Final[MappingProxyType[str, Callable[[np.random.Generator], Picture]]] = MappingProxyType(
    {EMPTY: _empty, NOT_A_MOUSE: _not_a_mouse}
)
KINDS: Final = (SOUND, MOTION, OBLIQUE, SILHOUETTE, HALF, MIRRORED, EMPTY, NOT_A_MOUSE)
