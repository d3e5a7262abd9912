"""The view network, run in this process on one thread."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from services.common.errors import Fatal
from services.common.preprocessing import VERSION

MODEL: Final = Path(__file__).parent.parent / "view_model.onnx"
CARD: Final = MODEL.with_suffix(".json")
"""Written by `python -m training.view_network.train` beside the model: its digest, preprocessing version and test figures."""
CLASSES: Final = ("DV", "LAT", "other")

# Signs of the answers on the input as it is, turned by 180 degrees, flipped left to right, flipped top to bottom.
_UP_SIGNS: Final = np.array([1, -1, 1, -1])
_MIRRORED_SIGNS: Final = np.array([1, 1, -1, -1])


@dataclass(frozen=True)
class Orientation:
    """Probabilities of the three classes, of the head lying up in the input, and of a mirror image.

    A picture is mirrored when, head up, a DV has its tail on the right or a LAT its back on the left.
    """

    view: dict[str, float]
    head_up: float
    mirrored: float


class ViewModel:
    """The network in one ONNX Runtime session; deterministic and thread-safe."""

    def __init__(self, weights: bytes) -> None:
        """Load an ONNX model from its bytes."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])

    def orient(self, picture: NDArray[np.uint8]) -> Orientation:
        """Judge an `orientation_input` (uint8 [96, 96]).

        Its mirror images are judged too, so that turning or flipping an animal turns the verdict and nothing else.
        """
        four = np.stack([picture, picture[::-1, ::-1], picture[:, ::-1], picture[::-1]])[:, None]
        view, up, mirrored = (
            np.asarray(logits, dtype=np.float64) for logits in self._session.run(None, {"picture": four})
        )
        mean = view.mean(axis=0)
        shares = np.exp(mean - mean.max()) / np.exp(mean - mean.max()).sum()
        return Orientation(
            {name: float(share) for name, share in zip(CLASSES, shares, strict=True)},
            _probability(float(_UP_SIGNS @ up[:, 0]) / 4),
            _probability(float(_MIRRORED_SIGNS @ mirrored[:, 0]) / 4),
        )


@lru_cache(maxsize=1)
def view_model() -> ViewModel:
    """Return this process's model; raises Fatal when the file is not the one of this preprocessing version."""
    weights, card = MODEL.read_bytes(), json.loads(CARD.read_text())
    if hashlib.sha256(weights).hexdigest() != card["sha256"] or card["preprocessing_version"] != VERSION:
        msg = (
            f"{MODEL.name} is not the model of preprocessing {VERSION}; train it: python -m training.view_network.train"
        )
        raise Fatal(msg)
    return ViewModel(weights)


def _probability(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))
