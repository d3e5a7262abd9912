"""Finds an image's view, the head's direction and mirroring with a small network, and chooses the pose of the view.

The network runs in this process on one thread. Its input shows only the animal, trunk upright, at a fixed size and
tone.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from services.common.errors import Fatal, Rejected
from services.common.events.base import View
from services.common.preprocessing import VERSION
from services.intake.animal.find import ScoutAnalysis
from services.intake.animal.trunk import Mask, Trunk, Vector
from services.intake.crop import ViewAxes, crop_around, head_left, head_up, warped
from services.intake.settings import Limits

MODEL: Final = Path(__file__).with_name("view_model.onnx")
CARD: Final = MODEL.with_suffix(".json")
"""Written with the model by `python -m training.view_network.train`: digest, preprocessing version, test results."""
CLASSES: Final = ("DV", "LAT", "other")
INPUT_SIDE: Final = 96
_FINE: Final = 2
"""Samples per input pixel and axis; a scout has about 300 pixels where the network has 96."""

_OUTPUTS: Final = ("view", "up", "mirrored", "oblique")
# Signs of the outputs for the input as it is, turned by 180 degrees, flipped left to right, flipped top to bottom.
_UP_SIGNS: Final = np.array([1, -1, 1, -1])
_MIRRORED_SIGNS: Final = np.array([1, 1, -1, -1])


@dataclass(frozen=True)
class Orientation:
    """Probabilities (0 to 1): `view` by class, `head_up` in the input, `mirrored`, `oblique`.

    An image is mirrored when, head up, a DV has its tail on the right or a LAT its back on the left. It is oblique when
    the animal is rolled by 30 degrees or more from a DV or a LAT.
    """

    view: dict[str, float]
    head_up: float
    mirrored: float
    oblique: float


class ViewModel:
    """The network in one ONNX Runtime session; deterministic and thread-safe."""

    def __init__(self, weights: bytes) -> None:
        """Load an ONNX model from its bytes."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        known = {output.name for output in self._session.get_outputs()}
        self._outputs = [name for name in _OUTPUTS if name in known]

    def orient(self, picture: NDArray[np.uint8]) -> Orientation:
        """Return the network's output for an `orientation_input` (uint8 [96, 96]).

        It is combined with the output for the mirror images, so that turning or flipping an animal changes the
        orientation and nothing else. A network without the output `oblique` takes nothing for it.
        """
        four = np.stack([picture, picture[::-1, ::-1], picture[:, ::-1], picture[::-1]])[:, None]
        answer = self._session.run(self._outputs, {"picture": four})
        view, up, mirrored, *oblique = (np.asarray(logits, dtype=np.float64) for logits in answer)
        mean = view.mean(axis=0)
        shares = np.exp(mean - mean.max()) / np.exp(mean - mean.max()).sum()
        return Orientation(
            {name: float(share) for name, share in zip(CLASSES, shares, strict=True)},
            _probability(float(_UP_SIGNS @ up[:, 0]) / 4),
            _probability(float(_MIRRORED_SIGNS @ mirrored[:, 0]) / 4),
            _probability(float(oblique[0].mean())) if oblique else 0.0,
        )


@lru_cache(maxsize=1)
def view_model() -> ViewModel:
    """Return this process's model; raises Fatal when the file does not belong to this preprocessing version."""
    weights, card = MODEL.read_bytes(), json.loads(CARD.read_text())
    if hashlib.sha256(weights).hexdigest() != card["sha256"] or card["preprocessing_version"] != VERSION:
        msg = (
            f"{MODEL.name} is not the model of preprocessing {VERSION}; train it: python -m training.view_network.train"
        )
        raise Fatal(msg)
    return ViewModel(weights)


def _probability(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


def orientation_input(found: ScoutAnalysis, trunk: Trunk, shown: Mask | None = None) -> NDArray[np.uint8]:
    """Return uint8 [96, 96]: the animal within `shown` (its mask by default), the trunk's axis pointing up.

    Either end of the axis may be up. Grey is the square root of the excess over the background, so that a faint
    tail is visible next to bright bone.
    """
    mask = found.animal.mask if shown is None else shown
    crop = crop_around(mask, head_up(trunk.axis), 1)
    kept = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    tone = np.sqrt(np.clip(found.animal.excess / max(found.animal.contrast, 1e-6), 0, 1)) * kept
    fine = warped(tone.astype(np.float32), crop.to_picture(INPUT_SIDE * _FINE), INPUT_SIDE * _FINE, beyond=0)
    small = cv2.resize(fine, (INPUT_SIDE, INPUT_SIDE), interpolation=cv2.INTER_AREA)
    return np.rint(small * 255).astype(np.uint8)


@dataclass(frozen=True)
class OrientedView:
    """The view, the pose of the image in it, the head's direction (unit vector x, y), and the flags of uncertainty."""

    view: View
    pose: ViewAxes
    heading: Vector
    flipped: bool
    flags: tuple[str, ...]


def decide(
    orientation: Orientation, trunk: Trunk, declared: View | None, *, reaches_edge: bool, limits: Limits
) -> OrientedView:
    """Choose view and pose. A DV is only turned; a LAT that faces the other way is flipped.

    A close-up shows part of an animal: an animal that does not reach the image's edge is DV or LAT. Raises Rejected
    `not_whole_body` for a certain close-up and `view_unknown` when neither the image nor the parameter gives the view.
    """
    shares = orientation.view if reaches_edge else _whole_body_only(orientation.view)
    view, flags = _view(shares, declared, limits)
    heading = trunk.axis if orientation.head_up >= 0.5 else -trunk.axis
    sure = limits.least_orientation_probability
    if max(orientation.head_up, 1 - orientation.head_up) < sure:
        flags.append("orientation_uncertain")
    if view == "DV":
        if orientation.mirrored >= sure:
            flags.append("mirrored_suspected")
        return OrientedView(view, head_up(heading), heading, flipped=False, flags=tuple(flags))
    if max(orientation.mirrored, 1 - orientation.mirrored) < sure and "orientation_uncertain" not in flags:
        flags.append("orientation_uncertain")
    flipped = orientation.mirrored >= 0.5
    return OrientedView(view, head_left(heading, mirrored=flipped), heading, flipped=flipped, flags=tuple(flags))


def body_angle(heading: Vector) -> float:
    """Return the angle between the head's direction in the file and straight up, 0 to 180 degrees."""
    return abs(float(np.degrees(np.arctan2(heading[0], -heading[1]))))


def _whole_body_only(shares: dict[str, float]) -> dict[str, float]:
    whole = shares["DV"] + shares["LAT"]
    return {"DV": shares["DV"] / whole, "LAT": shares["LAT"] / whole, "other": 0.0}


def _view(probabilities: dict[str, float], declared: View | None, limits: Limits) -> tuple[View, list[str]]:
    shares = {name: round(share, 4) for name, share in probabilities.items()}
    seen = max(probabilities, key=lambda name: probabilities[name])
    if probabilities[seen] < limits.least_view_probability:
        if declared is None:
            message = (
                f"no view is declared, and the most probable one, {seen}, has probability {shares[seen]:g}, "
                f"at least {limits.least_view_probability:g} is required"
            )
            raise Rejected("view_unknown", message, probabilities=shares)
        return declared, ["view_uncertain"]
    if seen == "other":
        message = (
            f"a close-up, not a whole body: its probability is {shares[seen]:g}, "
            f"the limit is {limits.least_view_probability:g}"
        )
        raise Rejected("not_whole_body", message, probabilities=shares)
    view: View = "DV" if seen == "DV" else "LAT"
    return view, [] if declared in (None, view) else ["view_contradicts_parameter"]
