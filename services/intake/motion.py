"""Motion blur: an animal that moved during its exposure loses fine detail along one direction.

A small network judges the spectrum of the trunk, by direction and spatial frequency. It runs in this process on one
thread.
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.fft import fftfreq, rfft2, rfftfreq  # `np.fft` is imported at its first use, which threads cannot share
from numpy.typing import NDArray

from services.common.errors import Fatal
from services.intake.animal.find import ScoutAnalysis
from services.intake.animal.trunk import Plane, Trunk
from services.intake.crop import Crop, head_up, warped
from services.intake.raster import Raster, reduced

MODEL: Final = Path(__file__).with_name("motion_model.onnx")
CARD: Final = MODEL.with_suffix(".json")
"""Written with the model by `python -m training.motion_model.train`: digest and test results."""
SIDE: Final = 256
_LENGTHS: Final = 1.3
"""Side of the square around the trunk, in trunk lengths: about 80 mm of a mouse, three pixels per millimetre."""
_LEAST_PIXELS: Final = 128
"""Least side of that square in pixels of the file. With fewer, bones are too coarse to judge (a thumbnail)."""
_DIRECTIONS, _FREQUENCIES = 12, 10
FEATURES: Final = _DIRECTIONS * _FREQUENCIES
_RANGE: Final = (0.02, 0.45)
"""Spatial frequencies in cycles per pixel of the trunk picture."""
_FLOOR: Final = 1e-6


def trunk_picture(raster: Raster, found: ScoutAnalysis, trunk: Trunk) -> Plane | None:
    """Return float32 [256, 256]: the trunk, its axis pointing up, as the excess over the background, bone near 1.

    None if the trunk has too few pixels.
    """
    length = _LENGTHS * trunk.length * found.factor
    if length < _LEAST_PIXELS:
        return None
    square = Crop((trunk.centre + 0.5) * found.factor - 0.5, length, head_up(trunk.axis))
    reduction = max(int(length / SIDE), 1)
    values = warped(reduced(raster.pixels, reduction), square.reduced(reduction).to_picture(SIDE), SIDE)
    background = warped(found.surface, square.reduced(found.factor).to_picture(SIDE), SIDE)
    excess = (values.astype(np.float32) / np.float32(raster.white) - background) * np.float32(found.sign)
    return np.asarray(excess / max(found.animal.contrast, 1e-6), dtype=np.float32)


@lru_cache(maxsize=1)
def _bins() -> tuple[NDArray[np.int64], NDArray[np.float64], Plane]:
    """Return the bin of each frequency (the last is none), the frequencies per bin, and the window."""
    down, along = np.meshgrid(fftfreq(SIDE), rfftfreq(SIDE), indexing="ij")
    direction = ((np.arctan2(down, along) + np.pi / 2) / np.pi * _DIRECTIONS).astype(np.int64) % _DIRECTIONS
    frequency = np.digitize(np.hypot(down, along), np.geomspace(*_RANGE, _FREQUENCIES + 1)) - 1
    inside = (frequency >= 0) & (frequency < _FREQUENCIES)
    bins = np.where(inside, direction * _FREQUENCIES + frequency, FEATURES).ravel()
    window = np.outer(np.hanning(SIDE), np.hanning(SIDE)).astype(np.float32)
    return bins, np.maximum(np.bincount(bins, minlength=FEATURES + 1), 1), window


def spectrum(picture: Plane) -> NDArray[np.float32]:
    """Return float32 [120]: the logarithm of the picture's mean power by direction (12) and frequency (10)."""
    bins, counts, window = _bins()
    transformed = rfft2((picture - picture.mean()) * window)
    power = np.bincount(bins, (transformed.real**2 + transformed.imag**2).ravel(), minlength=FEATURES + 1) / counts
    return np.log(power[:FEATURES] + _FLOOR).astype(np.float32)


class MotionModel:
    """The network in one ONNX Runtime session; deterministic and thread-safe."""

    def __init__(self, weights: bytes) -> None:
        """Load an ONNX model from its bytes."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])

    def motion(self, picture: Plane) -> float:
        """Return the probability that the animal of a `trunk_picture` moved."""
        logit = self._session.run(None, {"spectrum": spectrum(picture)[None]})[0]
        return float(1 / (1 + np.exp(-np.asarray(logit, dtype=np.float64)[0, 0])))


@lru_cache(maxsize=1)
def motion_model() -> MotionModel:
    """Return this process's model; raises Fatal when the file does not belong to its card."""
    weights, card = MODEL.read_bytes(), json.loads(CARD.read_text())
    if hashlib.sha256(weights).hexdigest() != card["sha256"]:
        msg = f"{MODEL.name} is not the model of {CARD.name}; train it: python -m training.motion_model.train"
        raise Fatal(msg)
    return MotionModel(weights)
