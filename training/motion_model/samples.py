"""Trunk pictures of simulated mice, and the ways in which centres, and movements, change them."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.errors import Rejected
from services.intake.animal.find import find
from services.intake.animal.trunk import Plane, find_trunk
from services.intake.motion import SIDE, spectrum, trunk_picture
from services.intake.raster import Raster
from training.simulation.centres import STYLES
from training.simulation.render import render
from training.simulation.specimen import make_specimen

_SIDES: Final = (500, 900)
_ROLL: Final = 16.0
_OFFSET, _SCALE = 0.05, 200.0
"""Trunk pictures are kept as uint8: (excess + offset) x scale."""
_PIXELS_PER_MM: Final = 3.2
_MOTION_MM: Final = (1.4, 4.2)
"""Length of the movement; a lumbar vertebra of a mouse is 3 to 4 mm long."""
_JUMPS: Final = 0.25
"""Share of movements that are a jump between two places; the others are a steady drift."""
_SOUND_BLUR: Final = (0.3, 1.1)
"""Unsharpness of sound pictures, in pixels: the standard deviation. It has no direction."""


def trunk_pictures(seed: int) -> list[NDArray[np.uint8]]:
    """The trunk pictures uint8 [256, 256] of a DV and a LAT of one specimen, without noise."""
    rng = np.random.default_rng((seed, 31))
    specimen = make_specimen(seed)
    pictures = []
    for view in ("DV", "LAT"):
        style = STYLES[str(rng.choice(list(STYLES)))]
        exposure = render(
            specimen,
            view,
            seed,
            style=replace(style, photons=1e9, collimator=0.0, marker=0.0, blur_mm=(0.03, 0.1)),
            side=int(rng.integers(*_SIDES)),
            mirrored=bool(rng.random() < 0.5),
            head_angle=float(rng.uniform(-180, 180)),
            roll=float(rng.uniform(-_ROLL, _ROLL)),
        )
        dense = -np.log(np.clip(exposure.transmission, 0.005, 1.2))
        low, high = np.percentile(dense, (1, 99.9))
        grey = np.clip((dense - low) / (high - low) * 0.95 + 0.02, 0, 1)
        raster = Raster(np.rint(grey * 65535).astype(np.uint16), 1.0)
        try:
            found = find(raster)
        except Rejected:
            continue
        picture = trunk_picture(raster, found, find_trunk(found.animal.mask))
        if picture is not None:
            pictures.append(((np.clip(picture, -_OFFSET, 1.2) + _OFFSET) * _SCALE).astype(np.uint8))
    return pictures


def simulate(seeds: Sequence[int]) -> list[NDArray[np.uint8]]:
    """Trunk pictures of many specimens, in the order of the seeds, computed on all cores."""
    with ProcessPoolExecutor(initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        return [picture for of_one in pool.map(trunk_pictures, seeds, chunksize=16) for picture in of_one]


def spectra(
    pictures: Sequence[NDArray[np.uint8]], times: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Change each picture `times` times, half of them by a movement; return the spectra [n, 120] and which moved."""
    rng = np.random.default_rng(seed)
    moved = rng.random(len(pictures) * times) < 0.5
    found = [
        spectrum(changed(picture, rng, moved=bool(moved[n * times + i])))
        for n, picture in enumerate(pictures)
        for i in range(times)
    ]
    return np.stack(found), moved


def changed(picture: NDArray[np.uint8], rng: np.random.Generator, *, moved: bool) -> Plane:
    """A trunk picture as another centre would have taken it, of an animal that moved or did not."""
    flipped = picture[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))]
    excess: NDArray[Any] = flipped.astype(np.float32) / np.float32(_SCALE) - np.float32(_OFFSET)
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), float(rng.normal(0, 5)), float(rng.uniform(0.85, 1.2)))
    excess = cv2.warpAffine(excess, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    if moved:
        length = float(rng.uniform(*_MOTION_MM)) * _PIXELS_PER_MM
        excess = cv2.filter2D(excess, -1, movement(length, rng), borderType=cv2.BORDER_REPLICATE)
    if rng.random() < 0.6:
        excess = cv2.GaussianBlur(excess, (0, 0), float(rng.uniform(*_SOUND_BLUR)))
    excess = np.clip(excess, 0, 1.3) ** float(rng.uniform(0.6, 1.5))
    if rng.random() < 0.3:
        excess = np.minimum(excess, float(rng.uniform(0.7, 1.3)))
    if rng.random() < 0.3:
        excess = excess + float(rng.uniform(0, 0.8)) * (excess - cv2.GaussianBlur(excess, (0, 0), 2))
    noise = rng.normal(0, float(rng.uniform(0, 0.02)), excess.shape)
    return np.asarray(excess + noise, dtype=np.float32)


def movement(length: float, rng: np.random.Generator) -> Plane:
    """The path of a movement of this many pixels in any direction, as a kernel whose sum is 1."""
    angle = float(rng.uniform(0, np.pi))
    half = int(np.ceil(length / 2)) + 1
    step = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    kernel = np.zeros((2 * half + 1,) * 2, dtype=np.float32)
    if rng.random() < _JUMPS:
        (x, y), (other_x, other_y) = np.rint([half - step, half + step]).astype(int)
        kernel[y, x], kernel[other_y, other_x] = rng.dirichlet((6, 6))
        kernel = np.asarray(cv2.GaussianBlur(kernel, (0, 0), max(length / 12, 0.4)), dtype=np.float32)
    else:
        start, end = np.rint(16 * (half - step)).astype(int).tolist(), np.rint(16 * (half + step)).astype(int).tolist()
        cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_AA, 4)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)
