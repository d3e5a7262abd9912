"""Things in the beam besides the animal: ear tags, microchips, tape, trays, a mask over the nose, and crumbs."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.simulation.imaging.rays import Picture
from training.simulation.landmarks import LANDMARKS, Landmarks

_Rng = np.random.Generator
_Outline = NDArray[np.float64]

_SHIFT: Final = 4
"""Fractional bits of OpenCV's polygon corners."""
_SHARES: Final = {"tag": 0.12, "chip": 0.12, "tape": 0.25, "tray": 0.2, "mask": 0.07, "crumbs": 0.2}


def place_objects(primary: Picture, landmarks: Landmarks, mm_per_pixel: float, rng: _Rng) -> Picture:
    """The beam (height, width) after it has also passed the objects that are drawn for this picture."""
    beam = primary.copy()
    there = np.flatnonzero(landmarks.present).tolist()
    places = {LANDMARKS[row]: landmarks.points[row] for row in there}
    per_mm = 1.0 / mm_per_pixel
    for name, share in _SHARES.items():
        if rng.random() < share:
            _PLACERS[name](beam, places, per_mm, rng)
    return beam


def _tag(beam: Picture, places: dict[str, NDArray[np.float32]], per_mm: float, rng: _Rng) -> None:
    if "skull.occiput" in places:
        at = places["skull.occiput"] + rng.choice([-1.0, 1.0], 2) * rng.uniform(3.0, 8.0, 2) * per_mm
        _stamp(beam, _box(at, (2.0 * per_mm, rng.uniform(5.0, 9.0) * per_mm), rng.uniform(0, 180)), 0.03)


def _chip(beam: Picture, places: dict[str, NDArray[np.float32]], per_mm: float, rng: _Rng) -> None:
    """A glass capsule with a metal core, under the skin between the shoulders or anywhere along the back."""
    back = [name for name in places if name in _BACK]
    if back:
        at = places[str(rng.choice(back))] + rng.normal(0.0, 3.0, 2) * per_mm
        angle, length = rng.uniform(0, 180), rng.uniform(8.0, 12.5) * per_mm
        _stamp(beam, _box(at, (1.9 * per_mm, length), angle), 0.55)
        _stamp(beam, _box(at, (1.2 * per_mm, 0.6 * length), angle), 0.12)


def _tape(beam: Picture, places: dict[str, NDArray[np.float32]], per_mm: float, rng: _Rng) -> None:
    """Strips over paws, tail or head: hardly visible but for their edges."""
    over = [name for name in places if name.endswith(".distal") or name in {"Ca8", "skull.nose"}]
    for name in rng.permutation(over)[: rng.integers(1, 5)].tolist():
        size = rng.uniform(6.0, 15.0) * per_mm, rng.uniform(15.0, 40.0) * per_mm
        _stamp(beam, _box(places[name], size, rng.uniform(0, 180)), rng.uniform(0.93, 0.99))


def _tray(beam: Picture, _: dict[str, NDArray[np.float32]], per_mm: float, rng: _Rng) -> None:
    """The floor of a tray, or its walls as two lines across the picture."""
    height, width = beam.shape
    turn = rng.normal(0.0, 3.0)
    if rng.random() < 0.5:
        size = rng.uniform(0.75, 1.3) * width, rng.uniform(0.75, 1.3) * height
        centre = np.array([width, height]) * (0.5 + rng.normal(0.0, 0.06, 2))
        _stamp(beam, _box(centre, size, turn), rng.uniform(0.9, 0.98))
        return
    along = rng.random() < 0.5
    for share in (rng.uniform(0.02, 0.15), rng.uniform(0.85, 0.98)):
        centre = np.array([width * share, height / 2]) if along else np.array([width / 2, height * share])
        size = (rng.uniform(0.6, 2.0) * per_mm, 2.0 * max(height, width))
        _stamp(beam, _box(centre, size if along else size[::-1], turn), rng.uniform(0.75, 0.95))


def _mask(beam: Picture, places: dict[str, NDArray[np.float32]], per_mm: float, rng: _Rng) -> None:
    """The plastic cone through which the animal breathes: two walls and a rim."""
    if "skull.nose" not in places or "skull.occiput" not in places:
        return
    nose, heading = places["skull.nose"], places["skull.nose"] - places["skull.occiput"]
    ahead = heading / max(float(np.linalg.norm(heading)), 1e-6)
    across = np.array([-ahead[1], ahead[0]])
    angle = float(np.degrees(np.arctan2(ahead[1], ahead[0]))) - 90.0
    reach, half = rng.uniform(12.0, 30.0) * per_mm, rng.uniform(7.0, 11.0) * per_mm
    middle = nose + ahead * (0.5 * reach - 6.0 * per_mm)
    wall = rng.uniform(1.0, 2.0) * per_mm
    _stamp(beam, _box(middle, (2.0 * half, reach), angle), rng.uniform(0.9, 0.97))
    for side in (-half, half):
        _stamp(beam, _box(middle + across * side, (wall, reach), angle), rng.uniform(0.75, 0.93))


def _crumbs(beam: Picture, _: dict[str, NDArray[np.float32]], per_mm: float, rng: _Rng) -> None:
    height, width = beam.shape
    for _number in range(int(rng.integers(1, 9))):
        centre = rng.uniform(0.03, 0.97, 2) * (width, height)
        size = rng.uniform(0.3, 1.6, 2) * per_mm
        _stamp(beam, _box(centre, (float(size[0]), float(size[1])), rng.uniform(0, 180)), rng.uniform(0.5, 0.95))


_PLACERS: Final = {"tag": _tag, "chip": _chip, "tape": _tape, "tray": _tray, "mask": _mask, "crumbs": _crumbs}
_BACK: Final = frozenset((*(f"T{number}" for number in range(1, 14)), "C5", "C6", "C7", "L1", "L2"))


def _box(centre: NDArray[np.floating], size: tuple[float, float], angle: float) -> _Outline:
    """Corners (4, 2) of a rectangle: centre and size in pixels, angle in degrees."""
    turn = np.radians(angle)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    half = 0.5 * np.array(size)
    corners = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]) * half
    return np.asarray(centre + corners @ axes, dtype=np.float64)


def _stamp(beam: Picture, outline: _Outline, transmission: float) -> None:
    """Attenuate the beam within an outline."""
    height, width = beam.shape
    left, top = np.clip(np.floor(outline.min(axis=0)) - 1, 0, (width, height)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(outline.max(axis=0)) + 2, 0, (width, height)).astype(int).tolist()
    if right <= left or bottom <= top:
        return
    cover = np.zeros((bottom - top, right - left), dtype=np.uint8)
    corners = np.rint((outline - (left, top)) * 2**_SHIFT).astype(np.int32)
    cv2.fillConvexPoly(cover, corners, 255, lineType=cv2.LINE_AA, shift=_SHIFT)
    table = (1.0 - np.arange(256) / 255.0 * (1.0 - transmission)).astype(np.float32)
    beam[top:bottom, left:right] *= table[cover]
